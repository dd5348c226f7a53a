from __future__ import annotations

from collections.abc import Iterable

import pytest

from crm_mailer.delivering import signs
from crm_mailer.delivering.faults import LaneFault, rest_after
from crm_mailer.delivering.guards import GuardLimits, Guards
from crm_mailer.delivering.reputation import Reputation, Window, judge
from crm_mailer.delivering.routing import Lane
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.touch import SkipReason, Touch, TouchKind, TouchState
from crm_mailer.store import alerts, pauses, tallies
from crm_mailer.store.engine import Store
from crm_mailer.store.pauses import Pauses
from tests.conftest import NOON

A = "main"
GMAIL = Lane("gmail", Stream.MARKETING)


def outcome(**values: object) -> Outcome:
    return Outcome(**{"kind": OutcomeKind.DEFERRED, "phase": Phase.RCPT, **values})  # type: ignore[arg-type]


def refused(code: int, status: str, blame: Blame, text: str = "", **more: object) -> Outcome:
    return outcome(
        kind=OutcomeKind.REFUSED, code=code, status=status, blame=blame, text=text, **more
    )


FINE = outcome(kind=OutcomeKind.ACCEPTED, phase=Phase.DOT, code=250)
POLICY = refused(550, "5.7.1", Blame.US)
QUOTA = refused(550, "5.4.5", Blame.SITE)
DEAD = refused(550, "5.1.1", Blame.RECIPIENT, is_dead_address=True)
GONE = refused(550, "5.2.1", Blame.RECIPIENT)
SPAMMY = refused(554, "5.6.0", Blame.MESSAGE, "looks like spam, id 4Qx17")
TOO_BIG = refused(552, "5.3.4", Blame.MESSAGE)
CLOSING = outcome(phase=Phase.DATA, code=421, blame=Blame.SITE)
PROTOCOL = outcome(code=503, blame=Blame.US)
LATER = outcome(code=451, blame=Blame.SITE)
MAILBOX_FULL = outcome(code=452, status="4.2.2", blame=Blame.RECIPIENT)
LOST = outcome(blame=Blame.SITE)
DOUBT = outcome(kind=OutcomeKind.UNKNOWN, phase=Phase.DOT, blame=Blame.SITE)
SENDER = outcome(code=550, status="5.1.8", blame=Blame.US)
SENDER_LATER = outcome(code=450, status="4.1.8", blame=Blame.US)
NO_LOGIN = outcome(phase=Phase.AUTH, code=535, blame=Blame.US)
NO_LINE = outcome(phase=Phase.CONNECT, blame=Blame.SITE)


def touch(
    campaign: str = "spring",
    provider: str = "gmail",
    stream: Stream = Stream.MARKETING,
    kind: TouchKind = TouchKind.CAMPAIGN,
) -> Touch:
    return Touch(
        id=1, campaign=campaign, step="one", anchor="date:2026", customer_id=1, stream=stream,
        state=TouchState.CLAIMED, template="t", due_at=NOON, provider=provider, kind=kind,
    )  # fmt: skip


def heard(guards: Guards, seen: Iterable[Outcome], whose: Touch | None = None) -> Guards:
    for one in seen:
        guards.heard(whose or touch(), A, one)
    return guards


def save(store: Store, guards: Guards) -> list[str]:
    with store.write() as connection:
        return guards.save(connection, NOON)


def stopped(store: Store) -> Pauses:
    with store.read() as connection:
        return pauses.load(connection)


# ------------------------------------------------------------------ an account


@pytest.mark.parametrize(
    ("seen", "rests"),
    [
        ([LOST] * 9, False),
        ([LOST] * 10, True),
        ([LOST] * 9 + [FINE] + [LOST] * 9, False),
        ([NO_LOGIN], True),
        ([NO_LINE], True),
        ([outcome(phase=Phase.STARTTLS, blame=Blame.SITE)], True),
        ([outcome(phase=Phase.BANNER, code=554, blame=Blame.SITE)], True),
        ([outcome(phase=Phase.MAIL, code=550, status="5.1.8", blame=Blame.US)], True),
        ([outcome(phase=Phase.RCPT, code=530, blame=Blame.US)], True),
        ([DOUBT] * 2, False),
        ([DOUBT] * 3, True),
        ([QUOTA] * 9, False),
        ([QUOTA] * 10, True),
        ([CLOSING], False),
        ([CLOSING] * 3, True),
        ([CLOSING, FINE] * 9, False),
        ([outcome(phase=Phase.MAIL, code=421, blame=Blame.SITE)], True),
        ([outcome(phase=Phase.MAIL, code=452, blame=Blame.SITE)] * 3, True),
        ([LATER] * 50, False),
        ([MAILBOX_FULL] * 50, False),
        ([PROTOCOL] * 2, False),
        ([PROTOCOL] * 3, True),
        ([PROTOCOL, FINE] * 5, False),
        ([SENDER] * 2, False),
        ([SENDER] * 3, True),
        ([outcome(code=501, status="5.1.7", blame=Blame.US)] * 3, True),
        ([SENDER_LATER, SENDER, SENDER_LATER], True),
        ([SENDER, SENDER, FINE] * 5, False),
        ([DEAD, GONE] * 40, False),
        ([POLICY] * 9, False),
        ([SPAMMY] * 9, False),
    ],
)
def test_faults_of_ours_and_of_the_server_let_an_account_rest_and_customers_faults_do_not(
    seen: list[Outcome], rests: bool
) -> None:
    guards = heard(Guards([A]), seen)

    assert (guards.fault(A) is not None) is rests
    assert guards.fault("other") is None


@pytest.mark.parametrize(
    ("every", "number", "rests"), [(150, 1_050, True), (250, 1_000, False), (220, 2_000, False)]
)
def test_more_than_one_in_two_hundred_in_doubt_is_too_much(
    every: int, number: int, rests: bool
) -> None:
    guards = heard(Guards([A]), [DOUBT if n % every == every - 1 else FINE for n in range(number)])

    assert (guards.fault(A) is not None) is rests


def test_good_news_waits_and_bad_news_does_not(store: Store) -> None:
    guards = heard(Guards([A]), [LATER, FINE])
    with store.write() as connection:
        guards.save(connection, NOON, may_wait=True)
        heard(guards, [FINE])
        guards.save(connection, NOON, may_wait=True)
        assert guards.is_dirty, "what went well was written at once"
        heard(guards, [LATER])
        guards.save(connection, NOON, may_wait=True)
        assert not guards.is_dirty
        heard(guards, [FINE])
        guards.save(connection, NOON)
        assert not guards.is_dirty, "the last save left something"


def test_an_account_that_has_rested_is_tried_with_one_mail_and_rests_again_at_once(
    store: Store,
) -> None:
    save(store, heard(Guards([A]), [CLOSING] * 3))
    again = heard(Guards([A]), [CLOSING])

    save(store, again)

    assert again.fault(A) is not None


def test_a_trouble_of_an_account_is_told_once_and_ends_with_its_first_mail(store: Store) -> None:
    first = save(store, heard(Guards([A]), [NO_LOGIN]))
    second = save(store, heard(Guards([A]), [NO_LOGIN, NO_LOGIN]))
    with store.read() as connection:
        (alert,) = alerts.list_open(connection)
    save(store, heard(Guards([A]), [FINE]))
    with store.read() as connection:
        after = alerts.list_open(connection)
    third = save(store, heard(Guards([A]), [NO_LOGIN]))

    assert (first, second, third) == (["account:main/auth"], [], ["account:main/auth"])
    assert (alert.times, alert.first_at) == (2, NOON)
    assert "refuses our login" in alert.message
    assert "password" in alert.hint
    assert after == []


def test_a_sender_that_is_refused_at_rcpt_is_told_as_what_it_is(store: Store) -> None:
    causes = save(store, heard(Guards([A]), [SENDER] * 3))

    with store.read() as connection:
        (alert,) = alerts.list_open(connection)
    assert causes == ["account:main/rcpt"]
    assert "refuses our sender" in alert.message
    assert "`bounce_domain`" in alert.hint


def test_a_lane_rests_longer_each_time_and_longest_for_a_refused_login() -> None:
    def minutes(phase: Phase, blame: Blame, faults: int) -> float:
        fault = LaneFault(host="mx:25", phase=phase, outcome=outcome(phase=phase, blame=blame))
        return rest_after(fault, faults).total_seconds() / 60

    down = [minutes(Phase.CONNECT, Blame.SITE, faults) for faults in (1, 2, 5, 6, 900)]
    login = [minutes(Phase.AUTH, Blame.US, faults) for faults in (1, 2, 4, 5, 900)]

    assert down == [1 / 6, 1 / 3, 8 / 3, 5, 5]
    assert login == [5, 10, 40, 60, 60]


# ------------------------------------------------------------------ a lane


def test_three_refusals_by_policy_in_a_row_pause_the_lane_alone(store: Store) -> None:
    guards = heard(Guards([A]), [POLICY, POLICY, FINE, POLICY, MAILBOX_FULL, POLICY])
    before = guards.stopped_lanes
    heard(guards, [POLICY])

    causes = save(store, guards)

    assert before == frozenset()
    assert guards.stopped_lanes == {GMAIL}
    assert causes == ["lane:gmail/marketing/policy"]
    found = stopped(store)
    assert found.stops("gmail/marketing")
    assert not found.stops("gmail/transactional")
    assert guards.fault(A) is None


def test_refusals_by_policy_are_counted_over_rounds(store: Store) -> None:
    for _round in range(2):
        save(store, heard(Guards([A]), [POLICY]))
        assert not stopped(store).lanes
    save(store, heard(Guards([A]), [POLICY]))

    assert stopped(store).lanes == {"gmail/marketing"}


def test_an_accepted_mail_in_another_round_ends_a_row_of_refusals(store: Store) -> None:
    for seen in ([POLICY, POLICY], [FINE], [POLICY]):
        save(store, heard(Guards([A]), seen))

    assert not stopped(store).lanes


# ------------------------------------------------------------------ a campaign


@pytest.mark.parametrize(
    ("dead", "number", "is_paused"),
    [
        (2, 99, False),
        (50, 99, False),
        (2, 100, False),
        (3, 101, True),
        (10, 500, False),
        (12, 501, True),
    ],
)
def test_more_than_two_dead_addresses_in_a_hundred_of_the_first_five_hundred_pause_a_campaign(
    dead: int, number: int, is_paused: bool
) -> None:
    rhythm = [DEAD if n * dead // number != (n + 1) * dead // number else FINE
              for n in range(number)]  # fmt: skip

    assert bool(heard(Guards([A]), rhythm).stopped_campaigns) is is_paused


def test_later_any_thousand_may_hold_fifty_dead_addresses() -> None:
    guards = heard(Guards([A]), [FINE] * 3_000 + [DEAD] * 50)
    assert not guards.stopped_campaigns

    heard(guards, [DEAD])

    assert guards.stopped_campaigns == {"spring"}


def test_dead_addresses_that_two_processes_met_are_counted_together(store: Store) -> None:
    pair = [Guards([A]), Guards([A])]
    for guards in pair:
        heard(guards, [FINE] * 78 + [DEAD] * 2)
        save(store, guards)

    assert [guards.stopped_campaigns for guards in pair] == [frozenset(), {"spring"}]
    assert stopped(store).campaigns == {"spring"}
    with store.read() as connection:
        tally = tallies.load(connection, ["campaign:spring"])["campaign:spring"]
    assert (tally.attempts, tally.faults, tally.recent) == (160, 4, [2, 2])


def test_dead_addresses_of_order_mail_are_told_and_its_campaign_goes_on(store: Store) -> None:
    order = touch("shipped", stream=Stream.TRANSACTIONAL)
    guards = heard(Guards([A]), [FINE] * 100 + [DEAD] * 9, order)

    causes = save(store, guards)

    assert causes == ["campaign:shipped/bounces"]
    assert guards.stopped_campaigns == stopped(store).campaigns == frozenset()


def test_the_same_content_refused_three_times_by_one_provider_pauses_the_campaign() -> None:
    again = refused(554, "5.6.0", Blame.MESSAGE, "looks like spam, id 7Yz93")
    other = refused(554, "5.6.0", Blame.MESSAGE, "no such attachment here")
    rows = {
        "same words": [SPAMMY, again, SPAMMY],
        "other words": [SPAMMY, other, SPAMMY, other],
        "accepted in between": [SPAMMY, SPAMMY, FINE, SPAMMY],
    }

    found = {name: bool(heard(Guards([A]), seen).stopped_campaigns) for name, seen in rows.items()}

    assert found == {"same words": True, "other words": False, "accepted in between": False}


def test_that_one_provider_takes_a_mail_says_nothing_about_another() -> None:
    guards = Guards([A])
    for _ in range(3):
        guards.heard(touch(), A, SPAMMY)
        guards.heard(touch(provider="qq"), A, FINE)

    assert guards.stopped_campaigns == {"spring"}


def test_one_mail_that_is_too_big_pauses_an_edm_and_three_in_a_row_an_order_campaign() -> None:
    order = touch("shipped", stream=Stream.TRANSACTIONAL)

    assert heard(Guards([A]), [FINE, TOO_BIG]).stopped_campaigns == {"spring"}
    assert not heard(Guards([A]), [TOO_BIG, TOO_BIG, FINE, TOO_BIG], order).stopped_campaigns
    assert heard(Guards([A]), [TOO_BIG] * 3, order).stopped_campaigns == {"shipped"}


@pytest.mark.parametrize(
    ("errors", "fine", "is_paused"),
    [(5, 95, False), (6, 94, True), (19, 0, False), (20, 0, True), (6, 93, False)],
)
def test_a_template_that_fails_often_pauses_its_campaign(
    errors: int, fine: int, is_paused: bool
) -> None:
    guards = Guards([A])
    for _ in range(fine):
        guards.rendered(touch(), True)
    for _ in range(errors):
        guards.rendered(touch(), False, SkipReason.TEMPLATE_ERROR)

    assert bool(guards.stopped_campaigns) is is_paused


def test_a_customer_without_a_language_or_an_address_is_no_fault_of_a_template() -> None:
    guards = Guards([A])
    for reason in (SkipReason.NO_LANGUAGE, SkipReason.NO_ADDRESS) * 30:
        guards.rendered(touch(), False, reason)

    assert guards.stopped_campaigns == frozenset()


def test_answers_to_customers_and_tests_belong_to_no_campaign(store: Store) -> None:
    guards = Guards([A])
    heard(guards, [TOO_BIG] * 3, touch("case", kind=TouchKind.CASE_REPLY))
    guards.rendered(touch("case", kind=TouchKind.CASE_REPLY), False)
    save(store, guards)

    assert guards.stopped_campaigns == stopped(store).campaigns == frozenset()


def test_what_a_person_lets_go_on_is_counted_anew_and_not_stopped_here_any_more(
    store: Store,
) -> None:
    guards = heard(Guards([A]), [FINE, TOO_BIG] + [POLICY] * 3)
    save(store, guards)
    with store.write() as connection:
        for scope in ("campaign:spring", "lane:gmail"):
            pauses.resume(connection, scope)

    heard(guards, [FINE])
    save(store, guards)

    assert not guards.stopped_campaigns
    assert not guards.stopped_lanes
    assert stopped(store) == Pauses()
    with store.read() as connection:
        assert tallies.load(connection, ["campaign:spring"])["campaign:spring"].attempts == 1


def test_a_person_s_own_pause_keeps_its_reason(store: Store) -> None:
    with store.write() as connection:
        pauses.pause(connection, "campaign:spring", now=NOON, reason="wrong price")

    save(store, heard(Guards([A]), [TOO_BIG]))

    with store.read() as connection:
        (stop,) = pauses.list_(connection)
    assert (stop.reason, stop.by) == ("wrong price", "person")


def test_limits_may_be_set() -> None:
    limits = GuardLimits(policy=1, template_in_a_row=2)
    guards = heard(Guards([A], limits), [POLICY])
    guards.rendered(touch(), False)
    guards.rendered(touch(), False)

    assert guards.stopped_lanes == {GMAIL}
    assert guards.stopped_campaigns == {"spring"}


def test_counting_in_many_saves_is_counting_in_one(store: Store) -> None:
    seen = ([FINE] * 37 + [DEAD, MAILBOX_FULL, SPAMMY, FINE, LATER, POLICY, DOUBT]) * 20
    many, one = Guards([A]), Guards([A])
    for start in range(0, len(seen), 13):
        heard(many, seen[start : start + 13], touch("many"))
        save(store, many)
    heard(one, seen, touch("one"))
    save(store, one)
    with store.read() as connection:
        rows = tallies.load(connection, ["campaign:many", "campaign:one"])
    first, second = rows["campaign:many"], rows["campaign:one"]

    assert (first.attempts, first.faults, first.recent) == (820, 20, second.recent)
    assert (second.attempts, second.faults) == (820, 20)
    assert first.refusals == second.refusals


def test_a_round_in_which_all_went_well_writes_two_rows_and_nothing_is_left_to_write(
    store: Store,
) -> None:
    guards = heard(Guards([A]), [FINE] * 500)
    assert guards.is_dirty

    save(store, guards)

    assert not guards.is_dirty
    with store.read() as connection:
        scopes = ["account:main", "campaign:spring", "lane:gmail/marketing"]
        assert sorted(tallies.load(connection, scopes)) == scopes[:2]


# ------------------------------------------------------------------ tests of a mail


@pytest.mark.parametrize("seen", [[POLICY] * 50, [DOUBT] * 50, [FINE] * 50, [SPAMMY] * 50],
                         ids=["policy", "doubt", "fine", "spam"])  # fmt: skip
def test_tests_of_a_mail_count_in_no_guard(store: Store, seen: list[Outcome]) -> None:
    guards = heard(Guards([A]), seen, touch("(test)", kind=TouchKind.TEST))

    assert save(store, guards) == []
    assert guards.fault(A) is None
    assert (stopped(store).lanes, stopped(store).campaigns) == (frozenset(), frozenset())
    with store.read() as connection:
        scopes = ["account:main", "campaign:(test)", "lane:gmail/marketing"]
        assert tallies.load(connection, scopes) == {}


def test_a_test_that_cannot_log_in_lets_the_account_rest(store: Store) -> None:
    guards = heard(Guards([A]), [NO_LOGIN], touch("(test)", kind=TouchKind.TEST))

    assert guards.fault(A) is not None


# ------------------------------------------------------------------ what came back


@pytest.mark.parametrize(
    ("bounced", "left", "is_much"),
    [(2, 100, False), (3, 99, False), (3, 101, True), (10, 500, False), (11, 500, True),
     (50, 1_000, False), (51, 1_000, True)],
)  # fmt: skip
def test_mails_that_come_back_from_dead_addresses_count_like_those_refused_at_once(
    bounced: int, left: int, is_much: bool
) -> None:
    assert bool(signs.judge_returned(bounced, left)) is is_much


@pytest.mark.parametrize(
    ("windows", "reputation"),
    [
        ([], Reputation.GOOD),
        ([(4, 1_000)], Reputation.GOOD),
        ([(5, 999)], Reputation.GOOD),
        ([(9, 10_000)], Reputation.GOOD),
        ([(10, 10_000)], Reputation.WARNED),
        ([(20, 10_000)], Reputation.HALVED),
        ([(30, 10_000)], Reputation.STOPPED),
        ([(5, 5_000), (10, 5_000)], Reputation.HALVED),
        ([(900, 10), (1, 90_000)], Reputation.GOOD),
    ],
)
def test_spam_reports_warn_then_halve_then_stop(
    windows: list[tuple[int, int]], reputation: Reputation
) -> None:
    assert judge([Window(*one) for one in windows]).reputation is reputation
