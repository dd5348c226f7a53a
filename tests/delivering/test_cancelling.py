"""What is cancelled while a sender has it in its hands ends there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import Pace, deliver, journal, recover, settling
from crm_mailer.delivering.port import Source
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome, OutcomeKind, Phase
from crm_mailer.model.touch import TouchState
from crm_mailer.store import cancelling, claims, outbox
from crm_mailer.store.claims import Claimed, Settlement
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import NOON, StandingClock
from tests.delivering.letters import PlainRenderer, plan, states
from tests.store.ledger import mail, row_of

FINE = Outcome(kind=OutcomeKind.ACCEPTED, phase=Phase.DOT, code=250)
LATER = NOON + timedelta(minutes=5)
#: The end of a mail that a person ended: its state, why, its next try, since when.
ENDED = ("skipped", "cancelled", None, LATER)


def claim(store: Store, owner: str = "one") -> list[Claimed]:
    with store.write(durable=True) as connection:
        return claims.claim(connection, owner=owner, now=LATER, until=LATER + timedelta(hours=1),
                            boot_id=journal.boot_id(), limit=100)  # fmt: skip


def cancel(store: Store, ids: Sequence[int]) -> int:
    with store.write() as connection:
        return cancelling.mark(connection, [touches.c.id.in_(ids)])


def fate(store: Store, number: int) -> tuple[object, ...]:
    row = row_of(store, number)
    return row.state, row.reason, row.next_at, row.settled_at


def test_a_mark_is_seen_by_the_last_look_and_by_the_looks_between(store: Store) -> None:
    first, second, free = mail(store, "planned"), mail(store, "planned"), mail(store, "held")
    claim(store)

    marked = cancel(store, [second, free]), cancel(store, [second, free])

    with store.read() as connection:
        held = claims.still_held(connection, [first, second], owner="one", fence=0)
        between = cancelling.list_marked(connection, owner="one", fence=0)
        others = cancelling.list_marked(connection, owner="two", fence=0)
    assert (marked, held) == ((1, 0), ({first}, {second}))
    assert (between, others) == ({second}, set())


@pytest.mark.parametrize("outcomes", [(), ("deferred",)])
def test_given_back_it_ends(store: Store, outcomes: tuple[str, ...]) -> None:
    state = "deferred" if outcomes else "planned"
    number, other = mail(store, state, *outcomes), mail(store, state, *outcomes)
    claim(store)
    cancel(store, [number])
    with store.write() as connection:
        back = claims.release(connection, "one", [number, other], LATER)

    assert back == {number: "skipped", other: state}
    assert fate(store, number) == ENDED
    assert row_of(store, number).attempts == len(outcomes)
    with store.read() as connection:
        assert outbox.audit(connection, LATER).is_sound


@pytest.mark.parametrize(
    ("kind", "state", "end"),
    [
        (OutcomeKind.DEFERRED, TouchState.DEFERRED, ENDED),
        (OutcomeKind.ACCEPTED, TouchState.ACCEPTED, ("accepted", "", None, LATER)),
        (OutcomeKind.REFUSED, TouchState.REFUSED, ("refused", "", None, LATER)),
        (OutcomeKind.UNKNOWN, TouchState.IN_DOUBT, ("in_doubt", "", None, None)),
    ],
)
def test_what_was_on_its_way_ends_as_it_did_and_is_not_tried_again(
    store: Store, kind: OutcomeKind, state: TouchState, end: tuple[object, ...]
) -> None:
    number = mail(store, "planned")
    claim(store)
    cancel(store, [number])
    is_tried = state in (TouchState.DEFERRED, TouchState.IN_DOUBT)
    with store.write() as connection:
        settled = Settlement(
            touch_id=number, attempt=1, state=state, at=LATER, outcome=FINE._replace(kind=kind),
            next_at=LATER + timedelta(minutes=9) if is_tried else None,
        )  # fmt: skip
        claims.settle(connection, "one", [settled])

    assert fate(store, number) == end
    assert claim(store, "two") == []


def test_a_second_attempt_is_called_off_and_the_doubt_stays(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown", stream="transactional", next_at=NOON)
    claim(store)
    cancel(store, [number])
    with store.write() as connection:
        back = claims.release(connection, "one", [number], LATER)

    assert back == {number: "in_doubt"}
    assert fate(store, number) == ("in_doubt", "", None, None)


def test_what_a_dead_sender_had_not_sent_ends_when_it_is_found(
    store: Store, tmp_path: Path
) -> None:
    number, other = mail(store, "planned"), mail(store, "planned")
    notes = journal.Journal(tmp_path, "one")
    claim(store)
    notes.close(is_settled=False)
    cancel(store, [number])

    assert recover(store, tmp_path, now=LATER) == {"skipped": 1, "released": 1}
    assert (fate(store, number), row_of(store, other).state) == (ENDED, "planned")


def test_a_second_attempt_that_the_last_look_calls_off_is_no_attempt(store: Store) -> None:
    number = mail(store, "in_doubt", "unknown", stream="transactional", next_at=NOON)
    [claimed] = claim(store)
    cancel(store, [number])
    with store.write() as connection:
        claims.settle(connection, "one", [settling.cancelled(claimed, LATER)])
        again = claims.take_back(connection, "one", LATER)

    row = row_of(store, number)
    assert (row.state, row.reason, row.next_at) == ("in_doubt", "cancelled", None)
    assert (row.attempts, row.owner, again) == (1, "", 0)


def test_a_mark_outlives_a_sender_that_was_cut_off(store: Store, tmp_path: Path) -> None:
    number, other = mail(store, "planned"), mail(store, "planned")
    here, there = tmp_path / "here", tmp_path / "there"
    notes = journal.Journal(there, "one")
    claim(store)
    notes.close(is_settled=False)
    cancel(store, [number])
    over = LATER + timedelta(hours=2)

    taken = recover(store, here, now=over)
    back = recover(store, there, now=over)

    assert (taken, back) == ({"in_doubt": 2}, {"skipped": 1, "released": 1})
    assert fate(store, number) == ("skipped", "cancelled", None, over)
    assert row_of(store, other).state == "planned"
    with store.read() as connection:
        assert outbox.audit(connection, over).is_sound


class Slow:
    """A way out with two lines, each of which needs a quarter of a second for a mail."""

    width = 2

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def fly(self, source: Source) -> None:
        await asyncio.gather(*(self._line(source) for _line in range(self.width)))

    async def _line(self, source: Source) -> None:
        while (flight := await source.next()) is not None:
            await asyncio.sleep(0.25)
            if source.before_dot(flight):
                self.taken.append(time.monotonic())
                source.landed(flight, FINE)
            else:
                stopped = "we stopped before the final dot"
                source.landed(flight, FINE._replace(kind=OutcomeKind.DEFERRED, text=stopped))


@pytest.mark.parametrize("stream", list(Stream))
def test_mails_that_a_slow_sender_has_claimed_end_within_a_second(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path, stream: Stream
) -> None:
    ids = plan(sqlite_store, 200, clock.now(), stream=stream)
    way, cancelled = Slow(), list[tuple[float, int]]()

    def person() -> None:
        while len(way.taken) < 6:
            time.sleep(0.02)
        number = cancel(sqlite_store, ids)
        cancelled.append((time.monotonic(), number))

    thread = threading.Thread(target=person)
    thread.start()
    report = deliver(
        sqlite_store, PlainRenderer(), way, clock=clock, owner="tester",
        journal_folder=tmp_path / "journal", pace=Pace(cycle=100),
    )  # fmt: skip
    thread.join()

    [(at, marked)] = cancelled
    assert marked >= 190
    assert max(way.taken) - at < 1.2
    left = len(way.taken)
    assert (left < 20, states(sqlite_store)) == (True, {"accepted": left, "skipped": 200 - left})
    assert (report.outcomes, report.skipped) == ({"accepted": left}, {"cancelled": 200 - left})
    assert (report.claimed, report.released) == (200, 0)
    with sqlite_store.read() as connection:
        reasons = set(connection.scalars(sa.select(touches.c.reason)))
    assert reasons == {"", "cancelled"}
