from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.learning import choose, close, correct, learn, mark, merge, note
from crm_mailer.model.business_calendar import BusinessCalendar
from crm_mailer.model.case import CaseEventKind, Remedy
from crm_mailer.model.errors import NotFound
from crm_mailer.model.flag import FlagKind, NewFlag
from crm_mailer.model.sla import ClockName, ServiceLevels
from crm_mailer.reporting.case_export import as_html, as_markdown, record
from crm_mailer.reporting.cases import case_file
from crm_mailer.store import flags
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import (
    agent_replies,
    customers,
    messages,
    order_items,
    scores,
    suppressions,
    touches,
)
from tests.learning.shop import NOW, SmallShop

UTC = ZoneInfo("UTC")


@pytest.fixture
def shop(store: Store) -> SmallShop:
    return SmallShop(store)


def _sent(shop: SmallShop, subject: str, *, days_ago: int) -> None:
    at = NOW - timedelta(days=days_ago)
    touch = shop.add(
        touches,
        campaign="shipped",
        step="hello",
        anchor=f"order:{shop.order}:{days_ago}",
        customer_id=shop.anna,
        stream="transactional",
        template="t",
        anchored_at=at,
        due_at=at,
        state="accepted",
        planned_at=at,
        settled_at=at,
    )
    with shop.store.write() as connection:
        connection.execute(
            messages.insert().values(
                touch_id=touch,
                message_id=f"m{touch}@x",
                rcpt_to="anna@example.com",
                subject=subject,
                sha256="",
                rendered_at=at,
            )
        )


def test_a_case_file_tells_the_story_oldest_first(shop: SmallShop) -> None:
    shop.reached(shop.order, "paid", days_ago=9)
    shop.reached(shop.order, "shipped", days_ago=7)
    _sent(shop, "On its way", days_ago=6)
    shop.wrote("complaint", "nad.damaged", own_text="broken!", received_at=NOW)
    learn(shop.store, now=NOW)
    note(shop.store, 1, "asked for photos", by="Li", now=NOW + timedelta(hours=1))

    file = case_file(shop.store, 1, now=NOW + timedelta(hours=2), place=UTC)

    assert [(entry.who, entry.what) for entry in file.timeline] == [
        ("order", "paid"),
        ("order", "shipped"),
        ("shop", "mail accepted"),
        ("customer", "complaint"),
        ("program", "opened"),
        ("program", "clash"),
        ("Li", "note"),
    ]
    assert file.left == timedelta(hours=6)


def test_a_case_file_shows_why_the_words_were_understood_so(shop: SmallShop) -> None:
    evidence = [{"code": "nad.damaged", "weight": 3, "words": "kaputt"}]
    shop.wrote("complaint", "nad.damaged", language="de", evidence=evidence)
    learn(shop.store, now=NOW)

    [reply] = case_file(shop.store, 1, now=NOW, place=UTC).wrote

    assert [(one.code, one.words) for one in reply.evidence] == [("nad.damaged", "kaputt")]


def test_a_case_file_knows_the_customer(shop: SmallShop) -> None:
    with shop.store.write() as connection:
        connection.execute(
            customers.update().values(
                is_flagged=True, flag_reason="blackmail", time_zone="Europe/Moscow"
            )
        )
        connection.execute(
            scores.insert().values(
                customer_id=shop.anna, first_order_at=NOW, last_order_at=NOW, order_count=3,
                spent_usd_cents=30000, days_since_last=5, r=5, f=3, m=3, total=11,
                profile="default", scored_on=NOW.date(),
            )
        )  # fmt: skip
        connection.execute(
            order_items.insert().values(order_id=shop.order, line=1, title="Mug", quantity=2)
        )
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)

    file = case_file(shop.store, 1, now=NOW, place=UTC)

    assert file.known.flag_reason == "blackmail"
    assert file.known.score is not None
    assert file.known.score.total == 11
    assert file.order is not None
    assert file.order.items == ("2 x Mug",)
    assert f"{file.local_time:%H:%M}" == "15:00"


def test_the_order_in_question_is_shown_among_many(shop: SmallShop) -> None:
    for number in range(2, 12):
        shop.new_order(f"A-{number}", shop.anna)
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)

    file = case_file(shop.store, 1, now=NOW, place=UTC)

    assert len(file.orders) == 6
    assert file.order is not None
    assert file.order.number == "A-1"


def test_a_dead_address_is_not_the_way_to_answer(shop: SmallShop) -> None:
    with shop.store.write() as connection:
        connection.execute(
            suppressions.insert().values(
                address_key="anna@example.com", reason="hard_bounce", scope="all", at=NOW
            )
        )
        connection.execute(customers.update().values(source_platform="aliexpress"))
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)

    assert case_file(shop.store, 1, now=NOW, place=UTC).best_channel == "platform (aliexpress)"


def test_the_next_step_follows_what_was_done(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)
    steps = []

    for act in ("answer", "customer", "resolve", "close"):
        step = case_file(shop.store, 1, now=NOW, place=UTC).next_step
        steps.append(step.number if step else 0)
        if act == "answer":
            note(shop.store, 1, "x", by="Li", now=NOW, is_answer=True)
        elif act == "customer":
            shop.wrote("other")
            learn(shop.store, now=NOW)
        else:
            close(shop.store, 1, "", by="Li", now=NOW, is_resolved=act == "resolve")

    last = case_file(shop.store, 1, now=NOW, place=UTC).next_step
    assert (steps, last) == ([1, 10, 9, 11], None)


def test_earlier_cases_are_named(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)
    close(shop.store, 1, "", by="Li", now=NOW)
    shop.wrote("complaint", "nad.quality")
    learn(shop.store, now=NOW)

    assert [one.id for one in case_file(shop.store, 2, now=NOW, place=UTC).earlier] == [1]


def test_a_case_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(NotFound, match="no case 5"):
        case_file(store, 5, now=NOW, place=UTC)


def test_a_threat_in_a_letter_calls_for_serious_handling_and_a_flag(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged", "threat.review")
    learn(shop.store, now=NOW)

    file = case_file(shop.store, 1, now=NOW, place=UTC)

    assert (file.is_serious, file.flag_offer) == (True, "blackmail")
    assert file.checklist[1].step == "accept"


def test_a_flag_that_stands_is_shown_and_not_offered_again(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged", "threat.review")
    learn(shop.store, now=NOW)
    new = NewFlag(customer_id=shop.anna, kind=FlagKind.BLACKMAIL, reason="wants a coupon")
    with shop.store.write() as connection:
        flags.add(connection, new, NOW)

    file = case_file(shop.store, 1, now=NOW, place=UTC)

    assert [flag.reason for flag in file.flags] == ["wants a coupon"]
    assert file.flag_offer == ""


def test_what_was_offered_and_chosen_says_what_to_do_next(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)
    note(shop.store, 1, "x", by="Li", now=NOW, is_answer=True)
    shop.wrote("other")
    learn(shop.store, now=NOW)
    steps = []

    for act in (None, "offered", "chosen"):
        if act == "offered":
            mark(shop.store, 1, CaseEventKind.OFFERED, ["resend"], by="Li", now=NOW)
        elif act == "chosen":
            choose(shop.store, 1, Remedy.RESEND, None, by="Li", now=NOW)
        step = case_file(shop.store, 1, now=NOW, place=UTC).next_step
        assert step is not None
        steps.append((step.number, step.advice.split()[0]))

    assert steps == [(9, "ask"), (9, "ask"), (10, "do")]


def test_the_clocks_are_read_by_the_rules_that_hold_now(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)
    office = ServiceLevels(calendar=BusinessCalendar(place=ZoneInfo("Asia/Shanghai")))

    file = case_file(shop.store, 1, now=NOW, place=UTC, levels=office)

    assert file.left == timedelta(hours=21)
    assert [one.clock for one in file.clocks] == [ClockName.FIRST_RESPONSE, ClockName.SOLUTION]


def test_the_best_way_and_hour_are_the_agents_word_where_there_is_one(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    learn(shop.store, now=NOW)
    before = case_file(shop.store, 1, now=NOW, place=UTC)

    correct(shop.store, 1, best_channel="chat", best_time="19:00-21:00", by="Li", now=NOW)

    after = case_file(shop.store, 1, now=NOW, place=UTC)
    assert (before.best_channel, before.best_time) == ("email", "09:00-21:00")
    assert (after.best_channel, after.best_time) == ("chat", "19:00-21:00")


def test_what_was_done_about_a_merged_case_names_it(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged")
    shop.wrote("complaint", "nad.short", order_id=shop.new_order("A-2", shop.anna))
    learn(shop.store, now=NOW)
    merge(shop.store, 2, 1, by="Li", now=NOW)

    file = case_file(shop.store, 1, now=NOW, place=UTC)

    assert file.merged == (2,)
    assert [entry.text for entry in file.timeline if entry.what == "opened"] == [
        "nad.damaged", "nad.short (case 2)",
    ]  # fmt: skip


def test_an_export_holds_what_we_answered_and_more_letters_than_a_page(shop: SmallShop) -> None:
    for number in range(30):
        shop.wrote("complaint", "nad.damaged", own_text="s", full_text=f"letter {number} in full")
    learn(shop.store, now=NOW)
    _sent(shop, "On its way", days_ago=6)
    with shop.store.write() as connection:
        connection.execute(
            agent_replies.insert().values(
                touch_id=1, case_id=1, subject="Re: cup", text="we are sorry", by="Li", at=NOW
            )
        )

    told = record(shop.store, case_file(shop.store, 1, now=NOW, place=UTC))

    texts = [word.text for word in told.conversation]
    assert [f"letter {number} in full" in texts for number in range(30)] == [True] * 30
    assert [(word.who, word.name) for word in told.conversation if word.text == "we are sorry"] == [
        ("agent", "Li")
    ]
    for written in (as_markdown(told, UTC), as_html(told, UTC)):
        assert "letter 29 in full" in written
        assert "we are sorry" in written


def test_no_word_of_a_customer_becomes_a_part_of_the_page(shop: SmallShop) -> None:
    shop.wrote("complaint", "nad.damaged", full_text="# Case 2\n<img src=x onerror=1>\n| a | b |")
    learn(shop.store, now=NOW)

    told = record(shop.store, case_file(shop.store, 1, now=NOW, place=UTC))

    assert "<img" not in as_html(told, UTC)
    assert "\n    # Case 2\n" in as_markdown(told, UTC)
