from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from crm_mailer.demo import answers
from crm_mailer.demo.people import LANGUAGES, Person, person

NOW = datetime(2011, 9, 5, 10, 30, tzinfo=UTC)
OURS = (
    b"From: =?utf-8?q?Caf=C3=A9_Shop?= <care@shop.example>\r\n"
    b"To: Anna <anna13085@example.com>\r\n"
    b"Reply-To: reply+abc@shop.example\r\n"
    b"Subject: =?utf-8?b?" b"w6Agc3VpdnJl" b"?=\r\n"
    b"Date: Sun, 04 Sep 2011 08:00:00 +0000\r\n"
    b"Message-ID: <TOKEN.MAC@shop.example>\r\n"
    b"X-CRM-Send: TOKEN.MAC\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
    b"Your parcel is on its way.\r\nThank you.\r\n"
)  # fmt: skip
ANNA = replace(person("13085", "United Kingdom", 1), language="en", time_zone="Europe/London")
STYLES = ("gmail", "outlook", "mailru", "plain")


def _read(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert not [part.defects for part in mail.walk() if part.defects]
    assert b"\n" not in raw.replace(b"\r\n", b"")
    return mail


def _text(mail: EmailMessage, kind: str = "plain") -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def _speaker(language: str) -> Person:
    return replace(ANNA, language=language)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_reply_says_whose_mail_it_answers_and_quotes_it(language: str, style: str) -> None:
    raw = answers.as_reply(OURS, _speaker(language), "Où est-il ? Где? 哪里", now=NOW, style=style)

    mail = _read(raw)

    assert mail["In-Reply-To"] == mail["References"] == "<TOKEN.MAC@shop.example>"
    assert mail["To"] == "reply+abc@shop.example"
    assert mail["Subject"] == "Re: à suivre"
    assert _text(mail).startswith("Où est-il ? Где? 哪里\n")
    assert "Your parcel is on its way." in _text(mail)


@pytest.mark.parametrize(
    ("style", "mark"), [("gmail", "gmail_quote"), ("outlook", "border-top:solid")]
)
def test_programs_with_html_mark_the_quote_in_their_way(style: str, mark: str) -> None:
    mail = _read(answers.as_reply(OURS, ANNA, "a < b", now=NOW, style=style))

    assert mark in _text(mail, "html")
    assert "a &lt; b" in _text(mail, "html")


@pytest.mark.parametrize(
    ("language", "style", "line"),
    [
        ("en", "gmail", "On Sun, Sep 4, 2011 at 9:00 AM Café Shop <care@shop.example> wrote:"),
        ("de", "gmail", "schrieb Café Shop <care@shop.example>:"),
        ("ru", "outlook", "-----Исходное сообщение-----"),
        ("ru", "mailru", "Воскресенье, 4 сентября 2011"),
        ("zh", "mailru", "原始邮件"),
        ("fr", "plain", "Envoyé de mon iPhone"),
    ],
)
def test_quotes_are_led_in_by_the_readers_language(language: str, style: str, line: str) -> None:
    raw = answers.as_reply(OURS, _speaker(language), "x", now=NOW, style=style)

    assert line in " ".join(_text(_read(raw)).split())


def test_outlook_still_writes_in_old_charsets() -> None:
    raw = answers.as_reply(OURS, _speaker("ru"), "Где посылка?", now=NOW, style="outlook")

    body = _read(raw).get_body(("plain",))

    assert body is not None
    assert body.get_content_charset() in ("windows-1251", "utf-8")


@pytest.mark.parametrize("style", STYLES)
def test_the_same_answer_is_the_same_bytes(style: str) -> None:
    raws = {answers.as_reply(OURS, ANNA, "x", now=NOW, style=style) for _turn in range(3)}

    assert len(raws) == 1


def test_names_of_all_scripts_can_send() -> None:
    for number in range(13000, 13100):
        someone = person(str(number), "United Kingdom", 1)
        sender = _read(answers.as_reply(OURS, someone, "x", now=NOW, style="gmail"))["From"]
        assert sender.addresses[0].display_name == someone.name
        assert sender.addresses[0].addr_spec == someone.email


@pytest.mark.parametrize("number", range(13000, 13010))
def test_an_auto_reply_says_that_it_is_one(number: int) -> None:
    someone = person(str(number), "United Kingdom", 1)

    mail = _read(answers.as_auto_reply(OURS, someone, now=NOW))

    assert mail["Auto-Submitted"] in ("auto-replied", "auto-generated")
    assert mail["In-Reply-To"] == "<TOKEN.MAC@shop.example>"


def test_a_bounce_is_a_report_with_status_and_returned_headers() -> None:
    raw = answers.as_bounce(
        OURS,
        status="5.1.1",
        diagnostic="smtp; 550 5.1.1 User unknown",
        now=NOW,
        to="b-TOKEN.MAC@bounces.shop.example",
    )

    mail = _read(raw)
    _words, status, headers = mail.iter_parts()

    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "delivery-status"
    assert (mail["Return-Path"], mail["To"]) == ("<>", "b-TOKEN.MAC@bounces.shop.example")
    facts = list(status.iter_parts())[1]
    assert facts["Final-Recipient"] == "rfc822; anna13085@example.com"
    assert (facts["Action"], facts["Status"]) == ("failed", "5.1.1")
    assert facts["Diagnostic-Code"] == "smtp; 550 5.1.1 User unknown"
    assert "X-CRM-Send: TOKEN.MAC" in headers.get_content()


def test_a_delay_says_so() -> None:
    raw = answers.as_bounce(
        OURS, status="4.2.2", diagnostic="smtp; 452 full", now=NOW, action="delayed"
    )

    assert b"Action: delayed" in raw


def test_a_spam_report_carries_the_mail() -> None:
    raw = answers.as_spam_report(OURS, NOW)

    mail = _read(raw)
    _words, facts, sent = mail.iter_parts()

    assert mail.get_param("report-type") == "feedback-report"
    assert next(iter(facts.iter_parts()))["Feedback-Type"] == "abuse"
    assert sent.get_content_type() == "message/rfc822"
    assert b"X-CRM-Send: TOKEN.MAC" in raw


def test_half_of_the_spam_reports_hide_who_pressed_the_button() -> None:
    mails = [OURS.replace(b"Thank you", b"Thanks %d" % number) for number in range(40)]

    hidden = [b"anna13085" not in answers.as_spam_report(mail, NOW) for mail in mails]

    assert 10 < sum(hidden) < 30


def test_an_answer_to_a_mail_without_text_is_still_an_answer() -> None:
    bare = b"From: care@shop.example\r\nTo: a@example.com\r\nMessage-ID: <1@x>\r\n\r\n"

    mail = _read(answers.as_reply(bare, ANNA, "hello", now=NOW, style="gmail"))

    assert _text(mail).startswith("hello")


def test_an_unknown_program_is_refused() -> None:
    with pytest.raises(ValueError, match="pigeon"):
        answers.as_reply(OURS, ANNA, "x", now=NOW, style="pigeon")
