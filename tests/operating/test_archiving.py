from __future__ import annotations

import gzip
import itertools
import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, archive_files, archiving, outbox, privacy, recipes
from crm_mailer.model.errors import CannotWrite, NotFound, NotPossible, StoreError
from crm_mailer.settings import read_settings
from crm_mailer.store import archiving as rows
from crm_mailer.store import bulk, partitions, preferences
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON, StandingClock
from tests.store import ledger

JUNE = datetime(2026, 6, 12, 9, 0, tzinfo=UTC)
JULY = datetime(2026, 7, 3, 9, 0, tzinfo=UTC)
JULY_BEGINS = datetime(2026, 7, 1, tzinfo=UTC)


def open_on(store: Store, home: Path) -> App:
    told = {"CRM_MAILER_DATABASE": store.url.render_as_string(hide_password=False)}
    return App(home, read_settings(home, told), StandingClock(NOON))


@pytest.fixture
def on_each(home: Path, store: Store) -> Iterator[App]:
    """A shop on each engine."""
    opened = open_on(store, home)
    yield opened
    opened.close()


@pytest.fixture
def app(home: Path, sqlite_store: Store) -> Iterator[App]:
    opened = open_on(sqlite_store, home)
    yield opened
    opened.close()


@pytest.fixture
def server(home: Path, postgres_store: Store) -> Iterator[App]:
    """A shop on PostgreSQL, with a partition for June and 10 numbers of it taken."""
    opened = open_on(postgres_store, home)
    partitions.begin_month(postgres_store, JUNE, least=0)
    with postgres_store.write() as connection:
        bulk.take_ids(connection, t.touches, 10)
    yield opened
    opened.close()


def numbers(app: App, table: sa.Table, *, until: datetime = JULY_BEGINS) -> list[int]:
    """The mails of June, or of all months, that have rows in a table."""
    with app.store.read() as connection:
        query = sa.select(table.c.touch_id).join(t.touches, t.touches.c.id == table.c.touch_id)
        query = query.where(t.touches.c.planned_at < until).order_by(table.c.touch_id)
        return list(connection.scalars(query))


def everything(app: App) -> bytes:
    """All that stands in the archive's files."""
    paths = sorted((app.home / "archive").glob("*/*.gz"))
    return b"".join(gzip.decompress(path.read_bytes()) for path in paths)


def old_mails(app: App, count: int = 3) -> list[int]:
    """Mails of June; a younger one comes after them."""
    made = [
        ledger.mail(app.store, "accepted", "deferred", "accepted", at=JUNE) for _ in range(count)
    ]
    ledger.mail(app.store, "accepted", "accepted", at=JULY)
    return made


def move(app: App, customer: int, address: str) -> None:
    """Let a customer have another address."""
    with app.store.write() as connection:
        row = sa.update(t.customers).where(t.customers.c.id == customer)
        connection.execute(row.values(email=address, email_key=address.lower()))


def test_past_months_leave_and_are_found_again(on_each: App) -> None:
    old = old_mails(on_each)
    young = ledger.mail(on_each.store, "accepted", "accepted", at=JULY)
    [june] = archiving.archive(on_each, 2026, 7)
    assert (june.month, june.folder, june.kept) == ("2026-06", "archive/2026-06", 0)
    assert june.counts == {"messages": 3, "deliveries": 6}
    assert numbers(on_each, t.messages) == numbers(on_each, t.deliveries) == []
    found = archiving.find(on_each, old[1])
    assert found["messages"][0]["rcpt_to"] == f"c{old[1]}@gmail.com"
    assert [one["outcome"] for one in found["deliveries"]] == ["deferred", "accepted"]
    with pytest.raises(NotFound):
        archiving.find(on_each, young)
    touches = {number: outbox.show(on_each, number).touch for number in (old[0], young)}
    assert archiving.places_of(on_each, touches[old[0]]) == ["archive/2026-06"]
    assert archiving.places_of(on_each, touches[young]) == []
    with pytest.raises(NotFound, match="is archived in archive/2026-06"):
        recipes.recipe(on_each, old[0])


def test_the_keys_stay_and_the_ledger_adds_up(on_each: App) -> None:
    old_mails(on_each)
    before = outbox.audit(on_each)
    archiving.archive(on_each, 2026, 7)
    after = outbox.audit(on_each)
    assert before.is_sound
    assert after.is_sound
    assert after.states == before.states == {"accepted": 4}


def test_what_is_still_needed_stays(on_each: App) -> None:
    leaves = ledger.mail(on_each.store, "accepted", "accepted", at=JUNE)
    stays = [
        ledger.mail(on_each.store, "in_doubt", "unknown", at=JUNE),
        ledger.mail(on_each.store, "deferred", "deferred", at=JUNE),
        ledger.mail(on_each.store, "accepted", "accepted", at=JUNE, kind="case_reply"),
        ledger.mail(on_each.store, "accepted", "accepted", at=JUNE, settled_at=JULY),
        *old_mails(on_each, 1),  # of who has a case
    ]
    with on_each.store.write() as connection:
        connection.execute(sa.insert(t.cases).values(
            customer_id=stays[-1], channel="mail", state="open", reason="damaged", severity=2,
            opened_at=JUNE, due_at=JUNE,
        ))  # fmt: skip
    [june] = archiving.archive(on_each, 2026, 7)
    assert june.kept == len(stays)
    assert numbers(on_each, t.messages) == stays
    assert archiving.archive(on_each, 2026, 7) == []
    with on_each.store.write() as connection:
        connection.execute(sa.update(t.cases).values(state="closed", closed_at=NOON))
    [more] = archiving.archive(on_each, 2026, 7)
    assert more.folder == "archive/2026-06-2"
    assert numbers(on_each, t.messages) == stays[:-1]
    assert archiving.find(on_each, leaves)
    assert archiving.find(on_each, stays[-1])


def test_a_number_of_an_attempt_is_not_given_twice(app: App) -> None:
    """By these numbers it is known which refusals were understood."""
    made = [ledger.mail(app.store, "accepted", "accepted", at=JUNE) for _ in range(3)]
    archiving.archive(app, 2026, 7)
    assert numbers(app, t.deliveries) == made[2:]
    young = ledger.mail(app.store, "accepted", "accepted", at=JULY)
    with app.store.read() as connection:
        query = sa.select(t.deliveries.c.id).where(t.deliveries.c.touch_id == young)
        assert connection.scalar(query) == 4


def test_mails_that_are_still_worked_with_do_not_leave(app: App) -> None:
    with pytest.raises(NotPossible) as caught:
        archiving.archive(app, 2026, 9)
    assert "--before 2026-08" in caught.value.hint


def test_a_month_that_was_not_written_whole_is_written_anew(app: App) -> None:
    old_mails(app)
    part = app.home / "archive" / "2026-06.part"
    part.mkdir(parents=True)
    (part / "messages-000001.jsonl.gz").write_bytes(b"half")
    [june] = archiving.archive(app, 2026, 7)
    assert june.folder == "archive/2026-06"
    assert not part.exists()
    assert numbers(app, t.messages) == []


def archive_and_die(home: Path, step: int) -> bool:
    """Archive in a process that is killed before its `step`th write; whether it was."""
    child = os.fork()
    if not child:
        left = itertools.count(step, -1)

        def dying(work: Any) -> Any:
            def call(*given: Any) -> Any:
                if next(left) == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                return work(*given)

            return call

        os.fsync, rows.remove, rows.add = dying(os.fsync), dying(rows.remove), dying(rows.add)
        archiving.TURN = 1
        archiving.archive(App(home, read_settings(home, {}), StandingClock(NOON)), 2026, 7)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_kill_at_any_step_loses_nothing_and_the_next_run_ends_it(
    home: Path, app: App, tmp_path: Path
) -> None:
    old = old_mails(app, 2)
    for step in itertools.count(1):
        killed = tmp_path / f"killed-{step}"
        shutil.copytree(home, killed)
        with (
            closing(sqlite3.connect(str(app.store.url.database))) as source,
            closing(sqlite3.connect(killed / "crm-mailer.db")) as target,
        ):
            source.backup(target)
        if not archive_and_die(killed, step):
            break
        with closing(App(killed, read_settings(killed, {}), StandingClock(NOON))) as shop:
            assert outbox.audit(shop).is_sound
            archiving.archive(shop, 2026, 7)
            assert numbers(shop, t.messages) == numbers(shop, t.deliveries) == []
            assert [len(archiving.find(shop, one)["deliveries"]) for one in old] == [2, 2]
            assert everything(shop).count(b"message_id") == 2
            assert archiving.archive(shop, 2026, 7) == []
    assert step > 10


def _written(app: App) -> Path:
    """The folder of June, written and not left yet."""
    with app.store.read() as connection:
        [which] = rows.slices(connection, JULY.replace(day=1, hour=0))
    with archive_files.held(app.home) as folder:
        place = archiving._write(app, folder, which, JULY, lambda _month, _rows: None)
    assert place is not None
    return place


def test_nothing_is_deleted_by_a_damaged_file(app: App) -> None:
    old = old_mails(app)
    place = _written(app)
    file = place / "messages-000001.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-9] + b"123456789")
    with pytest.raises(StoreError) as caught:
        archiving.archive(app, 2026, 7)
    assert str(file) in str(caught.value)
    assert numbers(app, t.messages) == old


def test_a_mail_that_changed_since_it_was_written_stays(app: App) -> None:
    old = old_mails(app)
    _written(app)
    with app.store.write() as connection:
        new = {"attempt": 3, "outcome": "refused", "phase": "dot", "at": NOON}
        connection.execute(sa.insert(t.deliveries).values(touch_id=old[1], **new))
    ledger.mail(app.store, "accepted", "accepted", at=JULY)
    june, again = archiving.archive(app, 2026, 7)
    assert (june.kept, again.folder) == (1, "archive/2026-06-2")
    assert again.counts == {"messages": 1, "deliveries": 3}
    assert numbers(app, t.messages) == []
    assert len(archiving.find(app, old[1])["deliveries"]) == 3


def test_who_is_erased_is_erased_in_the_archive(app: App) -> None:
    anna, boris = old_mails(app, 2)
    with app.store.write() as connection:
        row = sa.update(t.messages).where(t.messages.c.touch_id == anna)
        connection.execute(row.values(rcpt_to="Anna.Before@gmail.com", snapshot=b"\xff anna"))
        connection.execute(sa.update(t.deliveries).values(text="said of someone"))
    move(app, anna, "Anna.Before@gmail.com")
    archiving.archive(app, 2026, 7)
    move(app, anna, "Anna.Now@gmail.com")
    handed_out = privacy.export(app, str(anna))
    assert handed_out.tables["messages"][0]["rcpt_to"] == "Anna.Before@gmail.com"
    with app.store.write() as connection:
        known = {"address_key": "anna.before@gmail.com", "reason": "unsubscribed", "source": "x"}
        connection.execute(sa.insert(t.suppressions).values(scope="marketing", at=NOON, **known))
    backup = everything(app)
    privacy.erase(app, str(anna), by="test")
    after = everything(app)
    assert b"Anna.Before" in backup
    assert b"Anna.Before" not in after
    assert after.count(b"said of someone") == 2
    assert f"c{boris}@gmail.com".encode() in after
    assert archiving.find(app, anna)["messages"][0]["message_id"] == f"<{anna}@shop.example>"
    with app.store.read() as connection:  # an address that only the archive knew
        assert connection.scalar(sa.select(t.suppressions.c.id)) is None


def test_an_archive_that_was_brought_back_is_erased_by_replay(app: App) -> None:
    [anna] = old_mails(app, 1)
    archiving.archive(app, 2026, 7)
    place = app.home / "archive" / "2026-06"
    copy = {path.name: path.read_bytes() for path in place.iterdir()}
    privacy.erase(app, str(anna), by="test")
    for path in place.iterdir():
        path.unlink()
    for name, content in copy.items():
        (place / name).write_bytes(content)
    assert f"c{anna}@gmail.com".encode() in everything(app)
    privacy.replay(app)
    assert f"c{anna}@gmail.com".encode() not in everything(app)


def test_an_archive_that_was_brought_back_with_its_database_forgets_who_came_back(
    app: App,
) -> None:
    [anna] = old_mails(app, 1)
    move(app, anna, f"c{anna}@gmail.com")
    archiving.archive(app, 2026, 7)
    before, journal = app.home.parent / "before", app.home / privacy.JOURNAL
    database, copy = Path(app.store.url.database or ""), app.home.parent / "copy.db"
    with closing(sqlite3.connect(database)) as line:
        line.execute("VACUUM INTO ?", (str(copy),))
    shutil.copytree(app.home / "archive", before)
    privacy.erase(app, str(anna), by="test")
    told = json.loads(journal.read_text())
    returned = {"at": told["at"], "customer": anna + 7, "returned": told["traces"]}
    with journal.open("a") as file:
        file.write(json.dumps(returned) + "\n")
    app.store.close()
    for path in database.parent.glob(f"{database.name}*"):
        path.unlink()
    shutil.copy(copy, database)
    shutil.rmtree(app.home / "archive")
    shutil.copytree(before, app.home / "archive")
    with app.store.write() as connection:  # a folder in which its mails are known by address
        connection.execute(sa.delete(t.archives))
    assert f"c{anna}@gmail.com".encode() in everything(app)
    assert privacy.replay(app).erased == 1
    assert f"c{anna}@gmail.com".encode() not in everything(app)


def test_an_erasure_that_the_archive_stopped_is_done_once_more(app: App) -> None:
    [anna] = old_mails(app, 1)
    archiving.archive(app, 2026, 7)
    app.outbox_folder.mkdir()
    sent = app.outbox_folder / f"20260612T090000Z-{anna:08d}.eml"
    sent.write_text("To: anna")
    in_the_way = app.home / "archive" / "2026-06" / "messages-000001a.jsonl.gz"
    in_the_way.mkdir()
    with pytest.raises(CannotWrite, match="the archive cannot be written"):
        privacy.erase(app, str(anna), by="test")
    in_the_way.rmdir()
    privacy.erase(app, str(anna), by="test")
    assert not sent.exists()
    assert f"c{anna}@gmail.com".encode() not in everything(app)


def test_an_archive_of_another_database_is_somebody_elses(app: App) -> None:
    """The database was made anew: mail 1 and customer 1 are others than the archive's."""
    [boris] = old_mails(app, 1)
    archiving.archive(app, 2026, 7)
    with app.store.write() as connection:
        connection.execute(sa.delete(t.archives))
    move(app, boris, "anna@example.com")
    assert "messages" not in privacy.export(app, str(boris)).tables
    privacy.erase(app, str(boris), by="test")
    privacy.replay(app)
    assert f"c{boris}@gmail.com".encode() in everything(app)


def test_the_journal_of_another_database_empties_nobody_elses_mails(app: App) -> None:
    anna, boris = old_mails(app, 2)
    archiving.archive(app, 2026, 7)
    privacy.erase(app, str(anna), by="test")
    journal = app.home / privacy.JOURNAL
    journal.write_text(journal.read_text().replace(f'"customer": {anna}', f'"customer": {boris}'))
    privacy.replay(app)
    assert f"c{boris}@gmail.com".encode() in everything(app)


def test_a_mail_to_an_earlier_address_stays_for_the_opt_out_by_its_link(on_each: App) -> None:
    moved, gone, stays_put = old_mails(on_each, 3)
    move(on_each, moved, "moved@example.com")
    with on_each.store.write() as connection:
        row = sa.update(t.customers).where(t.customers.c.id == gone)
        connection.execute(row.values(email=None, email_key=None))
    archiving.archive(on_each, 2026, 7)
    assert numbers(on_each, t.messages) == [moved, gone]
    assert set(numbers(on_each, t.deliveries)) == {moved, gone}
    assert archiving.find(on_each, stays_put)
    with on_each.store.read() as connection:
        reader = preferences.find_reader(connection, moved, since=NOON)
    assert reader is not None
    assert reader.addresses == (f"c{moved}@gmail.com", "moved@example.com")


def test_nobody_is_erased_while_the_archive_is_written(app: App) -> None:
    [anna] = old_mails(app, 1)
    with archive_files.held(app.home), pytest.raises(NotPossible):
        privacy.erase(app, str(anna), by="test")
    with app.store.read() as connection:
        assert connection.scalar(sa.select(t.customers.c.email)) == f"c{anna}@gmail.com"


@pytest.mark.postgres
def test_a_partition_leaves_whole(server: App) -> None:
    first = partitions.ROOM
    old = [ledger.mail(server.store, "accepted", "accepted", at=JUNE, number=first + n)
           for n in range(3)]  # fmt: skip
    doubt = ledger.mail(server.store, "in_doubt", "unknown", at=JUNE)
    partitions.begin_month(server.store, JULY, least=0)
    young = ledger.mail(server.store, "accepted", "accepted", at=JULY, number=2 * first)
    [june] = archiving.archive(server, 2026, 7)
    assert (june.month, june.kept, june.counts["messages"]) == ("2026-06", 1, 3)
    assert numbers(server, t.messages, until=NOON) == [doubt, young]
    with server.store.read() as connection:
        left = [one.name for one in partitions.list_(connection, "messages")]
        rest = connection.scalar(sa.text("SELECT touch_id FROM messages_rest"))
    assert left == ["messages_begin", "messages_from_202607"]
    assert rest == doubt
    assert archiving.find(server, old[0])
    assert outbox.audit(server).is_sound
    assert archiving.archive(server, 2026, 7) == []


@pytest.mark.postgres
def test_a_partition_that_changed_since_it_was_written_stays(server: App) -> None:
    first = partitions.ROOM
    ledger.mail(server.store, "accepted", "accepted", at=JUNE, number=first)
    partitions.begin_month(server.store, JULY, least=0)
    place = _written(server)
    ledger.mail(server.store, "accepted", "accepted", at=JUNE, number=first + 1)
    with pytest.raises(NotPossible) as caught:
        archiving.archive(server, 2026, 7)
    assert str(place) in caught.value.hint
    assert numbers(server, t.messages) == [first, first + 1]


def test_files_are_the_owners_alone_and_say_what_they_hold(app: App) -> None:
    old_mails(app)
    archiving.archive(app, 2026, 7)
    place = app.home / "archive" / "2026-06"
    told = json.loads((place / "manifest.json").read_text())
    assert told["left_at"] == NOON.isoformat()
    assert [(one["table"], one["rows"]) for one in told["files"]] == [
        ("messages", 3), ("deliveries", 6),
    ]  # fmt: skip
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}
