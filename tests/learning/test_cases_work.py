from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer import learning
from crm_mailer.learning import Dispute, checklist, disputes
from crm_mailer.learning.checklist import Step
from crm_mailer.model.business_calendar import BusinessCalendar
from crm_mailer.model.case import Arbitration, CaseEventKind, Remedy
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.money import Money
from crm_mailer.model.reply import Severity
from crm_mailer.model.sla import ServiceLevels
from crm_mailer.store import alerts
from crm_mailer.store import cases as store_cases
from crm_mailer.store.tables import case_escalations, cases
from tests.learning.shop import NOW, SmallShop

HOUR = timedelta(hours=1)
LEVELS = ServiceLevels(warn=("Lin", "Wei"))
LI: dict[str, Any] = {"by": "Li", "now": NOW}


@pytest.fixture
def complained(shop: SmallShop) -> SmallShop:
    """Case 1: damaged goods, P2, opened at NOW."""
    shop.wrote("complaint", "nad.damaged")
    learning.learn(shop.store, now=NOW)
    return shop


def told(shop: SmallShop) -> list[str]:
    return [event.ref for event in shop.events("escalated")]


def open_alerts(shop: SmallShop) -> list[str]:
    with shop.store.read() as connection:
        return [one.cause for one in alerts.list_open(connection)]


# ------------------------------------------------------------------ the shop's hours


def test_a_case_is_due_in_the_hours_of_the_office(shop: SmallShop) -> None:
    office = ServiceLevels(calendar=BusinessCalendar(place=ZoneInfo("Asia/Shanghai")))
    shop.wrote("complaint", "nad.damaged")

    learning.learn(shop.store, now=NOW, levels=office)

    # Opened at 20:00 in Shanghai: eight hours of the next day.
    assert shop.cases()[0].due_at == NOW + timedelta(hours=21)


def test_rules_that_changed_give_old_cases_new_times(complained: SmallShop) -> None:
    office = ServiceLevels(calendar=BusinessCalendar(place=ZoneInfo("Asia/Shanghai")))

    done = learning.retime(complained.store, office, now=NOW)

    assert done == 1
    assert complained.cases()[0].due_at == NOW + timedelta(hours=21)


# ------------------------------------------------------------------ telling of late cases


def test_a_late_case_is_told_of_once_for_each_clock_and_level(complained: SmallShop) -> None:
    turns = [
        learning.escalate(complained.store, LEVELS, now=NOW + hours * HOUR)
        for hours in (1, 6, 6.5, 8, 9, 100, 101)
    ]

    assert turns == [0, 1, 0, 1, 0, 1, 0]
    assert told(complained) == [
        "first_response/warn", "first_response/breach", "solution/breach",
    ]  # fmt: skip


def test_who_is_warned_stands_in_the_log_and_the_alert(complained: SmallShop) -> None:
    learning.escalate(complained.store, LEVELS, now=NOW + 9 * HOUR)

    [event] = complained.events("escalated")
    with complained.store.read() as connection:
        [alert] = alerts.list_open(connection)
    assert event.text.endswith("(told Lin, Wei)")
    assert "case 1 (P2, nobody has it): the first answer is overdue since" in alert.message
    assert alert.hint == "tell Lin, Wei: `crm-mailer case show 1`"


def test_an_answer_ends_the_alert(complained: SmallShop) -> None:
    learning.escalate(complained.store, LEVELS, now=NOW + 9 * HOUR)
    before = open_alerts(complained)

    learning.note(complained.store, 1, "x", by="Li", now=NOW + 10 * HOUR, is_answer=True)

    assert before == ["case:1/first_response"]
    assert open_alerts(complained) == []


def test_a_note_does_not_end_the_alert(complained: SmallShop) -> None:
    learning.escalate(complained.store, LEVELS, now=NOW + 9 * HOUR)

    learning.note(complained.store, 1, "x", by="Li", now=NOW + 10 * HOUR)

    assert open_alerts(complained) == ["case:1/first_response"]


def test_a_new_turn_may_be_told_of_again(complained: SmallShop) -> None:
    later = NOW
    for _turn in range(2):
        learning.note(complained.store, 1, "x", by="Li", now=later, is_answer=True)
        complained.wrote("other", received_at=later + HOUR)
        learning.learn(complained.store, now=later + HOUR)
        learning.escalate(complained.store, LEVELS, now=later + 26 * HOUR)
        later += 30 * HOUR

    assert [ref for ref in told(complained) if ref == "update/breach"] == ["update/breach"] * 2


def test_a_case_that_was_answered_in_time_is_not_told_of(complained: SmallShop) -> None:
    learning.note(complained.store, 1, "x", is_answer=True, **LI)

    assert learning.escalate(complained.store, LEVELS, now=NOW + 900 * HOUR) == 0


def test_two_daemons_at_once_tell_of_a_case_once(complained: SmallShop) -> None:
    def turn(_number: int) -> int:
        return learning.escalate(complained.store, LEVELS, now=NOW + 9 * HOUR)

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(turn, range(2)))

    assert sum(counts) == len(complained.events("escalated")) == 1


def test_a_crash_between_telling_and_saving_tells_nothing(
    complained: SmallShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_args: object, **_more: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(alerts, "raise_", die)
        with pytest.raises(KeyboardInterrupt):
            learning.escalate(complained.store, LEVELS, now=NOW + 9 * HOUR)

    assert complained.events("escalated") == []
    assert learning.escalate(complained.store, LEVELS, now=NOW + 9 * HOUR) == 1


def test_what_was_told_is_kept_under_the_start_of_the_clock(complained: SmallShop) -> None:
    learning.escalate(complained.store, LEVELS, now=NOW + 9 * HOUR)

    with complained.store.read() as connection:
        [row] = connection.execute(sa.select(case_escalations)).all()
    assert (row.clock, row.level, row.since) == ("first_response", "breach", NOW)


# ------------------------------------------------------------------ owners


def test_of_two_agents_who_take_a_case_one_is_told_who_was_faster(complained: SmallShop) -> None:
    def take(who: str) -> str:
        try:
            return learning.take(complained.store, 1, by=who, now=NOW).owner
        except NotPossible as refused:
            return str(refused)

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(take, ["Li", "Wei"]))

    owner = complained.cases()[0].owner
    assert said == sorted([owner, f"{owner} has case 1"])


def test_taking_or_giving_a_case_twice_is_one_line_in_the_log(complained: SmallShop) -> None:
    for _turn in range(2):
        learning.take(complained.store, 1, **LI)
        learning.assign(complained.store, 1, "Li", **LI)

    assert [event.text for event in complained.events("assigned")] == ["Li"]


def test_a_case_that_is_over_cannot_be_taken(complained: SmallShop) -> None:
    learning.close(complained.store, 1, "", **LI)

    with pytest.raises(NotPossible, match="case 1 is closed") as refused:
        learning.take(complained.store, 1, **LI)

    assert "case reopen 1" in refused.value.hint


# ------------------------------------------------------------------ machines


@pytest.mark.parametrize("kind", ["auto_reply", "bounce", "challenge"])
def test_machine_mail_adds_a_note_and_nothing_else(complained: SmallShop, kind: str) -> None:
    learning.take(complained.store, 1, **LI)
    learning.note(complained.store, 1, "x", is_answer=True, **LI)
    before = complained.row(cases, 1)
    complained.wrote(None, kind=kind, own_text="I am away until 12 August")

    learning.learn(complained.store, now=NOW + HOUR)
    learning.learn(complained.store, now=NOW + HOUR)

    assert [note.text.split(": ")[1] for note in complained.events("note")] == [
        "I am away until 12 August"
    ]
    assert complained.row(cases, 1) == before


# ------------------------------------------------------------------ links between cases


def test_a_later_case_is_linked_to_the_earlier_one(complained: SmallShop) -> None:
    learning.close(complained.store, 1, "", **LI)
    complained.wrote("complaint", "nad.quality")

    learning.learn(complained.store, now=NOW)

    assert [case.follows_id for case in complained.cases()] == [None, 1]


@pytest.fixture
def two(complained: SmallShop) -> SmallShop:
    """Case 1 of order A-1 and, an hour later, case 2 (P1) of order A-2, both of Anna."""
    other = complained.new_order("A-2", complained.anna)
    complained.wrote("complaint", "safety", order_id=other, received_at=NOW + HOUR)
    learning.learn(complained.store, now=NOW + HOUR)
    return complained


def merge(shop: SmallShop, case: int = 2, into: int = 1) -> None:
    learning.merge(shop.store, case, into, by="Li", now=NOW + 2 * HOUR)


def test_a_merged_case_ends_and_the_other_takes_over_what_is_graver(two: SmallShop) -> None:
    merge(two)

    one, gone = two.cases()
    assert (gone.state, gone.merged_into_id) == ("closed", 1)
    assert (one.severity, one.reason, one.state) == ("P1", "safety", "open")
    assert one.due_at == NOW + 3 * HOUR


def test_what_was_done_about_both_is_shown_together(two: SmallShop) -> None:
    merge(two)

    with two.store.read() as connection:
        events = store_cases.list_events(connection, 1)

    assert [(event.case_id, event.kind.value) for event in events] == [
        (1, "opened"), (2, "opened"), (2, "merged"), (1, "merged"), (1, "raised"),
    ]  # fmt: skip


def test_merging_twice_changes_nothing(two: SmallShop) -> None:
    merge(two)
    merge(two)

    assert len(two.events("merged")) == 2


def test_a_letter_about_a_merged_case_goes_to_where_it_went(two: SmallShop) -> None:
    merge(two)
    two.wrote("complaint", "safety", order_id=2, received_at=NOW + 3 * HOUR)

    learning.learn(two.store, now=NOW + 3 * HOUR)

    assert len(two.cases()) == 2
    assert [event.case_id for event in two.events("reply")] == [1]


ACTS: dict[str, Callable[[SmallShop], object]] = {
    "note": lambda shop: learning.note(shop.store, 2, "x", **LI),
    "take": lambda shop: learning.take(shop.store, 2, **LI),
    "close": lambda shop: learning.close(shop.store, 2, "", **LI),
    "reopen": lambda shop: learning.reopen(shop.store, 2, "", **LI),
    "assign": lambda shop: learning.assign(shop.store, 2, "Wei", **LI),
    "offer": lambda shop: learning.mark(shop.store, 2, CaseEventKind.OFFERED, ["coupon"], **LI),
    "choose": lambda shop: learning.choose(shop.store, 2, Remedy.RESEND, None, **LI),
    "set": lambda shop: learning.correct(shop.store, 2, reason="other", **LI),
    "dispute": lambda shop: learning.link_dispute(shop.store, 2, Dispute(number="D"), **LI),
    "merge": lambda shop: learning.merge(shop.store, 1, 2, **LI),
}


@pytest.mark.parametrize("act", ACTS)
def test_who_acts_on_a_merged_case_is_shown_the_way(two: SmallShop, act: str) -> None:
    merge(two)

    with pytest.raises(NotPossible, match="case 2 was merged into case 1") as refused:
        ACTS[act](two)

    assert "case show 1" in refused.value.hint


def test_cases_of_two_customers_are_never_one(complained: SmallShop) -> None:
    boris = complained.customer("Борис", "boris@example.com")
    complained.wrote("complaint", "nad.quality", customer_id=boris, order_id=None)
    learning.learn(complained.store, now=NOW)

    with pytest.raises(NotPossible, match="of two customers"):
        merge(complained)


def test_a_case_is_not_merged_into_itself_or_into_one_that_is_over(two: SmallShop) -> None:
    learning.close(two.store, 1, "", **LI)

    with pytest.raises(NotPossible, match="itself"):
        merge(two, 1, 1)
    with pytest.raises(NotPossible, match="case 1 is closed"):
        merge(two, 2, 1)
    with pytest.raises(NotFound, match="no case 9"):
        merge(two, 1, 9)


def test_two_agents_who_merge_crosswise_leave_one_case(two: SmallShop) -> None:
    def attempt(pair: tuple[int, int]) -> bool:
        try:
            merge(two, *pair)
        except NotPossible:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(attempt, [(1, 2), (2, 1)]))

    assert sorted(done) == [False, True]
    assert sorted(case.state for case in two.cases()) == ["closed", "open"]


# ------------------------------------------------------------------ evidence, steps, remedies


def test_what_is_noted_twice_stands_in_the_log_once(complained: SmallShop) -> None:
    counts = [
        learning.mark(
            complained.store, 1, CaseEventKind.OFFERED, ["coupon", "refund", "coupon"], **LI
        )
        for _turn in range(2)
    ]

    assert counts == [2, 0]
    assert [event.ref for event in complained.events("offered")] == ["coupon", "refund"]


def test_a_choice_keeps_what_it_costs_and_a_later_one_replaces_it(complained: SmallShop) -> None:
    amount = Money(minor=1250, currency="USD")
    for _turn in range(2):
        learning.choose(complained.store, 1, Remedy.PARTIAL_REFUND, amount, **LI)
    learning.choose(complained.store, 1, Remedy.RESEND, None, **LI)

    row = complained.row(cases, 1)
    assert (row.remedy, row.compensation_cents) == ("resend", None)
    assert [event.text for event in complained.events("chosen")] == ["12.50 USD", ""]


def test_a_part_refund_without_an_amount_is_asked_for_it(complained: SmallShop) -> None:
    with pytest.raises(NotPossible, match="how much") as refused:
        learning.choose(complained.store, 1, Remedy.PARTIAL_REFUND, None, **LI)

    assert "--amount" in refused.value.hint


def test_steps_are_ticked_by_hand_and_by_what_was_done(complained: SmallShop) -> None:
    learning.mark(complained.store, 1, CaseEventKind.STEP, ["welcome"], **LI)
    learning.note(complained.store, 1, "x", is_answer=True, **LI)
    learning.mark(complained.store, 1, CaseEventKind.EVIDENCE, ["link:https://x"], **LI)
    learning.close(complained.store, 1, "", is_resolved=True, satisfaction=5, **LI)

    with complained.store.read() as connection:
        ticks = checklist.ticks(store_cases.list_events(connection, 1), is_serious=False)

    assert [tick.step.value for tick in ticks if tick.done_at] == [
        "answer", "welcome", "explain", "follow_up", "feedback",
    ]  # fmt: skip
    assert [tick.number for tick in ticks] == list(range(1, 12))


def test_a_serious_case_begins_with_the_feeling() -> None:
    ordinary, serious = [
        [tick.step for tick in checklist.ticks([], is_serious=is_serious)]
        for is_serious in (False, True)
    ]

    assert ordinary[:2] == [Step.ANSWER, Step.WELCOME]
    assert serious[:2] == [Step.ANSWER, Step.ACCEPT]
    assert sorted(ordinary) == sorted(serious)


@pytest.mark.parametrize(
    ("reason", "first"),
    [
        ("nad.damaged", Remedy.REPLACEMENT),
        ("nr.in_transit", Remedy.RESEND),
        ("pay.double", Remedy.DIFFERENCE),
        ("threat.legal", Remedy.REFUND),
        ("nad.description", Remedy.EXCHANGE),
    ],
)
def test_what_fits_follows_from_the_reason(reason: str, first: Remedy) -> None:
    assert checklist.suggested(reason)[0] is first


def test_no_goods_are_offered_for_a_wish_about_data() -> None:
    assert checklist.suggested("privacy") == checklist.suggested("our.own_code") == ()


# ------------------------------------------------------------------ disputes


def test_a_dispute_has_the_usual_window_where_nobody_says_otherwise(
    complained: SmallShop,
) -> None:
    for _turn in range(2):
        case = learning.link_dispute(complained.store, 1, Dispute(number="D-1"), **LI)

    assert case.deadline_at == NOW + timedelta(days=5)
    assert [event.text for event in complained.events("dispute")] == ["D-1"]


def test_a_deadline_goes_on_while_the_customer_has_the_turn(complained: SmallShop) -> None:
    learning.link_dispute(complained.store, 1, Dispute(deadline_at=NOW + 10 * HOUR), **LI)
    learning.note(complained.store, 1, "x", is_answer=True, **LI)

    count = learning.escalate(complained.store, LEVELS, now=NOW + 8 * HOUR)

    assert (count, told(complained)) == (1, ["deadline/warn"])


def test_an_arbitration_is_opened_and_decided(complained: SmallShop) -> None:
    opened = Dispute(number="D", arbitration=Arbitration.OPENED)
    decided = Dispute(arbitration=Arbitration.DECIDED, is_liable=False)

    first = learning.link_dispute(complained.store, 1, opened, **LI)
    last = learning.link_dispute(complained.store, 1, decided, **LI)

    assert (first.is_serious, first.due_at) == (True, NOW + 2 * HOUR)
    assert (last.is_serious, last.is_liable, last.deadline_at) == (False, False, None)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (Dispute(), "what about the dispute"),
        (Dispute(deadline_at=NOW), "is over"),
        (Dispute(is_liable=True), "known once the arbitration is decided"),
        (Dispute(arbitration=Arbitration.DECIDED), "how was it decided"),
    ],
)
def test_what_cannot_be_said_of_a_dispute_is_refused(
    complained: SmallShop, told: Dispute, words: str
) -> None:
    with pytest.raises(NotPossible, match=words):
        learning.link_dispute(complained.store, 1, told, **LI)

    assert complained.events("dispute") == []


def test_one_dispute_belongs_to_one_case(two: SmallShop) -> None:
    learning.link_dispute(two.store, 1, Dispute(number="D-1"), **LI)

    with pytest.raises(NotPossible, match="belongs to case 1") as refused:
        learning.link_dispute(two.store, 2, Dispute(number="D-1"), **LI)

    assert "case merge 2 1" in refused.value.hint


# ------------------------------------------------------------------ corrections


def test_a_graver_reason_makes_a_case_graver_and_a_milder_one_does_not(
    complained: SmallShop,
) -> None:
    worse = learning.correct(complained.store, 1, reason="safety", **LI)
    milder = learning.correct(complained.store, 1, reason="svc.rude", **LI)
    said = learning.correct(complained.store, 1, severity=Severity.P3, **LI)

    assert [one.severity.value for one in (worse, milder, said)] == ["P1", "P1", "P3"]
    assert (worse.due_at, said.due_at) == (NOW + 2 * HOUR, NOW + 24 * HOUR)


def test_the_word_of_the_customer_is_kept_after_the_end(complained: SmallShop) -> None:
    learning.close(complained.store, 1, "", **LI)

    learning.rate_case(complained.store, 1, 4, **LI)

    assert complained.cases()[0].satisfaction == 4


# ------------------------------------------------------------------ the blacklist is offered


@pytest.mark.parametrize(
    ("reasons", "notes", "kind"),
    [
        ({"nad.damaged", "threat.review"}, [], "blackmail"),
        ({"nad.damaged"}, ["sent a fake photo"], "fraud"),
        ({"nad.damaged"}, ["Мошенник, та же фотография"], "fraud"),
        ({"nad.damaged"}, ["买家勒索好评返现"], "blackmail"),
        ({"nad.damaged"}, ["同行恶意差评"], "bad_review"),
        ({"nad.damaged"}, ["asked for photos, no fraud at all here"], ""),
        ({"threat.legal"}, [], ""),
    ],
)
def test_a_flag_is_offered_for_what_was_done_on_purpose(
    complained: SmallShop, reasons: set[str], notes: list[str], kind: str
) -> None:
    with complained.store.read() as connection:
        case = store_cases.get(connection, 1)

    assert disputes.flag_offer(case, reasons, notes) == kind


def test_a_threat_makes_any_case_as_urgent_as_p1(complained: SmallShop) -> None:
    later = NOW + HOUR
    complained.wrote("complaint", "nad.damaged", "threat.review", received_at=later)

    learning.learn(complained.store, now=later)

    [case] = complained.cases()
    assert (case.severity, case.reason, case.is_threat) == ("P2", "nad.damaged", True)
    assert case.due_at == later + 2 * HOUR


def test_a_letter_learnt_while_an_agent_acts_undoes_nothing(complained: SmallShop) -> None:
    for _number in range(10):
        complained.wrote("other")

    with ThreadPoolExecutor(2) as pool:
        learnt = pool.submit(learning.learn, complained.store, now=NOW + HOUR)
        for number in range(10):
            learning.assign(complained.store, 1, f"agent {number}", **LI)
        learnt.result()

    assert complained.cases()[0].owner == "agent 9"
    assert len(complained.events("reply")) == 10


def test_who_has_no_name_cannot_take_a_case(complained: SmallShop) -> None:
    with pytest.raises(NotPossible, match="1 to 60 letters"):
        learning.take(complained.store, 1, by="", now=NOW)
