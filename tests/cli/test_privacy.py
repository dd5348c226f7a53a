from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import (
    App,
    customers,
    drafts,
    importing,
    planning,
    privacy,
    segmenting,
    segments,
)
from crm_mailer.app.case_words import keep_file
from crm_mailer.app.wiring import DATABASE
from crm_mailer.cli import main
from crm_mailer.model.campaign import Stream
from crm_mailer.store import facts, selection, suppressions
from crm_mailer.store import tables as t
from tests.cli.conftest import Run
from tests.conftest import NOON, StandingClock
from tests.segmenting.people import add_buyer

ANNA, ADDRESS = "Anna Secretova", "anna@example.com"


def orders(app: App, *numbers: str, days_ago: float = 3) -> None:
    """Import an export in which Anna has these orders."""
    path = app.home.parent / "orders.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["order_number", "placed_at", "state", "platform", "buyer_id", "email",
                         "name", "country", "amount", "currency", "title"])  # fmt: skip
        for number in numbers:
            placed = f"{app.clock.now() - timedelta(days=days_ago):%Y-%m-%dT%H:%MZ}"
            writer.writerow([number, placed, "paid", "shop", "annas-name", ADDRESS, ANNA, "GB",
                             "20", "GBP", "Teapot"])  # fmt: skip
    importing.import_orders(app, path, map_name="generic")
    path.unlink()


def number(app: App) -> int:
    with app.store.read() as connection:
        query = sa.select(t.customers.c.id).where(t.customers.c.email_key == ADDRESS)
        return int(connection.scalar(query) or 0)


def stopped(app: App) -> bool:
    with app.store.read() as connection:
        return bool(suppressions.stopped(connection, [ADDRESS], Stream.MARKETING))


@pytest.fixture
def anna(app: App) -> int:
    orders(app, "1001", "1002")
    return number(app)


def test_everything_about_a_customer_is_one_json(run: Run, anna: int) -> None:
    told = json.loads(run("privacy", "export", ADDRESS).stdout)

    assert told["customer"] == anna
    assert [one["name"] for one in told["tables"]["customers"]] == [ANNA]
    assert {one["number"] for one in told["tables"]["orders"]} == {"1001", "1002"}
    assert {one["title"] for one in told["tables"]["order_items"]} == {"Teapot"}


def test_a_zip_has_the_mails_too(run: Run, app: App, anna: int, tmp_path: Path) -> None:
    with app.store.write() as connection:
        touch = connection.scalar(
            sa.insert(t.touches).values(
                campaign="c", step="s", anchor="a", customer_id=anna, stream="marketing",
                template="x", anchored_at=NOON, due_at=NOON, state="accepted", planned_at=NOON,
            ).returning(t.touches.c.id)
        )  # fmt: skip
    app.outbox_folder.mkdir()
    (app.outbox_folder / f"20261102T120000Z-{touch:08d}.eml").write_text(f"To: {ADDRESS}\n")
    (app.outbox_folder / "20261102T120000Z-99999999.eml").write_text("To: boris@example.com\n")

    run("privacy", "export", ADDRESS, "--out", str(tmp_path / "anna.zip"))

    with zipfile.ZipFile(tmp_path / "anna.zip") as file:
        names = file.namelist()
        assert json.loads(file.read("data.json"))["customer"] == anna
    assert names == ["data.json", f"sent/20261102T120000Z-{touch:08d}.eml"]
    run("privacy", "erase", ADDRESS, "--confirm", ADDRESS)
    left = [path.name for path in app.outbox_folder.glob("*.eml")]
    assert left == ["20261102T120000Z-99999999.eml"]


def test_erasing_asks_for_the_address(run: Run, app: App, anna: int) -> None:
    refused = run("privacy", "erase", ADDRESS, input="yes\n")
    assert refused.exit_code == 2
    assert "nothing was erased" in refused.output
    assert number(app) == anna

    assert "is erased" in run("privacy", "erase", ADDRESS, input=f"{ADDRESS}\n").output
    assert number(app) == 0


def test_an_erased_customer_is_nobody(run: Run, app: App, anna: int) -> None:
    run("segment", "run")
    run("privacy", "erase", ADDRESS, "--confirm", ADDRESS)
    run("segment", "run")

    assert run("privacy", "erase", str(anna), "--confirm", str(anna)).exit_code == 2
    assert run("customer", "show", ADDRESS).exit_code == 2
    with app.store.read() as connection:
        look = segments.look(app)
        rule = app.definitions.segments["no-order"].rule
        assert selection.select_ids(connection, rule, look) == []
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.orders)) == 2
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.scores)) == 0
    for path in app.home.glob(f"{DATABASE}*"):
        assert ADDRESS.encode() not in path.read_bytes()
        assert ANNA.encode() not in path.read_bytes()


def test_a_case_that_is_open_is_closed_first(run: Run, app: App, anna: int) -> None:
    with app.store.write() as connection:
        connection.execute(sa.insert(t.cases).values(
            customer_id=anna, state="new", reason="nr.late", severity="P2", opened_at=NOON,
            due_at=NOON))  # fmt: skip

    refused = run("privacy", "erase", ADDRESS, "--confirm", ADDRESS)
    assert refused.exit_code == 2
    assert number(app) == anna

    run("privacy", "erase", ADDRESS, "--confirm", ADDRESS, "--even-open")
    assert number(app) == 0


def test_evidence_and_answers_not_yet_sent_go_too(app: App, anna: int) -> None:
    with app.store.write() as connection:
        order = connection.scalar(sa.select(t.orders.c.id).where(t.orders.c.customer_id == anna))
        case = connection.execute(
            t.cases.insert().values(
                customer_id=anna, order_id=order, reason="nad.damaged", severity="P3",
                state="closed", opened_at=NOON, due_at=NOON,
            )
        ).inserted_primary_key  # fmt: skip
    assert case is not None
    photo = app.home / "evidence" / str(case[0]) / "photo.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"her kitchen")
    words = drafts.Kept(template="", language="en", subject="Dear Anna", text="Sorry, Anna")
    drafts.keep(app.home, f"case-{case[0]}", "olga", words)
    drafts.keep(app.home, "case-99999", "olga", words)

    privacy.erase(app, ADDRESS, by="olga")

    assert not photo.exists()
    assert [path.name.startswith("case-99999") for path in (app.home / "drafts").iterdir()] == [
        True
    ]


def test_earlier_addresses_are_known_as_erased_too(app: App, anna: int) -> None:
    with app.store.write() as connection:
        touch = connection.scalar(
            sa.insert(t.touches).values(
                campaign="c", step="s", anchor="a", customer_id=anna, stream="marketing",
                template="x", anchored_at=NOON, due_at=NOON, state="accepted", planned_at=NOON,
            ).returning(t.touches.c.id)
        )  # fmt: skip
        connection.execute(
            sa.insert(t.messages).values(
                touch_id=touch, message_id="m@x", mail_from="shop@example.com", rcpt_to=ADDRESS,
                subject="s", language="en", sha256="", rendered_at=NOON,
            )
        )  # fmt: skip
        connection.execute(
            sa.update(t.customers)
            .where(t.customers.c.id == anna)
            .values(email="anna@new.example", email_key="anna@new.example")
        )
    path = app.home / "fair.csv"
    path.write_text(f"email\n{ADDRESS}\n")
    done = privacy.erase(app, "anna@new.example", by="test")
    assert "fair.csv" in done.files_left
    app.clock.forward(hours=1)  # type: ignore[attr-defined]
    orders(app, "1001")
    privacy.sweep(app)
    assert number(app) == 0


def test_what_the_program_writes_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with pytest.raises(SystemExit) as left:
            main(["init", str(tmp_path / "shop")])
        after = os.umask(0o022)
    finally:
        os.umask(before)
    written = [tmp_path / "shop", *(tmp_path / "shop").rglob("*")]
    assert left.value.code == 0
    assert after == 0o022
    assert [path for path in written if path.stat().st_mode & 0o077] == []


def test_evidence_is_its_owners_alone(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"her passport")
    photo.chmod(0o644)
    kept = keep_file(photo, tmp_path, 7).removeprefix("file:")
    for path in (tmp_path / kept, *list((tmp_path / kept).parents)[:2]):
        assert path.stat().st_mode & 0o077 == 0, path


def test_files_of_people_that_still_name_the_address_are_told(run: Run, app: App) -> None:
    orders(app, "1001")
    path = app.home / "campaigns" / "segments" / "fair.csv"
    path.write_text(f"email\n{ADDRESS.upper()}\n")

    told = run("privacy", "erase", ADDRESS, "--confirm", ADDRESS).output

    assert "campaigns/segments/fair.csv" in told


def test_databases_that_were_put_aside_and_still_name_the_address_are_told(
    run: Run, app: App, anna: int
) -> None:
    shutil.copy(copied(app, "kept.db"), app.home / "crm-mailer-replaced-20261101.db")
    with closing(sqlite3.connect(app.home / "other.backup")) as line:
        line.execute("CREATE TABLE nobody (x)")

    told = run("privacy", "erase", ADDRESS, "--confirm", ADDRESS).output

    assert "crm-mailer-replaced-20261101.db" in told
    assert "other.backup" not in told
    assert "crm-mailer.db" not in told


def test_an_old_export_does_not_bring_an_erased_person_back(app: App, anna: int) -> None:
    privacy.erase(app, ADDRESS, by="test")
    app.clock.forward(hours=1)  # type: ignore[attr-defined]
    orders(app, "1001", "1002")
    assert number(app) > 0

    planning.apply(app)

    assert number(app) == 0
    with app.store.read() as connection:
        names = connection.scalars(sa.select(t.customers.c.name)).all()
    assert set(names) == {""}


def test_who_orders_again_is_a_customer_without_marketing(app: App, anna: int) -> None:
    privacy.erase(app, ADDRESS, by="test")
    app.clock.forward(days=2)  # type: ignore[attr-defined]
    orders(app, "1001", "1002", days_ago=5)
    orders(app, "1003", days_ago=0.5)

    segmenting.run(app)

    assert number(app) > 0
    assert stopped(app)


def test_who_asks_to_be_written_to_again_stays_so(app: App, anna: int) -> None:
    privacy.erase(app, ADDRESS, by="test")
    app.clock.forward(days=2)  # type: ignore[attr-defined]
    orders(app, "1003", days_ago=0.5)
    segmenting.run(app)
    customers.unsuppress(app, ADDRESS, "asked by mail", by="test")

    app.clock.forward(days=1)  # type: ignore[attr-defined]
    orders(app, "1004", days_ago=0.2)
    segmenting.run(app)

    assert number(app) > 0
    assert not stopped(app)
    privacy.replay(app)  # as after a backup was restored: its journal names the person still
    segmenting.run(app)
    assert number(app) > 0
    assert not stopped(app)


def copied(app: App, name: str) -> Path:
    """A copy of the database as it is now."""
    backup = app.home.parent / name
    with closing(sqlite3.connect(app.home / DATABASE)) as line:
        line.execute("VACUUM INTO ?", (str(backup),))
    return backup


def put_back(app: App, backup: Path) -> None:
    """Put the copy in the database's place."""
    app.store.close()
    for path in app.home.glob(f"{DATABASE}*"):
        path.unlink()
    shutil.copy(backup, app.home / DATABASE)


def test_who_came_back_is_erased_in_a_backup_from_before_the_erasure(app: App, anna: int) -> None:
    before = copied(app, "before.db")
    privacy.erase(app, ADDRESS, by="test")
    app.clock.forward(days=2)  # type: ignore[attr-defined]
    orders(app, "1003", days_ago=0.5)
    segmenting.run(app)
    back = number(app)
    between = copied(app, "between.db")
    customers.unsuppress(app, ADDRESS, "asked by mail", by="test")
    with app.store.write() as connection:  # asked for by a form, say: no order since
        connection.execute(sa.update(t.orders).values(placed_at=NOON - timedelta(days=9)))
    after = copied(app, "after.db")

    for backup in (between, after):
        put_back(app, backup)
        assert privacy.replay(app).erased == 0
        assert number(app) == back
    put_back(app, before)
    assert number(app) == anna
    assert privacy.replay(app).erased == 1
    assert number(app) == 0
    for path in app.home.glob(f"{DATABASE}*"):
        assert ADDRESS.encode() not in path.read_bytes()
    orders(app, "1003", days_ago=0.5)
    assert privacy.replay(app) == privacy.sweep(app) == privacy.Swept(erased=0, suppressed=0)
    assert number(app) > 0


def test_what_was_not_done_is_not_in_the_journal(app: App, anna: int) -> None:
    privacy.erase(app, ADDRESS, by="test")
    app.clock.forward(days=2)  # type: ignore[attr-defined]
    orders(app, "1003", days_ago=0.5)
    segmenting.run(app)
    with app.store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON customer_notes "
            "BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
    with pytest.raises(Exception, match="the disk is full"):
        customers.unsuppress(app, ADDRESS, "asked by mail", by="test")
    assert stopped(app)
    assert "returned" not in (app.home / privacy.JOURNAL).read_text()


def test_a_restored_backup_is_brought_to_the_same_state(run: Run, app: App, anna: int) -> None:
    backup = copied(app, "backup.db")
    privacy.erase(app, ADDRESS, by="test")
    put_back(app, backup)
    assert ADDRESS.encode() in (app.home / DATABASE).read_bytes()

    assert "1 person was erased again" in run("privacy", "replay").output

    assert number(app) == 0


def test_the_journal_says_nobodys_name(app: App, anna: int) -> None:
    privacy.erase(app, ADDRESS, by="test")
    journal = app.home / privacy.JOURNAL
    assert journal.stat().st_mode & 0o777 == 0o600
    line = json.loads(journal.read_text())
    assert line["customer"] == anna
    assert len(line["traces"]) == 2
    assert "anna" not in journal.read_text().lower()
    with app.store.read() as connection:
        kept = set(connection.scalars(sa.select(t.erasures.c.trace)))
    assert kept == set(line["traces"])


def test_without_any_erasure_nothing_is_looked_at(app: App, anna: int) -> None:
    planning.apply(app)
    with app.store.read() as connection:
        assert facts.find(connection, "privacy:swept") is None


def test_a_journal_that_was_cut_off_is_read_as_far_as_it_goes(app: App, anna: int) -> None:
    privacy.erase(app, ADDRESS, by="test")
    path = app.home / privacy.JOURNAL
    path.write_text(path.read_text() + '{"at": "2026-11-02T1')
    assert privacy.replay(app).erased == 0


def test_a_new_key_still_knows_who_was_erased(app: App, anna: int) -> None:
    privacy.erase(app, ADDRESS, by="test")
    path = app.home / "crm-mailer.key"
    path.write_text(path.read_text() + f"2:{'ab' * 32}\n")
    app.__dict__.pop("keys")
    assert isinstance(app.clock, StandingClock)
    app.clock.forward(hours=1)
    orders(app, "1001")

    privacy.sweep(app)

    assert number(app) == 0


def test_the_inventory_names_each_table(run: Run, app: App) -> None:
    told = json.loads(run("privacy", "inventory", "--json").stdout)["data"]
    assert {"customers", "replies", "inbound"} <= {one["table"] for one in told}
    assert "customer_identities" in run("privacy", "inventory").stdout


def test_the_sweep_looks_at_those_who_changed_only(app: App) -> None:
    boris = add_buyer(app.store, 5, name="Boris", email="boris@example.com",
                      email_key="boris@example.com")  # fmt: skip
    with app.store.write() as connection:
        connection.execute(sa.update(t.customers).values(changed_at=NOON - timedelta(days=9)))
    privacy.erase(app, str(boris), by="test")
    assert privacy.sweep(app) == privacy.Swept(erased=0, suppressed=0)
