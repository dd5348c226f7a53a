"""Load, decide, save: each kept mail becomes a reply with its effects, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from crm_mailer.listening import (
    beside_wish,
    complaints,
    effects,
    kinds,
    letters,
    matching,
    ourfaults,
    refusals,
    second_look,
    turns,
    wishes,
)
from crm_mailer.listening.complaints import Understanding
from crm_mailer.listening.effects import Match, Reading
from crm_mailer.listening.ourfaults import FaultLimits
from crm_mailer.model.errors import StoreError
from crm_mailer.model.reply import Evidence, Intent, ReplyKind
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.token import KeyRing
from crm_mailer.model.words import Words
from crm_mailer.store import doubts, inbound, loops, replies, suppressions
from crm_mailer.store.engine import Store
from crm_mailer.store.inbound import InboundMail
from crm_mailer.store.replies import NewReply

#: After so many mails of a long round others get their turn.
PAUSE = 1_000
#: What says something of an address itself stays what it is, also in answer to a test.
_ABOUT_AN_ADDRESS = frozenset({ReplyKind.BOUNCE, ReplyKind.SPAM_REPORT, ReplyKind.UNSUBSCRIBE})
#: Mail of which nobody wonders whose it is.
_NOBODYS = frozenset({ReplyKind.BULK, ReplyKind.TEST})


@dataclass(slots=True)
class ListenReport:
    """What one round understood."""

    handled: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    intents: Counter[str] = field(default_factory=Counter)
    bounces: Counter[str] = field(default_factory=Counter)
    suppressed: int = 0
    copies: int = 0
    unmatched: int = 0
    quarantined: int = 0
    #: Mails the reader stumbled over: number and error.
    troubles: list[tuple[int, str]] = field(default_factory=list)
    #: Machine mails that came once too often: whoever wrote them must not be answered by machine.
    loops: int = 0

    def absorb(self, other: ListenReport) -> None:
        """Add what another round understood."""
        self.kinds += other.kinds
        self.intents += other.intents
        self.bounces += other.bounces
        self.troubles += other.troubles
        for name in ("handled", "suppressed", "copies", "unmatched", "quarantined", "loops"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def understand(
    store: Store,
    *,
    keys: KeyRing,
    words: Words,
    order_pattern: str,
    raw_folder: Path,
    now: datetime,
    limit: int | None = None,
    fault_limits: FaultLimits = ourfaults.DEFAULTS,
    between: Callable[[], None] | None = None,
) -> ListenReport:
    """Read every new mail once, and what servers said to ours.

    May be killed at any moment and run again: no effect doubles.

    Args:
        keys: tell our own tokens from forged ones.
        words: the word files.
        order_pattern: regular expression of the shop's order numbers; empty for none.
        raw_folder: where the bytes of large mails lie.
        now: the present instant.
        limit: at most so many mails.
        fault_limits: when refusals that are our own fault stop a lane or a campaign.
        between: called now and then in a long round, so that what was read has its effects soon.
    """
    report = ListenReport()
    for inbound_id in islice(turns.waiting(store, now, raw_folder), limit):
        _one(store, inbound_id, report, keys, words, order_pattern, raw_folder, now)
        if between is not None and report.handled % PAUSE == 0:
            between()
    _settle_heard(store)
    report.suppressed += hear(store, words=words, now=now, fault_limits=fault_limits)
    return report


def hear(
    store: Store, *, words: Words, now: datetime, fault_limits: FaultLimits = ourfaults.DEFAULTS
) -> int:
    """Read what servers said to our mails at hand-over; how many addresses were given up by it.

    Args:
        words: the word files.
        now: the present instant.
        fault_limits: when refusals that are our own fault stop a lane or a campaign.
    """
    number = refusals.understand(store, words, now)
    number += refusals.count_expiries(store, words, now)
    with store.write() as connection:
        ourfaults.stop(connection, now, fault_limits)
        ourfaults.calm(connection, now)
    return number


def _settle_heard(store: Store) -> None:
    """Settle mails in doubt whose answers were read before anybody knew of the doubt."""
    with store.read() as connection:
        heard = doubts.heard(connection)
    if heard:
        with store.write() as connection:
            for one in heard:
                doubts.settle_by_evidence(connection, one.touch_id, one.kind, one.at, one.text)


def log_by_hand(
    store: Store,
    *,
    customer_id: int,
    channel: str,
    text: str,
    order_id: int | None = None,
    at: datetime,
    words: Words,
) -> int:
    """Keep what a customer said by chat, phone or on a platform; the reply's id.

    The same rules understand it, so that it becomes feedback or a case like a mail, and the wish
    for no more mail is obeyed at once.
    """
    with store.write() as connection:
        customer = replies.find_customer_by_id(connection, customer_id)
        language = customer.language if customer else ""
        said = complaints.understand(text, words, customer_language=language)
        wish = wishes.evidence("", text, words)
        if wish is None:
            said = second_look.take(connection, said, text)
        else:
            said = beside_wish.without_wish(said, text, words)
        if wish is not None and customer is not None and customer.address:
            suppressions.add(
                connection,
                customer.address,
                SuppressionReason.UNSUBSCRIBED,
                source=channel,
                evidence=wish.words,
                at=at,
            )
        reply = NewReply(
            kind=ReplyKind.HUMAN if wish is None else ReplyKind.UNSUBSCRIBE,
            channel=channel,
            received_at=at,
            sender=customer.address if customer else "",
            own_text=text,
            full_text=text,
            customer_id=customer_id,
            order_id=order_id,
            **_said(said),
        )
        return replies.add(connection, reply)


def _one(
    store: Store,
    inbound_id: int,
    report: ListenReport,
    keys: KeyRing,
    words: Words,
    order_pattern: str,
    raw_folder: Path,
    now: datetime,
) -> None:
    """One mail: whatever is wrong with it, the next one gets its turn."""
    report.handled += 1
    try:
        with store.read() as connection:
            mail = inbound.get(connection, inbound_id)
        reading = _read(mail, keys, words, order_pattern, raw_folder)
        _save(store, mail, reading, words, report, now)
    except StoreError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        report.troubles.append((inbound_id, text))
        with store.write() as connection:
            report.quarantined += inbound.strike(connection, inbound_id, text)


def _read(
    mail: InboundMail, keys: KeyRing, words: Words, order_pattern: str, raw_folder: Path
) -> Reading:
    letter = letters.read(mail.content(raw_folder))
    proof = matching.prove(letter, keys)
    sorted_ = kinds.sort(letter, words, proof, mail.received_at, keys=keys)
    numbers = matching.order_numbers(f"{letter.subject}\n{sorted_.full_text}", order_pattern)
    return Reading(letter=letter, sorted_=sorted_, proof=proof, order_numbers=tuple(numbers))


def _save(
    store: Store,
    mail: InboundMail,
    reading: Reading,
    words: Words,
    report: ListenReport,
    now: datetime,
) -> None:
    letter = reading.letter
    with store.write() as connection:
        if not inbound.take(connection, mail.id):
            return
        match = effects.match(connection, reading, mail.received_at)
        if match.is_test and reading.sorted_.kind not in _ABOUT_AN_ADDRESS:
            reading = replace(reading, sorted_=replace(reading.sorted_, kind=ReplyKind.TEST))
        is_copy = replies.has_twin(
            connection,
            message_id=letter.message_id,
            sender=letter.sender.casefold(),
            kind=reading.sorted_.kind,
            inbound_id=mail.id,
        )
        said = _understood(connection, reading, match, mail.received_at, words)
        reply = _reply(mail, reading, match, said, is_copy)
        if loop := _loop(connection, reply):
            reply = replace(reply, evidence=(*reply.evidence, loop))
            report.loops += 1
        replies.add(connection, reply)
        suppressed = 0
        if not is_copy:
            suppressed = effects.apply(connection, mail, reading, match, now)
    _count(report, reading, reply, suppressed)


def _loop(connection: Any, reply: NewReply) -> Evidence | None:
    """The note on a machine mail that came once too often; None for all others."""
    if reply.kind not in loops.MACHINES:
        return None
    number = 1 + loops.count(connection, reply.sender, reply.touch_id, reply.received_at)
    if number < loops.LOOP:
        return None
    return Evidence(code="loop", weight=0.0, words=f"{number} machine mails within a day")


def _understood(
    connection: Any, reading: Reading, match: Match, at: datetime, words: Words
) -> Understanding | None:
    """What a person says; nothing for machines, and for what answers a test."""
    if match.is_test or reading.sorted_.kind not in (ReplyKind.HUMAN, ReplyKind.UNSUBSCRIBE):
        return None
    language = match.customer.language if match.customer else ""
    is_followup = match.customer is not None and replies.has_unanswered(
        connection, match.customer.id, since=at - turns.FOLLOW_UP, until=at
    )
    text = complaints.with_subject(reading.letter.subject, reading.sorted_.own_text)
    said = complaints.understand(text, words, customer_language=language, is_followup=is_followup)
    if reading.sorted_.kind is ReplyKind.HUMAN:
        return second_look.take(connection, said, text)
    return beside_wish.without_wish(said, reading.sorted_.own_text, words)


def _reply(
    mail: InboundMail,
    reading: Reading,
    match: Match,
    said: Understanding | None,
    is_copy: bool,
) -> NewReply:
    letter, sorted_ = reading.letter, reading.sorted_
    told = _said(said)
    if sorted_.evidence is not None:
        told["evidence"] = (sorted_.evidence, *told.get("evidence", ()))
    return NewReply(
        inbound_id=mail.id,
        kind=sorted_.kind,
        received_at=mail.received_at,
        message_id=letter.message_id,
        sender=letter.sender.casefold(),
        subject=_storable(letter.subject),
        own_text=_storable(sorted_.own_text),
        full_text=_storable(sorted_.full_text),
        customer_id=match.customer.id if match.customer else None,
        touch_id=match.touch_id,
        order_id=match.order_id,
        rung=match.rung,
        return_on=sorted_.return_on,
        is_copy=is_copy,
        **told,
    )


def _said(said: Understanding | None) -> dict[str, Any]:
    if said is None:
        return {}
    return {
        "language": said.language,
        "intent": said.intent,
        "severity": said.severity,
        "asks": said.asks,
        "reasons": said.reasons,
        "evidence": said.evidence,
        "chance": second_look.chance_of(said),
        "score": said.score,
    }


def _storable(text: str) -> str:
    """Text that any database takes: no NUL, no lone surrogates, of bounded length."""
    clean = text[:200_000].replace("\0", "")
    return clean.encode("utf-8", "replace").decode("utf-8")


def _count(report: ListenReport, reading: Reading, reply: NewReply, suppressed: int) -> None:
    report.kinds[reply.kind.value] += 1
    report.copies += reply.is_copy
    report.suppressed += suppressed
    report.unmatched += reply.customer_id is None and reply.kind not in _NOBODYS
    if reply.intent is not None and reply.kind is ReplyKind.HUMAN:
        report.intents[reply.intent.value] += 1
    elif reply.intent is Intent.COMPLAINT:
        report.intents[Intent.COMPLAINT.value] += 1
    for bounce in reading.sorted_.bounces:
        report.bounces[bounce.kind.value] += 1
