"""What comes back to a test of a mail: nothing follows, save what it tells of the address."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.learning import learn
from crm_mailer.store import tables as t
from tests.conftest import NOON
from tests.listening.conftest import Desk, bounce, letter, message_id, spam_report, verp
from tests.store.tried import tried

ANNA = "anna@example.com"
ANGRY = "The lamp of order #1234 arrived broken. I want my money back!"


@pytest.fixture
def test_mail(desk: Desk) -> int:
    """A test that went to somebody who is a customer, too, about another one's order."""
    desk.sent(desk.customer(ANNA), ANNA)
    desk.order("1234", desk.customer("boris@example.com"))
    with desk.store.read() as connection:
        number = (connection.scalar(sa.select(sa.func.max(t.touches.c.id))) or 0) + 1
    assert tried(desk.store, ANNA, message_id(number)) == number
    return number


def count(desk: Desk, *tables: sa.Table) -> int:
    with desk.store.read() as connection:
        return sum(
            connection.scalar(sa.select(sa.func.count()).select_from(one)) or 0 for one in tables
        )


@pytest.mark.parametrize(
    "headers",
    [{}, {"Auto_Submitted": "auto-replied"}],
    ids=["person", "machine"],
)
def test_an_answer_to_a_test_opens_nothing_whoever_writes_it(
    desk: Desk, test_mail: int, headers: dict[str, str]
) -> None:
    report = desk.comes(letter(ANGRY, sender=ANNA, In_Reply_To=message_id(test_mail), **headers))
    done = learn(desk.store, now=NOON + timedelta(hours=1))

    reply = desk.reply()
    assert (reply.kind, reply.touch_id) == ("test", test_mail)
    assert (reply.customer_id, reply.order_id, reply.intent) == (None, None, None)
    assert (report.unmatched, report.intents) == (0, {})
    assert count(desk, t.cases, t.tasks, t.feedback, t.alerts) == 0
    assert not done.replies


def test_the_same_words_to_a_mail_of_a_campaign_open_a_case(desk: Desk, test_mail: int) -> None:
    desk.comes(letter(ANGRY, sender=ANNA, In_Reply_To=message_id(test_mail - 1)))
    learn(desk.store, now=NOON + timedelta(hours=1))

    assert desk.reply().kind == "human"
    assert count(desk, t.cases) == 1


def test_whoever_unsubscribes_by_a_test_is_unsubscribed_and_no_more(
    desk: Desk, test_mail: int
) -> None:
    words = "Please unsubscribe me. And the lamp arrived broken, I want a refund!"
    desk.comes(letter(words, sender=ANNA, In_Reply_To=message_id(test_mail)))
    learn(desk.store, now=NOON + timedelta(hours=1))

    assert (desk.reply().kind, desk.reply().intent) == ("unsubscribe", None)
    assert desk.suppressed() == [(ANNA, "unsubscribed")]
    assert count(desk, t.cases, t.tasks, t.feedback) == 0


def test_what_a_test_learns_of_its_address_is_kept(desk: Desk, test_mail: int) -> None:
    desk.comes(
        bounce(ANNA, to=verp(test_mail)), spam_report(ANNA, returned_id=message_id(test_mail))
    )
    learn(desk.store, now=NOON + timedelta(hours=1))

    assert [one.kind for one in desk.replies()] == ["bounce", "spam_report"]
    assert sorted(desk.suppressed()) == [(ANNA, "hard_bounce"), (ANNA, "spam_report")]
    assert count(desk, t.cases, t.tasks, t.feedback) == 0
