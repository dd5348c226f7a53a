"""Who writes to whom, and the headers that machines read: unsubscribe, bounce and reply tokens."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

from crm_mailer.model import address as addresses
from crm_mailer.model import domains
from crm_mailer.model.campaign import Stream
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import ReturnPath, Shop
from crm_mailer.model.token import KeyRing, Purpose
from crm_mailer.rendering import assembly, clean, headers
from crm_mailer.rendering.headers import Mailbox, Text, Value, exact

NO_SLUG = re.compile(r"[^A-Za-z0-9._-]+")
NO_LETTER = re.compile(r"[^a-z0-9]")

#: RFC 3834: no answering machine should answer.
GENERATED: tuple[str, Value] = ("Auto-Submitted", exact("auto-generated"))
QUIET: tuple[str, Value] = ("X-Auto-Response-Suppress", exact("OOF, AutoReply"))
BULK: tuple[str, Value] = ("Precedence", exact("bulk"))
#: Of a mail that a marketer sends to try it out.
TEST: tuple[str, Value] = ("X-CRM-Test", exact("yes"))
#: Pages of a mail: the name of the link, the path, and what the token is for.
PAGES = {
    "preferences_url": ("/p/", Purpose.PREFERENCES),
    "web_url": ("/w/", Purpose.WEB),
    "confirm_url": ("/y/", Purpose.CONFIRM),
}
NO_PAGES = dict.fromkeys(PAGES, "")
#: RFC 8058: exactly these words.
ONE_CLICK: tuple[str, Value] = ("List-Unsubscribe-Post", exact("List-Unsubscribe=One-Click"))


class Envelope(NamedTuple):
    """All addresses and tokens of one mail."""

    touch_id: int
    sender: str
    recipient: str
    recipient_name: str
    mail_from: str
    message_token: str
    #: https where the shop has a public address, else mailto. For the mail's own link.
    unsubscribe_url: str
    #: https (if any) first, then mailto: RFC 2369 and RFC 8058.
    unsubscribe_ways: tuple[str, ...]

    @property
    def message_id(self) -> str:
        """`<token@domain>`: the same for every attempt of a touch."""
        return f"<{self.message_token}@{addresses.domain(self.sender)}>"

    @property
    def boundary(self) -> str:
        """The same for every attempt; `=_` cannot stand in an encoded body."""
        return f"=_{self.message_token.partition('.')[0]}"


def address(
    shop: Shop, keys: KeyRing, *, touch_id: int, stream: Stream, to: str, name: str
) -> Envelope:
    """The envelope of a touch.

    Raises:
        UnsafeHeader: an address is missing or is none.
    """
    sender = shop.sender if stream is Stream.MARKETING else shop.orders_sender or shop.sender
    sender = headers.address(sender or shop.reply_to)
    ways = _unsubscribe_ways(shop, keys, touch_id, sender)
    mail_from = _return_path(shop, keys, touch_id, sender)
    recipient, token = headers.address(to), keys.make(Purpose.MESSAGE_ID, touch_id)
    return tuple.__new__(
        Envelope,
        (touch_id, sender, recipient, clean.name(name), mail_from, token, ways[0], ways),
    )


def own_fields(
    envelope: Envelope, *, stream: Stream, subject: str, now: datetime
) -> list[tuple[str, Value]]:
    """The headers that differ from mail to mail.

    Args:
        envelope: addresses and tokens.
        stream: marketing gets the ways to unsubscribe.
        subject: final, prefix included.
        now: the Date header.
    """
    found: list[tuple[str, Value]] = [
        ("Date", headers.date(now)),
        ("To", Mailbox(envelope.recipient_name, envelope.recipient)),
        ("Subject", Text(subject)),
        ("Message-ID", exact(envelope.message_id)),
        ("X-CRM-Send", exact(envelope.message_token)),
    ]
    if stream is Stream.MARKETING:
        ways = [f"<{way}>" for way in envelope.unsubscribe_ways]
        ways[:-1] = [f"{way}," for way in ways[:-1]]
        found.append(("List-Unsubscribe", exact(*ways)))
    return found


def shared_fields(
    envelope: Envelope,
    shop: Shop,
    *,
    stream: Stream,
    campaign: str,
    step: str,
    is_by_hand: bool = False,
) -> list[tuple[str, Value]]:
    """The headers that all mails of a campaign's step share.

    Args:
        envelope: of any of them.
        shop: who writes.
        stream: marketing gets the marks of a list, transactional the mark of RFC 3834.
        campaign: for Feedback-ID and people who look at headers.
        step: likewise.
        is_by_hand: an agent wrote it: nothing in it says that a machine did.
    """
    found: list[tuple[str, Value]] = [("From", Mailbox(shop.name, envelope.sender))]
    if shop.reply_to and shop.reply_to != envelope.sender:
        found.append(("Reply-To", Mailbox("", shop.reply_to)))
    found.append(assembly.VERSION)
    if is_by_hand:
        return found
    if stream is Stream.MARKETING:
        found.append(("List-Id", exact(f"<marketing.{addresses.domain(envelope.sender)}>")))
        if len(envelope.unsubscribe_ways) > 1:
            found.append(ONE_CLICK)
        found.append(BULK)
    else:
        found.append(GENERATED)
    found += [
        QUIET,
        ("Feedback-ID", exact(_feedback_id(envelope, campaign, step, stream))),
    ]
    return found


def _return_path(shop: Shop, keys: KeyRing, touch_id: int, sender: str) -> str:
    """Where bounces go: a domain of their own, the sender's mailbox with a token, or that alone."""
    if shop.return_path is ReturnPath.PLUS:
        local, _at, domain = sender.rpartition("@")
        marked = f"{local}+b-{keys.make(Purpose.VERP, touch_id)}"
        return f"{marked}@{domain}" if len(marked) <= headers.MAX_LOCAL else sender
    if shop.return_path is ReturnPath.NONE or not shop.bounce_domain:
        return sender
    return f"b-{keys.make(Purpose.VERP, touch_id)}@{_bounces_to(shop.bounce_domain)}"


def _unsubscribe_ways(shop: Shop, keys: KeyRing, touch_id: int, sender: str) -> tuple[str, ...]:
    token = keys.make(Purpose.UNSUBSCRIBE, touch_id)
    mailbox = headers.address(shop.reply_to or sender)
    mailto = f"mailto:{_quoted(mailbox)}?subject=unsubscribe%20{token}"
    if shop.public_url.startswith("https://"):
        return f"{wire_url(shop.public_url.rstrip('/'))}/u/{token}", mailto
    return (mailto,)


def page_links(shop: Shop, keys: KeyRing, touch_id: int, used: Collection[str]) -> dict[str, str]:
    """The links to a mail's own pages, each empty where it is not used or the shop has no pages."""
    if not shop.public_url.startswith("https://"):
        return NO_PAGES
    place = wire_url(shop.public_url.rstrip("/"))
    return {
        name: f"{place}{path}{keys.make(purpose, touch_id)}" if name in used else ""
        for name, (path, purpose) in PAGES.items()
    }


@lru_cache(maxsize=16)
def _bounces_to(domain: str) -> str:
    """The domain of return paths as it goes over the wire.

    Raises:
        UnsafeHeader: it is none.
    """
    return headers.address(f"b-{'x' * 32}@{domain}").rpartition("@")[2]


@lru_cache(maxsize=16)
def _quoted(mailbox: str) -> str:
    """A mail address inside a URL (RFC 6068)."""
    return quote(mailbox, safe="@+!$*'")


@lru_cache(maxsize=16)
def wire_url(url: str) -> str:
    """A web address in ASCII: its domain in the `xn--` form, its path percent-encoded.

    Raises:
        UnsafeHeader: its domain cannot be written so.
    """
    parts = urlsplit(url)
    try:
        place = domains.wire_place(parts.netloc)
    except UnicodeError:
        raise headers.UnsafeHeader(
            Sentence("the domain of {url} cannot be written in ASCII", url=url)
        ) from None
    return urlunsplit(parts._replace(netloc=place, path=quote(parts.path, safe="/%:@!$&'()*+,;=~")))


def _feedback_id(envelope: Envelope, campaign: str, step: str, stream: Stream) -> str:
    """Campaign, step, stream, and a sender's mark of 5 to 15 letters that never changes."""
    mark = NO_LETTER.sub("", addresses.domain(envelope.sender).lower())[:15].ljust(5, "0")
    parts = (NO_SLUG.sub("-", part)[:60] or "-" for part in (campaign, step, stream.value))
    return ":".join((*parts, mark))
