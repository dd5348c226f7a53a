"""What can be wrong around the program: database, servers, disk; nothing is half done."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import trustme

from crm_mailer.app import clocks
from crm_mailer.store.engine import Store
from tests.flows.bad_world import NOW, World, copy_of, make_shop
from tests.servers.imap_box import HOST, PASSWORD, USER, Box, free_port, pymap_box
from tests.servers.smtp_faults import Fault, fault_server, reply

Spoil = Callable[[World], object]

#: What a mail that was not sent leaves behind: its look and a note that the server rests.
NOTES = {"tallies", "alerts", "paces", "messages", "facts", "mailboxes", "witnesses"}
LOGIN = 'username = "care"\npassword = "secret"\n'


@pytest.fixture(scope="module")
def good_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRM_MAILER_CLOCK", NOW)
        yield make_shop(tmp_path_factory.mktemp("good") / "shop")


@pytest.fixture
def world(good_shop: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A shop like the good one; wide lines, so that no message is broken."""
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOW)
    monkeypatch.setenv("COLUMNS", "400")
    return copy_of(good_shop, tmp_path / "shop")


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with pymap_box() as running:
        yield running


def of_a_newer_program(world: World) -> None:
    world.sql("UPDATE alembic_version SET version_num = '9999_future'")


def of_another_program(world: World) -> None:
    world.sql("DROP TABLE alembic_version")


def empty(world: World) -> None:
    _drop(world)
    world.database.touch()


def no_database(world: World) -> None:
    _drop(world)
    world.database.write_bytes(b"eggs, milk and bread, and nothing that a program reads\n" * 99)


def damaged(world: World) -> None:
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = world.database.read_bytes()
    world.database.write_bytes(whole[: len(whole) // 2])


def a_folder(world: World) -> None:
    _drop(world)
    world.database.mkdir()


def _drop(world: World) -> None:
    for path in world.home.glob("crm-mailer.db*"):
        path.unlink()


def at(address: str) -> Spoil:
    return lambda world: world.write("crm-mailer.toml", f'database = "{address}"\n')


@pytest.mark.parametrize(
    ("line", "spoil", "code", "says"),
    [
        ("status", of_a_newer_program, 78, "install the newer crm_mailer"),
        ("send", of_a_newer_program, 78, "install the newer crm_mailer"),
        ("db upgrade", of_a_newer_program, 78, "install the newer crm_mailer"),
        ("db verify", of_a_newer_program, 78, "install the newer crm_mailer"),
        ("run", of_a_newer_program, 78, "install the newer crm_mailer"),
        ("status", empty, 78, "crm-mailer db upgrade"),
        ("send", empty, 78, "crm-mailer db upgrade"),
        ("db upgrade", of_another_program, 73, "another program's?"),
        ("status", no_database, 73, "restore a backup"),
        ("apply", no_database, 73, "restore a backup"),
        ("db upgrade", no_database, 73, "restore a backup"),
        ("status", damaged, 73, "restore a backup"),
        ("status", a_folder, 73, "look at `database`"),
        ("status", at("sqlite:////dev/null/shop/crm-mailer.db"), 73, "look at `database`"),
    ],
)
def test_a_database_that_does_not_fit_is_named_and_left_alone(
    world: World, line: str, spoil: Spoil, code: int, says: str
) -> None:
    spoil(world)
    before = world.rows()

    said = world.run(line)

    assert (said.code, len(said.errors)) == (code, 1)
    assert says in said.err
    assert world.rows() == before


@pytest.mark.parametrize("line", ["status", "db upgrade", "send", "run"])
@pytest.mark.parametrize("server", ["127.0.0.1:1", "nowhere.invalid"])
def test_a_database_server_that_does_not_answer_leaves_with_69(
    world: World, line: str, server: str
) -> None:
    pytest.importorskip("psycopg")
    world.write("crm-mailer.toml", f'database = "postgresql+psycopg://u:secret@{server}/shop"\n')

    said = world.run(line)

    assert (said.code, len(said.errors)) == (69, 1)
    assert server in said.err
    assert "secret" not in said.err


@pytest.mark.parametrize("line", ["apply", "send", "segment run", "pause", "case note 1 hello"])
def test_a_locked_database_leaves_with_75(world: World, line: str) -> None:
    at(f"sqlite:///{world.database}?timeout=0.1")(world)
    before = world.rows()
    with contextlib.closing(sqlite3.connect(world.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        said = world.run(line)

    assert (said.code, len(said.errors)) == (75, 1)
    assert "close it there, or try again" in said.err
    assert world.rows() == before


@pytest.mark.postgres
@pytest.mark.parametrize("line", ["status", "run"])
def test_a_login_that_the_database_server_refuses_leaves_with_77(
    world: World, postgres_server: str, line: str
) -> None:
    url = sa.make_url(postgres_server).set(username="nobody_of_ours", password="s3cret")
    at(url.render_as_string(hide_password=False))(world)

    said = world.run(line)

    assert (said.code, len(said.errors)) == (77, 1)
    assert "nobody_of_ours" in said.err
    assert "s3cret" not in said.err


@pytest.mark.postgres
def test_tables_of_another_user_leave_with_77(world: World, postgres_store: Store) -> None:
    with postgres_store.write() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS no_owner")
        connection.exec_driver_sql("CREATE ROLE no_owner LOGIN")
    url = postgres_store.url.set(username="no_owner")
    at(url.render_as_string(hide_password=False))(world)

    said = world.run("status")

    assert (said.code, len(said.errors)) == (77, 1)
    assert "GRANT" in said.err


@pytest.mark.postgres
def test_a_database_that_nobody_has_made_leaves_with_78(world: World, postgres_server: str) -> None:
    url = sa.make_url(postgres_server).set(database="not_made_yet")
    at(url.render_as_string(hide_password=False))(world)

    said = world.run("db upgrade")

    assert (said.code, len(said.errors)) == (78, 1)
    assert "createdb" in said.err


@pytest.mark.postgres
def test_a_database_that_would_lose_names_is_refused(world: World, postgres_server: str) -> None:
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in (
            "DROP DATABASE IF EXISTS odd_letters",
            "CREATE DATABASE odd_letters ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0",
        ):
            connection.exec_driver_sql(statement)
    engine.dispose()
    url = sa.make_url(postgres_server).set(database="odd_letters")
    at(url.render_as_string(hide_password=False))(world)

    said = world.run("run")

    assert (said.code, len(said.errors)) == (78, 1)
    assert "SQL_ASCII" in said.err


def test_a_second_daemon_leaves_with_75(world: World) -> None:
    with world.database.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = world.run("run")

    assert (said.code, len(said.errors)) == (75, 1)
    assert "stop it first" in said.err


# ------------------------------------------------------------------ mail servers


@pytest.mark.parametrize(
    ("script", "settings", "code", "says"),
    [
        ({"AUTH": reply("535 5.7.8 no")}, f'tls = "none"\n{LOGIN}', 77, "smtp.password"),
        ({"AUTH": reply("454 4.7.0 later")}, f'tls = "none"\n{LOGIN}', 69, "refuses our login"),
        ({"BANNER": reply("554 5.7.1 go away")}, 'tls = "none"\n', 69, "does not greet us"),
        ({"MAIL": reply("550 5.7.1 who?")}, 'tls = "none"\n', 69, "look at `sender`"),
        ({}, "", 69, "no STARTTLS"),
        ({}, 'ca_file = "/nowhere.pem"\n', 78, "smtp.ca_file names a file"),
    ],
)
def test_a_mail_server_that_does_not_take_us_costs_no_mail(
    world: World, script: dict[str, Fault], settings: str, code: int, says: str
) -> None:
    before = _but_notes(world)
    with fault_server(script, extensions=("8BITMIME", "AUTH PLAIN LOGIN")) as server:
        world.write("crm-mailer.toml", f'[smtp]\nhost = "{HOST}"\nport = {server.port}\n{settings}')
        said = world.run("send")

    assert (said.code, len(said.errors)) == (code, 1)
    assert says in said.err
    assert "action=" not in said.err
    assert _but_notes(world) == before
    assert world.run("outbox audit").code == 0


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def expired(authority: trustme.CA) -> ssl.SSLContext:
    """A server whose certificate was good until yesterday."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    authority.issue_cert(
        HOST, not_before=yesterday - timedelta(days=90), not_after=yesterday
    ).configure_cert(context)
    return context


@pytest.mark.parametrize(
    ("line", "section", "tls"),
    [
        ("send", "smtp", "starttls"),
        ("send", "smtp", "implicit"),
        ("listen", "imap", "implicit"),
    ],
)
def test_a_server_whose_certificate_has_expired_gets_no_password_and_no_mail(
    world: World, authority: trustme.CA, expired: ssl.SSLContext, line: str, section: str, tls: str
) -> None:
    authority.cert_pem.write_to_path(str(world.home / "ca.pem"))
    before = _but_notes(world)
    with fault_server(
        extensions=("STARTTLS", "AUTH PLAIN"), context=expired, is_implicit=tls == "implicit"
    ) as server:
        world.write(
            "crm-mailer.toml",
            f'[{section}]\nhost = "{HOST}"\nport = {server.port}\ntls = "{tls}"\n'
            f'ca_file = "{world.home}/ca.pem"\n{LOGIN}',
        )
        said = world.run(line)

    assert (said.code, len(said.errors)) == (69, 1)
    assert "expired" in said.err
    assert "AUTH" not in server.verbs
    assert _but_notes(world) == before


def test_a_mail_server_that_is_down_costs_no_mail(world: World) -> None:
    before = _but_notes(world)
    world.write("crm-mailer.toml", f'[smtp]\nhost = "{HOST}"\nport = {free_port()}\n')

    said = world.run("send")

    assert (said.code, len(said.errors)) == (69, 1)
    assert "look at smtp.host and smtp.port" in said.err
    assert _but_notes(world) == before


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ('password = "wrong"\ntls = "none"\n', 77, "an app password"),
        (f'password = "{PASSWORD}"\ntls = "none"\nfolder = "Nowhere"\n', 78, "imap.folder"),
        (f'password = "{PASSWORD}"\n', 69, "imap.tls"),
        (f'password = "{PASSWORD}"\nca_file = "/nowhere.pem"\n', 78, "imap.ca_file names a file"),
        (f'password = "{PASSWORD}"\nfirst_contact = "soon"\n', 78, "a day such as 2026-11-01"),
    ],
)
def test_a_mailbox_that_does_not_open_is_told(
    world: World, box: Box, settings: str, code: int, says: str
) -> None:
    before = _but_notes(world)
    world.write(
        "crm-mailer.toml",
        f'[imap]\nhost = "{HOST}"\nport = {box.port}\nusername = "{USER}"\n{settings}',
    )

    said = world.run("listen")

    assert (said.code, len(said.errors)) == (code, 1)
    assert says in said.err
    assert PASSWORD not in said.err
    assert _but_notes(world) == before


@pytest.mark.parametrize("host", [f'"{HOST}"\nport = 1', '"nowhere.invalid"'])
def test_a_mailbox_server_that_is_down_is_told(world: World, host: str) -> None:
    world.write("crm-mailer.toml", f"[imap]\nhost = {host}\n{LOGIN}")

    said = world.run("listen")

    assert (said.code, len(said.errors)) == (69, 1)
    assert "check imap.host and imap.port" in said.err


def test_no_mailbox_at_all_is_told(world: World) -> None:
    said = world.run("listen")

    assert (said.code, len(said.errors)) == (78, 1)
    assert "set imap.host" in said.err


def _but_notes(world: World) -> dict[str, int]:
    return {table: number for table, number in world.rows().items() if table not in NOTES}


# ------------------------------------------------------------------ the disk


@pytest.mark.parametrize("option", ["--eml", "--html"])
def test_a_preview_that_cannot_be_written_leaves_with_73(world: World, option: str) -> None:
    said = world.run(f"preview shipped {option} {world.home}/nowhere/mail")

    assert (said.code, len(said.errors)) == (73, 1)
    assert "nowhere/mail" in said.err


def test_an_outbox_folder_that_is_a_file_costs_no_mail(world: World) -> None:
    before = _but_notes(world)
    world.write("outbox", "not a folder")

    said = world.run("send")

    assert (said.code, len(said.errors)) == (73, 1)
    assert "look at `outbox`" in said.err
    assert _but_notes(world) == before


def test_a_new_shop_where_nothing_can_be_written_leaves_with_73(world: World) -> None:
    said = world.run("init /dev/null/shop", at_home=False)

    assert (said.code, len(said.errors)) == (73, 1)
    assert "/dev/null/shop" in said.err


#: Root may write anywhere; this takes that right away: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH.
OBEY_RIGHTS = """
import ctypes
if os.geteuid() == 0:
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
"""
#: No file may grow beyond this; what SQLite shares in memory still fits.
SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"


@pytest.fixture
def read_only(world: World) -> Iterator[World]:
    """The shop, in a folder in which nobody may write."""
    for path in (world.home, *world.home.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield world
    for path in (world.home, *world.home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("line", ["status", "apply", "send", "run", "preview welcome"])
def test_a_read_only_folder_leaves_with_73(read_only: World, line: str) -> None:
    before = _bytes(read_only)

    said = read_only.start(line, after=OBEY_RIGHTS)

    if line == "preview welcome":
        assert said.code == 0
    else:
        assert (said.code, len(said.errors)) == (73, 1), said.text
        assert "rights" in said.err
    assert _bytes(read_only) == before


def test_a_full_disk_leaves_with_73_and_changes_nothing(world: World) -> None:
    rows = "".join(f"B{n},2026-11-01,x{n}@example.com,3\n" for n in range(3000))
    path = world.file("export.csv", "order_number,placed_at,email,amount\n" + rows)
    before = world.rows()

    said = world.start(f"import orders {path}", after=SMALL_FILES)

    assert (said.code, len(said.errors)) == (73, 1), said.text
    assert "is the disk full?" in said.err
    assert world.rows() == before


def test_a_disk_that_is_full_when_mail_should_leave_costs_no_mail(world: World) -> None:
    before = _but_notes(world)

    said = world.start("send", after=SMALL_FILES)

    assert (said.code, len(said.errors)) == (73, 1), said.text
    assert "disk" in said.err
    assert not list(world.home.glob("outbox/*.eml"))
    assert _but_notes(world) == before
    assert world.run("send").code == 0
    assert world.run("outbox audit").code == 0


# ------------------------------------------------------------------ the clock


def test_a_clock_before_the_program_was_written_sends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CRM_MAILER_CLOCK")
    monkeypatch.setattr(clocks, "WRITTEN", datetime.now(UTC) + timedelta(days=1))
    before = _but_notes(world)

    said = world.run("send")

    assert (said.code, len(said.errors)) == (78, 1)
    assert "before this program was written" in said.err
    assert _but_notes(world) == before
    assert world.run("status").code == 0


def _bytes(world: World) -> bytes:
    return world.database.read_bytes()
