"""The work list of a case: eleven steps, which are done, and what usually helps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crm_mailer.model.case import CaseEvent as Event
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.case import Remedy


class Step(StrEnum):
    """The eleven steps of answering an unhappy buyer, in the usual order."""

    ANSWER = "answer"
    WELCOME = "welcome"
    HELP = "help"
    FACTS = "facts"
    LISTEN = "listen"
    ACCEPT = "accept"
    APOLOGISE = "apologise"
    EXPLAIN = "explain"
    OFFER = "offer"
    FOLLOW_UP = "follow_up"
    FEEDBACK = "feedback"


SENTENCES = {
    Step.ANSWER: "answer fast",
    Step.WELCOME: "welcome the buyer",
    Step.HELP: "say that you will help",
    Step.FACTS: "lead the buyer's thoughts to the facts",
    Step.LISTEN: "listen",
    Step.ACCEPT: "accept the feeling",
    Step.APOLOGISE: "apologise",
    Step.EXPLAIN: "explain with evidence",
    Step.OFFER: "offer remedies and let the buyer choose",
    Step.FOLLOW_UP: "tell the buyer and follow up",
    Step.FEEDBACK: "get feedback",
}
#: Who is hurt or threatens wants to be heard before anything is explained.
SERIOUS_ORDER = (
    Step.ANSWER, Step.ACCEPT, Step.APOLOGISE, Step.HELP, Step.LISTEN, Step.WELCOME, Step.FACTS,
    Step.EXPLAIN, Step.OFFER, Step.FOLLOW_UP, Step.FEEDBACK,
)  # fmt: skip
#: Acts that are a step of the list by themselves.
_BY_ITSELF = {
    Did.ANSWERED: Step.ANSWER,
    Did.EVIDENCE: Step.EXPLAIN,
    Did.OFFERED: Step.OFFER,
    Did.RESOLVED: Step.FOLLOW_UP,
    Did.RATED: Step.FEEDBACK,
}
#: What helps, most fitting first; a code or the first part of one.
REMEDIES: dict[str, tuple[Remedy, ...]] = {
    "nr.customs": (Remedy.RESEND, Remedy.REFUND, Remedy.DIFFERENCE),
    "nr.wrong_address": (Remedy.RESEND, Remedy.REFUND),
    "nr.returned": (Remedy.RESEND, Remedy.REFUND, Remedy.POSTAGE),
    "nr.buyer_returned": (Remedy.REFUND, Remedy.POSTAGE),
    "nr.refused": (Remedy.RESEND, Remedy.REFUND),
    "nr": (Remedy.RESEND, Remedy.REFUND, Remedy.COUPON),
    "nad.damaged": (Remedy.REPLACEMENT, Remedy.REFUND, Remedy.PARTIAL_REFUND),
    "nad.quality": (
        Remedy.REPLACEMENT, Remedy.REPAIR, Remedy.PARTIAL_REFUND, Remedy.RETURN_REFUND,
    ),
    "nad.counterfeit": (Remedy.RETURN_REFUND, Remedy.REFUND),
    "nad.virtual": (Remedy.RESEND, Remedy.REFUND),
    "nad.short": (Remedy.RESEND, Remedy.PARTIAL_REFUND),
    "nad": (Remedy.EXCHANGE, Remedy.PARTIAL_REFUND, Remedy.RETURN_REFUND),
    "order.wrong_item": (Remedy.RESEND, Remedy.EXCHANGE, Remedy.RETURN_REFUND),
    "order.size": (Remedy.EXCHANGE, Remedy.PARTIAL_REFUND, Remedy.POSTAGE),
    "order": (Remedy.RESEND, Remedy.REFUND, Remedy.COUPON),
    "pay.double": (Remedy.DIFFERENCE,),
    "pay.refund": (Remedy.REFUND,),
    "threat.review": (Remedy.REPLACEMENT, Remedy.RETURN_REFUND),
    "threat": (Remedy.REFUND, Remedy.RETURN_REFUND, Remedy.REPLACEMENT),
    "safety": (Remedy.RETURN_REFUND, Remedy.REFUND),
    "svc": (Remedy.COUPON,),
    "other": (Remedy.PARTIAL_REFUND, Remedy.COUPON),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A step of a case's list; `number` is its place in the usual order."""

    step: Step
    number: int
    done_at: datetime | None = None
    by: str = ""


def ticks(events: Iterable[Event], *, is_serious: bool) -> tuple[Tick, ...]:
    """The list of a case in the order that fits it; each step ticked by the first act that was it.

    Ordinary cases begin with a welcome; serious ones with the feeling.
    """
    done: dict[Step, Event] = {}
    for event in events:
        step = _step_of(event)
        if step is not None:
            done.setdefault(step, event)
    usual = list(Step)
    order = SERIOUS_ORDER if is_serious else usual
    return tuple(
        Tick(
            step=step,
            number=usual.index(step) + 1,
            done_at=done[step].at if step in done else None,
            by=done[step].by if step in done else "",
        )
        for step in order
    )


def suggested(reason: str) -> tuple[Remedy, ...]:
    """The remedies that fit a reason; none where words and deeds help, not goods or money."""
    group = reason.partition(".")[0]
    return REMEDIES.get(reason) or REMEDIES.get(group, ())


def _step_of(event: Event) -> Step | None:
    if event.kind is Did.STEP:
        return Step(event.ref) if event.ref in set(Step) else None
    return _BY_ITSELF.get(event.kind)
