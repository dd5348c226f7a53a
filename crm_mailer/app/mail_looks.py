"""One mail of the outbox as it looked, or as it would look: its parts, its bytes, what is odd."""

from __future__ import annotations

import email
import email.policy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from functools import partial
from threading import Lock
from weakref import WeakKeyDictionary, proxy

from crm_mailer.app import archiving, outbox, recipes, rendering
from crm_mailer.app.lately import Remembered
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import CrmMailerError, NotFound
from crm_mailer.model.message import Message
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import SKIP_SENTENCES, TouchState
from crm_mailer.rendering import preview
from crm_mailer.reporting import event_words
from crm_mailer.store import directory, finding, outbox_pages
from crm_mailer.store.outbox import OutboxLine as OutboxLine
from crm_mailer.store.outbox import Record
from crm_mailer.store.outbox_pages import Echo, Page, Sieve

#: Lines of a page of the outbox.
LINES = 50
#: Gmail shows no more of a mail's HTML.
CLIPPED = 102_000
#: What has not left yet: it is shown as it would be made now.
AHEAD = frozenset({TouchState.PLANNED, TouchState.HELD, TouchState.DEFERRED, TouchState.CLAIMED})
#: Templates are rendered by one at a time: the compiler is a child process with one pipe.
_RENDERING = Lock()


class Source(StrEnum):
    """Where the bytes that are shown come from."""

    #: The very bytes, kept.
    KEPT = "kept"
    #: Made again, with the same hash: the very bytes.
    MADE_AGAIN = "made_again"
    #: The sandbox's file, whose hash agrees.
    SANDBOX = "sandbox"
    #: Made again, but something was changed since: nearly so it looked.
    CHANGED = "changed"
    #: It has not left: so it would look now.
    AHEAD = "ahead"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A mail's bytes and how sure it is that these are they."""

    source: Source
    content: bytes = b""
    #: Why it cannot be shown as it was.
    why: tuple[str, ...] = ()
    #: The fields that the template used.
    fields: dict[str, object] | None = None

    @property
    def is_exact(self) -> bool:
        """Whether these are the very bytes that left."""
        return self.source in (Source.KEPT, Source.MADE_AGAIN, Source.SANDBOX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A mail taken apart."""

    headers: tuple[tuple[str, str], ...]
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that is looked at in the bytes themselves."""

    is_well: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLook:
    """All that is known of one mail."""

    record: Record
    echoes: list[Echo]
    #: What started it, in words.
    event: str


def find(app: App, number: int) -> MailLook:
    """A mail and what came of it.

    Raises:
        NotFound: there is none by this number.
    """
    record = outbox.show(app, number)
    with app.store.read() as connection:
        events = event_words.of_anchors(connection, [record.touch.anchor])
        return MailLook(
            record=record,
            echoes=outbox_pages.echoes(connection, number),
            event=events[record.touch.anchor],
        )


def page(app: App, sieve: Sieve, *, after: int | None = None, limit: int = LINES) -> Page:
    """Mails, the newest first."""
    with app.store.read() as connection:
        return outbox_pages.page(connection, sieve, after=after, limit=limit)


def customer_of(app: App, who: str) -> int:
    """The customer with this address or number.

    Raises:
        NotFound: there is none.
    """
    with app.store.read() as connection:
        return directory.find_customer(connection, who)


def by_message_id(app: App, text: str) -> int | None:
    """The mail with this Message-ID; None where there is none."""
    with app.store.read() as connection:
        return next((one.number for one in finding.mails(connection, text)), None)


_STATES: WeakKeyDictionary[App, Remembered[dict[str, int]]] = WeakKeyDictionary()


def states(app: App) -> dict[str, int]:
    """How many mails are in each state; of very many it may be a few seconds old."""
    if app not in _STATES:
        _STATES[app] = Remembered(partial(_count_states, proxy(app)))
    return _STATES[app].get()


def look_again(app: App) -> None:
    """Something was done: the next look counts anew."""
    if app in _STATES:
        _STATES[app].expire()


def _count_states(app: App) -> dict[str, int]:
    with app.store.read() as connection:
        return outbox_pages.count_states(connection)


def show(app: App, record: Record) -> Shown:
    """The bytes of a mail; never an error because of what they are made from."""
    number = record.touch.id
    if not record.message_id:
        return _ahead(app, record)
    if (found := _of_sandbox(app, record)) is not None:
        return Shown(source=Source.SANDBOX, content=found)
    try:
        with _RENDERING:
            made = recipes.recipe(app, number)
    except NotFound as error:
        return Shown(source=Source.NONE, why=(str(error),))
    except (CrmMailerError, OSError) as error:
        return Shown(source=Source.NONE, why=(str(error),))
    if made.is_same:
        source = Source.KEPT if record.has_content else Source.MADE_AGAIN
        return Shown(source=source, content=made.content, fields=made.fields)
    if made.content:
        return Shown(
            source=Source.CHANGED, content=made.content, why=made.differences, fields=made.fields
        )
    return Shown(source=Source.NONE, why=made.differences, fields=made.fields)


def _ahead(app: App, record: Record) -> Shown:
    if places := archiving.places_of(app, record.touch):
        why = Sentence(
            "archived in {place}; `crm-mailer db archive --find {number}` shows it",
            place=" ".join(places),
            number=record.touch.id,
        )
        return Shown(source=Source.NONE, why=(why,))
    if record.touch.state not in AHEAD:
        return Shown(source=Source.NONE, why=(Sentence("it was never made"),))
    try:
        with _RENDERING:
            [made] = rendering.renderer(app).render_batch([record.touch])
    except CrmMailerError as error:
        return Shown(source=Source.NONE, why=(str(error),))
    if isinstance(made, Message):
        return Shown(source=Source.AHEAD, content=made.content)
    said = made.detail or Sentence(SKIP_SENTENCES[made.reason])
    return Shown(source=Source.NONE, why=(said,))


def _of_sandbox(app: App, record: Record) -> bytes | None:
    """The file that the sandbox wrote, where its hash agrees."""
    name = f"*-{record.touch.id:08d}.eml"
    last = record.deliveries[-1] if record.deliveries else None
    said = last.outcome.text.removeprefix("written to ") if last else ""
    if not said.endswith(f"-{record.touch.id:08d}.eml") or "/" in said:
        return None
    path = app.outbox_folder / said
    assert path.match(name)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == record.sha256 else None


def parts(content: bytes) -> Parts:
    """A mail taken apart; whatever is wrong with it, something is shown."""
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    heads = email.message_from_bytes(content, policy=email.policy.compat32)
    return Parts(
        headers=tuple((name, preview.readable(str(value))) for name, value in heads.items()),
        html=_part(parsed, "html"),
        text=_part(parsed, "plain"),
    )


def _part(parsed: EmailMessage, kind: str) -> str:
    found = parsed.get_body((kind,))
    if found is None:
        return ""
    try:
        return str(found.get_content())
    except (LookupError, ValueError):
        payload = found.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def checks(content: bytes, found: Parts, *, is_marketing: bool) -> Iterator[Check]:
    """What receivers look at, read off the bytes themselves."""
    names = {name.lower() for name, _value in found.headers}
    size = len(found.html.encode())
    yield Check(is_well=bool(found.text.strip()), text=Sentence("has a part in plain text"))
    if found.html:
        text = Sentence(
            "the HTML is {size} kB, below the {most} kB that Gmail shows",
            size=f"{size / 1000:.1f}",
            most=CLIPPED // 1000,
        )
        yield Check(is_well=size < CLIPPED, text=text)
    yield Check(
        is_well="message-id" in names and "date" in names, text=Sentence("Message-ID and Date")
    )
    yield Check(
        is_well="dkim-signature" in names, text=Sentence("signed (DKIM), unless the relay does it")
    )
    if is_marketing:
        one_click = {"list-unsubscribe", "list-unsubscribe-post"} <= names
        yield Check(is_well=one_click, text=Sentence("unsubscribing with one click (RFC 8058)"))
    longest = max((len(line) for line in content.splitlines()), default=0)
    yield Check(is_well=longest <= 998, text=Sentence("no line is longer than 998 bytes"))


__all__ = [
    "Check", "Echo", "MailLook", "OutboxLine", "Page", "Parts", "Shown", "Sieve", "Source",
    "checks", "customer_of", "find", "page", "parts", "show", "states",
]  # fmt: skip
