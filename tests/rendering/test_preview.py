from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from crm_mailer import i18n
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    FirstOrderAnchor,
    Kind,
    Mode,
    OrderAnchor,
    ReplyAnchor,
    ReviewAnchor,
    SegmentAnchor,
    Step,
    Stream,
)
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import NotFound, RenderError
from crm_mailer.model.order import OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import TemplateLibrary
from crm_mailer.rendering.preview import Preview, find_occasion, place_note, preview, take_stand
from crm_mailer.store import directory, messages
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import customers, memberships, order_events, orders
from tests.conftest import NOON
from tests.rendering.conftest import Write

DAYS = [1, 2, 4, 7, 15]


def campaign(anchor: Anchor, curve: str = "textbook5") -> Campaign:
    return Campaign(
        id="c",
        name="C",
        kind=Kind.LIFECYCLE,
        stream=Stream.MARKETING,
        mode=Mode.DRAFT,
        anchor=anchor,
        curve=curve,
        steps=tuple(Step(id=f"s{day}", template="a/b", offset=timedelta(days=day)) for day in DAYS),
    )


ARRIVED = OrderAnchor(state=OrderState.ARRIVED)


@pytest.mark.parametrize(
    ("anchor", "note"),
    [
        (ARRIVED, "step 3 of 5, day 4 after arrival, curve textbook5"),
        (
            SegmentAnchor(segment="cooling"),
            "step 3 of 5, day 4 after coming into the segment cooling, curve textbook5",
        ),
        (FirstOrderAnchor(is_yearly=True),
         "step 3 of 5, day 4 after the first order, each year, curve textbook5"),
        (ReplyAnchor(kind="praise"), "step 3 of 5, day 4 after praise in a reply, curve textbook5"),
        (ReviewAnchor(kind="bad"), "step 3 of 5, day 4 after a bad review, curve textbook5"),
        (DateAnchor(day=date(2026, 11, 20)),
         "step 3 of 5, day 4 from 2026-11-20 on, curve textbook5"),
        (BirthdayAnchor(days_before=7),
         "step 3 of 5, 3 days before the birthday, curve textbook5"),
    ],
)  # fmt: skip
def test_a_preview_says_where_the_mail_stands(anchor: Anchor, note: str) -> None:
    plan = campaign(anchor)

    assert place_note(plan, plan.steps[2]) == note


@pytest.mark.parametrize(
    ("anchor", "note"),
    [
        (ARRIVED, "第 3 步，共 5 步，到货后第 4 天，记忆曲线 textbook5"),
        (ReplyAnchor(kind="praise"), "第 3 步，共 5 步，回信中有表扬后第 4 天，记忆曲线 textbook5"),
        (BirthdayAnchor(days_before=7), "第 3 步，共 5 步，生日前 3 天，记忆曲线 textbook5"),
    ],
    ids=["order", "reply", "birthday"],
)
def test_where_a_mail_stands_is_said_in_the_readers_language(anchor: Anchor, note: str) -> None:
    plan = campaign(anchor)

    assert i18n.say(place_note(plan, plan.steps[2]), "zh_CN") == note


@pytest.fixture
def filled(store: Store) -> Store:
    with store.write() as connection:
        connection.execute(customers.insert().values(
            id=5, email="Anna@example.com", email_key="anna@example.com", given_name="Anna",
            language="en", created_at=NOON, changed_at=NOON))  # fmt: skip
        for number, age in ((1, 30), (2, 10), (3, 1)):
            placed = NOON - timedelta(days=age)
            connection.execute(orders.insert().values(
                id=number, platform="x", number=f"N-{number}", customer_id=5, state="arrived",
                placed_at=placed, currency="USD", amount_minor=100, is_counted=True,
                created_at=NOON, changed_at=NOON))  # fmt: skip
            if number < 3:
                connection.execute(order_events.insert().values(
                    order_id=number, state="received", at=placed + timedelta(days=5),
                    learnt_at=NOON))  # fmt: skip
        connection.execute(memberships.insert().values(
            segment="cooling", customer_id=5, since=NOON - timedelta(days=2)))  # fmt: skip
    return store


def customer(store: Store) -> Customer:
    with store.read() as connection:
        return messages.find_customers(connection, [5])[5]


def test_the_last_order_that_fits_is_taken(filled: Store) -> None:
    found = find_occasion(filled, ARRIVED, customer(filled), None, NOON)

    assert found.order is not None
    assert (found.order.number, found.at) == ("N-2", NOON - timedelta(days=5))


def test_an_order_that_is_not_there_yet_is_used_and_said(filled: Store) -> None:
    with filled.read() as connection:
        order = messages.find_orders(connection, [3])[3]

    found = find_occasion(filled, ARRIVED, customer(filled), order, NOON)

    assert (found.order, found.made_up) == (order, "order N-3 has not reached the state `arrived`")


def test_segments_and_first_orders_are_looked_up(filled: Store) -> None:
    reader = customer(filled)

    cooling = find_occasion(filled, SegmentAnchor(segment="cooling"), reader, None, NOON)
    lost = find_occasion(filled, SegmentAnchor(segment="lost"), reader, None, NOON)
    first = find_occasion(filled, FirstOrderAnchor(), reader, None, NOON)

    assert cooling.at == NOON - timedelta(days=2)
    assert lost.made_up == "the customer was never in the segment lost"
    assert first.at == NOON - timedelta(days=30)


def test_customers_are_found_by_address_in_any_case_and_by_id(filled: Store) -> None:
    with filled.read() as connection:
        found = [directory.find_customer(connection, name) for name in ("ANNA@example.com", "5")]
        with pytest.raises(NotFound) as missed:
            directory.find_customer(connection, "ana@example.com")
        order = messages.find_order_id(connection, "N-2", 5)
        other = messages.find_order_id(connection, "N-2", 6)

    assert (found, order, other) == ([5, 5], 2, None)
    assert missed.value.hint == "did you mean anna@example.com?"


@pytest.fixture
def show(templates: Path, write: Write, shop: Shop, keys: KeyRing) -> Any:
    write("a/b.en.mjml", "<mj-text>{{ greeting }} {{ order.number }}</mj-text>")
    write("a/b.ru.mjml", "<mj-text>{{ greeting }} {{ order.number }}</mj-text>")

    def show_it(store: Store | None, reader: Customer | None, **changes: Any) -> Preview:
        plan = campaign(ARRIVED)
        return look(TemplateLibrary(templates), plan, shop, keys, store, reader, **changes)

    return show_it


def look(
    library: TemplateLibrary, plan: Campaign, shop: Shop, keys: KeyRing,
    store: Store | None = None, reader: Customer | None = None, **changes: Any,
) -> Preview:  # fmt: skip
    stand = take_stand(store, library, plan, plan.steps[2], reader, None, shop, NOON, **changes)
    return preview(stand, library, shop, keys, NOON)


def test_a_real_customer_is_shown_their_own_order_and_when_it_is_due(
    show: Any, filled: Store
) -> None:
    mail = show(filled, customer(filled))

    assert "Dear Anna, N-2" in mail.text
    assert mail.anchored == "order N-2 arrived on 2026-10-28: due 2026-11-01"
    assert (mail.recipient, mail.made_up) == ("Anna <Anna@example.com>", "")
    assert message_from_bytes(mail.content, policy=policy.default)["Subject"] == "Subject"


def test_the_day_of_a_preview_is_the_one_that_planning_counts(show: Any, filled: Store) -> None:
    with filled.write() as connection:
        late = order_events.update().where(order_events.c.order_id == 2)
        connection.execute(late.values(at=datetime(2026, 10, 28, 23, tzinfo=UTC)))
    reader = customer(filled)._replace(time_zone="Asia/Tokyo")

    assert show(filled, reader).anchored == "order N-2 arrived on 2026-10-29: due 2026-11-02"


def test_without_a_customer_one_is_made_up_in_the_wanted_language(show: Any) -> None:
    mail = show(None, None, wanted_language="ru")

    assert "Здравствуйте, Анна Сергеевна!" in mail.text
    assert mail.made_up == "the customer is made up; the order is made up"


def test_a_long_name_is_shown_as_one_though_its_header_has_parts(show: Any) -> None:
    name = "Ольга Ивановна Петрова-Воскресенская"
    mail = show(None, Customer(id=0, email="olga@example.ru", name=name, language="ru"))

    assert b"?=\r\n =?" in mail.content
    assert mail.recipient == f"{name} <olga@example.ru>"
    assert ("To", mail.recipient) in mail.headers


def test_a_fallback_is_said(show: Any) -> None:
    mail = show(None, None, wanted_language="fr")

    assert mail.fallback == "the customer reads fr, the template has en, ru: en was taken"


def test_a_fallback_for_the_sake_of_one_text_is_said(
    templates: Path, write: Write, shop: Shop, keys: KeyRing
) -> None:
    for code in ("en", "ru", "de"):
        write(f"a/b.{code}.mjml", "<mj-text>{{ vars.gift }}</mj-text>")
    plan = replace(campaign(ARRIVED), vars={"gift": {"en": "a cup", "ru": "чашка"}})

    mail = look(TemplateLibrary(templates), plan, shop, keys, wanted_language="de")

    assert mail.fallback == (
        "the customer reads de; the template is written in it, the campaign's own texts are not: "
        "en was taken"
    )


def test_a_reader_of_traditional_characters_may_get_the_others_and_it_is_said(
    templates: Path, write: Write, shop: Shop, keys: KeyRing
) -> None:
    for code in ("en", "zh"):
        write(f"a/b.{code}.mjml", "<mj-text>{{ greeting }}</mj-text>")
    plan = campaign(ARRIVED)

    mail = look(TemplateLibrary(templates), plan, shop, keys, wanted_language="zh-TW")

    assert mail.fallback == "the customer reads zh-TW, the template has en, zh: zh was taken"


def test_a_customer_without_an_address_is_told(show: Any, filled: Store) -> None:
    with pytest.raises(RenderError, match="no mail can be made"):
        show(filled, customer(filled)._replace(email=None))
