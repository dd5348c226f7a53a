from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.definitions.files import read_yaml
from crm_mailer.listening import autoreplies, kinds, letters
from crm_mailer.listening.return_dates import return_on
from crm_mailer.model.reply import ReplyKind
from crm_mailer.model.words import Words

TODAY = datetime(2026, 8, 3, 12, tzinfo=UTC)  # a Monday
LABELLED = Path(__file__).parent / "labelled_autoreplies.yaml"


def labelled() -> Iterator[tuple[str, dict[str, Any], kinds.SortedMail]]:
    """Every labelled text with its group and what is made of it."""
    from crm_mailer.definitions.words_reader import read_words

    words = read_words()
    for told in read_yaml(LABELLED).value()["mails"]:
        mail = EmailMessage()
        mail["From"], mail["Subject"] = "someone@example.com", told["subject"]
        for name, value in told.get("headers", {}).items():
            mail[name] = value
        mail.set_content(told["body"])
        group = "human" if told["kind"] == "human" else told["by"]
        yield group, told, kinds.sort(letters.read(mail.as_bytes()), words, None, TODAY)


@pytest.fixture(scope="module")
def found() -> list[tuple[str, dict[str, Any], kinds.SortedMail]]:
    return list(labelled())


@pytest.mark.parametrize(
    ("group", "least", "most"),
    [("header", 1.0, 1.0), ("subject", 0.95, 1.0), ("body", 0.85, 1.0), ("human", 0.0, 0.05)],
)
def test_the_share_of_texts_that_are_taken_for_automatic_ones(
    found: list[tuple[str, dict[str, Any], kinds.SortedMail]],
    group: str,
    least: float,
    most: float,
) -> None:
    kinds_ = [sorted_.kind is ReplyKind.AUTO_REPLY for name, _, sorted_ in found if name == group]

    assert len(kinds_) >= 20
    assert least <= sum(kinds_) / len(kinds_) <= most


def test_the_day_of_return_is_read_in_each_language(
    found: list[tuple[str, dict[str, Any], kinds.SortedMail]],
) -> None:
    days = [
        (str(sorted_.return_on), str(told["back"]))
        for _, told, sorted_ in found
        if "back" in told and sorted_.kind is ReplyKind.AUTO_REPLY
    ]

    assert len(days) >= 35
    assert sum(read == told for read, told in days) / len(days) >= 0.95


def test_an_automatic_text_explains_itself(words: Words) -> None:
    letter = letters.read(b"Subject: Re: hello\r\n\r\n")

    told = autoreplies.evidence(letter, words, "I am on annual leave. I will reply when I return.")

    assert told is not None
    assert told.code == "auto.text"
    assert "annual leave" in told.words


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "no"}, {"Auto-Submitted": "auto-forwarded"}, {"X-Autoreply": "no"},
        {"X-Auto-Response-Suppress": "None"}, {"Precedence": "list"},
    ],
)  # fmt: skip
def test_headers_that_do_not_mean_an_automatic_answer(
    words: Words, headers: dict[str, str]
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    letter = letters.read(f"Subject: Re: hello\r\n{head}\r\nx".encode())

    assert autoreplies.evidence(letter, words, "Where is it?") is None


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Back on Monday", "2026-08-10"), ("until next Friday", "2026-08-07"),
        ("вернусь в офис завтра", "2026-08-04"), ("до пятницы", "2026-08-07"),
        ("back on 08/12/2026", "2026-08-12"), ("back on 12/08/2026", "2026-08-12"),
        ("from 5 to 9 August, back on 10 August", "2026-08-10"),
        ("bis 15.8.", "2026-08-15"), ("bis einschließlich 15. August", "2026-08-15"),
        ("8月5日至8月15日休假", "2026-08-15"), ("حتى 12 أغسطس", "2026-08-12"),
        ("9 Ağustos'a kadar", "2026-08-09"), ("until 15 January", "2027-01-15"),
        ("call 12.30 to 13.30", None), ("until 32 August", None), ("until 15 June", None),
        ("until 99/99/9999", None), ("", None),
    ],
)  # fmt: skip
def test_days_are_read_as_people_write_them(text: str, day: str | None) -> None:
    found = return_on(text, date(2026, 8, 3))

    assert (str(found) if found else None) == day


CHALLENGES = [
    ("Please confirm your message", "Reply to this message to confirm that you are human."),
    ("Your order (Action Required)", "I use Boxbe. Click the link https://x.example: your message"
     " will be delivered once you are on my guest list."),
    ("Sender verification required", "Please verify: https://x.example/captcha"),
    ("Подтвердите, что вы не робот",
     "Перейдите по ссылке https://x.example, письмо будет доставлено"),
    ("Confirmez votre message", "Cliquez ici https://x.example, votre mail sera remis, antispam."),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "body"), CHALLENGES)
def test_a_mail_that_asks_us_to_prove_that_we_are_human_is_a_challenge(
    words: Words, subject: str, body: str
) -> None:
    letter = letters.read(f"From: a@b.example\r\nSubject: {subject}\r\n\r\n{body}".encode())

    assert kinds.sort(letter, words, None, TODAY).kind is ReplyKind.CHALLENGE


@pytest.mark.parametrize("header", ["X-TMDA-Fingerprint: x", "X-Boxbe-Id: 1", "X-Challenge: 1"])
def test_a_challenge_is_known_by_its_program(words: Words, header: str) -> None:
    letter = letters.read(f"Subject: hello\r\n{header}\r\n\r\nx".encode())

    assert kinds.sort(letter, words, None, TODAY).kind is ReplyKind.CHALLENGE


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        ("Re: Please confirm your message", "I did. Where is my parcel?"),
        ("Please confirm the delivery address", "Is it still 5 Main Street?"),
        ("Order", "I had to click a captcha to prove I am human, and it is broken."),
        ("Confirm my email", "Please confirm that you got my mail."),
    ],
)
def test_a_person_who_speaks_of_confirming_is_a_person(
    words: Words, subject: str, body: str
) -> None:
    letter = letters.read(f"From: a@b.example\r\nSubject: {subject}\r\n\r\n{body}".encode())

    assert kinds.sort(letter, words, None, TODAY).kind is ReplyKind.HUMAN
