from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import (
    Account,
    DeliverReport,
    FolderTransport,
    NullTransport,
    Pace,
    SmtpTransport,
    Transport,
    Wanted,
    deliver,
)
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import ServiceDown, SettingsError, StoreError
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.touch import SkipReason, Touch
from crm_mailer.store import deliveries, outbox, pauses, suppressions
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import messages, touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, plan, states
from tests.servers.smtp_faults import ACCEPT_DROP, Fault, FaultServer, fault_server, reply
from tests.servers.smtp_sink import smtp_sink

TRANSACTIONAL = Stream.TRANSACTIONAL
EVERYTHING, QUICKLY = Wanted(), Pace()


class Sender:
    """`deliver` with a store, a clock and a journal folder of its own."""

    def __init__(self, store: Store, clock: StandingClock, folder: Path) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.renderer = PlainRenderer()

    def __call__(
        self,
        transport: Transport,
        *,
        wanted: Wanted = EVERYTHING,
        pace: Pace = QUICKLY,
        should_stop: Callable[[], bool] = lambda: False,
        owner: str = "tester",
    ) -> DeliverReport:
        report = deliver(
            self.store,
            self.renderer,
            transport,
            clock=self.clock,
            owner=owner,
            journal_folder=self.folder,
            should_stop=should_stop,
            wanted=wanted,
            pace=pace,
        )
        assert report.accounted == report.claimed
        assert list(self.folder.glob("*.flight")) == []
        return report


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    """What holds on each engine is in test_engines.py; the rest runs on the quick one."""
    return sqlite_store


@pytest.fixture
def sender(store: Store, clock: StandingClock, tmp_path: Path) -> Sender:
    return Sender(store, clock, tmp_path / "journal")


def by_smtp(server: FaultServer, **changes: object) -> SmtpTransport:
    return SmtpTransport(account(server.port, **changes))


def state_of(store: Store, touch_id: int) -> tuple[str, str, int]:
    with store.read() as connection:
        row = connection.execute(sa.select(touches).where(touches.c.id == touch_id)).one()
    return row.state, row.reason, row.attempts


def test_every_due_touch_is_handed_over_once(sender: Sender, store: Store) -> None:
    plan(store, 120, sender.clock.now())

    with smtp_sink() as sink:
        report = sender(SmtpTransport(account(sink.port)), pace=Pace(batch=50, cycle=20))

    assert report.outcomes == {"accepted": 120}
    assert states(store) == {"accepted": 120}
    assert sorted(sink.recipients) == sorted(f"customer{n}@example.com" for n in range(1, 121))


def test_the_record_of_a_mail_holds_message_and_answer(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now(), stream=TRANSACTIONAL)
    with smtp_sink() as sink:
        sender(SmtpTransport(account(sink.port)))

    with store.read() as connection:
        record = connection.execute(sa.select(messages)).one()
        [attempt] = deliveries.list_(connection, 1)

    assert (record.message_id, record.rcpt_to) == ("<1@shop.example>", "customer1@example.com")
    assert record.content.startswith(b"Subject: Hello 1")
    assert (attempt.outcome.code, attempt.outcome.text) == (250, "queued as 1")


def test_a_deferred_mail_is_tried_again_by_the_schedule(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now())
    answers = iter([reply("451 4.3.0 busy"), None, None])
    with fault_server({"RCPT": lambda: next(answers)}) as server:
        first = sender(by_smtp(server))
        sender.clock.forward(minutes=3)
        too_early = sender(by_smtp(server))
        sender.clock.forward(minutes=4)
        second = sender(by_smtp(server))

    assert (first.outcomes, too_early.claimed, second.outcomes) == (
        {"deferred": 1}, 0, {"accepted": 1})  # fmt: skip
    assert state_of(store, 1) == ("accepted", "", 2)


def test_a_mail_that_stays_deferred_expires_within_its_life(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now(), expires_after=None)
    with fault_server({"RCPT": reply("451 4.3.0 busy")}) as server:
        for _hour in range(30):
            sender(by_smtp(server))
            sender.clock.forward(hours=1)

    state, _reason, attempts = state_of(store, 1)
    assert (state, attempts) == ("expired", 6)


def test_a_touch_past_its_time_expires_and_is_not_sent(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now(), expires_after=timedelta(hours=1))
    sender.clock.forward(hours=2)

    report = sender(NullTransport())

    assert report.skipped == {"late": 1}
    assert state_of(store, 1) == ("expired", "late", 0)


def test_a_dead_address_is_suppressed_for_both_streams(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now())
    with fault_server({"RCPT": reply("550 5.1.1 no such user")}) as server:
        report = sender(by_smtp(server))

    with store.read() as connection:
        [found] = suppressions.find(connection, "customer1@example.com")
    assert report.outcomes == {"refused": 1}
    assert (found.reason, found.scope) == (SuppressionReason.HARD_BOUNCE, "all")


def test_an_opt_out_since_planning_wins(sender: Sender, store: Store) -> None:
    plan(store, 2, sender.clock.now())
    with store.write() as connection:
        suppressions.add(connection, "customer1@example.com", SuppressionReason.UNSUBSCRIBED,
                         source="test", at=sender.clock.now())  # fmt: skip

    report = sender(NullTransport())

    assert (report.skipped, report.outcomes) == ({"unsubscribed": 1}, {"accepted": 1})
    assert state_of(store, 1) == ("skipped", "unsubscribed", 0)


def test_marketing_in_doubt_is_never_sent_again(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now())
    answers = iter([ACCEPT_DROP, None])
    with fault_server({"DOT": lambda: next(answers)}) as server:
        report = sender(by_smtp(server))
        sender.clock.forward(days=2)
        later = sender(by_smtp(server))

    assert (report.outcomes, later.claimed, len(server.box)) == ({"unknown": 1}, 0, 1)
    assert state_of(store, 1)[0] == "in_doubt"


def test_order_mail_in_doubt_is_sent_once_more_with_the_same_bytes(
    sender: Sender, store: Store
) -> None:
    began_at = sender.clock.now()
    plan(store, 1, began_at, stream=TRANSACTIONAL)
    with fault_server({"DOT": ACCEPT_DROP}) as server:
        sender(by_smtp(server))
        sender.clock.forward(minutes=9)
        too_early = sender(by_smtp(server))
        sender.clock.forward(minutes=2)
        second = sender(by_smtp(server))
        sender.clock.forward(days=1)
        third = sender(by_smtp(server))

    assert (too_early.claimed, second.outcomes, third.claimed) == (0, {"unknown": 1}, 0)
    assert (len(server.box), len(set(server.box))) == (2, 1)
    assert state_of(store, 1)[0] == "in_doubt"
    with store.read() as connection:
        assert connection.scalar(sa.select(messages.c.rendered_at)) == began_at


def test_a_cancelled_campaign_sends_no_doubtful_mail_again(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now(), stream=TRANSACTIONAL)
    with fault_server({"DOT": ACCEPT_DROP}) as server:
        sender(by_smtp(server))
        with store.write() as connection:
            outbox.call_off(connection, outbox.Wanted(campaign="spring"))
        sender.clock.forward(minutes=11)
        report = sender(by_smtp(server))

    assert (report.claimed, state_of(store, 1)[0]) == (0, "in_doubt")


def test_no_dot_leaves_when_the_time_of_the_claim_is_over(sender: Sender, store: Store) -> None:
    plan(store, 5, sender.clock.now())
    with fault_server() as server:
        report = sender(by_smtp(server), pace=Pace(claim_for=timedelta(0)))

    assert (report.lane_fault, server.box) == (None, [])
    assert report.released == report.claimed >= 5
    assert states(store) == {"planned": 5}


def test_a_resend_that_is_refused_leaves_the_mail_in_doubt(sender: Sender, store: Store) -> None:
    plan(store, 1, sender.clock.now(), stream=TRANSACTIONAL)
    answers = iter([ACCEPT_DROP, reply("554 5.6.0 duplicate")])
    with fault_server({"DOT": lambda: next(answers)}) as server:
        sender(by_smtp(server))
        sender.clock.forward(minutes=11)
        sender(by_smtp(server))

    assert state_of(store, 1)[0] == "in_doubt"


@pytest.mark.parametrize(
    ("stage", "fault", "words"),
    [
        ("BANNER", reply("554 5.7.1 go away"), "does not greet us: 554 5.7.1 go away"),
        ("EHLO", reply("550 bad name"), "does not accept our greeting: 550 bad name"),
        ("MAIL", reply("550 5.7.1 not your domain"), "refuses our sender: 550 5.7.1 not your"),
        ("MAIL", reply("421 4.3.2 busy"), "wants to be left alone for a while: 421 4.3.2 busy"),
        ("MAIL", reply("530 5.7.0 log in"), "refuses our sender: 530 5.7.0 log in"),
    ],
)
def test_a_fault_of_the_lane_stops_the_run_and_harms_no_touch(
    sender: Sender, store: Store, stage: str, fault: Fault, words: str
) -> None:
    plan(store, 30, sender.clock.now())
    with fault_server({stage: fault}) as server:
        report = sender(by_smtp(server), pace=Pace(batch=10, cycle=5))

    assert report.lane_fault is not None
    assert words in report.lane_fault.message
    assert 0 < report.claimed == report.released
    assert states(store) == {"planned": 30}
    assert state_of(store, 1)[2] == 0
    assert server.connections <= 2


def test_a_server_that_is_down_is_named_with_a_remedy(sender: Sender, store: Store) -> None:
    plan(store, 3, sender.clock.now())
    with fault_server() as server:
        port = server.port

    report = sender(SmtpTransport(account(port)))

    assert report.lane_fault is not None
    error = report.lane_fault.error()
    assert isinstance(error, ServiceDown)
    assert f"mail server 127.0.0.1:{port} cannot be reached" in str(error)
    assert "smtp.host" in error.hint


def test_refusals_by_policy_stop_the_run_after_three(sender: Sender, store: Store) -> None:
    plan(store, 30, sender.clock.now())
    with fault_server({"RCPT": reply("550 5.7.26 not authenticated")}) as server:
        report = sender(by_smtp(server, connections=1))

    # a fourth may have been announced already
    assert 3 <= report.outcomes["refused"] <= 4
    assert states(store) == {
        "planned": 30 - report.outcomes.total(), "refused": report.outcomes["refused"],
    }  # fmt: skip


def test_mails_in_doubt_in_a_row_stop_the_run(sender: Sender, store: Store) -> None:
    plan(store, 30, sender.clock.now())
    with fault_server({"DOT": ACCEPT_DROP}) as server:
        report = sender(by_smtp(server, connections=1))

    assert (report.outcomes, len(server.box)) == ({"unknown": 3}, 3)
    assert report.lane_fault is not None


def test_one_customers_template_fault_stays_theirs(sender: Sender, store: Store) -> None:
    plan(store, 5, sender.clock.now())
    sender.renderer = PlainRenderer(broken=[3])

    report = sender(NullTransport())

    assert (report.outcomes, report.skipped) == ({"accepted": 4}, {"template_error": 1})
    assert state_of(store, 3)[:2] == ("skipped", "template_error")


def test_a_database_that_fails_while_rendering_is_nobodys_fault(
    sender: Sender, store: Store
) -> None:
    class Fails(PlainRenderer):
        def render_batch(self, wanted: Sequence[Touch]) -> list[Message | NotRendered]:
            raise StoreError("the disk is gone")

    plan(store, 1, sender.clock.now())
    healthy, sender.renderer = sender.renderer, Fails()
    for _round in range(4):
        with pytest.raises(StoreError):
            sender(NullTransport())
    sender.renderer = healthy

    report = sender(NullTransport())

    assert (report.recovered, report.outcomes) == ({"released": 1}, {"accepted": 1})
    assert state_of(store, 1) == ("accepted", "", 1)


def test_a_renderer_may_decline_a_touch(sender: Sender, store: Store) -> None:
    class Declines(PlainRenderer):
        def _one(self, touch: Touch) -> Message:
            return NotRendered(touch_id=touch.id, reason=SkipReason.NO_LANGUAGE)  # type: ignore[return-value]

    plan(store, 1, sender.clock.now())
    sender.renderer = Declines()

    report = sender(NullTransport())

    assert report.skipped == {"no_language": 1}


def test_nothing_is_claimed_during_a_pause(sender: Sender, store: Store) -> None:
    plan(store, 5, sender.clock.now())
    _pause(store, sender.clock)

    report = sender(NullTransport())

    assert (report.is_paused, report.claimed) == (True, 0)


def test_a_pause_is_honoured_by_the_next_cycle(sender: Sender, store: Store) -> None:
    class Pauses(PlainRenderer):
        def render_batch(self, wanted: Sequence[Touch]) -> list[Message | NotRendered]:
            _pause(store, sender.clock)
            return super().render_batch(wanted)

    plan(store, 5, sender.clock.now())
    sender.renderer = Pauses()

    report = sender(NullTransport(), pace=Pace(cycle=2))

    assert (report.is_paused, report.outcomes, report.released) == (True, {"accepted": 2}, 3)
    assert states(store) == {"accepted": 2, "planned": 3}


def _pause(store: Store, clock: StandingClock) -> None:
    with store.write() as connection:
        pauses.pause(connection, pauses.ALL, now=clock.now())


def test_a_stop_finishes_what_is_in_flight_and_gives_back_the_rest(
    sender: Sender, store: Store
) -> None:
    plan(store, 20, sender.clock.now())
    stop = threading.Event()

    def fault() -> None:
        stop.set()

    with fault_server({"RCPT": fault}) as server:
        report = sender(by_smtp(server), should_stop=stop.is_set)

    accepted = report.outcomes["accepted"]
    assert 1 <= accepted <= 2
    assert states(store) == {"accepted": accepted, "planned": 20 - accepted}


def test_order_mail_goes_before_marketing(sender: Sender, store: Store) -> None:
    plan(store, 3, sender.clock.now() - timedelta(hours=1))
    orders = plan(store, 1, sender.clock.now(), stream=TRANSACTIONAL)

    sender(NullTransport(), wanted=Wanted(limit=1))

    assert sender.renderer.seen == orders


def test_only_the_wanted_campaign_and_number_are_sent(sender: Sender, store: Store) -> None:
    plan(store, 3, sender.clock.now(), campaign="spring")
    autumn = plan(store, 3, sender.clock.now(), campaign="autumn")

    sender(NullTransport(), wanted=Wanted(limit=2, campaign="autumn"))

    assert sender.renderer.seen == autumn[:2]


def test_the_pace_is_kept(sender: Sender, store: Store) -> None:
    plan(store, 6, sender.clock.now())

    report = sender(NullTransport(), pace=Pace(per_minute=1200))

    assert 6 / 20 - 1 <= report.seconds < 3
    assert report.outcomes == {"accepted": 6}


def test_a_folder_takes_whole_mails_under_names_that_tell_no_address(
    sender: Sender, store: Store, tmp_path: Path
) -> None:
    plan(store, 2, sender.clock.now())

    sender(FolderTransport(tmp_path / "outbox", sender.clock))

    names = sorted(path.name for path in (tmp_path / "outbox").iterdir())
    assert names == ["20261102T120000Z-00000001.eml", "20261102T120000Z-00000002.eml"]


def test_an_outbox_folder_that_cannot_be_written_stops_the_run(
    sender: Sender, store: Store, tmp_path: Path
) -> None:
    plan(store, 2, sender.clock.now())
    (tmp_path / "outbox").write_text("a file in the way")

    report = sender(FolderTransport(tmp_path / "outbox", sender.clock))

    assert report.lane_fault is not None
    assert "outbox folder cannot be written" in report.lane_fault.message
    assert states(store) == {"planned": 2}


def test_a_certificate_file_that_is_none_is_named(
    sender: Sender, store: Store, tmp_path: Path
) -> None:
    plan(store, 2, sender.clock.now())
    (tmp_path / "ca.pem").write_text("nothing")
    transport = SmtpTransport(Account(host="127.0.0.1", ca_file=str(tmp_path / "ca.pem")))

    with pytest.raises(SettingsError, match=r"ca\.pem"):
        sender(transport)

    assert states(store) == {"planned": 2}


def test_a_database_that_fails_at_the_end_loses_no_outcome(
    sender: Sender, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(store, 3, sender.clock.now())
    real, faults = store.write, iter([True])

    def failing(**how: Any) -> object:
        if len(sink.letters) == 3 and next(faults, False):
            raise StoreError("disk full")
        return real(**how)

    monkeypatch.setattr(store, "write", failing)
    with smtp_sink() as sink:
        with pytest.raises(StoreError):
            sender(SmtpTransport(account(sink.port)))
        report = sender(SmtpTransport(account(sink.port)))

    assert (report.recovered, len(sink.letters)) == ({"accepted": 3}, 3)
    assert states(store) == {"accepted": 3}
