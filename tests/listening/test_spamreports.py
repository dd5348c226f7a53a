"""Reports of providers in their many shapes, and what is none."""

from __future__ import annotations

import pytest

from crm_mailer.listening import kinds, letters, spamreports
from crm_mailer.listening.spamreports import SpamReport
from crm_mailer.model.reply import ReplyKind
from crm_mailer.model.words import Words
from tests.conftest import NOON
from tests.listening.bounced import notice, text_report
from tests.listening.conftest import Desk, letter, message_id, spam_report

REPORTED = (
    "--b\nContent-Type: message/rfc822\n\n{headers}From: care@shop.example\n"
    "To: {to}\nSubject: We miss you\n\nhello\n--b--\n"
)


def arf(
    fields: str,
    *,
    kind: str = "message/feedback-report",
    report_type: str = "report-type=feedback-report; ",
    sender: str = "feedback@provider.example",
    to: str = "anna@example.com",
) -> bytes:
    return (
        f"From: {sender}\nTo: fbl@shop.example\nSubject: FW: We miss you\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; {report_type}boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nThis is an email abuse report.\n"
        f"--b\nContent-Type: {kind}\n\n{fields}\n" + REPORTED.format(headers="", to=to)
    ).encode()


def hotmail(subject: str, *, headers: str = "", sender: str = "staff@hotmail.com") -> bytes:
    return (
        f"From: {sender}\nTo: fbl@shop.example\nSubject: {subject}\nMIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="b"\n\n'
        + REPORTED.format(headers=headers, to="anna@example.com")
    ).encode()


def read(raw: bytes) -> SpamReport | None:
    return spamreports.read(letters.read(raw))


@pytest.mark.parametrize(
    ("raw", "kind", "recipient"),
    [
        (arf("Feedback-Type: abuse\nVersion: 1\nOriginal-Rcpt-To: <b@example.org>\n"), "abuse",
         "b@example.org"),
        (arf("Feedback-Type: Abuse\nVersion: 1\n"), "abuse", "anna@example.com"),
        (arf("FEEDBACK-TYPE: fraud\nRemoval-Recipient: b@example.org\n"), "fraud",
         "b@example.org"),
        (arf("Feedback-Type: opt-out\nOriginal-Rcpt-To: rfc822; b@example.org\n"), "opt-out",
         "b@example.org"),
        (arf("Feedback-Type: virus\n", report_type=""), "virus", "anna@example.com"),
        (arf("Feedback-Type: abuse\n", kind="text/plain"), "abuse", "anna@example.com"),
        (arf("Feedback-Type: abuse\n", kind="Message/Feedback-Report; charset=x"), "abuse",
         "anna@example.com"),
        (arf("Feedback-Type: something-new\n"), "abuse", "anna@example.com"),
        (arf("User-Agent: nothing else\n"), "abuse", "anna@example.com"),
        (hotmail("complaint about message from 203.0.113.9",
                 headers="X-HmXmrOriginalRecipient: b@hotmail.com\n"), "abuse", "b@hotmail.com"),
        (hotmail("We miss you", headers="X-HmXmrOriginalRecipient: b@hotmail.com\n"), "abuse",
         "b@hotmail.com"),
        (hotmail("Spam report", sender="abuse@provider.example"), "abuse", "anna@example.com"),
        (text_report("Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"
                     "Original-Rcpt-To: b@example.org\n", sender="fbl@provider.example",
                     subject="report"), "abuse", "b@example.org"),
        (notice("complaint", {"complainedRecipients": [{"emailAddress": "b@example.org"}],
                              "complaintFeedbackType": "abuse"}), "abuse", "b@example.org"),
        (letter("Apple Mail sent this email to unsubscribe.", subject="unsubscribe",
                X_Apple_Unsubscribe="true"), "opt-out", "anna@example.com"),
    ],
)  # fmt: skip
def test_a_report_is_known_in_every_shape(raw: bytes, kind: str, recipient: str) -> None:
    assert read(raw) == SpamReport(feedback_type=kind, recipient=recipient)


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "dmarc"])
def test_reports_about_forgeries_and_of_praise_stop_nothing(words: Words, kind: str) -> None:
    report = letters.read(arf(f"Feedback-Type: {kind}\nVersion: 1\n"))

    assert kinds.sort(report, words, None, NOON).kind is ReplyKind.BULK


@pytest.mark.parametrize(
    "raw",
    [
        hotmail("Complaint", sender="Anna <anna@hotmail.com>"),
        hotmail("I marked this mail as spam", sender="anna@example.com"),
        letter("I reported your mail as spam! Feedback-Type: abuse", subject="Spam complaint"),
        letter("Feedback-Type: abuse\nOriginal-Rcpt-To: b@example.org"),
        letter("{'complaint': 1} \"complaint\": {"),
    ],
)
def test_a_person_who_complains_is_no_report(raw: bytes) -> None:
    assert read(raw) is None


def test_the_button_of_a_mail_program_unsubscribes_its_user(desk: Desk) -> None:
    desk.customer("anna@example.com")

    desk.comes(letter("Apple Mail sent this", subject="unsubscribe", X_Apple_Unsubscribe="true",
                      Auto_Submitted="auto-replied"))  # fmt: skip

    assert desk.reply().kind == "unsubscribe"
    assert desk.suppressed() == [("anna@example.com", "unsubscribed")]


def test_an_opt_out_told_by_the_provider_is_no_complaint(desk: Desk) -> None:
    anna = desk.customer("anna@example.com")
    touch = desk.sent(anna, "anna@example.com")

    desk.comes(spam_report(kind="opt-out", returned_id=message_id(touch)))

    assert desk.suppressed() == [("anna@example.com", "unsubscribed")]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "raw",
    [
        arf("Feedback-Type: " + "a" * 200_000),
        arf("Feedback-Type:\nOriginal-Rcpt-To: @@@\n"),
        arf("\x00\xff" * 1_000),
        b"From: fbl@x\nContent-Type: multipart/report; report-type=feedback-report\n\n",
        notice("complaint", {"complainedRecipients": "none"}),
        notice("complaint", {"complainedRecipients": [None]}),
    ],
    ids=range(6),
)
def test_a_broken_report_breaks_nothing(raw: bytes) -> None:
    report = read(raw)

    assert report is None or report.feedback_type in spamreports.TYPES
