"""Letters that reach a studio's shop as they do in life: through the mailbox's rows."""

from __future__ import annotations

import hashlib
from email.message import EmailMessage

import sqlalchemy as sa

from crm_mailer.app import App, cases, listening
from crm_mailer.store import inbound
from crm_mailer.store import tables as t
from crm_mailer.store.inbound import RawMail


def letter(
    sender: str,
    subject: str,
    text: str,
    *,
    html: str = "",
    files: tuple[tuple[str, bytes], ...] = (),
) -> bytes:
    """A mail from a customer, with an HTML form and files where they are given."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "care@shop.example", subject
    mail["Message-ID"] = (
        f"<{hashlib.sha256((sender + subject + text).encode()).hexdigest()[:16]}@x>"
    )
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    for name, content in files:
        kind = "png" if name.endswith(".png") else "octet-stream"
        mail.add_attachment(
            content, maintype="image" if kind == "png" else "application", subtype=kind,
            filename=name,
        )  # fmt: skip
    return bytes(mail)


def receive(app: App, raw: bytes) -> int:
    """Let a mail come in and be understood; its number among the replies."""
    now = app.clock.now()
    with app.store.write() as connection:
        box = inbound.open_mailbox(connection, "care", "INBOX").id
        last = connection.scalar(sa.select(sa.func.max(t.inbound.c.uid))) or 0
        mail = RawMail(
            uid=last + 1, digest=hashlib.sha256(raw).hexdigest(), size=len(raw), received_at=now,
            raw=raw, raw_path="", is_truncated=False,
        )  # fmt: skip
        inbound.add_many(connection, box, 1, [mail])
    listening.understand(app)
    cases.learn(app)
    with app.store.read() as connection:
        return connection.scalar(sa.select(sa.func.max(t.replies.c.id))) or 0
