"""kill -9 at each window of claim, hand over and settle, against a real server."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

import crm_mailer.delivering.journal as journals
from crm_mailer.delivering import NullTransport, Pace, SmtpTransport, deliver, recover
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import AlreadyRunning, CannotWrite
from crm_mailer.store import claims, doubts
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, plan, states
from tests.delivering.test_outcomes import accepted
from tests.servers.smtp_sink import Sink, smtp_sink

ROOT = Path(__file__).resolve().parents[2]


def child(
    store: Store, port: int, folder: Path, *, kill_at: str = "", connections: int = 2
) -> subprocess.Popen[bytes]:
    arguments = [
        store.url.render_as_string(hide_password=False),
        str(port),
        str(folder),
        f"child-{time.monotonic_ns()}",
        str(connections),
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.delivering.crash_child", *arguments],
        cwd=ROOT,
        env={**os.environ, "CRM_MAILER_KILL_AT": kill_at},
    )


def finish(store: Store, sink: Sink, clock: StandingClock, folder: Path) -> Counter[str]:
    """What the next process finds and does."""
    report = deliver(store, PlainRenderer(), SmtpTransport(account(sink.port)), clock=clock,
                     owner="next", journal_folder=folder)  # fmt: skip
    return report.recovered


#: Kill point and what the next process finds of the touches that the dead one had claimed, besides
#: those that were never sent.
WINDOWS: list[tuple[str, dict[str, int]]] = [
    ("K1", {}),
    ("K2", {}),
    ("KR", {"planned": 2}),
    ("K3:2", {"accepted": 1}),
    ("K4", {"in_doubt": 1}),
    ("K5", {"in_doubt": 1}),
    ("K6", {"in_doubt": 1}),
    ("K6J", {"accepted": 1}),
]


@pytest.mark.parametrize(("point", "found"), WINDOWS)
def test_a_kill_at_each_window_doubles_nothing_and_loses_nothing(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path, point: str, found: dict[str, int]
) -> None:
    plan(sqlite_store, 12, clock.now())
    with smtp_sink() as sink:
        killed = child(sqlite_store, sink.port, tmp_path, kill_at=point, connections=1)
        assert killed.wait(60) == -signal.SIGKILL
        settled = states(sqlite_store).get("accepted", 0)
        recovered = finish(sqlite_store, sink, clock, tmp_path)

    _nothing_twice_nothing_lost(sqlite_store, sink)
    assert recovered.pop("released", 0) >= (8 if point != "K1" else 0)
    recovered += Counter({"accepted": settled})
    assert recovered == found
    assert states(sqlite_store).get("in_doubt", 0) == found.get("in_doubt", 0)


def test_a_kill_after_the_ledger_was_written_changes_nothing_of_it(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(sqlite_store, 12, clock.now())
    with smtp_sink() as sink:
        killed = child(sqlite_store, sink.port, tmp_path, kill_at="K7", connections=1)
        assert killed.wait(60) == -signal.SIGKILL
        settled = states(sqlite_store)["accepted"]
        recovered = finish(sqlite_store, sink, clock, tmp_path)

    _nothing_twice_nothing_lost(sqlite_store, sink)
    assert settled + recovered.total() == 10
    assert recovered["in_doubt"] <= 1


@pytest.mark.postgres
def test_a_kill_after_the_dot_is_in_doubt_on_postgresql_too(
    postgres_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(postgres_store, 12, clock.now())
    with smtp_sink() as sink:
        killed = child(postgres_store, sink.port, tmp_path, kill_at="K5:3")
        assert killed.wait(60) == -signal.SIGKILL
        recovered = finish(postgres_store, sink, clock, tmp_path)

    _nothing_twice_nothing_lost(postgres_store, sink)
    assert recovered["in_doubt"] >= 1


def test_random_kills_double_nothing_and_lose_nothing(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(sqlite_store, 400, clock.now())
    chance, kills, doubts = random.Random(7), 5, 0
    with smtp_sink() as sink:
        for _ in range(kills):
            process = child(sqlite_store, sink.port, tmp_path)
            before = len(sink.letters)
            while process.poll() is None and len(sink.letters) < before + chance.randint(5, 60):
                time.sleep(0.002)
            process.kill()
            process.wait()
        doubts = finish(sqlite_store, sink, clock, tmp_path)["in_doubt"]

    _nothing_twice_nothing_lost(sqlite_store, sink)
    assert doubts <= 2
    assert states(sqlite_store).get("in_doubt", 0) <= kills * 2


def test_order_mail_in_doubt_after_a_crash_is_sent_once_more(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(sqlite_store, 1, clock.now(), stream=Stream.TRANSACTIONAL)
    with smtp_sink() as sink:
        child(sqlite_store, sink.port, tmp_path, kill_at="K6").wait(60)
        finish(sqlite_store, sink, clock, tmp_path)
        early = len(sink.letters)
        clock.forward(minutes=11)
        finish(sqlite_store, sink, clock, tmp_path)

    assert (early, len(sink.letters)) == (1, 2)
    assert sink.letters[0].content == sink.letters[1].content
    assert states(sqlite_store) == {"accepted": 1}


def test_after_a_power_cut_claimed_mails_are_in_doubt(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 3, clock.now())
    journal = journals.Journal(tmp_path, "dead")
    _claim(store, clock, "dead", boot="another run of the machine")
    journal.close(is_settled=False)

    found = recover(store, tmp_path, now=clock.now())

    assert (found, states(store)) == ({"in_doubt": 3}, {"in_doubt": 3})


def test_a_doubt_begins_with_the_dot_and_names_the_account(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 2, clock.now(), stream=Stream.TRANSACTIONAL)
    journal = journals.Journal(tmp_path, "dead")
    _claim(store, clock, "dead")
    left_at = clock.now()
    journal.dot(1, 1, left_at, "newsletter")
    journal.dot(2, 1, left_at)  # as an older program wrote it
    journal.close(is_settled=False)

    found_at = clock.forward(hours=5)
    recover(store, tmp_path, now=found_at)

    with store.read() as connection:
        told = doubts.list_(connection)
    assert [(one.since, one.host) for one in told] == [(left_at, ""), (left_at, "")]
    why = "the sender died before it heard the answer"
    assert [one.why for one in told] == [f"{why} (account newsletter)", why]
    # what may tell more of it is read from now on only
    assert {one.next_at for one in told} == {found_at + timedelta(minutes=10)}


def test_an_answer_in_the_journal_counts_even_after_a_power_cut(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 1, clock.now())
    journal = journals.Journal(tmp_path, "dead")
    _claim(store, clock, "dead", boot="another run of the machine")
    journal.dot(1, 1, clock.now())
    journal.answer(1, 1, accepted(), clock.now())
    journal.close(is_settled=False)

    recover(store, tmp_path, now=clock.now())

    assert states(store) == {"accepted": 1}


def test_a_touch_that_kills_the_sender_is_found_and_left_out(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(sqlite_store, 4, clock.now())
    for number in range(3):
        journal = journals.Journal(tmp_path, f"dead-{number}")
        _claim(sqlite_store, clock, journal.owner)
        journal.render([1, 2, 3] if number == 0 else [2])
        journal.close(is_settled=False)
        recover(sqlite_store, tmp_path, now=clock.now())

    report = deliver(sqlite_store, PlainRenderer(), NullTransport(), clock=clock, owner="next",
                     journal_folder=tmp_path)  # fmt: skip

    assert report.outcomes == {"accepted": 3}
    with sqlite_store.read() as connection:
        row = connection.execute(sa.select(touches).where(touches.c.id == 2)).one()
    assert (row.state, row.reason) == ("skipped", "quarantined")


def test_claims_of_a_living_process_are_left_alone(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 3, clock.now())
    journal = journals.Journal(tmp_path, "alive")
    _claim(store, clock, "alive")
    clock.forward(hours=5)

    found = recover(store, tmp_path, now=clock.now())

    assert (found, states(store)) == ({}, {"claimed": 3})
    journal.close(is_settled=True)


def test_claims_without_a_journal_wait_for_their_time_and_are_then_in_doubt(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 3, clock.now())
    _claim(store, clock, "another host")

    early = recover(store, tmp_path, now=clock.now())
    clock.forward(hours=1)
    late = recover(store, tmp_path, now=clock.now())

    assert (early, late) == ({}, {"in_doubt": 3})


def test_a_far_workers_claims_that_are_in_time_are_left_to_it(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 3, clock.now())
    _claim(store, clock, "another host")
    in_time = sa.update(touches).where(touches.c.id > 1)
    with store.write() as connection:
        connection.execute(in_time.values(claimed_until=clock.now() + timedelta(hours=2)))
    clock.forward(hours=1)

    found = recover(store, tmp_path, now=clock.now())

    assert (found, states(store)) == ({"in_doubt": 1}, {"in_doubt": 1, "claimed": 2})


def test_a_slow_worker_keeps_the_claims_that_wait_for_their_turn(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    class Slow(PlainRenderer):
        """Each cycle takes a quarter of an hour, and another host looks after lapsed claims."""

        def render_batch(self, wanted):  # type: ignore[no-untyped-def]
            clock.forward(minutes=15)
            recover(store, tmp_path / "another host", now=clock.now())
            return super().render_batch(wanted)

    plan(store, 8, clock.now())

    report = deliver(store, Slow(), NullTransport(), clock=clock, owner="slow",
                     journal_folder=tmp_path, pace=Pace(cycle=2))  # fmt: skip

    assert (report.outcomes, report.lost_claims) == ({"accepted": 8}, 0)


def test_a_journal_that_is_full_takes_no_half_line(
    clock: StandingClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "ROOM", 4096)
    journal = journals.Journal(tmp_path, "one")
    noted: list[tuple[int, int]] = []

    def fill() -> None:
        for number in range(1000):
            journal.dot(number, 1, clock.now())
            noted.append((number, 1))

    with pytest.raises(OSError, match="full"):
        fill()
    journal.close(is_settled=False)

    assert 50 < len(noted) < 1000
    assert list(journals.read(journal.path).dots) == noted


def test_a_journal_without_room_on_the_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, before[1]))
    try:
        with pytest.raises(CannotWrite, match="flight journal cannot be written"):
            journals.Journal(tmp_path, "one")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert journals.living(tmp_path) == set()


def test_a_journal_takes_its_room_on_the_disk_beforehand(
    clock: StandingClock, tmp_path: Path
) -> None:
    journal = journals.Journal(tmp_path, "one")
    blocks = journal.path.stat().st_blocks
    for number in range(1000):
        journal.dot(number, 1, clock.now())

    assert blocks * 512 >= journals.ROOM
    assert journal.path.stat().st_blocks == blocks
    journal.close(is_settled=True)


def test_a_long_journal_is_written_afresh_with_what_is_on_the_wire(
    clock: StandingClock, tmp_path: Path
) -> None:
    journal = journals.Journal(tmp_path, "one")
    number = 0
    while not journal.is_long:
        number += 1
        journal.dot(number, 1, clock.now())
        journal.answer(number, 1, accepted(), clock.now())
    journal.dot(7777777, 2, clock.now(), "newsletter")
    left_at = clock.now()
    clock.forward(minutes=5)
    journal.compact([(7777777, 2)])
    journal.dot(8888888, 1, clock.now())
    alive = journals.living(tmp_path)
    found = list(journals.orphans(tmp_path))
    journal.close(is_settled=False)

    flights = journals.read(journal.path)
    assert (alive, found, flights.owner) == ({"one"}, [], "one")
    assert (sorted(flights.dots), flights.answers) == ([(7777777, 2), (8888888, 1)], {})
    assert (flights.dots[7777777, 2], flights.outlets[7777777, 2]) == (left_at, "newsletter")
    assert list(tmp_path.iterdir()) == [journal.path]


def test_a_dot_that_was_taken_back_leaves_no_doubt(clock: StandingClock, tmp_path: Path) -> None:
    journal = journals.Journal(tmp_path, "one")
    journal.dot(1, 1, clock.now())
    journal.dot(2, 1, clock.now())
    journal.back(1, 1)
    journal.close(is_settled=False)

    assert list(journals.read(journal.path).dots) == [(2, 1)]


def test_what_is_left_of_a_journal_that_was_being_written_afresh_is_swept(tmp_path: Path) -> None:
    (tmp_path / "one.draft").write_bytes(b"half")

    assert list(journals.orphans(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_recovering_twice_changes_nothing(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 3, clock.now())
    journal = journals.Journal(tmp_path, "dead")
    _claim(store, clock, "dead")
    journal.dot(2, 1, clock.now())
    journal.close(is_settled=False)
    raw = journal.path.read_bytes()

    first = recover(store, tmp_path, now=clock.now())
    journal.path.write_bytes(raw)
    second = recover(store, tmp_path, now=clock.now())

    assert (first, second) == ({"released": 2, "in_doubt": 1}, {})


def test_a_torn_or_damaged_journal_line_is_passed_over(
    clock: StandingClock, tmp_path: Path
) -> None:
    journal = journals.Journal(tmp_path, "dead")
    journal.dot(1, 1, clock.now())
    journal.dot(2, 1, clock.now())
    journal.close(is_settled=False)
    lines = journal.path.read_bytes().splitlines(keepends=True)
    journal.path.write_bytes(lines[0] + lines[1].replace(b"[1,1]", b"[9,1]") + b"\0\xff\n"
                             + lines[2] + lines[2][:20])  # fmt: skip

    flights = journals.read(journal.path)

    assert (flights.owner, list(flights.dots)) == ("dead", [(2, 1)])


def test_a_second_sender_of_the_same_name_is_refused(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(sqlite_store, 1, clock.now())
    journal = journals.Journal(tmp_path, "one")

    with pytest.raises(AlreadyRunning, match="one"):
        deliver(sqlite_store, PlainRenderer(), NullTransport(), clock=clock, owner="one",
                journal_folder=tmp_path)  # fmt: skip
    journal.close(is_settled=True)


def test_a_worker_whose_claims_were_taken_over_sends_nothing(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    class TakenOver(PlainRenderer):
        """Another worker takes the second cycle's claims while the first is rendered."""

        def render_batch(self, wanted):  # type: ignore[no-untyped-def]
            with store.write() as connection:
                connection.execute(sa.update(touches).where(touches.c.id > 2).values(fence=7))
            return super().render_batch(wanted)

    plan(store, 4, clock.now())
    renderer = TakenOver()

    report = deliver(store, renderer, NullTransport(), clock=clock, owner="slow",
                     journal_folder=tmp_path, pace=Pace(cycle=2))  # fmt: skip

    assert (report.outcomes, report.lost_claims, renderer.seen) == ({"accepted": 2}, 2, [1, 2])


def _claim(store: Store, clock: StandingClock, owner: str, boot: str | None = None) -> None:
    now = clock.now()
    with store.write(durable=True) as connection:
        claims.claim(connection, owner=owner, now=now, until=now, limit=10,
                     boot_id=journals.boot_id() if boot is None else boot)  # fmt: skip


def _nothing_twice_nothing_lost(store: Store, sink: Sink) -> None:
    """The server's truth against the ledger's."""
    with store.read() as connection:
        rows = connection.execute(sa.select(touches.c.state, touches.c.customer_id)).all()
    told = {f"customer{row.customer_id}@example.com": row.state for row in rows}
    assert max(Counter(sink.recipients).values()) == 1
    assert {address for address, state in told.items() if state == "accepted"} <= set(
        sink.recipients
    )
    assert all(told[address] in ("accepted", "in_doubt") for address in sink.recipients)
    assert set(told.values()) <= {"accepted", "in_doubt"}
