"""One case on one page: all that an agent should know before answering, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.learning import checklist, clocks, disputes, followups, sayings
from crm_mailer.learning.checklist import SENTENCES, Step, Tick
from crm_mailer.learning.clocks import Reading
from crm_mailer.model import address
from crm_mailer.model.case import Case, CaseEvent, CaseState, Channel, Remedy
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.flag import Flag
from crm_mailer.model.moment import zone
from crm_mailer.model.order import OrderState
from crm_mailer.model.reply import REASONS, Severity
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.model.sla import DEFAULT_LEVELS, ServiceLevels, Target
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import case_files, flags
from crm_mailer.store import cases as store_cases
from crm_mailer.store.case_files import KnownCustomer, KnownOrder, SentMail, WrittenReply
from crm_mailer.store.cases import ListedCase
from crm_mailer.store.engine import Store

#: The eleven steps of answering an unhappy buyer.
WORK_LIST = tuple(SENTENCES.values())
#: What usually helps, by the first part of the reason.
REMEDIES = {
    "nr": "tracking facts, then resend or refund",
    "nad": "ask for photos, then replacement, part refund, or return and refund",
    "order": "send the right one, or exchange, or refund",
    "pay": "check the payment, show the proof, refund what is owed",
    "svc": "apologise, answer the old mails first",
    "mail": "stop the mails and say so",
    "threat": "answer at once, offer a refund before the dispute",
    "safety": "ask whether everybody is well, take the product back, tell the owner",
    "privacy": "do what was asked, and say when it is done",
}
FIND_OUT = "find out what would help"
#: A customer who has had an answer for so long and says nothing is asked again.
ASK_AGAIN_AFTER = timedelta(days=3)
#: When people like to be spoken to, where nobody told us better; their own time.
DAYTIME = "09:00-21:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A step of the work list, counted from 1, and what it means here."""

    number: int
    name: str
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the case's history; `who` is shop, customer, agent or order."""

    at: datetime
    who: str
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """Everything around one case. `left` is negative when the answer is overdue."""

    case: Case
    now: datetime
    reason_in_words: str
    left: timedelta | None
    known: KnownCustomer
    local_time: datetime | None
    best_channel: str
    #: Hours of the customer's own day, such as 09:00-21:00.
    best_time: str
    next_step: NextStep | None
    #: Ordinary cases and serious ones (a threat, danger, an arbitration) are handled differently.
    is_serious: bool
    #: What this severity is owed, and whether that is counted by the clock on the wall.
    target: Target
    clocks: tuple[Reading, ...]
    checklist: tuple[Tick, ...]
    #: Remedies that fit, and those that were offered.
    suggested: tuple[Remedy, ...]
    offered: tuple[Remedy, ...]
    evidence: tuple[CaseEvent, ...]
    #: Where the order's facts contradict the customer's words; the last such sentence.
    clash: str
    flags: tuple[Flag, ...]
    #: The kind of flag that the case calls for and the customer does not have.
    flag_offer: str
    merged: tuple[int, ...]
    orders: tuple[KnownOrder, ...]
    sent: tuple[SentMail, ...]
    wrote: tuple[WrittenReply, ...]
    earlier: tuple[Case, ...]
    events: tuple[CaseEvent, ...]
    timeline: tuple[Entry, ...]

    @property
    def order(self) -> KnownOrder | None:
        """The order in question."""
        return next((one for one in self.orders if one.id == self.case.order_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseLine:
    """A case as the list shows it; `left` is negative when overdue, None when no answer is owed."""

    number: int
    left: timedelta | None
    severity: Severity
    reason: str
    reason_in_words: str
    state: CaseState
    customer: str
    email: str
    order_number: str
    owner: str
    opened_at: datetime
    due_at: datetime
    channel: Channel
    is_serious: bool
    deadline_at: datetime | None


def in_words(reason: str) -> str:
    """What a reason code means; a shop's own code is shown as it is."""
    return REASONS[reason][1] if reason in REASONS else reason


def case_line(listed: ListedCase, now: datetime) -> CaseLine:
    """A case in one line."""
    case = listed.case
    return CaseLine(
        number=case.id,
        left=followups.time_left(case, now),
        severity=case.severity,
        reason=case.reason,
        reason_in_words=in_words(case.reason),
        state=case.state,
        customer=listed.customer or listed.email,
        email=listed.email,
        order_number=listed.order_number,
        owner=case.owner,
        opened_at=case.opened_at,
        due_at=case.due_at,
        channel=case.channel,
        is_serious=case.is_serious,
        deadline_at=case.deadline_at,
    )


def case_file(
    store: Store,
    case_id: int,
    *,
    now: datetime,
    place: ZoneInfo,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> CaseFile:
    """All about one case; days are counted in the shop's zone `place`.

    Raises:
        NotFound: there is no such case.
    """
    with store.read() as connection:
        case = store_cases.get(connection, case_id)
        known = case_files.get_customer(connection, case.customer_id, now=now, place=place)
        orders = case_files.list_orders(connection, case.customer_id, case.order_id)
        facts = store_cases.order_facts(connection, case.order_id, place)
        sent = case_files.list_sent(connection, case.customer_id, until=now)
        wrote = case_files.list_written(connection, case.customer_id)
        everything = store_cases.list_of_customer(connection, case.customer_id)
        events = store_cases.list_events(connection, case_id)
        merged = store_cases.list_merged(connection, case_id)
        standing = [one for one in flags.list_of(connection, case.customer_id) if one.stands]
    theirs = known.customer.time_zone
    read = clocks.readings(case, events, levels, now)
    case = replace(case, due_at=clocks.nearest(read) or case.due_at)
    severity = Severity.P1 if case.is_serious else case.severity
    letters = {event.reply_id for event in events}
    reasons = {code for reply in wrote if reply.id in letters for code in reply.reasons}
    return CaseFile(
        case=case,
        now=now,
        reason_in_words=in_words(case.reason),
        left=followups.time_left(case, now),
        known=known,
        local_time=now.astimezone(zone(theirs)) if theirs else None,
        best_channel=best_channel(case, known),
        best_time=case.best_time or DAYTIME,
        next_step=next_step(case, events, now),
        orders=tuple(orders),
        sent=tuple(sent),
        wrote=tuple(wrote),
        earlier=tuple(one for one in everything if one.id < case.id),
        events=tuple(events),
        timeline=tuple(_timeline(facts.items(), sent, wrote, events, case.id)),
        is_serious=case.is_serious,
        target=levels.targets[severity],
        clocks=read,
        checklist=checklist.ticks(events, is_serious=case.is_serious),
        suggested=checklist.suggested(case.reason),
        offered=tuple(Remedy(one.ref) for one in events if one.kind is Did.OFFERED),
        evidence=tuple(one for one in events if one.kind is Did.EVIDENCE),
        clash=_clash(reversed(events)),
        flags=tuple(standing),
        flag_offer=_flag_offer(case, reasons, events, standing),
        merged=tuple(merged),
    )


def _flag_offer(
    case: Case, reasons: Set[str], events: Iterable[CaseEvent], standing: Iterable[Flag]
) -> str:
    """The flag that an agent should think of; none that stands already."""
    noted = [event.text for event in events if event.by]
    kind = disputes.flag_offer(case, reasons, noted)
    return "" if kind in {flag.kind.value for flag in standing} else kind


def best_channel(case: Case, known: KnownCustomer) -> str:
    """Where an answer is likeliest to be read: where the customer wrote, unless that is closed."""
    if case.best_channel:
        return case.best_channel
    mail = known.customer.email
    is_dead = SuppressionReason.HARD_BOUNCE in known.suppressed
    if case.severity is Severity.P1 and known.customer.phone and case.channel is Channel.PHONE:
        return "phone"
    if case.channel is not Channel.EMAIL:
        return str(case.channel)
    if mail and not is_dead:
        relay = address.is_marketplace_relay(mail)
        return Sentence("email (through the marketplace's relay)") if relay else "email"
    if known.customer.source_platform:
        return Sentence("platform ({name})", name=known.customer.source_platform)
    return "phone" if known.customer.phone else "email"


def next_step(case: Case, events: Iterable[CaseEvent], now: datetime) -> NextStep | None:
    """Where the work list stands; None once the case is closed."""
    done = list(events)
    remedy = _remedy(case, done)
    clash = _clash(done)
    answers = [event for event in done if event.kind is Did.ANSWERED]
    if case.state is CaseState.CLOSED:
        return None
    if case.state is CaseState.RESOLVED:
        return _step(11, "ask whether all is well now")
    if case.state is CaseState.WAITING_CUSTOMER:
        waited = now - answers[-1].at if answers else timedelta(0)
        silent = waited >= ASK_AGAIN_AFTER
        return _step(10, "ask again: no word for days" if silent else "the customer has the turn")
    if not answers:
        usual = REMEDIES.get(case.reason.partition(".")[0], FIND_OUT)
        asks = Sentence("the facts disagree, so ask: {clash}", clash=clash)
        return _step(1, asks if clash else usual)
    if clash and len(answers) == 1:
        return _step(8, clash)
    return _step(10 if case.remedy else 9, remedy)


def _clash(events: Iterable[CaseEvent]) -> str:
    """The first sentence of a clash among these."""
    return sayings.heard(next((one.text for one in events if one.kind is Did.CLASH), ""))


def _remedy(case: Case, events: Iterable[CaseEvent]) -> str:
    if case.remedy:
        return "do what the buyer chose, and say when it is done"
    if any(event.kind is Did.OFFERED for event in events):
        return "ask which of the remedies the buyer wants"
    return REMEDIES.get(case.reason.partition(".")[0], FIND_OUT)


def _step(number: int, advice: str) -> NextStep:
    return NextStep(number=number, name=WORK_LIST[number - 1], advice=advice)


def _timeline(
    facts: Iterable[tuple[OrderState, datetime]],
    sent: Iterable[SentMail],
    wrote: Iterable[WrittenReply],
    events: Iterable[CaseEvent],
    case_id: int,
) -> list[Entry]:
    """Oldest first; at one instant the order moves before anybody speaks of it."""
    life = {state: place for place, state in enumerate(OrderState)}
    facts = sorted(facts, key=lambda fact: life[fact[0]])
    entries = [Entry(at=at, who="order", what=str(state)) for state, at in facts]
    entries += [
        Entry(at=mail.at, who="shop", what=_fate(mail), text=mail.subject or mail.campaign)
        for mail in sent
    ]
    entries += [
        Entry(at=reply.at, who="customer", what=reply.intent or reply.kind, text=reply.text)
        for reply in wrote
    ]
    entries += [
        Entry(
            at=event.at,
            who=event.by or "program",
            what=str(event.kind),
            text=_told(event, case_id),
        )
        for event in events
        if event.kind is not Did.REPLY
    ]
    return sorted(entries, key=lambda entry: entry.at)


def _told(event: CaseEvent, case_id: int) -> str:
    """An act in words; what was done about a merged case names that case."""
    text: str = event.text if event.by and event.kind is Did.NOTE else sayings.heard(event.text)
    if event.kind is Did.STEP and event.ref in set(Step):
        text = Sentences(Sentence(SENTENCES[Step(event.ref)]), text, between=": ")
    elif event.kind in (Did.OFFERED, Did.CHOSEN):
        text = Sentences(Sentence(event.ref.replace("_", " ")), text)
    elif event.kind is Did.EVIDENCE:
        text = " ".join(part for part in (event.ref, text) if part)
    if event.case_id in (0, case_id):
        return text
    return Sentences(text, Sentence("(case {number})", number=event.case_id))


def _fate(mail: SentMail) -> str:
    fate = Sentence(f"mail {mail.state.replace('_', ' ')}")
    why = mail.reason.replace("_", " ")
    return Sentences(fate, Sentence("({why})", why=Sentence(why))) if why else fate
