"""Load, decide, save: each kept request of a provider has its effects once, in one transaction."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from crm_mailer.listening.notices import brevo, mailgun, postmark, reports, sendgrid, ses
from crm_mailer.model.curve import Signal
from crm_mailer.model.delivery import EvidenceKind
from crm_mailer.model.hook import EventKind, HookEvent, HookKind, read_json
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.task import NewTask, TaskKind
from crm_mailer.model.token import SHAPE, KeyRing, Purpose
from crm_mailer.store import doubts, hooks, inbound, replies, signals, suppressions, tasks
from crm_mailer.store.hooks import HookRequest
from crm_mailer.store.inbound import RawMail

if TYPE_CHECKING:
    from sqlalchemy import Connection

Reader = Callable[[Any, datetime], list[HookEvent]]
#: How each provider's JSON is read.
readers: Mapping[HookKind, Reader] = MappingProxyType(
    {
        HookKind.SES: ses.read,
        HookKind.SENDGRID: sendgrid.read,
        HookKind.MAILGUN: mailgun.read,
        HookKind.POSTMARK: postmark.read,
        HookKind.BREVO: brevo.read,
    }
)
#: How a pseudo mailbox of reports by webhook is called.
FOLDER = "webhook"
#: What a person should do, within this time.
TASK_WITHIN = timedelta(days=3)
_REPORTED = frozenset({EventKind.BOUNCE, EventKind.DELAY, EventKind.COMPLAINT})
#: Where a token says which mail is meant, how much of a text is searched for it.
_CLUE_LENGTH = 64_000


@dataclass(slots=True)
class NoticeReport:
    """What one request told."""

    events: int = 0
    #: Told before, by this source.
    known: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    #: Events about no mail and no customer of ours.
    unmatched: int = 0

    def as_answer(self) -> dict[str, Any]:
        """As it is kept beside the request."""
        return {
            "events": self.events,
            "known": self.known,
            "unmatched": self.unmatched,
            **dict(sorted(self.kinds.items())),
        }


@dataclass(frozen=True, slots=True)
class _Act:
    """One request being digested."""

    connection: Connection
    request: HookRequest
    keys: KeyRing
    now: datetime
    report: NoticeReport


def digest(
    connection: Connection, request: HookRequest, keys: KeyRing, now: datetime
) -> NoticeReport:
    """Do what the events of a request ask for; bounces and complaints become mails to be read.

    Args:
        connection: a write turn; the caller marks the request as done in it.
        request: of a provider of mail, with its body.
        keys: tell our own tokens from forged ones.
        now: the present instant.

    Raises:
        ValueError: the body is not what this provider sends.
    """
    events = readers[HookKind(request.kind)](read_json(request.body or b""), now)
    report = NoticeReport(events=len(events))
    act = _Act(connection, request, keys, now, report)
    met = hooks.met_events(connection, request.source, {one.key for one in events})
    for event in events:
        if event.key in met:
            report.known += 1
            continue
        met.add(event.key)
        report.kinds[event.kind.value] += 1
        _apply(act, event)
    hooks.add_events(connection, request.source, sorted({one.key for one in events}), now)
    return report


def _apply(act: _Act, event: HookEvent) -> None:
    token, touch_id = _token(event.clues, act.keys)
    if event.kind is EventKind.TASK:
        _ask(act, event)
    elif event.kind in _REPORTED:
        _report(act, event, token)
    elif event.kind is EventKind.UNSUBSCRIBE:
        _unsubscribe(act, event, touch_id)
    elif touch_id is None or replies.find_touch(act.connection, touch_id) is None:
        act.report.unmatched += 1
    elif event.kind is EventKind.DELIVERED:
        _settle(act, event, touch_id, EvidenceKind.RELAY_LOG)
    else:
        _seen(act, event, touch_id)


def _token(clues: Sequence[str], keys: KeyRing) -> tuple[str, int | None]:
    """The token of ours among the clues, and the mail that it names; a forged one is none."""
    for clue in clues:
        for found in SHAPE.finditer(clue[:_CLUE_LENGTH]):
            token = found[0].lower()
            touch_id = keys.read(Purpose.MESSAGE_ID, token)
            if touch_id is not None:
                return token, touch_id
    return "", None


def _report(act: _Act, event: HookEvent, token: str) -> None:
    """Put the report among the mails that wait to be read: one reader for all of them."""
    raw = reports.report(event, act.request.source, token)
    mailbox = inbound.open_mailbox(act.connection, act.request.source, FOLDER)
    # the number of a mail in a mailbox: here of the event, by its name
    name = hashlib.sha256(f"{act.request.source}\0{event.key}".encode()).digest()
    mail = RawMail(
        uid=int.from_bytes(name[:7], "big"),
        digest=hashlib.sha256(raw).hexdigest(),
        size=len(raw),
        received_at=event.at,
        raw=raw,
    )
    inbound.add_many(act.connection, mailbox.id, 1, [mail])


def _unsubscribe(act: _Act, event: HookEvent, touch_id: int | None) -> None:
    """Stop marketing to the address that the provider names, and where our mail went."""
    touch = replies.find_touch(act.connection, touch_id) if touch_id is not None else None
    stopped = {event.recipient.casefold(), touch.address if touch and not touch.is_test else ""}
    for address in sorted(one for one in stopped if "@" in one):
        suppressions.add(
            act.connection,
            address,
            SuppressionReason.UNSUBSCRIBED,
            source=f"webhook {act.request.source}",
            evidence=f"request {act.request.id}",
            at=event.at,
        )


def _settle(act: _Act, event: HookEvent, touch_id: int, kind: EvidenceKind) -> None:
    """What shows that the mail was taken, should that be in doubt."""
    words = f"{act.request.source}: {event.kind.value} {event.diagnostic}".strip()
    doubts.settle_by_evidence(act.connection, touch_id, kind, event.at, words)


def _seen(act: _Act, event: HookEvent, touch_id: int) -> None:
    """An open or a click: evidence, and a signal of the customer."""
    is_click = event.kind is EventKind.CLICK
    _settle(act, event, touch_id, EvidenceKind.CLICK if is_click else EvidenceKind.OPEN)
    signal = Signal.MACHINE_OPEN if event.is_machine else Signal.HUMAN_OPEN
    signals.add(
        act.connection,
        touch_id,
        Signal.CLICK if is_click else signal,
        event.at,
        now=act.now,
        detail=event.text,
    )


def _ask(act: _Act, event: HookEvent) -> None:
    task = NewTask(
        kind=TaskKind.ADMIN,
        key=f"hook:{act.request.source}:{event.key}",
        text=event.text,
        due_at=act.now + TASK_WITHIN,
    )
    tasks.add(act.connection, task, act.now)
