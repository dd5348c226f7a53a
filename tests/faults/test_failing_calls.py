"""Every call of a round fails once: nothing leaves twice, nothing is lost, the ledger is sound."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import DeliverReport, Pace, deliver, journal
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import CrmMailerError, StoreBusy
from crm_mailer.store import migrate, outbox, suppressions
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import metadata, touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, plan, states
from tests.faults.failing import BROKEN, FULL, LOCKED, FailingDisk, FailingStore, LosingStore
from tests.faults.scripted import Fate, ScriptedTransport, Truth

ROOT = Path(__file__).resolve().parents[2]
#: What the server does with each mail; 5 and 6 are order mails.
FATES = {2: [Fate.DEAD], 3: [Fate.LATER], 6: [Fate.LATER_AT_DOT]}
#: Where the mails are in the end, whatever failed on the way.
FINAL = {1: "accepted", 2: "refused", 3: "deferred", 4: "accepted", 5: "accepted", 6: "deferred"}
#: Those whose final dot leaves.
HAS_DOT = {1, 4, 5, 6}
#: More calls than a round makes.
ENDLESS = 400


class Desk:
    """Rounds over copies of one prepared database, all in the same place."""

    def __init__(self, prepared: Path, folder: Path, clock: StandingClock) -> None:
        self.prepared, self.clock = prepared, clock
        self.place = folder / "desk"
        self.path = self.place / "shop.db"
        self.url = f"sqlite:///{self.path}"
        self.healthy = open_store(self.url)
        self.begin()

    def begin(self) -> None:
        """A fresh copy, and a server that has taken nothing."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        self.lay_out()
        self.truth = Truth(self.place / "taken")
        self.way = ScriptedTransport(self.truth, by_touch=FATES)

    def lay_out(self) -> None:
        """The database as it is before the round."""
        shutil.copy(self.prepared, self.path)

    def send(self, store: Store, owner: str = "first") -> DeliverReport:
        return deliver(store, PlainRenderer(), self.way, clock=self.clock, owner=owner,
                       journal_folder=self.place, pace=Pace(batch=4, cycle=2))  # fmt: skip

    def send_with_trouble(self, store: Store) -> None:
        """A round that may be broken off, by an error for people only."""
        told: CrmMailerError | None = None
        try:
            self.send(store)
        except CrmMailerError as error:
            told = error
        finally:
            store.close()
        assert told is None or told.hint

    def finish(self, *, may_doubt: bool = False) -> None:
        """A healthy round follows; then all is as if nothing had ever failed.

        With `may_doubt`, an answer to a final dot could be written down nowhere.
        """
        self.send(self.healthy, "next")
        with self.healthy.read() as connection:
            found = dict(connection.execute(sa.select(touches.c.id, touches.c.state)).all())
            audit = outbox.audit(connection, self.clock.now())
            dead = suppressions.find(connection, "customer2@example.com")
        self.healthy.close()
        doubtful = {one for one, state in found.items() if may_doubt and state == "in_doubt"}
        assert doubtful <= HAS_DOT
        assert found == FINAL | dict.fromkeys(doubtful, "in_doubt")
        assert self.truth.counts == {1: 1, 4: 1, 5: 1}
        assert audit.is_sound, audit.troubles
        assert len(dead) == 1
        assert list(self.place.glob("*.flight")) == []


class ServerDesk(Desk):
    """The same on a server: one database, emptied each time."""

    def __init__(self, store: Store, folder: Path, clock: StandingClock) -> None:
        self.clock, self.healthy = clock, store
        self.url = store.url.render_as_string(hide_password=False)
        self.place = folder / "desk"
        self.begin()

    def lay_out(self) -> None:
        with self.healthy.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        plan_both(self.healthy, self.clock)


def plan_both(store: Store, clock: StandingClock) -> None:
    """Four mails of a campaign and two order mails."""
    plan(store, 4, clock.now())
    plan(store, 2, clock.now(), stream=Stream.TRANSACTIONAL, campaign="orders")


@pytest.fixture
def desk(tmp_path: Path, clock: StandingClock) -> Desk:
    prepared = tmp_path / "prepared.db"
    store = open_store(f"sqlite:///{prepared}")
    migrate.upgrade(store)
    plan_both(store, clock)
    store.close()
    return Desk(prepared, tmp_path, clock)


@pytest.mark.parametrize(
    ("at", "words", "is_lasting"),
    [
        ("statement", FULL, True),
        ("statement", LOCKED, False),
        ("commit", FULL, False),
        ("commit", BROKEN, True),
        ("committed", BROKEN, False),
    ],
)
def test_a_database_that_fails_at_any_call_doubles_nothing_and_loses_nothing(
    desk: Desk, at: str, words: str, is_lasting: bool
) -> None:
    calls = fail_at_each(desk, FailingStore(desk.url, words, at=at, is_lasting=is_lasting))

    assert 3 < calls < ENDLESS


#: Statements are many, and each costs a new process of the server: every fifth of them.
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("at", "is_lasting", "step"),
    [("statement", False, 5), ("commit", False, 1), ("commit", True, 2), ("committed", False, 1)],
)
def test_a_server_that_is_lost_at_any_call_doubles_nothing_and_loses_nothing(
    postgres_store: Store,
    tmp_path: Path,
    clock: StandingClock,
    at: str,
    is_lasting: bool,
    step: int,
) -> None:
    desk = ServerDesk(postgres_store, tmp_path, clock)

    calls = fail_at_each(desk, LosingStore(desk.url, at=at, is_lasting=is_lasting), step)

    assert 3 < calls < ENDLESS


def fail_at_each(desk: Desk, store: FailingStore, step: int = 1) -> int:
    """Rounds of which each fails a little later, until one does not; the calls that it made."""
    for nth in count(1, step):
        store.arm(nth)
        desk.send_with_trouble(store)
        has_failed = store.has_failed
        desk.finish()
        if not has_failed:
            return nth
        desk.begin()
    raise AssertionError


@pytest.mark.parametrize("is_lasting", [False, True])
def test_a_journal_that_cannot_be_written_at_any_call_doubles_nothing_and_loses_nothing(
    desk: Desk, is_lasting: bool
) -> None:
    for nth in count(1):
        disk = FailingDisk(nth, is_lasting=is_lasting)
        with pytest.MonkeyPatch.context() as patch:
            disk.guard(patch)
            desk.send_with_trouble(desk.healthy)
        desk.finish()
        if not disk.has_failed:
            break
        desk.begin()

    assert 5 < nth < ENDLESS


def test_both_fail_from_the_same_moment_on(desk: Desk) -> None:
    store = FailingStore(desk.url, FULL, at="statement", is_lasting=True)
    for nth in range(1, 60, 3):
        disk = FailingDisk(max(1, nth // 4), is_lasting=True)
        store.arm(nth)
        with pytest.MonkeyPatch.context() as patch:
            disk.guard(patch)
            desk.send_with_trouble(store)
        desk.finish(may_doubt=True)
        desk.begin()


CHILD = """
import resource, sys
from pathlib import Path
from tests.faults.test_failing_calls import limited_round
limited_round(*sys.argv[1:])
"""


def limited_round(url: str, folder: str, octets: str) -> None:
    """A round in a process of its own in which nothing may be written past so many octets."""
    import resource

    store, place = open_store(url), Path(folder)
    way = ScriptedTransport(Truth(place / "taken"), by_touch=FATES)
    journal.ROOM = 4_096  # so that the database is what meets the limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(octets), int(octets)))
    try:
        deliver(store, PlainRenderer(), way, clock=StandingClock(), owner="limited",
                journal_folder=place, pace=Pace(batch=4, cycle=2))  # fmt: skip
    except CrmMailerError as error:
        sys.stdout.write(f"told: {error} ({error.hint})")


def in_a_child(url: str, folder: Path, octets: int) -> str:
    arguments = [sys.executable, "-c", CHILD, url, str(folder), str(octets)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


#: Too little for the log's index; for a claim; for the outcomes.
@pytest.mark.parametrize("octets", [8_000, 34_000, 60_000])
def test_a_real_disk_that_is_full_for_the_database_is_told_and_harms_nothing(
    desk: Desk, octets: int
) -> None:
    told = in_a_child(desk.url, desk.place, octets)

    desk.finish()
    assert "told: the database cannot be written" in told


@pytest.mark.postgres
def test_a_real_disk_that_is_full_for_the_journal_lets_no_dot_leave(
    postgres_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(postgres_store, 20, clock.now())
    url = postgres_store.url.render_as_string(hide_password=False)
    truth = Truth(tmp_path / "taken")

    in_a_child(url, tmp_path, 700)
    early = len(truth.mails)
    way = ScriptedTransport(truth, by_touch=FATES)
    deliver(postgres_store, PlainRenderer(), way, clock=clock, owner="next",
            journal_folder=tmp_path)  # fmt: skip

    assert early < 15
    assert states(postgres_store) == {"accepted": 17, "refused": 1, "deferred": 2}
    assert set(truth.counts.values()) == {1}


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[Callable[[], None]]:
    """Another process holds the database until the end, or until the given call."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"

    def let_go() -> None:
        process.communicate(timeout=20)

    try:
        yield let_go
    finally:
        if process.poll() is None:
            let_go()


def test_a_database_that_stays_locked_sends_nothing_and_goes_on_afterwards(desk: Desk) -> None:
    store = open_store(desk.url + "?timeout=0.2")

    with locked(desk.path), pytest.raises(StoreBusy, match="locked"):
        desk.send(store)
    store.close()

    assert desk.truth.mails == []
    desk.finish()


def test_a_database_that_is_locked_in_the_middle_stops_the_round_and_goes_on_afterwards(
    desk: Desk,
) -> None:
    held: list[Callable[[], None]] = []

    with ExitStack() as stack:

        class Locks(PlainRenderer):
            """Another process takes the database while the second batch is rendered."""

            def render_batch(self, wanted):  # type: ignore[no-untyped-def]
                if self.seen and not held:
                    held.append(stack.enter_context(locked(desk.path)))
                return super().render_batch(wanted)

        store = open_store(desk.url + "?timeout=0.2")
        with pytest.raises(StoreBusy, match="locked"):
            deliver(store, Locks(), desk.way, clock=desk.clock, owner="first",
                    journal_folder=desk.place, pace=Pace(batch=4, cycle=2))  # fmt: skip
        store.close()
        early = len(desk.truth.mails)

    assert early < 3
    desk.finish()


def test_a_database_that_is_locked_for_a_moment_is_waited_for(desk: Desk) -> None:
    import threading

    with locked(desk.path) as let_go:
        timer = threading.Timer(0.3, let_go)
        timer.start()
        store = open_store(desk.url)
        desk.send(store)
        store.close()
        timer.join()

    desk.finish()


def test_the_words_of_the_faults_are_those_of_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    one, two = (sqlite3.connect(path, isolation_level=None, timeout=0) for _ in range(2))
    one.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match=LOCKED):
        two.execute("BEGIN IMMEDIATE")
    one.execute("ROLLBACK")
    one.execute("PRAGMA max_page_count=1")
    with pytest.raises(sqlite3.OperationalError, match=FULL):
        one.execute("CREATE TABLE t (x)")
    one.close()
    two.close()
