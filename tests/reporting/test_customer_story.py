from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model.flag import FlagKind, NewFlag
from crm_mailer.model.score import Score
from crm_mailer.model.segment import Compare, Segment
from crm_mailer.reporting.customer_story import CustomerStory, EventKind, customer_story
from crm_mailer.segmenting import rfm, segment
from crm_mailer.store import flags, tags
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.segmenting.people import NOW, add_customer, add_order

ZONE = ZoneInfo("UTC")


def story_of(store: Store, customer_id: int) -> CustomerStory:
    return customer_story(store, customer_id, now=NOW, place=ZONE)


def texts(story: CustomerStory, kind: EventKind) -> list[str]:
    return [event.text for event in story.events if event.kind is kind]


def add_touch(store: Store, customer_id: int, **values: object) -> int:
    row = {
        "campaign": "win-back",
        "step": "hello",
        "anchor": "segment:1",
        "customer_id": customer_id,
        "stream": "marketing",
        "template": "growth/win-back-1",
        "place": 1,
        "places": 3,
        "anchored_at": NOW,
        "due_at": NOW,
        "state": "planned",
        "planned_at": NOW,
        **values,
    }
    with store.write() as connection:
        done = connection.execute(sa.insert(t.touches).values(row).returning(t.touches.c.id))
        return int(done.scalar_one())


def test_scores_are_told_in_words() -> None:
    score = Score(days_since_last=388, order_count=3, spent_usd_cents=76_900, r=2, f=3, m=4)

    assert rfm.in_words(score) == (
        "R 2: last paid order 388 days ago, 360 < 388 <= 720",
        "F 3: 3 paid orders, 3 <= 3 < 4",
        "M 4: 769.00 USD spent, 500 <= 769.00 < 1000",
    )


def test_the_ends_of_the_scale_are_told_in_words() -> None:
    score = Score(days_since_last=900, order_count=1, spent_usd_cents=200_000, r=1, f=1, m=5)

    assert rfm.in_words(score) == (
        "R 1: last paid order 900 days ago, more than 720",
        "F 1: 1 paid order, less than 2",
        "M 5: 2,000.00 USD spent, at least 1000",
    )


def test_the_story_goes_from_the_order_to_the_case(store: Store) -> None:
    customer = add_customer(
        store, name="Anna", created_at=NOW - timedelta(days=9), phone="+7 912 555 01 23"
    )
    order = add_order(
        store, customer, days_ago=8, usd_cents=3500, items=({"title": "Lamp", "quantity": 2},)
    )
    touch = add_touch(store, customer, state="accepted", settled_at=NOW - timedelta(days=2))
    with store.write() as connection:
        for state, days in (("placed", 8), ("shipped", 7)):
            at = NOW - timedelta(days=days)
            connection.execute(
                sa.insert(t.order_events).values(order_id=order, state=state, at=at, learnt_at=NOW)
            )
        connection.execute(
            sa.insert(t.messages).values(
                touch_id=touch, message_id="<1@x>", rcpt_to="a@x", subject="Come back",
                sha256="", rendered_at=NOW,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.replies).values(
                kind="human", received_at=NOW - timedelta(days=1), own_text="It is broken",
                intent="complaint", reasons=["nad.damaged"], customer_id=customer,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(t.cases).values(
                customer_id=customer, state="new", reason="nad.damaged", severity="P2",
                opened_at=NOW, due_at=NOW,
            )
        )  # fmt: skip

    story = story_of(store, customer)

    assert [(event.kind.value, event.text) for event in story.events] == [
        ("customer", "became known to the shop"),
        ("order", f"order {order_number(store, order)} placed: 35.00 USD, 2 x Lamp"),
        ("order", f"order {order_number(store, order)} shipped"),
        ("mail", 'mail accepted: win-back / hello (1 of 3): "Come back"'),
        ("reply", 'wrote by email: complaint, nad.damaged "It is broken"'),
        ("case", "case 1 opened: nad.damaged damaged goods, P2, now new"),
    ]
    assert story.has_open_case
    assert story.phone == "***123"


def order_number(store: Store, order_id: int) -> str:
    with store.read() as connection:
        return str(connection.scalar(sa.select(t.orders.c.number).where(t.orders.c.id == order_id)))


def test_a_mail_that_was_not_sent_has_its_reason_in_words(store: Store) -> None:
    customer = add_customer(store)
    add_touch(store, customer, state="skipped", reason="cap", settled_at=NOW)
    add_touch(store, customer, step="bye", state="skipped", reason="of-the-future")

    mails = texts(story_of(store, customer), EventKind.MAIL)

    assert mails == [
        "no mail win-back / hello (1 of 3): had as many marketing mails lately as the shop allows",
        "no mail win-back / bye (1 of 3): of-the-future",
    ]


def test_segments_are_part_of_the_story(store: Store) -> None:
    customer = add_customer(store, country="RU")
    segment(store, [Segment(id="russia", name="Russia", rule=Compare("country", "is", "RU"))],
            zone=ZONE, now=NOW)  # fmt: skip

    story = story_of(store, customer)

    assert [(stay.segment, stay.since) for stay in story.stays] == [("russia", NOW)]
    assert texts(story, EventKind.SEGMENT) == ["came into russia"]


def test_little_is_known_of_some_customers(store: Store) -> None:
    customer = add_customer(
        store, email=None, email_key=None, birth_month=2, birth_day=29, gender="female",
        is_gender_guessed=True,
    )  # fmt: skip
    with store.write() as connection:
        flag = NewFlag(
            customer_id=customer, kind=FlagKind.BAD_REVIEW, reason="bad reviews on purpose"
        )
        flags.add(connection, flag, NOW)
        tags.add_note(connection, customer, "calls at night", now=NOW, by="li")

    story = story_of(store, customer)

    assert (story.email, story.score, story.birthday) == ("", None, "02-29")
    assert story.gender == "female (a guess)"
    assert story.flag_reason == "bad reviews on purpose"
    assert texts(story, EventKind.NOTE) == ["note (li): calls at night"]
