"""Reports as mail systems write them, filled in with made-up names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import EmailMessage

SHOP = "care@shop.example"
RETURNED = (
    "From: Shop <care@shop.example>\nTo: {to}\nSubject: We miss you\n"
    "Message-ID: <1.2@shop.example>\nDate: Mon, 2 Nov 2026 10:00:00 +0000\n\nCome back!\n"
)


def text_report(
    text: str,
    *,
    sender: str = "MAILER-DAEMON@mx.shop.example",
    subject: str = "failure notice",
    returned: str = "",
    **headers: str,
) -> bytes:
    """A report in one text; `{returned}` in it stands for a mail that comes back."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = SHOP
    message["Subject"] = subject
    message["Date"] = "Mon, 2 Nov 2026 10:05:00 +0000"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text.replace("{returned}", RETURNED.format(to=returned or "x@example.com")))
    return message.as_bytes()


def status_report(
    *groups: str,
    text: str = "This is the mail system. Your message could not be delivered.",
    kind: str = "message/delivery-status",
    sender: str = "MAILER-DAEMON@mx.shop.example",
    to: str = "x@example.com",
) -> bytes:
    """A report in the standard form; each group is the fields of one address."""
    blocks = "\n\n".join(("Reporting-MTA: dns; mx.shop.example", *groups))
    returned = RETURNED.format(to=to)
    return (
        f"From: Mail Delivery System <{sender}>\nTo: {SHOP}\nReturn-Path: <>\n"
        "Subject: Undelivered Mail Returned to Sender\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
        f"--b\nContent-Type: text/plain; charset=utf-8\n\n{text}\n\n"
        f"--b\nContent-Type: {kind}\n\n{blocks}\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{returned}\n--b--\n"
    ).encode()


def group(
    address: str, status: str, said: str, *, action: str = "failed", host: str = "mx.example.com"
) -> str:
    """The fields of one address."""
    return (
        f"Final-Recipient: rfc822; {address}\nAction: {action}\nStatus: {status}\n"
        f"Remote-MTA: dns; {host}\nDiagnostic-Code: smtp; {said}"
    )


def notice(kind: str, about: Mapping[str, object]) -> bytes:
    """What Amazon SES tells by way of SNS."""
    text = json.dumps({"notificationType": kind.capitalize(), kind: about, "mail": {}})
    return text_report(
        text, sender="no-reply@sns.amazonaws.com", subject="AWS Notification Message"
    )
