from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.listening import log_by_hand
from crm_mailer.model.errors import NotFound
from crm_mailer.model.token import KeyRing, Purpose
from crm_mailer.store import inbound, replies, tables
from tests.conftest import NOON
from tests.listening.conftest import KEYS, Desk, bounce, letter, message_id, spam_report, verp

FORGED = KeyRing(keys={1: b"x" * 32}, current=1)


def test_a_reply_is_matched_by_the_message_id_it_answers(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    order = desk.order("1001", anna)
    touch = desk.sent(anna, "anna@example.com", order_id=order)

    desk.comes(letter("Thanks!", sender="other@example.org", In_Reply_To=message_id(touch)))

    reply = desk.reply()
    assert (reply.rung, reply.customer_id, reply.touch_id, reply.order_id) == (
        "message_id", anna, touch, order,
    )  # fmt: skip
    assert reply.campaign == "win-back"


def test_the_newest_reference_of_ours_wins(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    old = desk.sent(anna, "anna@example.com", anchor="a")
    new = desk.sent(anna, "anna@example.com", anchor="b")

    desk.comes(letter("Hello", References=f"{message_id(old)} <z@q> {message_id(new)}"))

    assert desk.reply().touch_id == new


def test_a_complaint_gets_reason_severity_and_the_words_that_said_so(desk: Desk) -> None:
    desk.customer("anna@example.com")

    desk.comes(letter("My parcel never arrived. I want my money back!"))

    reply = desk.reply()
    assert (reply.kind, reply.intent, reply.severity) == ("human", "complaint", "P2")
    assert "nr.in_transit" in reply.reasons
    assert any("never arrived" in one.words for one in reply.evidence)
    assert reply.asks == "refund"


def test_what_we_wrote_ourselves_is_no_complaint(desk: Desk) -> None:
    desk.customer("anna@example.com")
    quoted = (
        "Got it, thanks.\n\nOn Mon, 2 Nov 2026 at 10:00, Shop <care@shop.example> wrote:\n"
        "> Not received? Wrong item? We refund, no dispute needed. Unsubscribe here."
    )

    desk.comes(letter(quoted))

    reply = desk.reply()
    assert (reply.kind, reply.intent, reply.own_text) == ("human", "confirm", "Got it, thanks.")
    assert "no dispute needed" in reply.full_text


def test_a_stop_request_ends_marketing_for_its_writer(desk: Desk) -> None:
    desk.customer("anna@example.com")

    report = desk.comes(letter("Hallo,\nbitte melden Sie mich vom Newsletter ab", subject="Re: x"))

    assert desk.reply().kind == "unsubscribe"
    assert desk.suppressed() == [("anna@example.com", "unsubscribed")]
    assert report.suppressed == 1


def test_a_mailto_token_unsubscribes_the_customer_it_names(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")
    token = KEYS.make(Purpose.UNSUBSCRIBE, touch)

    desk.comes(letter("", sender="forwarded@elsewhere.example", subject=f"unsubscribe {token}"))

    assert ("anna@example.com", "unsubscribed") in desk.suppressed()


def test_a_forged_token_does_nothing_to_a_stranger(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")
    token = FORGED.make(Purpose.UNSUBSCRIBE, touch)

    desk.comes(
        letter("", sender="mallory@example.org", subject=f"unsubscribe {token}"),
        bounce("nobody@example.org", to=f"b-{FORGED.make(Purpose.VERP, touch)}@bounces.example"),
    )

    assert "anna@example.com" not in dict(desk.suppressed())


def test_a_forged_token_does_nothing_to_its_sender_either(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    token = FORGED.make(Purpose.UNSUBSCRIBE, desk.sent(anna, "anna@example.com"))

    desk.comes(
        letter("", sender="anna@example.com", subject=f"unsubscribe {token}"),
        letter("", sender="evil@x.example", subject=f"unsubscribe {token}"),
    )

    assert desk.suppressed() == []


def test_a_token_whose_key_is_gone_still_stops_mail_to_its_sender(desk: Desk) -> None:
    gone = KeyRing(keys={9: b"g" * 32}, current=9)
    anna = desk.customer("anna@example.com")
    token = gone.make(Purpose.UNSUBSCRIBE, desk.sent(anna, "anna@example.com"))

    desk.comes(letter("", sender="anna@example.com", subject=f"unsubscribe {token}"))

    assert desk.suppressed() == [("anna@example.com", "unsubscribed")]


def test_a_long_domain_is_no_forged_token(desk: Desk) -> None:
    desk.sent(desk.customer("anna@example.com"), "anna@example.com")
    shop = "hello@minhalojadeartesanato.lojavirtualnuvem.com.br"

    desk.comes(letter("", sender="anna@example.com", to=shop, subject="unsubscribe"))

    assert desk.suppressed() == [("anna@example.com", "unsubscribed")]


def test_the_plain_word_in_the_subject_stops_mail_to_its_sender(desk: Desk) -> None:
    desk.sent(desk.customer("anna@example.com"), "anna@example.com")

    desk.comes(letter("", sender="anna@example.com", subject="unsubscribe"))

    assert desk.suppressed() == [("anna@example.com", "unsubscribed")]


def test_a_token_for_one_purpose_proves_nothing_for_another(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")
    click = KEYS.make(Purpose.CLICK, touch)

    desk.comes(letter("", sender="mallory@example.org", subject=f"unsubscribe {click}"))

    assert "anna@example.com" not in dict(desk.suppressed())


def test_a_hard_bounce_to_our_bounce_address_gives_the_address_up(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com", ago=timedelta(days=40))

    desk.comes(bounce("anna@forwarded.example", to=verp(touch)))

    assert desk.suppressed() == [("anna@example.com", "hard_bounce")]
    [kept] = desk.bounces()
    assert (kept.touch_id, kept.kind, kept.reason) == (touch, "hard", "userunknown")
    assert (kept.status, kept.remote_host) == ("5.1.1", "mail.example.org")


def test_a_hard_bounce_is_believed_by_the_message_id_that_came_back(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com", ago=timedelta(days=40))

    desk.comes(bounce("anna@example.com", returned_id=message_id(touch)))

    assert desk.reply().rung == "message_id"
    assert desk.suppressed() == [("anna@example.com", "hard_bounce")]


def test_a_rewritten_message_id_is_made_up_for_by_our_own_header(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com", ago=timedelta(days=40))
    header = f"X-CRM-Send: {KEYS.make(Purpose.MESSAGE_ID, touch)}\r\n"

    desk.comes(bounce("x@example.com", returned_id="<0100@amazonses.com>", returned=header))

    assert desk.reply().touch_id == touch


@pytest.mark.parametrize(("days", "is_believed"), [(1, True), (20, False)])
def test_a_bounce_without_a_token_needs_a_mail_sent_lately(
    desk: Desk, days: int, is_believed: bool
) -> None:
    anna = desk.customer("anna@example.com")
    desk.sent(anna, "anna@example.com", ago=timedelta(days=days))

    desk.comes(bounce("Anna@Example.com"))

    assert bool(desk.suppressed()) is is_believed


def test_a_stranger_cannot_be_bounced_away(desk: Desk) -> None:
    desk.customer("anna@example.com")

    desk.comes(bounce("anna@example.com"))

    assert desk.suppressed() == []


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        ("5.7.1", "550 5.7.1 Message rejected due to SPF policy", "ours"),
        ("5.7.26", "550-5.7.26 unauthenticated email is not accepted, user unknown", "ours"),
        ("5.1.1", "552 5.1.1 mailbox anna@example.com is over quota", "soft"),
        ("4.2.2", "452 4.2.2 The email account is over quota", "soft"),
        ("5.0.0", "554 blocked using zen.spamhaus.org", "ours"),
    ],
)
def test_what_is_no_dead_address_suppresses_nobody(
    desk: Desk, status: str, diagnostic: str, kind: str
) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    desk.comes(bounce("anna@example.com", to=verp(touch), status=status, diagnostic=diagnostic))

    assert desk.suppressed() == []
    assert [b.kind for b in desk.bounces()] == [kind]


def test_soft_bounces_on_three_days_of_a_month_give_an_address_up(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")
    seen = []

    for day in (20, 10, 10, 0):
        full = bounce("anna@example.com", to=verp(touch), status="5.2.2",
                      diagnostic=f"552 mailbox full ({desk.uid})")  # fmt: skip
        desk.comes(full, at=NOON - timedelta(days=day))
        seen.append(len(desk.suppressed()))

    assert seen == [0, 0, 0, 1]


def test_a_mailbox_that_is_switched_off_twice_within_a_month_is_given_up(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touches = [desk.sent(anna, "anna@example.com", anchor=f"order:{n}") for n in (1, 2)]
    seen = []

    for touch in (touches[0], touches[0], touches[1]):
        off = bounce("anna@example.com", to=verp(touch), status="5.2.1",
                     diagnostic=f"550 5.2.1 mailbox disabled ({desk.uid})")  # fmt: skip
        desk.comes(off)
        seen.append(len(desk.suppressed()))

    assert seen == [0, 0, 1]


def test_a_delay_notice_and_a_success_notice_change_nothing(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    desk.comes(
        bounce("anna@example.com", to=verp(touch), action="delayed", status="4.4.1",
               diagnostic="delivery temporarily suspended: user unknown"),
        bounce("anna@example.com", to=verp(touch), action="delivered", status="2.0.0",
               diagnostic="250 ok"),
    )  # fmt: skip

    assert desk.suppressed() == []
    assert [b.kind for b in desk.bounces()] == ["delay", "notice"]


def test_a_spam_report_is_found_by_token_where_the_recipient_is_removed(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    desk.comes(spam_report(returned_id=message_id(touch)))

    assert desk.reply().kind == "spam_report"
    assert desk.suppressed() == [("anna@example.com", "spam_report")]
    with desk.store.read() as connection:
        [row] = connection.execute(sa.select(tables.spam_reports))
    assert (row.customer_id, row.touch_id, row.feedback_type) == (anna, touch, "abuse")


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure"])
def test_a_report_that_is_no_complaint_of_a_customer_does_nothing(desk: Desk, kind: str) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    desk.comes(spam_report(kind=kind, returned_id=message_id(touch)))

    assert desk.suppressed() == []


def test_an_out_of_office_is_no_answer_and_says_when_somebody_is_back(desk: Desk) -> None:
    desk.customer("anna@example.com")

    desk.comes(
        letter("Ich bin bis zum 12.11. im Urlaub. Das Paket ist kaputt.",
               subject="Abwesenheitsnotiz: Ihre Bestellung", Auto_Submitted="auto-replied")
    )  # fmt: skip

    reply = desk.reply()
    assert (reply.kind, reply.intent, str(reply.return_on)) == ("auto_reply", None, "2026-11-12")


def test_a_second_copy_of_a_mail_has_no_effect(desk: Desk) -> None:
    desk.customer("anna@example.com")
    mail = letter("My order never arrived.", Message_ID="<one@example.com>")

    report = desk.comes(mail, b"Received: from elsewhere\r\n" + mail)

    assert [reply.is_copy for reply in desk.replies()] == [False, True]
    assert report.copies == 1


def test_the_same_message_id_from_another_writer_is_no_copy(desk: Desk) -> None:
    desk.comes(
        letter("Hello", Message_ID="<one@example.com>"),
        letter("Hello", sender="bob@example.com", Message_ID="<one@example.com>"),
    )

    assert [reply.is_copy for reply in desk.replies()] == [False, False]


def test_an_order_number_finds_the_order_of_the_writer(desk: Desk) -> None:
    anna, bob = desk.customer("anna@example.com"), desk.customer("bob@example.com")
    desk.order("2002", bob)
    own = desk.order("2001", anna)

    desk.comes(letter("Where is #2001? And what about #2002?"))

    assert (desk.reply().order_id, desk.reply().rung) == (own, "order_number")


def test_an_unknown_writer_is_found_by_the_order_alone(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    desk.order("2001", anna)

    desk.comes(letter("It is about #2001", sender="new@example.org"))

    assert desk.reply().customer_id == anna


def test_somebody_elses_order_is_not_taken_for_the_writers_own(desk: Desk) -> None:
    bob = desk.customer("bob@example.com")
    anna = desk.customer("anna@example.com")
    desk.order("2002", bob)

    desk.comes(letter("It is about #2002"))

    assert (desk.reply().customer_id, desk.reply().order_id) == (anna, None)


def test_a_mail_that_breaks_the_reader_is_set_aside_and_hinders_nobody(desk: Desk) -> None:
    with desk.store.write() as connection:
        row = inbound.open_mailbox(connection, "care@shop.example", "INBOX")
        gone = inbound.RawMail(uid=99, digest="gone", size=9, received_at=NOON, raw_path="no/such")
        inbound.add_many(connection, row.id, 1, [gone])
    desk.uid = 100

    rounds = [desk.comes(letter("Hello")), desk.listen(), desk.listen()]

    assert [r.quarantined for r in rounds] == [0, 0, 1]
    assert len(desk.replies()) == 1
    with desk.store.read() as connection:
        [mail] = inbound.list_quarantined(connection)
    assert mail.strikes == 3
    assert "FileNotFoundError" in mail.error


def test_a_mail_in_quarantine_can_be_tried_again(desk: Desk) -> None:
    with desk.store.write() as connection:
        with pytest.raises(NotFound):
            inbound.retry(connection, 7)
        row = inbound.open_mailbox(connection, "care@shop.example", "INBOX")
        mail = inbound.RawMail(uid=99, digest="d", size=9, received_at=NOON, raw_path="ab/x.eml")
        inbound.add_many(connection, row.id, 1, [mail])
    for _ in range(3):
        desk.listen()
    (desk.folder / "ab").mkdir(parents=True)
    (desk.folder / "ab" / "x.eml").write_bytes(letter("Hello again"))

    with desk.store.write() as connection:
        inbound.retry(connection, 1)
    desk.listen()

    assert desk.reply().own_text == "Hello again"


def test_a_second_unanswered_mail_weighs_more(desk: Desk) -> None:
    desk.customer("anna@example.com")

    desk.comes(letter("Where is my parcel?"), at=NOON - timedelta(days=3))
    desk.comes(letter("Where is my parcel?", subject="again"))

    assert [reply.intent for reply in desk.replies()] == ["question", "complaint"]


def test_what_came_by_phone_is_understood_by_the_same_rules(desk: Desk) -> None:
    anna = desk.customer("anna@example.com", language="ru")

    reply_id = log_by_hand(
        desk.store, customer_id=anna, channel="phone", text="Чайник пришёл разбитый", at=NOON,
        words=desk.words,
    )  # fmt: skip

    with desk.store.read() as connection:
        reply = replies.get(connection, reply_id)
    assert (reply.channel, reply.intent, reply.reasons[0]) == ("phone", "complaint", "nad.damaged")
    assert reply.inbound_id is None


def test_reading_twice_changes_nothing(desk: Desk) -> None:
    desk.customer("anna@example.com")
    desk.comes(letter("Hello"), letter("stop", subject="stop"))
    before = (desk.replies(), desk.suppressed())

    again = desk.listen()

    assert again.handled == 0
    assert (desk.replies(), desk.suppressed()) == before


def test_a_newsletter_of_others_is_bulk(desk: Desk) -> None:
    desk.comes(letter("Buy now", sender="news@other.example", List_Id="<news.other.example>"))

    assert desk.reply().kind == "bulk"


def test_text_with_nul_and_half_characters_can_be_kept(desk: Desk) -> None:
    desk.comes(b"From: a@b.example\r\nSubject: \xff\xfe\x00\r\n\r\nhello \x00 \xed\xa0\x80\r\n")

    assert desk.reply().kind == "human"
