"""A host that is cut off, and comes back: what others could only call doubtful, it knows."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import Pace, deliver, recover, settling
from crm_mailer.delivering.journal import Journal, boot_id
from crm_mailer.delivering.permission import Obstacle
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import StoreBusy
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import claims, outbox
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, plan, states
from tests.delivering.test_outcomes import accepted
from tests.faults.scripted import ScriptedTransport, Truth


def claim(store: Store, clock: StandingClock, owner: str) -> list[int]:
    now = clock.now()
    with store.write(durable=True) as connection:
        found = claims.claim(connection, owner=owner, now=now, until=now + timedelta(minutes=20),
                             boot_id=boot_id(), limit=9)  # fmt: skip
    return [one.touch.id for one in found]


@pytest.mark.parametrize("stream", list(Stream))
def test_a_host_that_comes_back_settles_by_its_journal_what_others_had_to_doubt(
    store: Store, clock: StandingClock, tmp_path: Path, stream: Stream
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    plan(store, 3, clock.now(), stream=stream)
    journal = Journal(there, "cut off")
    claim(store, clock, "cut off")
    for number in (1, 2):
        journal.dot(number, 1, clock.now())
    journal.answer(1, 1, accepted(), clock.now())
    journal.close(is_settled=False)

    clock.forward(minutes=21)
    meanwhile = recover(store, here, now=clock.now())
    back = recover(store, there, now=clock.now())
    again = recover(store, there, now=clock.now())

    assert (meanwhile, back, again) == (
        {"in_doubt": 3}, {"accepted": 1, "in_doubt": 1, "released": 1}, {},
    )  # fmt: skip
    truth = Truth(tmp_path / "taken")
    deliver(store, PlainRenderer(), ScriptedTransport(truth), clock=clock, owner="next",
            journal_folder=here)  # fmt: skip
    with store.read() as connection:
        assert outbox.audit(connection, clock.now()).troubles.keys() <= {
            "accepted, but its message is not on record"  # this test writes none
        }
    assert (truth.counts, states(store)) == ({3: 1}, {"accepted": 2, "in_doubt": 1})


def test_a_sender_that_wakes_up_goes_on_with_what_others_had_to_doubt(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    class Sleeper(PlainRenderer):
        """Stands still past its claims while the second batch is rendered."""

        def render_batch(self, wanted):  # type: ignore[no-untyped-def]
            if self.seen and len(self.seen) == 2:
                time.sleep(1.1)
                later = clock.now() + timedelta(hours=1)
                taken_over.update(recover(store, tmp_path / "there", now=later))
            return super().render_batch(wanted)

    taken_over: dict[str, int] = {}
    plan(store, 8, clock.now())
    truth = Truth(tmp_path / "taken")

    deliver(store, Sleeper(), ScriptedTransport(truth), clock=clock, owner="sleeper",
            journal_folder=tmp_path / "here",
            pace=Pace(cycle=2, claim_for=timedelta(seconds=1)))  # fmt: skip

    assert taken_over["in_doubt"] > 3
    assert states(store).keys() <= {"accepted", "planned"}
    assert set(truth.counts.values()) == {1}
    deliver(store, PlainRenderer(), ScriptedTransport(truth), clock=clock, owner="next",
            journal_folder=tmp_path / "there")  # fmt: skip
    assert (states(store), set(truth.counts.values())) == ({"accepted": 8}, {1})


def test_order_mail_that_another_host_tries_once_more_is_left_to_it(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 1, clock.now(), stream=Stream.TRANSACTIONAL)
    Journal(tmp_path / "there", "cut off").close(is_settled=False)
    claim(store, clock, "cut off")
    clock.forward(minutes=21)
    recover(store, tmp_path / "here", now=clock.now())
    clock.forward(minutes=11)
    claim(store, clock, "near")

    found = recover(store, tmp_path / "there", now=clock.now())

    with store.read() as connection:
        row = connection.execute(sa.select(touches)).one()
    assert (found, row.state, row.owner) == ({}, "claimed", "near")


@pytest.mark.postgres
def test_what_is_being_taken_over_cannot_be_given_back_at_the_same_moment(
    postgres_store: Store, clock: StandingClock
) -> None:
    plan(postgres_store, 1, clock.now())
    claim(postgres_store, clock, "slow")

    def give_back() -> None:
        with postgres_store.write() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
            claims.release(connection, "slow", [1], clock.now())

    later = clock.now() + timedelta(hours=1)
    with postgres_store.write() as near:
        assert len(claims.held_by(near, "slow", lapsed_at=later)) == 1
        with pytest.raises(StoreBusy):
            give_back()


def test_a_slow_sender_does_not_give_back_what_was_taken_over_while_it_thought(
    store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(store, 1, clock.now())
    now = clock.now()
    with store.write(durable=True) as connection:
        [mine] = claims.claim(connection, owner="slow", now=now, until=now + timedelta(minutes=20),
                              boot_id=boot_id(), limit=9)  # fmt: skip
    clock.forward(minutes=21)
    assert recover(store, tmp_path / "here", now=clock.now()) == {"in_doubt": 1}

    # it has looked before that, and found a reason why the mail should wait
    with store.write() as connection:
        wait = Obstacle(reason=SkipReason.CAP, until=now + timedelta(days=1))
        claims.settle(connection, "slow", [settling.held_up(mine, wait, clock.now())])

    assert states(store) == {"in_doubt": 1}
    with store.read() as connection:
        assert outbox.audit(connection, clock.now()).troubles == {}
