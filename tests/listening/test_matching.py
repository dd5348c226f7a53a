"""Each rung by which an answer is matched to what we sent, and tokens that prove nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.model.reply import Rung
from crm_mailer.model.token import KeyRing, Purpose
from tests.listening.conftest import CARE, KEYS, Desk, bounce, letter, message_id, spam_report, verp

ANNA = "anna@example.com"
OTHER_SHOP = KeyRing(keys={1: b"o" * 32}, current=1)


def anna(desk: Desk) -> int:
    """She got one mail of ours; its touch."""
    return desk.sent(desk.customer(ANNA), ANNA)


def token(touch_id: int, purpose: Purpose = Purpose.MESSAGE_ID) -> str:
    return KEYS.make(purpose, touch_id)


def stranger(body: str, **headers: str) -> bytes:
    """A mail from an address that we do not know."""
    return letter(body, sender="someone@else.example", **headers)


def test_an_address_token_is_the_surest(desk: Desk) -> None:
    touch_id = anna(desk)

    desk.comes(bounce("x@relay.example", to=verp(touch_id)))

    assert (desk.reply().rung, desk.reply().touch_id) == (Rung.ADDRESS_TOKEN, touch_id)


@pytest.mark.parametrize("header", ["In_Reply_To", "References"])
def test_a_message_id_of_ours_in_a_header_proves_it(desk: Desk, header: str) -> None:
    touch_id = anna(desk)

    desk.comes(stranger("Hello, thanks", **{header: f"<else@x> {message_id(touch_id)}"}))

    assert (desk.reply().rung, desk.reply().touch_id) == (Rung.MESSAGE_ID, touch_id)


def test_of_several_references_the_newest_counts(desk: Desk) -> None:
    customer = desk.customer(ANNA)
    old, new = desk.sent(customer, ANNA), desk.sent(customer, ANNA, anchor="order:2:shipped")

    desk.comes(stranger("Hello", References=f"{message_id(old)} {message_id(new)}"))

    assert desk.reply().touch_id == new


def test_the_returned_copy_proves_it(desk: Desk) -> None:
    touch_id = anna(desk)

    desk.comes(bounce("x@relay.example", returned_id=message_id(touch_id)))

    assert (desk.reply().rung, desk.reply().touch_id) == (Rung.MESSAGE_ID, touch_id)


def test_where_the_message_id_was_rewritten_our_own_header_proves_it(desk: Desk) -> None:
    touch_id = anna(desk)
    ours = f"X-CRM-Send: {token(touch_id)}\r\n"

    desk.comes(bounce("x@relay.example", returned_id="<new@amazonses.com>", returned=ours))

    assert (desk.reply().rung, desk.reply().touch_id) == (Rung.MESSAGE_ID, touch_id)


@pytest.mark.parametrize("name", ["Message-ID", "X-CRM-Send"])
def test_a_header_of_ours_that_is_quoted_as_text_proves_it(desk: Desk, name: str) -> None:
    touch_id = anna(desk)

    desk.comes(stranger(f"Failed.\n\n  {name}: <{token(touch_id)}@shop.example>\n"))

    assert (desk.reply().rung, desk.reply().touch_id) == (Rung.MESSAGE_ID, touch_id)


@pytest.mark.parametrize(
    ("name", "value", "purpose"),
    [
        ("List-Unsubscribe", "<https://shop.example/u/{}>, <mailto:u-{}@x>", Purpose.UNSUBSCRIBE),
        ("Feedback-ID", "win-back:{}:marketing:shop", Purpose.MESSAGE_ID),
        ("Return-Path", "<b-{}@bounces.shop.example>", Purpose.VERP),
    ],
)
def test_a_token_in_another_header_of_the_returned_copy_is_the_third_rung(
    desk: Desk, name: str, value: str, purpose: Purpose
) -> None:
    touch_id = anna(desk)
    ours = f"{name}: {value.replace('{}', token(touch_id, purpose))}"

    desk.comes(
        bounce("x@relay.example", returned=ours + "\r\n"),
        stranger(f"Hi. This is the qmail-send program.\n\nSubject: We miss you\n{ours}\n"),
    )

    assert [(one.rung, one.touch_id) for one in desk.replies()] == [
        (Rung.RETURNED_TOKEN, touch_id)
    ] * 2


def test_a_spam_report_without_a_recipient_finds_its_mail_by_the_token(desk: Desk) -> None:
    touch_id = anna(desk)

    desk.comes(spam_report(returned_id=message_id(touch_id)))

    assert desk.reply().touch_id == touch_id
    assert desk.suppressed() == [(ANNA, "spam_report")]


def test_a_bounce_of_an_address_that_got_one_mail_lately_belongs_to_it(desk: Desk) -> None:
    touch_id = anna(desk)

    desk.comes(bounce(ANNA))

    assert (desk.reply().rung, desk.reply().touch_id) == (Rung.ADDRESS_AND_TIME, touch_id)


def test_a_bounce_of_an_address_whose_mail_was_long_ago_belongs_to_none(desk: Desk) -> None:
    desk.sent(desk.customer(ANNA), ANNA, ago=timedelta(days=9))

    desk.comes(bounce(ANNA))

    assert desk.reply().touch_id is None
    assert desk.suppressed() == []


def test_an_order_number_tells_the_order_of_a_stranger(desk: Desk) -> None:
    desk.order("70015", desk.customer(ANNA))

    desk.comes(stranger("Where is my parcel? Order #70015"))

    assert (desk.reply().rung, desk.reply().order_number) == (Rung.ORDER_NUMBER, "70015")


def test_a_customer_without_mail_of_ours_is_known_by_the_sender(desk: Desk) -> None:
    desk.customer(ANNA)

    desk.comes(letter("Hello", sender=ANNA))

    assert desk.reply().rung == Rung.SENDER


def test_a_stranger_matches_nothing_and_a_subject_never_does(desk: Desk) -> None:
    anna(desk)

    desk.comes(stranger("Hello", subject="Re: We miss you"))

    assert (desk.reply().rung, desk.reply().touch_id) == (Rung.NONE, None)


def forgeries(touch_id: int) -> dict[str, str]:
    """Tokens that prove nothing."""
    right = token(touch_id, Purpose.VERP)
    head, _, tail = right.partition(".")
    return {
        "last letter": right[:-1] + ("b" if right[-1] == "a" else "a"),
        "another touch": token(touch_id + 1, Purpose.VERP).partition(".")[0] + "." + tail,
        "truncated": right[:-4],
        "head only": head,
        "other shop": OTHER_SHOP.make(Purpose.VERP, touch_id),
        "unknown key": KeyRing(keys={9: b"k" * 32}, current=9).make(Purpose.VERP, touch_id),
        "other purpose": token(touch_id, Purpose.CLICK),
        "no such touch": token(touch_id + 10_000, Purpose.VERP),
    }


def test_a_forged_bounce_does_nothing(desk: Desk) -> None:
    touch_id = desk.sent(desk.customer(ANNA), ANNA, ago=timedelta(days=20))

    desk.comes(
        *(
            bounce(
                "x@relay.example",
                to=f"b-{forged}@bounces.shop.example",
                returned_id=f"<{forged}@shop.example>",
                returned=f"X-CRM-Send: {forged}\r\nFeedback-ID: a:{forged}:b\r\n"
                f"List-Unsubscribe: <mailto:u-{forged}@shop.example>\r\n",
            )
            for forged in forgeries(touch_id).values()
        )
    )

    assert [(one.rung, one.touch_id) for one in desk.replies()] == [(Rung.NONE, None)] * 8
    assert desk.suppressed() == []


def test_a_forged_wish_for_no_more_mail_stops_no_stranger(desk: Desk) -> None:
    touch_id = anna(desk)

    desk.comes(
        *(
            stranger("", to=f"u-{forged}@shop.example", subject="unsubscribe")
            for forged in forgeries(touch_id).values()
        )
    )

    assert {reply.touch_id for reply in desk.replies()} == {None}
    assert ANNA not in [address for address, _reason in desk.suppressed()]


def test_a_token_of_ours_in_the_text_of_a_reply_is_no_proof(desk: Desk) -> None:
    # a forwarded link would make a stranger's complaint the customer's
    touch_id = anna(desk)
    link = f"https://shop.example/u/{token(touch_id, Purpose.UNSUBSCRIBE)}"

    desk.comes(stranger(f"My friend sent me this: {link}", to=CARE))

    assert desk.reply().touch_id is None
