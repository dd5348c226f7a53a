from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from crm_mailer.learning import LearnReport, assign, close, learn, note, open_case, rate
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.store.tables import customers, orders, replies
from tests.learning.shop import NOW, SmallShop


def test_a_complaint_opens_a_case_with_reason_severity_and_due_time(shop: SmallShop) -> None:
    reply = shop.wrote("complaint", "nad.damaged", own_text="it came broken")

    report = learn(shop.store, now=NOW)

    assert report == LearnReport(replies=1, feedback=1, cases_opened=1)
    [case] = shop.cases()
    assert (case.state, case.reason, case.severity) == ("new", "nad.damaged", "P2")
    assert (case.customer_id, case.order_id, case.reply_id) == (shop.anna, shop.order, reply)
    assert case.due_at == NOW + timedelta(hours=8)
    assert shop.row(replies, reply).learnt_at == NOW


def test_learning_twice_changes_nothing(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)

    report = learn(shop.store, now=NOW + timedelta(hours=1))

    assert report == LearnReport()
    assert len(shop.cases()) == len(shop.feedback()) == 1


def test_an_answer_is_due_counted_from_when_the_customer_wrote(shop: SmallShop) -> None:
    shop.wrote("complaint", "nr.in_transit", received_at=NOW - timedelta(hours=5))

    learn(shop.store, now=NOW)

    assert shop.cases()[0].due_at == NOW + timedelta(hours=3)


def test_a_mail_dated_in_the_future_is_due_from_now(shop: SmallShop) -> None:
    shop.wrote("complaint", "nr.in_transit", received_at=NOW + timedelta(days=400))

    learn(shop.store, now=NOW)

    assert shop.cases()[0].due_at == NOW + timedelta(hours=8)


def test_a_second_complaint_about_the_same_order_joins_the_open_case(shop: SmallShop) -> None:
    shop.wrote("complaint", "nr.in_transit")
    learn(shop.store, now=NOW)
    shop.wrote("complaint", "nr.in_transit", "threat.dispute")

    report = learn(shop.store, now=NOW)

    assert report.cases_continued == 1
    [case] = shop.cases()
    assert (case.severity, case.reason) == ("P1", "nr.in_transit")
    assert case.due_at == NOW + timedelta(hours=2)
    assert len(shop.events("reply")) == 1
    assert shop.events("raised")[0].text == "P2 nr.in_transit is now P1 nr.in_transit"


def test_writing_again_does_not_set_the_clock_back(shop: SmallShop) -> None:
    shop.wrote("complaint", "nr.in_transit")
    learn(shop.store, now=NOW)
    later = NOW + timedelta(hours=7)
    shop.wrote("complaint", "nr.in_transit", received_at=later)

    learn(shop.store, now=later)

    assert shop.cases()[0].due_at == NOW + timedelta(hours=8)


def test_complaints_about_two_orders_are_two_cases(shop: SmallShop) -> None:
    shop.wrote("complaint", "nr.in_transit")
    shop.wrote("complaint", "nad.damaged", order_id=shop.new_order("A-2", shop.anna))

    learn(shop.store, now=NOW)

    assert [case.reason for case in shop.cases()] == ["nr.in_transit", "nad.damaged"]


def test_a_letter_that_names_no_order_joins_the_case_that_is_open(shop: SmallShop) -> None:
    shop.wrote("complaint", "nr.in_transit")
    shop.wrote("other", order_id=None)

    learn(shop.store, now=NOW)

    assert len(shop.cases()) == len(shop.events("reply")) == 1


@pytest.mark.parametrize(("days", "cases"), [(6, 1), (8, 2)])
def test_a_complaint_after_a_solution_reopens_for_seven_days(
    shop: SmallShop, days: int, cases: int
) -> None:
    shop.wrote("complaint", "nad.quality")
    learn(shop.store, now=NOW)
    close(shop.store, 1, "sent a new one", by="Li", now=NOW, is_resolved=True)
    later = NOW + timedelta(days=days)
    shop.wrote("complaint", "nad.quality", received_at=later)

    learn(shop.store, now=later)

    found = shop.cases()
    assert len(found) == cases
    assert found[-1].due_at == later + timedelta(hours=8)


def test_a_later_case_names_the_earlier_one(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.quality")
    learn(shop.store, now=NOW)
    close(shop.store, 1, "", by="Li", now=NOW)
    shop.wrote("complaint", "nad.quality")

    learn(shop.store, now=NOW)

    assert shop.events("opened")[-1].text == "nad.quality (follows case 1)"


def test_thanks_after_a_solution_are_kept_and_reopen_nothing(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.quality")
    learn(shop.store, now=NOW)
    close(shop.store, 1, "", by="Li", now=NOW, is_resolved=True)
    shop.wrote("praise")

    learn(shop.store, now=NOW)

    assert shop.cases()[0].state == "resolved"
    assert len(shop.events("reply")) == 1


def test_a_letter_after_our_answer_makes_an_answer_due_again(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.quality")
    learn(shop.store, now=NOW)
    note(shop.store, 1, "asked for a photo", by="Li", now=NOW, is_answer=True)
    later = NOW + timedelta(days=1)
    shop.wrote("other", received_at=later)

    learn(shop.store, now=later)

    [case] = shop.cases()
    assert (case.state, case.due_at) == ("open", later + timedelta(hours=24))
    assert case.first_response_at == NOW


@pytest.mark.parametrize("kind", ["auto_reply", "bounce", "challenge", "bulk"])
def test_machine_mail_opens_and_reopens_nothing(shop: SmallShop, kind: str) -> None:
    shop.wrote("complaint", "nad.quality")
    learn(shop.store, now=NOW)
    close(shop.store, 1, "", by="Li", now=NOW, is_resolved=True)
    shop.wrote("complaint", "nad.quality", kind=kind)

    learn(shop.store, now=NOW)

    assert shop.cases()[0].state == "resolved"
    assert len(shop.feedback()) == 1


def test_a_second_copy_of_a_mail_has_no_effect_of_its_own(shop: SmallShop) -> None:
    reply = shop.wrote("complaint", "nad.quality", is_copy=True)

    learn(shop.store, now=NOW)

    assert shop.cases() == shop.feedback() == []
    assert shop.row(replies, reply).learnt_at == NOW


def test_a_wish_to_be_left_alone_is_logged_and_makes_no_case(shop: SmallShop) -> None:
    shop.wrote("complaint", "mail.too_many", kind="unsubscribe")

    learn(shop.store, now=NOW)

    assert shop.cases() == []
    assert [line.kind for line in shop.feedback()] == ["stop"]


def test_stop_writing_and_where_is_my_money_is_a_case(shop: SmallShop) -> None:
    shop.wrote("complaint", "mail.too_many", "pay.refund", kind="unsubscribe")

    learn(shop.store, now=NOW)

    assert [case.reason for case in shop.cases()] == ["pay.refund"]


def test_words_that_the_parcels_facts_contradict_are_said_so(shop: SmallShop) -> None:
    shop.reached(shop.order, "shipped", days_ago=9)
    shop.reached(shop.order, "arrived", days_ago=2)
    shop.wrote("complaint", "nr.in_transit")

    learn(shop.store, now=NOW)

    [clash] = shop.events("clash")
    assert "arrived on 2026-10-31" in clash.text


def test_a_question_becomes_a_task_once(shop: SmallShop) -> None:
    reply = shop.wrote("question", "ask.tracking", own_text="where is it?")
    learn(shop.store, now=NOW)

    learn(shop.store, now=NOW)

    [task] = shop.tasks()
    assert (task.kind, task.key) == ("answer", f"reply:{reply}")
    assert task.text == "order A-1: where is it?"
    assert task.due_at == NOW + timedelta(hours=24)


def test_a_question_within_a_case_is_no_second_piece_of_work(shop: SmallShop) -> None:
    shop.wrote("complaint", "nr.in_transit")
    shop.wrote("question", "ask.tracking")

    learn(shop.store, now=NOW)

    assert shop.tasks() == []
    assert len(shop.events("reply")) == 1


def test_a_wanted_change_is_noted_on_the_order_and_becomes_a_task(shop: SmallShop) -> None:
    shop.wrote("question", "ask.change_order", own_text="the blue one\nplease")

    learn(shop.store, now=NOW)

    note_on_order = shop.row(orders, shop.order).note
    assert note_on_order == "2026-11-02 change wanted by the customer: the blue one please"
    assert [task.kind for task in shop.tasks()] == ["change_order"]


def test_a_confirmation_of_a_parcel_that_left_says_so(shop: SmallShop) -> None:
    shop.reached(shop.order, "shipped", days_ago=1)
    shop.wrote("confirm", "confirm", own_text="all correct")

    learn(shop.store, now=NOW)

    assert shop.tasks()[0].text == "order A-1: all correct (it left on 2026-11-01)"


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("According to the tracking it came on Tuesday. I was at home, nobody called.", ["read"]),
        ("又来一封，一个星期三封，真的很烦。", ["read"]),
        ("ok", []),
    ],
)
def test_a_letter_that_no_rule_understood_is_read_by_a_person(
    shop: SmallShop, words: str, kinds: list[str]
) -> None:
    shop.wrote("other", own_text=words, order_id=None)

    learn(shop.store, now=NOW)

    assert [task.kind for task in shop.tasks()] == kinds


@pytest.mark.parametrize(("words", "kinds"), [("REFUND", ["read"]), ("2", ["read"]), ("", [])])
def test_a_word_that_answers_an_order_mail_is_read_by_a_person(
    shop: SmallShop, words: str, kinds: list[str]
) -> None:
    shop.wrote("other", own_text=words)

    learn(shop.store, now=NOW)

    assert [task.kind for task in shop.tasks()] == kinds


def test_mere_thanks_are_nobodys_task(shop: SmallShop) -> None:
    thanks = [{"code": "thanks", "weight": -0.5, "words": "спасибо"}]
    shop.wrote("other", own_text="Понятно, спасибо за ответ", evidence=thanks)

    learn(shop.store, now=NOW)

    assert shop.tasks() == []


def test_not_now_lets_marketing_rest(shop: SmallShop) -> None:
    shop.wrote("other", "objection.time")

    learn(shop.store, now=NOW)

    assert shop.row(customers, shop.anna).snoozed_until == NOW + timedelta(days=30)


def test_an_unhappy_mail_from_nobody_we_know_is_not_lost(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.quality", customer_id=None, order_id=None, sender="x@example.net")

    learn(shop.store, now=NOW)

    assert shop.cases() == []
    assert [task.kind for task in shop.tasks()] == ["who_is_it"]
    assert "x@example.net" in shop.tasks()[0].text


@pytest.mark.parametrize(
    ("reason", "severity", "hours"),
    [("safety", "P1", 2), ("nad.quality", "P2", 8), ("svc.rude", "P3", 24)],
)
def test_whoever_is_nobody_we_know_is_answered_as_soon_as_a_customer(
    shop: SmallShop, reason: str, severity: str, hours: int
) -> None:
    shop.wrote(
        "complaint", reason, customer_id=None, order_id=None, sender="x@example.net",
        severity=severity, received_at=NOW,
    )  # fmt: skip

    learn(shop.store, now=NOW)

    assert [task.due_at for task in shop.tasks()] == [NOW + timedelta(hours=hours)]
    assert shop.tasks()[0].text.startswith("P1: ") is (severity == "P1")


@pytest.mark.parametrize(
    ("stars", "kind", "cases", "tasks"),
    [(1, "complaint", 1, 0), (2, "complaint", 1, 0), (3, "review", 0, 1), (5, "praise", 0, 1)],
)
def test_a_review_counts_by_its_stars(
    shop: SmallShop, stars: int, kind: str, cases: int, tasks: int
) -> None:
    shop.reviewed(stars, "so so")

    learn(shop.store, now=NOW)
    learn(shop.store, now=NOW)

    assert [(line.kind, line.rating) for line in shop.feedback()] == [(kind, stars)]
    assert (len(shop.cases()), len(shop.tasks())) == (cases, tasks)


def test_a_bad_review_and_a_letter_about_one_order_are_one_case(shop: SmallShop) -> None:
    shop.reviewed(1)
    learn(shop.store, now=NOW)
    shop.wrote("complaint", "nad.quality")

    learn(shop.store, now=NOW)

    assert [case.reason for case in shop.cases()] == ["nad.quality"]


def test_few_stars_by_word_of_mouth_open_a_case(shop: SmallShop) -> None:
    reply = shop.wrote("other", channel="phone", inbound_id=None, own_text="meh")
    learn(shop.store, now=NOW)

    rate(shop.store, reply, 2, now=NOW)

    assert [(line.rating, line.channel) for line in shop.feedback()] == [(2, "phone")]
    assert [(case.reason, case.channel) for case in shop.cases()] == [("other", "phone")]


def test_a_row_that_breaks_does_not_stop_the_others(shop: SmallShop) -> None:
    broken = shop.wrote("complaint", "nad.quality", channel="carrier pigeon")
    shop.wrote("praise")

    report = learn(shop.store, now=NOW)

    assert (report.failed, report.replies) == (1, 1)
    assert [line.kind for line in shop.feedback()] == ["praise"]
    assert [task.text.split(" could")[0] for task in shop.tasks()] == [f"reply {broken}"]


def test_a_row_that_breaks_is_not_tried_for_ever(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.quality", channel="carrier pigeon")
    learn(shop.store, now=NOW)

    again = learn(shop.store, now=NOW)

    assert (again.failed, again.replies) == (0, 0)


def test_two_learners_at_once_learn_each_letter_once(shop: SmallShop) -> None:
    for _number in range(30):
        shop.wrote("complaint", "nad.quality")

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(lambda _turn: learn(shop.store, now=NOW), range(2)))

    assert sum(report.replies for report in reports) == 30
    assert sum(report.failed for report in reports) == 0
    assert len(shop.feedback()) == 30
    assert len(shop.cases()) == 1


def test_a_limit_leaves_the_rest_for_the_next_turn(shop: SmallShop) -> None:
    for _number in range(5):
        shop.wrote("praise")

    turns = [learn(shop.store, now=NOW, limit=2).replies for _turn in range(4)]

    assert turns == [2, 2, 1, 0]


def test_more_replies_than_one_page_are_all_learnt(shop: SmallShop) -> None:
    row = {"kind": "auto_reply", "received_at": NOW, "reasons": []}
    with shop.store.write() as connection:
        connection.execute(replies.insert(), [row] * 501)

    assert learn(shop.store, now=NOW).replies == 501


def test_a_case_opened_by_hand_joins_the_list(shop: SmallShop) -> None:
    number = open_case(
        shop.store, customer_id=shop.anna, reason="pay.double", text="rang us", by="Li", now=NOW
    )

    assert [(case.id, case.reason, case.severity) for case in shop.cases()] == [
        (number, "pay.double", "P2")
    ]
    assert [(event.by, event.text) for event in shop.events("note")] == [("Li", "rang us")]


def test_a_second_case_for_the_same_matter_is_refused(shop: SmallShop) -> None:
    open_case(shop.store, customer_id=shop.anna, reason="pay.double", now=NOW)

    with pytest.raises(NotPossible, match="case 1 of this customer is new") as refused:
        open_case(shop.store, customer_id=shop.anna, reason="other", now=NOW)

    assert "case note 1" in refused.value.hint


def test_a_misspelt_reason_is_told_the_right_one(shop: SmallShop) -> None:
    with pytest.raises(NotFound) as refused:
        open_case(shop.store, customer_id=shop.anna, reason="nad.damage", now=NOW)

    assert refused.value.hint.startswith("did you mean nad.damaged")


def test_what_an_agent_does_is_written_down(shop: SmallShop) -> None:
    open_case(shop.store, customer_id=shop.anna, reason="other", now=NOW)

    assign(shop.store, 1, "Wei", by="Li", now=NOW)
    note(shop.store, 1, "called her", by="Wei", now=NOW)
    close(shop.store, 1, "settled", by="Wei", now=NOW)

    [case] = shop.cases()
    assert (case.state, case.owner, case.closed_at) == ("closed", "Wei", NOW)
    assert [event.by for event in shop.events("note")] == ["Wei"]
    assert [event.text for event in shop.events("closed")] == ["settled"]


def test_a_case_that_does_not_exist_is_named(shop: SmallShop) -> None:
    with pytest.raises(NotFound, match="no case 99"):
        note(shop.store, 99, "x", by="", now=NOW)
