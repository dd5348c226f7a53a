"""A note to the shop's own people as it goes over the wire: plain words, nothing to click."""

from __future__ import annotations

import hashlib
from datetime import datetime

from crm_mailer.model.address import domain
from crm_mailer.model.message import Message
from crm_mailer.rendering import assembly, clean, headers
from crm_mailer.rendering.dkim import Signer
from crm_mailer.rendering.envelope import GENERATED
from crm_mailer.rendering.headers import Mailbox, Text, exact
from crm_mailer.rendering.letters import tidy
from crm_mailer.rendering.library import is_foreign


def write(
    *,
    sender: str,
    sender_name: str,
    recipient: str,
    subject: str,
    text: str,
    now: datetime,
    signer: Signer | None = None,
) -> Message:
    """The mail. The same words of the same moment are the same mail.

    Raises:
        UnsafeHeader: an address or a header is not fit to be sent.
    """
    words = tidy(text)
    token = hashlib.blake2b(
        f"{recipient}\0{now.isoformat()}\0{words}".encode("utf-8", "replace"), digest_size=12
    ).hexdigest()
    message_id = f"<alert.{token}@{domain(sender)}>"
    is_base64 = is_foreign(words)
    shown = clean.line(subject, 255)
    head = headers.block(
        [
            ("Date", headers.date(now)),
            ("From", Mailbox(sender_name, sender)),
            ("To", Mailbox("", recipient)),
            ("Subject", Text(shown)),
            ("Message-ID", exact(message_id)),
            GENERATED,
            assembly.VERSION,
            *assembly.content("plain", is_base64),
        ]
    )
    body = assembly.encoded(words, is_base64).encode("ascii")
    signature = signer.sign(head, body, now) if signer is not None else b""
    content = signature + head + b"\r\n" + body
    return Message(
        touch_id=0,
        message_id=message_id,
        mail_from=sender,
        rcpt_to=recipient,
        content=content,
        subject=shown,
        language="",
        template="",
        template_version="",
        sha256=hashlib.sha256(content).hexdigest(),
        is_utf8=not (sender.isascii() and recipient.isascii()),
    )
