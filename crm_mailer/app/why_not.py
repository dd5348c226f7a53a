"""Why a customer gets, or does not get, the mails of a campaign: one answer in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer import planning
from crm_mailer.app import names, segments
from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import BirthdayAnchor, Campaign, Mode, SegmentAnchor, Stream
from crm_mailer.model.segment import EVERYBODY
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.standing import hold, refusal
from crm_mailer.model.touch import SkipReason
from crm_mailer.planning.decisions import Decision
from crm_mailer.reporting import consents
from crm_mailer.segmenting import rules
from crm_mailer.segmenting.facts import Facts
from crm_mailer.segmenting.rules import Finding
from crm_mailer.store import directory, lawful, stories, touches
from crm_mailer.store.occasions import Occasion


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFate:
    """One mail: planned already (`state`), or as it would be planned now."""

    step: str
    anchor: str
    due_at: datetime
    state: str
    reason: SkipReason | None
    #: What would hold it back at this moment.
    waits: SkipReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    """The answer: mails that are planned, those that would be, and what stands against them."""

    customer_id: int
    customer: str
    campaign: str
    mode: Mode
    is_in_audience: bool
    audience: tuple[Finding, ...]
    #: What stands against any mail of this kind to this customer.
    refusal: SkipReason | None
    waits: SkipReason | None
    planned: tuple[StepFate, ...]
    would_be: tuple[StepFate, ...]
    #: What is known of the event that starts the campaign, where the tables do not tell it.
    event: str = ""
    #: Why marketing mail to the customer is lawful, or is not.
    basis: tuple[Sentence, ...] = ()

    @property
    def has_event(self) -> bool:
        """Whether anything started the campaign for the customer, lately enough to count."""
        return bool(self.planned or self.would_be)


def why_not(app: App, who: str, campaign: str) -> WhyNot:
    """Everything that decides whether the customer gets the campaign's mails.

    Raises:
        NotFound: there is no such customer or campaign.
    """
    found = names.campaign(app, campaign)
    now, consent = app.clock.now(), app.shop_or_default.consent
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
        standing = touches.find_standing(connection, customer_id, consent=consent, now=now)
        ground = lawful.known(connection, customer_id)
        planned = touches.list_of_customer(connection, customer_id, found.id)
        known = stories.known(connection, customer_id)
    asked = segments.facts_of(app, known)
    rules_of = {one.id: one.rule for one in app.definitions.segments.values()}
    return WhyNot(
        customer_id=customer_id,
        customer=known.customer["name"] or known.customer["email"] or str(customer_id),
        campaign=found.id,
        mode=found.mode,
        is_in_audience=rules.matches(found.audience, asked, rules_of),
        audience=tuple(rules.explain(found.audience, asked, rules_of))
        if found.audience != EVERYBODY
        else (),
        refusal=refusal(standing, found.stream, found.topic),
        waits=hold(standing, found.stream, now),
        planned=tuple(
            StepFate(
                step=row.step,
                anchor=row.anchor,
                due_at=row.due_at,
                state=row.state,
                reason=SkipReason(row.reason) if row.reason in set(SkipReason) else None,
            )
            for row in planned
        ),
        would_be=_would_be(app, found, customer_id, now),
        event=_event(found, asked),
        basis=consents.told(consent, ground, now, app.zone)
        if found.stream is Stream.MARKETING
        else (),
    )


def _event(campaign: Campaign, asked: Facts) -> Sentence:
    """What is known of the event that starts the campaign; empty where it is told elsewhere."""
    match campaign.anchor:
        case BirthdayAnchor():
            days = asked.values["birthday_in_days"]
            if days is None:
                return Sentence("the customer's birthday is not known")
            return Sentence("the next birthday is in {days} days", days=days)
        case SegmentAnchor(segment=segment):
            since = [first for one, first, last in asked.stays if one == segment and last is None]
            if not since:
                return Sentence("the customer is not in the segment {segment}", segment=segment)
            return Sentence(
                "the customer is in the segment {segment} since {day}",
                segment=segment,
                day=since[0],
            )
        case _:
            return Sentence("")


def _would_be(
    app: App, campaign: Campaign, customer_id: int, now: datetime
) -> tuple[StepFate, ...]:
    """What an act of planning would decide for this customer at this moment."""
    seen: list[StepFate] = []

    def watch(_campaign: Campaign, occasion: Occasion, one: Decision, _place: ZoneInfo) -> None:
        seen.append(
            StepFate(
                step=one.step.id,
                anchor=occasion.anchor,
                due_at=one.due_at,
                state="",
                reason=one.reason,
                waits=one.waits,
            )
        )

    planning.plan(
        app.store,
        app.definitions,
        now=now,
        campaigns=[campaign.id],
        is_saved=False,
        watch=watch,
        customer_id=customer_id,
    )
    return tuple(seen)
