from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome, OutcomeKind, Phase
from crm_mailer.model.touch import TouchState
from crm_mailer.store import claims, leases, outbox
from crm_mailer.store.claims import Claimed, Settlement
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import deliveries, touches
from tests.conftest import StandingClock
from tests.delivering.letters import plan, states


def claim(store: Store, clock: StandingClock, owner: str, limit: int = 100) -> list[Claimed]:
    now = clock.now()
    with store.write(durable=True) as connection:
        return claims.claim(connection, owner=owner, now=now, until=now + timedelta(minutes=20),
                            boot_id="this boot", limit=limit)  # fmt: skip


def test_workers_that_claim_at_the_same_time_never_share(
    store: Store, clock: StandingClock
) -> None:
    plan(store, 300, clock.now())
    taken: dict[str, list[int]] = {f"worker{n}": [] for n in range(4)}
    start = threading.Barrier(len(taken))

    def work(owner: str) -> None:
        start.wait()
        while batch := claim(store, clock, owner, 17):
            taken[owner] += [one.touch.id for one in batch]

    threads = [threading.Thread(target=work, args=(owner,)) for owner in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    everything = [one for ids in taken.values() for one in ids]
    assert sorted(everything) == list(range(1, 301))


@pytest.mark.postgres
def test_a_claim_passes_over_rows_that_another_worker_is_taking(
    postgres_store: Store, clock: StandingClock
) -> None:
    plan(postgres_store, 10, clock.now())
    now = clock.now()
    with postgres_store.write() as first:
        mine = claims.claim(first, owner="one", now=now, until=now, boot_id="b", limit=4)
        other = claim(postgres_store, clock, "two", 4)

    ids = {one.touch.id for one in mine} | {one.touch.id for one in other}
    assert (len(mine), len(other), len(ids)) == (4, 4, 8)


@pytest.mark.postgres
def test_a_claim_locks_nothing_but_what_it_takes(
    postgres_store: Store, clock: StandingClock
) -> None:
    plan(postgres_store, 10, clock.now())
    plan(postgres_store, 10, clock.now(), stream=Stream.TRANSACTIONAL)
    with postgres_store.write() as connection:
        connection.execute(sa.update(touches).where(touches.c.id % 2 == 0).values(provider="gmail"))
    now = clock.now()
    with postgres_store.write() as first:
        mine = claims.claim(first, owner="one", now=now, until=now, boot_id="b", limit=4)
        rest = sa.select(touches.c.id).where(touches.c.state == "planned")
        with postgres_store.write() as second:
            free = second.scalars(rest.with_for_update(skip_locked=True)).all()

    assert (len(mine), len(free)) == (4, 16)


def test_a_claim_undone_leaves_everything_planned(store: Store, clock: StandingClock) -> None:
    plan(store, 2, clock.now())
    now = clock.now()
    with pytest.raises(KeyError):
        _claim_and_fail(store, now)

    assert states(store) == {"planned": 2}


def test_only_due_touches_of_the_wanted_stream_are_claimed(
    store: Store, clock: StandingClock
) -> None:
    plan(store, 2, clock.now() + timedelta(hours=1))
    [order] = plan(store, 1, clock.now(), stream=Stream.TRANSACTIONAL)
    plan(store, 1, clock.now())
    now = clock.now()
    with store.write(durable=True) as connection:
        found = claims.claim(connection, owner="one", now=now, until=now, boot_id="b", limit=9,
                             lanes={(Stream.TRANSACTIONAL, "other"): 5})  # fmt: skip

    assert [one.touch.id for one in found] == [order]
    assert found[0].touch.attempts == 1


def test_settling_twice_or_by_another_owner_changes_nothing(
    store: Store, clock: StandingClock
) -> None:
    plan(store, 1, clock.now())
    claim(store, clock, "one")
    sent = _settlement(clock, TouchState.ACCEPTED, OutcomeKind.ACCEPTED)
    refused = _settlement(clock, TouchState.REFUSED, OutcomeKind.REFUSED)
    with store.write() as connection:
        claims.settle(connection, "one", [sent])
        claims.settle(connection, "one", [refused])
        claims.settle(connection, "two", [refused])

    with store.read() as connection:
        kept = connection.execute(sa.select(deliveries.c.outcome)).scalars().all()
    assert (states(store), kept) == ({"accepted": 1}, ["accepted"])


def test_what_is_known_better_later_settles_a_doubt(store: Store, clock: StandingClock) -> None:
    plan(store, 1, clock.now())
    claim(store, clock, "one")
    with store.write() as connection:
        doubt = _settlement(clock, TouchState.IN_DOUBT, OutcomeKind.UNKNOWN)
        claims.settle(connection, "one", [doubt])
        sent = _settlement(clock, TouchState.ACCEPTED, OutcomeKind.ACCEPTED)
        claims.settle(connection, "one", [sent])

    with store.read() as connection:
        kept = connection.execute(sa.select(deliveries.c.outcome)).scalars().all()
    assert (states(store), kept) == ({"accepted": 1}, ["accepted"])


def test_a_late_answer_to_the_first_attempt_settles_what_the_second_leaves_in_doubt(
    store: Store, clock: StandingClock
) -> None:
    plan(store, 1, clock.now(), stream=Stream.TRANSACTIONAL)
    claim(store, clock, "slow")
    doubt = _settlement(clock, TouchState.IN_DOUBT, OutcomeKind.UNKNOWN)
    accepted = _settlement(clock, TouchState.ACCEPTED, OutcomeKind.ACCEPTED)
    with store.write() as connection:
        claims.settle(connection, "slow", [doubt._replace(next_at=clock.now())])
    claim(store, clock, "quick")
    with store.write() as connection:
        claims.settle(connection, "slow", [accepted])
        claims.settle(connection, "quick", [doubt._replace(attempt=2)])
        troubles = outbox.audit(connection, clock.now()).troubles

    assert states(store) == {"accepted": 1}
    assert not [one for one in troubles if "in doubt" in one]


def test_a_released_claim_costs_no_attempt(store: Store, clock: StandingClock) -> None:
    plan(store, 3, clock.now())
    batch = claim(store, clock, "one")
    with store.write() as connection:
        claims.release(connection, "one", [one.touch.id for one in batch], clock.now())

    again = claim(store, clock, "two")
    assert [one.touch.attempts for one in again] == [1, 1, 1]


def test_a_claim_is_renewed_only_for_its_owner_and_fence(
    store: Store, clock: StandingClock
) -> None:
    plan(store, 2, clock.now())
    claim(store, clock, "one")
    until = clock.now() + timedelta(hours=1)
    with store.write() as connection:
        claims.renew(connection, owner="one", fence=1, until=until)
        claims.renew(connection, owner="two", fence=0, until=until)
        early = claims.lapsed(connection, until - timedelta(minutes=1))
        claims.renew(connection, owner="one", fence=0, until=until)
        late = claims.lapsed(connection, until - timedelta(minutes=1))

    assert (early, late) == ({"one"}, set())


def test_only_its_owner_holds_a_claim(store: Store, clock: StandingClock) -> None:
    ids = plan(store, 3, clock.now())
    claim(store, clock, "one", 2)
    with store.read() as connection:
        held = [
            claims.still_held(connection, ids, owner=owner, fence=fence).going
            for owner, fence in (("one", 0), ("one", 1), ("two", 0))
        ]

    assert held == [{1, 2}, set(), set()]


def test_a_lane_without_room_waits_and_keeps_nobody_waiting(
    store: Store, clock: StandingClock
) -> None:
    plan(store, 6, clock.now())
    now = clock.now()
    with store.write(durable=True) as connection:
        gmail = sa.update(touches).where(touches.c.id <= 4).values(provider="gmail")
        connection.execute(gmail)
        found = claims.claim(connection, owner="one", now=now, until=now, boot_id="b", limit=9,
                             lanes={(Stream.MARKETING, "gmail"): 1, (Stream.MARKETING, "other"): 9,
                                    (Stream.MARKETING, "yahoo"): 0})  # fmt: skip

    assert [(one.touch.id, one.touch.provider) for one in found] == [
        (1, "gmail"), (5, "other"), (6, "other"),
    ]  # fmt: skip


@pytest.mark.parametrize("stream", list(Stream))
def test_a_claim_reads_only_the_due_rows(sqlite_store: Store, stream: Stream) -> None:
    query = claims._due_in((stream.value, "gmail"), False, False, "b_room_0")
    told = _query_plan(sqlite_store, query.params(b_now=1, b_room_0=5))

    assert "SCAN touches\n" not in told
    assert "ix_touches_due" in told
    assert "TEMP B-TREE" not in told


def test_what_dead_senders_hold_is_found_without_reading_every_touch(
    sqlite_store: Store,
) -> None:
    mine = sa.select(touches.c.id).where(claims.CLAIMED, touches.c.owner == "x")
    late = sa.select(touches.c.id).where(claims.CLAIMED, touches.c.claimed_until < 1)

    for query in (mine, late):
        assert "ix_touches_claimed" in _query_plan(sqlite_store, query)


def _query_plan(store: Store, query: sa.Select[tuple[int]]) -> str:
    text = str(query.compile(store.engine, compile_kwargs={"literal_binds": True}))
    with store.read() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
    return "".join(f"{row[3]}\n" for row in rows)


def test_a_lease_has_one_owner_and_grows_its_epoch_when_it_passes_on(
    store: Store, clock: StandingClock
) -> None:
    with store.write() as connection:
        first = leases.acquire(connection, "daemon", owner="one", seconds=60, now=clock.now())
        other = leases.acquire(connection, "daemon", owner="two", seconds=60, now=clock.now())
        again = leases.acquire(connection, "daemon", owner="one", seconds=60,
                               now=clock.forward(seconds=30))  # fmt: skip
        clock.forward(seconds=61)
        taken = leases.acquire(connection, "daemon", owner="two", seconds=60, now=clock.now())
        assert first is not None
        late = leases.renew(connection, first, seconds=60, now=clock.now())

    assert other is None
    assert late is None
    assert [one and one.epoch for one in (first, again, taken)] == [1, 1, 2]


def test_a_lease_let_go_is_free_at_once(store: Store, clock: StandingClock) -> None:
    with store.write() as connection:
        leases.acquire(connection, "daemon", owner="one", seconds=60, now=clock.now())
        not_mine = leases.release(connection, "daemon", owner="two")
        mine = leases.release(connection, "daemon", owner="one")
        nobody = leases.find(connection, "daemon", clock.now())
        taken = leases.acquire(connection, "daemon", owner="two", seconds=60, now=clock.now())

    assert (not_mine, mine, nobody) == (False, True, None)
    assert taken is not None
    assert taken.owner == "two"


def _claim_and_fail(store: Store, now: datetime) -> None:
    with store.write(durable=True) as connection:
        claims.claim(connection, owner="one", now=now, until=now, boot_id="b", limit=2)
        raise KeyError


def _settlement(clock: StandingClock, state: TouchState, kind: OutcomeKind) -> Settlement:
    return Settlement(
        touch_id=1,
        attempt=1,
        state=state,
        at=clock.now(),
        outcome=Outcome(kind=kind, phase=Phase.DOT, code=250),
    )
