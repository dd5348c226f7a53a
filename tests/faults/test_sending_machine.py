"""Anything may happen to a sender in any order: the ledger and the server agree all the same."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crm_mailer.delivering import DeliverReport, Pace, deliver, recover
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import EvidenceKind, Verdict
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import doubts, migrate, outbox, pauses, suppressions
from crm_mailer.store import touches as store_touches
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import deliveries, metadata, paces, touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, plan
from tests.faults.crashing import POINTS, KillAt, PassingRenderer, PassingStore, in_a_child
from tests.faults.scripted import Fate, ScriptedTransport, Taken, Truth, go_on

CAMPAIGNS = {"spring": Stream.MARKETING, "orders": Stream.TRANSACTIONAL}
WIDTH, PACE = 2, Pace(batch=6, cycle=3)
#: Minutes: within a rest, past the wait of a doubt, past a first and a late try, past all life.
WAITS = (1, 6, 11, 25, 80, 400, 1_500, 5_000)
#: What people do, the frequent more often.
ACTS = ("pauses_all pauses_a_lane pauses_a_campaign resumes resumes resumes resumes tries_again "
        "tries_again tries_refused_ones_again cancels").split()  # fmt: skip
CAMPAIGN = st.sampled_from(sorted(CAMPAIGNS))
#: A lane that is told to slow down makes its mails wait, and so us: seldom.
SLOWING = [Fate.BUSY, Fate.THROTTLED]
DEALT = [fate for fate in Fate if fate not in SLOWING] * 8 + SLOWING
SOME_FATES = st.lists(st.sampled_from(DEALT), max_size=6)
#: Seconds after which a round is stopped that waits for its pace.
PATIENCE = 0.4


@cache
def prepared() -> tuple[Path, PassingStore]:
    """A folder with an empty database to copy, and the store that all examples share in turn.

    It has learnt its statements once, and so have the processes that are forked from this one.
    """
    folder = Path(tempfile.mkdtemp(prefix="crm-machine-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = open_store(f"sqlite:///{folder}/prepared.db")
    migrate.upgrade(store)
    store.close()
    return folder, PassingStore(f"sqlite:///{folder}/shop/shop.db", go_on)


class Sending(RuleBasedStateMachine):
    """One shop's outbox, its senders, and a mail server."""

    def __init__(self) -> None:
        super().__init__()
        self.folder, self.store = self.begun()
        self.truth = Truth(self.folder / "taken")
        self.clock = StandingClock()
        self.senders = 0
        #: Touch -> its stream; the customers have the same numbers.
        self.planned: dict[int, Stream] = {}
        #: What was ended before it left.
        self.ended: set[int] = set()
        #: How many mails may be in doubt at most.
        self.doubtful = 0
        #: Whether a sender was killed and nobody has looked after it yet.
        self.has_died = False

    def begun(self) -> tuple[Path, PassingStore]:
        """An empty folder, and an empty database."""
        folder, store = prepared()
        shutil.copy(folder / "prepared.db", empty(folder / "shop") / "shop.db")
        return folder / "shop", store

    def teardown(self) -> None:
        self.store.close()

    # ------------------------------------------------------------------ rules

    @initialize(number=st.integers(1, 5))
    def begins(self, number: int) -> None:
        self.plans("spring", number)

    @rule(campaign=CAMPAIGN, number=st.integers(1, 4))
    def plans(self, campaign: str, number: int) -> None:
        stream = CAMPAIGNS[campaign]
        ids = plan(self.store, number, self.clock.now(), stream=stream, campaign=campaign)
        self.planned |= dict.fromkeys(ids, stream)

    @rule(campaign=CAMPAIGN, number=st.integers(1, 4), fates=SOME_FATES)
    def sends_to_new_customers(self, campaign: str, number: int, fates: list[Fate]) -> None:
        self.plans(campaign, number)
        self.sends(fates)

    @rule(fates=SOME_FATES)
    def sends(self, fates: list[Fate]) -> None:
        before = self._look()
        way = ScriptedTransport(self.truth, fates, width=WIDTH)
        report = self._round(PlainRenderer(), way)
        assert report.accounted == report.claimed
        self.doubtful += sum(fate.is_doubtful for fate in way.dealt)
        self.has_died = False
        self._compare(before)

    @rule(
        campaign=CAMPAIGN,
        number=st.integers(1, 6),
        fates=SOME_FATES,
        point=st.sampled_from(POINTS),
        nth=st.integers(1, 4),
        has_lost_power=st.sampled_from([False, False, False, True]),
    )
    def is_killed(
        self,
        campaign: str,
        number: int,
        fates: list[Fate],
        point: str,
        nth: int,
        has_lost_power: bool,
    ) -> None:
        """With `has_lost_power`, the next sender finds another run of the machine."""
        self.plans(campaign, number)
        before = self._look()
        kill = KillAt(point, nth)
        if has_lost_power:  # what the one before had claimed is of yet another run
            self.doubtful += len(self._claimed())
        self.store.close()

        def work() -> None:
            if has_lost_power:
                os.environ["CRM_MAILER_BOOT_ID"] = "the run before"
            self.store.passing = kill
            way = ScriptedTransport(self.truth, fates, passing=kill, width=WIDTH)
            self._round(PassingRenderer(kill), way)

        self.senders += 1
        has_ended = in_a_child(work)
        self.has_died = not has_ended
        self.doubtful += sum(fate.is_doubtful for fate in fates)
        if not has_ended:
            self.doubtful += PACE.batch * 4 if has_lost_power else WIDTH * 2
        self._compare(before)

    @rule()
    def is_recovered(self) -> None:
        recover(self.store, self.folder, now=self.clock.now())
        self.has_died = bool(self._claimed())

    @rule(minutes=st.sampled_from(WAITS))
    def waits(self, minutes: int) -> None:
        self.clock.forward(minutes=minutes)

    @precondition(lambda self: self.planned)
    @rule(number=st.integers(0, 1_000), reason=st.sampled_from(
        [SuppressionReason.UNSUBSCRIBED, SuppressionReason.HARD_BOUNCE]))  # fmt: skip
    def loses_a_customer(self, number: int, reason: SuppressionReason) -> None:
        touch_id = sorted(self.planned)[number % len(self.planned)]
        with self.store.write() as connection:
            suppressions.add(connection, _address(touch_id), reason, source="machine",
                             at=self.clock.now())  # fmt: skip

    @rule(act=st.sampled_from(ACTS), campaign=CAMPAIGN)
    def is_meddled_with(self, act: str, campaign: str) -> None:
        """What people do to an outbox."""
        getattr(self, act)(campaign)

    def pauses_all(self, _campaign: str) -> None:
        self._pauses(pauses.ALL)

    def pauses_a_lane(self, campaign: str) -> None:
        self._pauses(f"{pauses.LANE}other/{CAMPAIGNS[campaign].value}")

    def pauses_a_campaign(self, campaign: str) -> None:
        self._pauses(f"{pauses.CAMPAIGN}{campaign}")
        with self.store.write() as connection:
            pauses.hold(connection, pauses.list_due(connection, campaign, self.clock.now()))

    def _pauses(self, scope: str) -> None:
        with self.store.write() as connection:
            pauses.pause(connection, scope, now=self.clock.now())

    def resumes(self, _campaign: str) -> None:
        with self.store.write() as connection:
            for pause in pauses.list_(connection):
                pauses.resume(connection, pause.scope)
            for campaign in CAMPAIGNS:
                pauses.let_go(connection, pauses.list_held(connection, campaign))

    def tries_again(self, _campaign: str) -> None:
        with self.store.write() as connection:
            outbox.retry(connection, self.clock.now())

    def tries_refused_ones_again(self, _campaign: str) -> None:
        with self.store.write() as connection:
            outbox.retry(connection, self.clock.now(), is_refused_too=True)

    def cancels(self, campaign: str) -> None:
        with self.store.write() as connection:
            outbox.call_off(connection, outbox.Wanted(campaign=campaign))
            ids = store_touches.list_unsent(connection, campaign)
            store_touches.end(connection, ids, SkipReason.CANCELLED, self.clock.now())
        self.ended |= set(self._of(CAMPAIGNS[campaign])) - self._claimed()

    @rule()
    def learns_the_truth_of_a_doubt(self) -> None:
        """A bounce or a person tells of the oldest mail in doubt whether it left."""
        with self.store.write() as connection:
            found = connection.scalar(
                sa.select(touches.c.id).where(touches.c.state == "in_doubt").order_by(touches.c.id)
            )
            if found is None:
                return
            has_left = self.truth.counts[found] > 0
            doubts.settle_by_evidence(
                connection, found, EvidenceKind.OPERATOR, self.clock.now(), "looked it up",
                Verdict.ACCEPTED if has_left else Verdict.NOT_SENT,
            )  # fmt: skip
        if not has_left:
            self.ended.discard(found)

    # ------------------------------------------------------------------ what holds at any time

    @invariant()
    def nothing_is_lost(self) -> None:
        with self.store.read() as connection:
            audit = outbox.audit(connection, self.clock.now())
        troubles = {
            sentence: number
            for sentence, number in audit.troubles.items()
            if not (self.has_died and sentence.startswith("claimed"))
        }
        assert troubles == {}
        assert sum(audit.states.values()) == len(self.planned)
        assert audit.states.get("in_doubt", 0) <= self.doubtful

    @invariant()
    def nothing_leaves_twice(self) -> None:
        twice = [one for one, number in self.truth.counts.items() if number > 1]
        for touch_id in twice:
            assert self.planned[touch_id] is Stream.TRANSACTIONAL
            assert self.truth.counts[touch_id] == 2
            assert not self._taken(touch_id)[0].is_told or self._was_doubtful(touch_id)

    @invariant()
    def the_ledger_and_the_server_agree(self) -> None:
        with self.store.read() as connection:
            rows = connection.execute(sa.select(touches.c.id, touches.c.state)).all()
        taken = self.truth.counts
        for number, state in rows:
            assert state != "accepted" or taken[number], number
            assert not taken[number] or state in ("accepted", "in_doubt", "claimed"), number
            assert state != "claimed" or self.has_died

    # ------------------------------------------------------------------ means

    def _round(self, renderer: PlainRenderer, way: ScriptedTransport) -> DeliverReport:
        self.senders += 1
        until = time.monotonic() + PATIENCE
        report = deliver(self.store, renderer, way, clock=self.clock,
                         owner=f"sender-{self.senders}", journal_folder=self.folder, pace=PACE,
                         should_stop=lambda: time.monotonic() > until)  # fmt: skip
        with self.store.write() as connection:  # how fast mails leave is not what is tried here
            connection.execute(paces.delete())
        return report

    def _look(self) -> tuple[int, set[int]]:
        """How many mails have left so far, and which touches must not leave in the next round."""
        with self.store.read() as connection:
            paused = pauses.load(connection)
            stopped = {
                one
                for stream in Stream
                for one in self._of(stream)
                if suppressions.stopped(connection, [_address(one)], stream)
            }
        for campaign, stream in CAMPAIGNS.items():
            lane = f"other/{stream.value}"
            is_all = paused.everything is not None
            if is_all or campaign in paused.campaigns or paused.stops(lane):
                stopped |= set(self._of(stream))
        return len(self.truth.mails), stopped | self.ended

    def _compare(self, before: tuple[int, set[int]]) -> None:
        number, forbidden = before
        assert forbidden.isdisjoint(mail.touch_id for mail in self.truth.mails[number:])

    def _of(self, stream: Stream) -> Iterable[int]:
        return [one for one, its in self.planned.items() if its is stream]

    def _taken(self, touch_id: int) -> list[Taken]:
        return [mail for mail in self.truth.mails if mail.touch_id == touch_id]

    def _was_doubtful(self, touch_id: int) -> bool:
        query = sa.select(deliveries.c.id).where(
            deliveries.c.touch_id == touch_id, deliveries.c.outcome == "unknown"
        )
        with self.store.read() as connection:
            return connection.execute(query).first() is not None

    def _claimed(self) -> set[int]:
        with self.store.read() as connection:
            return set(
                connection.scalars(sa.select(touches.c.id).where(touches.c.state == "claimed"))
            )


def _address(touch_id: int) -> str:
    return f"customer{touch_id}@example.com"


def empty(folder: Path) -> Path:
    """The folder, with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


#: A long search for new ways to break it: `CRM_MAILER_TEST_EXAMPLES=5000`.
LONG = int(os.environ.get("CRM_MAILER_TEST_EXAMPLES", "0"))
#: Some thousand processes are forked, and others want the machine, too.
pytestmark = pytest.mark.timeout(0 if LONG else 400)
SEARCH = settings(
    max_examples=LONG or 40,
    stateful_step_count=25,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)

TestSending = Sending.TestCase
TestSending.settings = SEARCH


@pytest.mark.postgres
def test_the_same_holds_on_postgresql(postgres_store: Store, tmp_path: Path) -> None:
    store = PassingStore(postgres_store.url.render_as_string(hide_password=False), go_on)

    class OnServer(Sending):
        """One database for all examples, emptied each time."""

        def begun(self) -> tuple[Path, PassingStore]:
            with store.write() as connection:
                for table in reversed(metadata.sorted_tables):
                    connection.execute(table.delete())
            return empty(tmp_path / "shop"), store

    run_state_machine_as_test(OnServer, settings=settings(SEARCH, max_examples=LONG or 10))
