"""The mails that come back: replies with the original quoted, auto-replies, bounces, spam reports.

Built with the standard library, as other people's programs would, and never from the clock or from
chance: the same question is answered with the same bytes.
"""

from __future__ import annotations

import hashlib
import html
from datetime import datetime
from email import message_from_bytes, policy
from email.generator import BytesGenerator
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from io import BytesIO
from zoneinfo import ZoneInfo

from crm_mailer.demo import quoting, sections
from crm_mailer.demo.people import Person

HOST = "mx.customers.example"
#: What programs other than the big webmail write in; UTF-8 where a text does not fit.
OLD_CHARSETS = {"ru": "windows-1251", "zh": "gb18030", "de": "iso-8859-1", "fr": "iso-8859-1",
                "es": "iso-8859-1", "pt": "iso-8859-1", "en": "us-ascii"}  # fmt: skip
AUTO_PREFIXES = {
    "en": "Automatic reply: ", "ru": "Автоматический ответ: ", "es": "Respuesta automática: ",
    "pt": "Resposta automática: ", "fr": "Réponse automatique : ",
    "de": "Automatische Antwort: ", "zh": "自动答复: ",
}  # fmt: skip
#: Folding breaks some encoded names in the library; a line may be this long by RFC 5322.
_WIRE = policy.SMTP.clone(max_line_length=998)
_MAILERS = {"outlook": "Microsoft Outlook 14.0", "plain": "iPhone Mail (8L1)"}


def as_reply(
    mail: bytes, person: Person, text: str, *, now: datetime, style: str, prefix: str = "Re: "
) -> bytes:
    """A person's answer to one of our mails, below which their program quotes it.

    Args:
        mail: what they answer.
        person: who answers.
        text: what they say.
        now: when.
        style: their mail program: gmail, outlook, mailru (the webmail of their country), plain
            (a telephone).
        prefix: goes before the subject.
    """
    original = _read(mail)
    at = now.astimezone(ZoneInfo(person.time_zone))
    quote = quoting.quote(original, person.language, style, at)
    reply = _envelope(original, person, text, at, subject=prefix + _subject(original))
    reply["In-Reply-To"] = _one_line(original["Message-ID"])
    reply["References"] = _one_line(original["Message-ID"])
    if style in _MAILERS:
        reply["X-Mailer"] = _MAILERS[style]
    charset = OLD_CHARSETS[person.language] if style == "outlook" else "utf-8"
    _fill(reply, f"{text}\n{quote.text}", charset)
    if quote.html:
        body = f'<div dir="ltr">{_as_html(text)}</div>{quote.html}'
        reply.add_alternative(body, subtype="html", cte="quoted-printable")
        reply.set_boundary(f"=_{_digest(mail, text, at)[:24]}")
    return reply.as_bytes(policy=_WIRE)


def as_auto_reply(mail: bytes, person: Person, *, now: datetime, text: str = "") -> bytes:
    """What a machine answers for somebody who is away; marked as RFC 3834 asks."""
    original = _read(mail)
    at = now.astimezone(ZoneInfo(person.time_zone))
    texts = sections.texts(f"voices/{person.language}.txt")["away"]
    lot = int(_digest(mail, person.email, at)[:8], 16)
    said = text or texts[lot % len(texts)].format(name=person.given_name)
    subject = AUTO_PREFIXES[person.language] + _subject(original)
    reply = _envelope(original, person, said, at, subject=subject)
    reply["In-Reply-To"] = _one_line(original["Message-ID"])
    if lot % 2:
        reply["Auto-Submitted"] = "auto-replied"
        reply["Precedence"] = "bulk"
        reply["X-Autoreply"] = "yes"
    else:
        reply["Auto-Submitted"] = "auto-generated"
        reply["X-Auto-Response-Suppress"] = "All"
    _fill(reply, said + "\n", "utf-8")
    return reply.as_bytes(policy=_WIRE)


def as_bounce(
    mail: bytes,
    *,
    status: str,
    diagnostic: str,
    now: datetime,
    to: str = "",
    action: str = "failed",
) -> bytes:
    """A delivery status notification (RFC 3464) with the headers of the mail that came back.

    Args:
        mail: what could not be delivered.
        status: enhanced code, such as 5.1.1.
        diagnostic: what the recipient's server said, such as `smtp; 550 5.1.1 User unknown`.
        now: when.
        to: the return path; the sender where it is not known.
        action: failed, or delayed.
    """
    original = _read(mail)
    recipient = _address(original, "To")
    is_delay = action == "delayed"
    report = _report("delivery-status", now, to or _address(original, "From"))
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{HOST}>"
    report["Subject"] = (
        "Delayed Mail (still being retried)" if is_delay else "Undelivered Mail Returned to Sender"
    )
    report["Message-ID"] = f"<{_digest(mail, status, now)[:20]}@{HOST}>"
    report["Auto-Submitted"] = "auto-replied"
    report.attach(_bounce_words(recipient, diagnostic, is_delay=is_delay))
    about_us = [("Reporting-MTA", f"dns; {HOST}"), ("Arrival-Date", format_datetime(now))]
    about_them = [
        ("Final-Recipient", f"rfc822; {recipient}"),
        ("Original-Recipient", f"rfc822;{recipient}"),
        ("Action", action),
        ("Status", status),
        ("Remote-MTA", f"dns; {HOST}"),
        ("Diagnostic-Code", diagnostic),
    ]
    report.attach(_fields("message/delivery-status", [about_us, about_them]))
    report.attach(_returned_headers(mail))
    return _bytes(report, mail, status, now)


def _bounce_words(recipient: str, diagnostic: str, *, is_delay: bool) -> MIMEText:
    words = diagnostic.partition(";")[2].strip() or diagnostic
    fate = "has not been delivered yet" if is_delay else "could not be delivered"
    return MIMEText(
        f"This is the mail system at host {HOST}.\n\n"
        f"I'm sorry to have to inform you that your message {fate}\n"
        f"to one or more recipients.\n\n<{recipient}>: host {HOST} said:\n    {words}\n",
        _charset="us-ascii",
    )


def _returned_headers(mail: bytes) -> MIMEBase:
    part = MIMENonMultipart("text", "rfc822-headers")
    head = mail.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    part.set_payload(head.decode("ascii", "replace") + "\n")
    return part


def as_spam_report(mail: bytes, now: datetime) -> bytes:
    """A provider's report (RFC 5965) that a customer pressed "spam"; half hide who it was."""
    original = _read(mail)
    recipient = _address(original, "To")
    is_hidden = int(hashlib.sha256(mail).hexdigest()[:2], 16) % 2 == 1
    report = _report("feedback-report", now, _address(original, "From"))
    report["From"] = f"Feedback Loop <fbl@{HOST}>"
    report["Subject"] = f"FW: {' '.join(str(original['Subject'] or '').split())}"
    report["Message-ID"] = f"<{_digest(mail, 'abuse', now)[:20]}@{HOST}>"
    report.attach(
        MIMEText(
            f"This is an email abuse report for an email message received from {HOST}\n"
            f"on {format_datetime(now)}.\n",
            _charset="us-ascii",
        )
    )
    facts = [
        ("Feedback-Type", "abuse"),
        ("User-Agent", "CustomersFBL/1.0"),
        ("Version", "1"),
        ("Arrival-Date", format_datetime(now)),
        ("Reported-Domain", _address(original, "From").rpartition("@")[2]),
        ("Source-IP", "192.0.2.25"),
    ]
    if not is_hidden:
        facts.insert(3, ("Original-Rcpt-To", f"<{recipient}>"))
    report.attach(_fields("message/feedback-report", [facts]))
    sent = mail.replace(recipient.encode(), b"redacted@redacted.invalid") if is_hidden else mail
    report.attach(MIMEMessage(message_from_bytes(sent, policy=policy.compat32)))
    return _bytes(report, mail, "abuse", now)


def _read(mail: bytes) -> EmailMessage:
    read = message_from_bytes(mail, policy=policy.default)
    assert isinstance(read, EmailMessage)
    return read


def _envelope(
    original: EmailMessage, person: Person, text: str, at: datetime, *, subject: str
) -> EmailMessage:
    reply = EmailMessage(policy=_WIRE)
    host = person.email.rpartition("@")[2]
    digest = _digest(person.email, text, at, str(original["Message-ID"]))
    reply["Return-Path"] = f"<{person.email}>"
    reply["Received"] = f"from {host} by {HOST} with ESMTPS id {digest[:10]}; {format_datetime(at)}"
    reply["Date"] = at
    reply["From"] = Address(display_name=person.name, addr_spec=person.email)
    reply["To"] = _address(original, "Reply-To") or _address(original, "From")
    reply["Subject"] = subject
    reply["Message-ID"] = f"<{digest[:24]}@mail.{host}>"
    return reply


def _fill(reply: EmailMessage, text: str, charset: str) -> None:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        charset = "utf-8"
    plain = charset == "us-ascii"
    many = sum(c > "\x7f" for c in text) > len(text) / 4
    reply.set_content(
        text, charset=charset, cte="7bit" if plain else "base64" if many else "quoted-printable"
    )


def _report(kind: str, now: datetime, to: str) -> MIMEMultipart:
    report = MIMEMultipart("report", report_type=kind)
    report["Return-Path"] = "<>"
    report["Received"] = f"by {HOST} (Postfix); {format_datetime(now)}"
    report["Date"] = format_datetime(now)
    report["To"] = to
    return report


def _fields(content_type: str, blocks: list[list[tuple[str, str]]]) -> MIMEBase:
    """A part that is made of header-like fields; a delivery status has several blocks of them."""
    part = MIMENonMultipart(*content_type.split("/"))
    if len(blocks) == 1:
        part.set_payload("".join(f"{name}: {value}\n" for name, value in blocks[0]))
        return part
    part.set_payload([_block(block) for block in blocks])
    return part


def _block(fields: list[tuple[str, str]]) -> Message:
    block = Message()
    for name, value in fields:
        block[name] = value
    return block


def _bytes(report: Message, *seed: bytes | str | datetime) -> bytes:
    report.set_boundary(f"{_digest(*seed)[:16].upper()}/{HOST}")
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, policy=policy.compat32).flatten(report)
    # Parts that hold our own mail have CRLF already.
    return out.getvalue().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _digest(*parts: bytes | str | datetime) -> str:
    sha = hashlib.sha256()
    for part in parts:
        sha.update(part if isinstance(part, bytes) else str(part).encode())
    return sha.hexdigest()


def _address(original: EmailMessage, name: str) -> str:
    field = original[name]
    return field.addresses[0].addr_spec if field is not None and field.addresses else ""


def _subject(original: EmailMessage) -> str:
    return _one_line(original["Subject"])


def _one_line(value: object) -> str:
    return " ".join(str(value or "").split())


def _as_html(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")
