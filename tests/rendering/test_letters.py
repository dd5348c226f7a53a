from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.campaign import Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import letters
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.store.bundled import bundled

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
SHOP = Shop(
    name="Lotus", sender="news@lotus.example", orders_sender="orders@lotus.example",
    reply_to="care@lotus.example", languages=("en",), postal_address="1 Road",
)  # fmt: skip
THEIRS, FIRST = "<a1@mail.example>", "<m.x@lotus.example>"


def sent(**changes: str) -> EmailMessage:
    words = {"subject": "Re: посылка", "text": "Здравствуйте!\n\nСсылка: https://t.example/1.\n"}
    reply = AgentReply(key="case:1", customer_id=1, language="ru", **{**words, **changes})  # type: ignore[arg-type]
    composer = Composer(TemplateLibrary(bundled("templates")), SHOP, KeyRing({1: b"k" * 32}, 1))
    occasion = Occasion(
        touch_id=7,
        customer=Customer(id=1, email="anna@example.com", name="Анна"),
        order=None,
        stream=Stream.TRANSACTIONAL,
        template="",
        answer=reply,
    )
    [message] = composer.finish([composer.write(occasion, NOW)], NOW)
    assert message.language == "ru"
    return email.message_from_bytes(message.content, policy=email.policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert isinstance(body, EmailMessage)
    return str(body.get_content()).replace("\r\n", "\n")


def test_an_answer_is_filed_below_the_customers_letter() -> None:
    mail = sent(in_reply_to=THEIRS, references=f"{FIRST} {THEIRS}")

    assert mail["In-Reply-To"] == THEIRS
    assert mail["References"] == f"{FIRST} {THEIRS}"
    assert mail["Message-ID"] not in (FIRST, THEIRS)


def test_an_answer_comes_from_the_orders_desk_and_not_from_a_machine() -> None:
    mail = sent()

    assert mail["From"] == "Lotus <orders@lotus.example>"
    assert mail["Reply-To"] == "care@lotus.example"
    assert mail["Subject"] == "Re: посылка"
    for header in ("List-Unsubscribe", "Auto-Submitted", "Precedence", "Feedback-ID", "List-Id"):
        assert mail[header] is None, header


def test_both_forms_say_the_same() -> None:
    mail = sent(text="One < two & three.\nSecond line.\n\nSee https://t.example/a?b=1&c=2, please.")

    assert part(mail, "plain").startswith("One < two & three.\nSecond line.\n\nSee https")
    html = part(mail, "html")
    assert "One &lt; two &amp; three.<br>Second line.</p>" in html
    assert '<a href="https://t.example/a?b=1&amp;c=2">https://t.example/a?b=1&amp;c=2</a>, ' in html
    assert 'lang="ru" dir="ltr"' in html


@pytest.mark.parametrize(
    "name",
    [
        "<a@b>\r\nBcc: all@example.com",
        "no-brackets@example.com",
        "<two words@example.com>",
        "<" + "x" * 900 + "@example.com>",
        "<ünï@example.com>",
        "<a<b@example.com>",
        "<>",
    ],
)
def test_a_name_that_would_break_a_header_is_left_out(name: str) -> None:
    mail = sent(in_reply_to=name, references=f"{name} {THEIRS}")

    assert mail["In-Reply-To"] is None
    assert mail["Bcc"] is None
    assert THEIRS in mail["References"]


def test_a_long_thread_is_folded() -> None:
    names = [f"<{'n' * 60}{number}@mail.example>" for number in range(12)]

    mail = sent(references=" ".join(names))

    assert mail["References"].split() == names


def test_a_subject_of_many_lines_is_one_and_a_lack_of_one_is_the_shops_name() -> None:
    assert sent(subject="Re: a\r\nBcc: x@example.com")["Subject"] == "Re: a Bcc: x@example.com"
    assert sent(subject=" ")["Subject"] == "Lotus"


def test_words_with_control_characters_are_clean_and_nothing_in_them_is_markup() -> None:
    mail = sent(text="Hi\x00\x1b[31m \u202e<script>alert(1)</script>\r\n.\r\nBye   \n\n\n\nEnd")

    assert part(mail, "plain") == "Hi[31m <script>alert(1)</script>\n.\nBye\n\nEnd"
    assert "<script" not in part(mail, "html")


def test_blanks_that_do_not_break_and_joined_emoji_stay_as_they_are() -> None:
    words = "« 12,50\xa0€ » 👩\u200d🔧 می\u200cخواهم"

    assert part(sent(text=words), "plain").rstrip("\n") == words


def test_arabic_runs_from_right_to_left_and_an_odd_language_does_no_harm() -> None:
    assert 'dir="rtl"' in letters.as_html("سلام", "ar")
    assert 'lang="und"' in letters.as_html("x", '"><script>')


@pytest.mark.parametrize(
    ("written", "subject", "words"),
    [
        ("Subject: Hello\n\nWords", "Hello", "\nWords"),
        ("subject:  Hello \nWords", "Hello", "Words"),
        ("Words only", "", "Words only"),
        ("Words\nSubject: no", "", "Words\nSubject: no"),
    ],
)
def test_the_first_line_may_be_the_subject(written: str, subject: str, words: str) -> None:
    assert letters.with_subject(written) == (subject, words)
