"""Whose mail it is, and what it changes: bounces, spam reports and suppressions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crm_mailer.listening import counting, ourfaults
from crm_mailer.listening.bounces import Bounce
from crm_mailer.listening.kinds import SortedMail
from crm_mailer.listening.letters import Letter
from crm_mailer.listening.matching import Proof
from crm_mailer.model.reply import BounceKind, ReplyKind, Rung
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import bounces, disabled, doubts, replies, suppressions
from crm_mailer.store.inbound import InboundMail
from crm_mailer.store.replies import CustomerFact

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: A bounce without a token is believed for an address that got mail within this time.
BOUNCE_WITHIN = timedelta(days=5)
#: A spam report or an answer without a token belongs to mail within this time.
ANSWER_WITHIN = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A mail as read, before the database was asked."""

    letter: Letter
    sorted_: SortedMail
    proof: Proof | None = None
    order_numbers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Whose mail it is, of which touch and order, and how we know."""

    rung: Rung = Rung.NONE
    customer: CustomerFact | None = None
    touch_id: int | None = None
    order_id: int | None = None
    #: Where the mail that is answered went.
    address: str = ""
    #: What is answered was a test, which is nobody's: nothing may follow from it.
    is_test: bool = False

    @property
    def is_proven(self) -> bool:
        """Whether a token of ours says so, not merely an address that anybody can write."""
        return self.rung in doubts.PROVEN


def match(connection: Connection, reading: Reading, at: datetime) -> Match:
    """The first rung that holds: token, then address and time, order number, sender.

    An answer to a test is nobody's, whoever wrote it and whatever order it names.
    """
    found = _by_proof(connection, reading) or _by_address(connection, reading, at)
    if found.is_test:
        return found
    known = found.customer.id if found.customer else None
    order = replies.find_order(connection, reading.order_numbers, known)
    if order is not None and reading.sorted_.kind is ReplyKind.HUMAN:
        order_id, owner = order
        if found.customer is not None:
            is_sender_only = found.rung is Rung.SENDER
            rung = Rung.ORDER_NUMBER if is_sender_only else found.rung
            return _with_order(found, order_id, rung)
        customer = replies.find_customer_by_id(connection, owner) if owner else None
        return Match(rung=Rung.ORDER_NUMBER, customer=customer, order_id=order_id)
    return found


def apply(
    connection: Connection, mail: InboundMail, reading: Reading, match: Match, now: datetime
) -> int:
    """Keep bounces and spam reports and suppress what must be; how many suppressions are new.

    Whatever comes back with a token of ours shows that the server had taken the mail, should that
    be in doubt.
    """
    kind = reading.sorted_.kind
    if match.is_proven and match.touch_id is not None:
        doubts.settle_by_evidence(
            connection,
            match.touch_id,
            doubts.heard_of(kind),
            mail.received_at,
            _words(reading),
        )
    if kind is ReplyKind.BOUNCE:
        return sum(
            _bounce(connection, mail, bounce, match, now) for bounce in reading.sorted_.bounces
        )
    if kind is ReplyKind.SPAM_REPORT:
        return _spam_report(connection, mail, reading, match, now)
    if kind is ReplyKind.UNSUBSCRIBE:
        return _unsubscribe(connection, mail, reading, match, now)
    return 0


def _words(reading: Reading) -> str:
    """What a mail says as evidence, in short: a report's status, else its subject."""
    for bounce in reading.sorted_.bounces[:1]:
        return f"{bounce.kind.value} {bounce.status} {bounce.diagnostic}".strip()
    return reading.letter.subject.replace("\0", "")


def _by_proof(connection: Connection, reading: Reading) -> Match | None:
    if reading.proof is None:
        return None
    touch = replies.find_touch(connection, reading.proof.touch_id)
    if touch is None:
        return None
    if touch.customer_id is None:
        customer = None
    else:
        customer = replies.find_customer_by_id(connection, touch.customer_id)
    return Match(
        rung=reading.proof.rung,
        customer=customer,
        is_test=touch.is_test,
        touch_id=touch.id,
        order_id=touch.order_id,
        address=touch.address,
    )


def _by_address(connection: Connection, reading: Reading, at: datetime) -> Match:
    """By who did not get it (reports) or who wrote (persons)."""
    kind = reading.sorted_.kind
    is_report = kind in (ReplyKind.BOUNCE, ReplyKind.SPAM_REPORT)
    for address in _addresses(reading):
        customer = replies.find_customer(connection, address)
        if customer is None:
            continue
        within = BOUNCE_WITHIN if kind is ReplyKind.BOUNCE else ANSWER_WITHIN
        sent = replies.sent_lately(connection, customer.id, since=at - within)
        if len(sent) == 1 or (sent and not is_report):
            return Match(
                rung=Rung.ADDRESS_AND_TIME if is_report or len(sent) == 1 else Rung.SENDER,
                customer=customer,
                touch_id=sent[0] if len(sent) == 1 else None,
                address=customer.address,
            )
        rung = Rung.ADDRESS_AND_TIME if sent else Rung.SENDER
        return Match(rung=rung, customer=customer, address=customer.address)
    return Match()


def _addresses(reading: Reading) -> list[str]:
    if reading.sorted_.kind is ReplyKind.BOUNCE:
        return [bounce.recipient for bounce in reading.sorted_.bounces]
    report = reading.sorted_.spam_report
    if report is not None:
        return [report.recipient] if report.recipient else []
    return [reading.letter.sender] if reading.letter.sender else []


def _with_order(found: Match, order_id: int, rung: Rung) -> Match:
    return Match(
        rung=rung,
        customer=found.customer,
        touch_id=found.touch_id,
        order_id=order_id,
        address=found.address,
    )


def _bounce(
    connection: Connection, mail: InboundMail, bounce: Bounce, match: Match, now: datetime
) -> int:
    """Keep what a report says of one address, and give up an address that is dead."""
    address = match.address if match.is_proven and match.address else bounce.recipient
    bounces.add(
        connection,
        inbound_id=mail.id,
        touch_id=match.touch_id,
        recipient=address,
        kind=bounce.kind,
        reason=bounce.reason.value,
        action=bounce.action,
        status=bounce.status,
        diagnostic=_storable(bounce.diagnostic),
        remote_host=_storable(bounce.remote_host),
        message_id=_storable(bounce.message_id),
        at=mail.received_at,
    )
    if not _is_believed(connection, address, match, mail.received_at):
        return 0
    if bounce.kind is BounceKind.OURS:
        said = f"{bounce.status} {bounce.diagnostic}"
        where = address or bounce.remote_host
        touch_id = match.touch_id if match.is_proven else None
        ourfaults.tell(connection, bounce.reason, where, said, now, touch_id=touch_id)
    why = _why_given_up(connection, mail, bounce, match, address)
    if why is None:
        return 0
    return suppressions.add(
        connection,
        address,
        SuppressionReason.HARD_BOUNCE,
        source=f"mail {mail.id}{why}",
        evidence=_storable(f"{bounce.status} {bounce.diagnostic}".strip()),
        at=now,
    )


def _why_given_up(
    connection: Connection, mail: InboundMail, bounce: Bounce, match: Match, address: str
) -> str | None:
    """What ends an address: dead, switched off twice, or soft on three days; None for no end."""
    if bounce.is_dead:
        return ""
    if bounce.kind is not BounceKind.SOFT:
        return None
    if bounce.status == disabled.STATUS and _is_second(connection, mail, address, match):
        return ": switched off twice"
    if counting.is_enough(connection, address, mail.received_at):
        return f": {counting.WHY}"
    return None


def _storable(text: str) -> str:
    """Text that any database takes: no NUL, no lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _is_second(connection: Connection, mail: InboundMail, address: str, match: Match) -> bool:
    """Whether the mailbox was switched off when another mail of ours came, too."""
    if match.touch_id is None or not match.is_proven:
        return False
    return disabled.is_second(connection, address, mail.received_at, touch_id=match.touch_id)


def _is_believed(connection: Connection, address: str, match: Match, at: datetime) -> bool:
    """A token of ours, or a customer's address that got mail of ours lately."""
    if match.is_proven:
        return True
    customer = replies.find_customer(connection, address)
    return customer is not None and bool(
        replies.sent_lately(connection, customer.id, since=at - BOUNCE_WITHIN, limit=1)
    )


def _spam_report(
    connection: Connection, mail: InboundMail, reading: Reading, match: Match, now: datetime
) -> int:
    report = reading.sorted_.spam_report
    if report is None:
        return 0
    replies.add_spam_report(
        connection,
        inbound_id=mail.id,
        touch_id=match.touch_id,
        customer_id=match.customer.id if match.customer else None,
        recipient=_storable(report.recipient),
        feedback_type=report.feedback_type,
        at=mail.received_at,
    )
    if not match.address or match.rung is Rung.SENDER:
        return 0
    reason = SuppressionReason.UNSUBSCRIBED if report.is_opt_out else SuppressionReason.SPAM_REPORT
    return suppressions.add(
        connection,
        match.address,
        reason,
        source=f"mail {mail.id}",
        evidence=report.feedback_type,
        at=now,
    )


def _unsubscribe(
    connection: Connection, mail: InboundMail, reading: Reading, match: Match, now: datetime
) -> int:
    """Stop marketing to the address that a token of ours names and to the one that wrote."""
    wish = reading.sorted_.evidence
    stopped = {match.address if match.is_proven else "", reading.letter.sender.casefold()}
    return sum(
        suppressions.add(
            connection,
            address,
            SuppressionReason.UNSUBSCRIBED,
            source=f"mail {mail.id}",
            evidence=wish.words if wish else "",
            at=now,
        )
        for address in sorted(stopped - {""})
    )
