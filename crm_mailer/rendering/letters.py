"""An agent's letter as it goes over the wire: plain text and the same words as simple HTML."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import NamedTuple

from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.campaign import Stream
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import assembly, clean, envelope, headers
from crm_mailer.rendering.envelope import Envelope
from crm_mailer.rendering.headers import Value, exact
from crm_mailer.rendering.library import is_foreign

LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")
#: What a customer's mail program calls a mail: anything else would break the header.
MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{1,240}>")
#: RFC 5646, or near enough to stand in an attribute.
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
BREAK = re.compile("\r\n?|[\u2028\u2029]")
#: Control characters, marks that turn the direction of what follows, halves of letters. A blank
#: that does not break and the joiners of emoji and Persian are words and stay.
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
RIGHT_TO_LEFT = ("ar", "he", "fa", "ur")
PARAGRAPH = '<p style="margin:0 0 16px">{}</p>'
PAGE = (
    '<!doctype html><html lang="{lang}" dir="{dir}"><body style="font-family:Arial,sans-serif;'
    'font-size:16px;line-height:24px;color:#1b1f23">{body}</body></html>\n'
)


class Written(NamedTuple):
    """A letter that lacks nothing but its signature."""

    subject: str
    head: bytes
    body: list[str]


def write(reply: AgentReply, letter: Envelope, shop: Shop, now: datetime) -> Written:
    """The bytes of an agent's answer.

    Nothing in it says that a machine wrote it, since none did. Both forms say the same.

    Raises:
        UnsafeHeader: an address or a header is not fit to be sent.
    """
    subject = clean.line(reply.subject, 255) or shop.name
    text = tidy(reply.text)
    is_base64 = is_foreign(text)
    bodies = [
        assembly.body("plain", text, is_base64),
        assembly.body("html", as_html(text, reply.language), is_base64),
    ]
    head = [
        *_heads(letter, shop, subject, now),
        *thread_fields(reply.in_reply_to, reply.references),
        assembly.kind(letter.boundary),
    ]
    body = assembly.alternatives(bodies, letter.boundary)
    return Written(subject=subject, head=headers.block(head), body=body)


def write_plain(written: str, letter: Envelope, shop: Shop, now: datetime) -> Written:
    """A plain mail of words; a first line "Subject: ..." is its subject.

    Raises:
        UnsafeHeader: an address or a header is not fit to be sent.
    """
    subject, words = with_subject(written)
    subject = clean.line(subject or shop.name, 255)
    text = words.strip("\n") + "\n"
    is_base64 = is_foreign(text)
    head = [*_heads(letter, shop, subject, now), *assembly.content("plain", is_base64)]
    body = [assembly.encoded(text, is_base64)]
    return Written(subject=subject, head=headers.block(head), body=body)


def with_subject(written: str) -> tuple[str, str]:
    """The subject in the first line, where it says "Subject: ...", and the words below it."""
    head, _line, rest = written.partition("\n")
    if not head.lower().startswith("subject:"):
        return "", written
    return head[8:].strip(), rest


def tidy(text: str) -> str:
    """The words as they are sent: no control characters, no blanks at ends of lines."""
    text = HIDDEN.sub("", BREAK.sub("\n", text))
    kept = [line.rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip("\n") + "\n"


def as_html(text: str, language: str) -> str:
    """The same words as HTML: paragraphs, line breaks, links; nothing in them is markup."""
    code = language if LANGUAGE.fullmatch(language) else "und"
    paragraphs = [
        PARAGRAPH.format("<br>".join(_linked(line) for line in one.split("\n")))
        for one in text.strip("\n").split("\n\n")
    ]
    is_turned = code.partition("-")[0].lower() in RIGHT_TO_LEFT
    return PAGE.format(lang=code, dir="rtl" if is_turned else "ltr", body="".join(paragraphs))


def thread_fields(in_reply_to: str, references: str) -> list[tuple[str, Value]]:
    """The headers by which mail programs file the answer below the customer's letter.

    The names come from outside: what is none is left out.
    """
    found: list[tuple[str, Value]] = []
    if MESSAGE_ID.fullmatch(in_reply_to):
        found.append(("In-Reply-To", exact(in_reply_to)))
    names = [name for name in references.split() if MESSAGE_ID.fullmatch(name)]
    if names:
        found.append(("References", exact(*names)))
    return found


def _heads(letter: Envelope, shop: Shop, subject: str, now: datetime) -> list[tuple[str, Value]]:
    stream = Stream.TRANSACTIONAL
    shared = envelope.shared_fields(
        letter, shop, stream=stream, campaign="case", step="", is_by_hand=True
    )
    return [*shared, *envelope.own_fields(letter, stream=stream, subject=subject, now=now)]


def _linked(line: str) -> str:
    """One line, escaped, with its web addresses as links."""
    parts, place = [], 0
    for match in LINK.finditer(line):
        url = html.escape(match[0])
        parts.append(html.escape(line[place : match.start()]))
        parts.append(f'<a href="{url}">{url}</a>')
        place = match.end()
    return "".join([*parts, html.escape(line[place:])])
