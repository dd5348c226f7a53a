"""One step of a campaign, for one customer, for one occurrence: unique, has a key."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from crm_mailer.model.campaign import Stream


class TouchState(StrEnum):
    """The fate of a touch. The numbers of all states add up to the number planned."""

    PLANNED = "planned"
    #: Manual mode or an undo window: waits for a person.
    HELD = "held"
    #: A worker has the right to work on it until a time.
    CLAIMED = "claimed"
    #: The final dot may have left and no answer was heard: never sent again in silence.
    IN_DOUBT = "in_doubt"
    #: The server answered 2xx to the final dot. Not the same as read.
    ACCEPTED = "accepted"
    #: To be tried again at `next_at`.
    DEFERRED = "deferred"
    REFUSED = "refused"
    #: Its time was over before it could leave.
    EXPIRED = "expired"
    #: Not made, with a reason.
    SKIPPED = "skipped"


SETTLED = frozenset(
    {TouchState.ACCEPTED, TouchState.REFUSED, TouchState.EXPIRED, TouchState.SKIPPED}
)


class TouchKind(StrEnum):
    """Where a touch comes from."""

    CAMPAIGN = "campaign"
    CASE_REPLY = "case_reply"
    TEST = "test"


#: Stands in the outbox where a campaign's name stands else; no campaign can be called so.
TEST_CAMPAIGN = "(test)"


class SkipReason(StrEnum):
    """Why a customer does not get a mail; each has a sentence in `SKIP_SENTENCES`."""

    UNSUBSCRIBED = "unsubscribed"
    HARD_BOUNCE = "hard_bounce"
    SPAM_REPORT = "spam_report"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"
    RELAY_ADDRESS = "relay_address"
    NO_CONSENT = "no_consent"
    #: Wants no mail of the campaign's topic.
    TOPIC = "topic"
    FLAGGED = "flagged"
    CASE_OPEN = "case_open"
    SNOOZED = "snoozed"
    QUIET_HOURS = "quiet_hours"
    CAP = "cap"
    #: A mail of a campaign of higher priority has its day.
    OUTRANKED = "outranked"
    LATE = "late"
    EXITED = "exited"
    NEW_ANCHOR = "new_anchor"
    NOT_IN_AUDIENCE = "not_in_audience"
    #: The condition of the step does not hold.
    CONDITION = "condition"
    #: In the part of the customers that gets no mail, for comparison.
    HOLD_OUT = "hold_out"
    #: Has been through the campaign too short a time ago.
    REENTRY = "reentry"
    #: The adaptive course has paused: mail after mail was not answered.
    SILENT = "silent"
    NO_LANGUAGE = "no_language"
    TEMPLATE_ERROR = "template_error"
    HEADER_GUARD = "header_guard"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"
    NO_CAMPAIGN = "no_campaign"
    PAUSED = "paused"
    #: Due before the database was lost: it may have left.
    RESTORED = "restored"
    #: Of what the mail gives nothing is left.
    BENEFIT_EMPTY = "benefit_empty"
    #: Had as much of it as one customer may have.
    BENEFIT_LIMIT = "benefit_limit"
    BENEFIT_APPROVAL = "benefit_approval"
    BENEFIT_DENIED = "benefit_denied"


#: Left out for one of these as it was planned, an occasion has begun nothing: it may be planned yet
#: if that passes in time, and it stands in no other's way.
NOT_BEGUN = frozenset({SkipReason.NO_ADDRESS, SkipReason.EXITED})

SKIP_SENTENCES: dict[SkipReason, str] = {
    SkipReason.UNSUBSCRIBED: "asked for no more marketing mail",
    SkipReason.HARD_BOUNCE: "the address is dead (hard bounce)",
    SkipReason.SPAM_REPORT: "reported our mail as spam",
    SkipReason.SUPPRESSED: "the address is suppressed",
    SkipReason.NO_ADDRESS: "no mail address is known",
    SkipReason.RELAY_ADDRESS: "a marketplace's relay address takes order mail only",
    SkipReason.NO_CONSENT: "there is no lawful basis for marketing mail",
    SkipReason.TOPIC: "does not want mail of this topic",
    SkipReason.FLAGGED: "the buyer is flagged",
    SkipReason.CASE_OPEN: "a case of this customer is open: marketing is on hold",
    SkipReason.SNOOZED: "asked us to write again at a later time",
    SkipReason.QUIET_HOURS: "it is night where the customer lives",
    SkipReason.CAP: "had as many marketing mails lately as the shop allows",
    SkipReason.OUTRANKED: "a campaign of higher priority took its day",
    SkipReason.LATE: "its time had passed before it could leave",
    SkipReason.EXITED: "an exit condition of the campaign was met",
    SkipReason.NEW_ANCHOR: "a newer event, or another date of the campaign, took its place",
    SkipReason.NOT_IN_AUDIENCE: "not in the campaign's audience any more",
    SkipReason.CONDITION: "the condition of the step does not hold",
    SkipReason.HOLD_OUT: "held out by chance, to see what the campaign is worth",
    SkipReason.REENTRY: "has been through this campaign already",
    SkipReason.SILENT: "the course has paused: no sign of the customer after its last mails",
    SkipReason.NO_LANGUAGE: "the template has no language for this customer",
    SkipReason.TEMPLATE_ERROR: "the template failed for this customer",
    SkipReason.HEADER_GUARD: "a header would have been unsafe",
    SkipReason.CANCELLED: "was cancelled by a person",
    SkipReason.QUARANTINED: "broke the sender three times",
    SkipReason.NO_CAMPAIGN: "the campaign's file is gone, wrong or a draft: waits for it",
    SkipReason.PAUSED: "the campaign is paused",
    SkipReason.RESTORED: "was due before the database was restored: it may have left",
    SkipReason.BENEFIT_EMPTY: "nothing is left of the benefit that the mail tells of",
    SkipReason.BENEFIT_LIMIT: "has had this benefit already",
    SkipReason.BENEFIT_APPROVAL: "the benefit waits for somebody's approval",
    SkipReason.BENEFIT_DENIED: "the benefit was denied",
}


class Touch(NamedTuple):
    """A planned mail. (campaign, step, anchor, customer) is unique for ever.

    A tuple, since every mail makes one several times and a tuple is made ten times as fast.
    """

    id: int
    campaign: str
    step: str
    #: The event that anchors it, such as `order:17:shipped` or `birthday:2026`.
    anchor: str
    #: None: a test, which is nobody's.
    customer_id: int | None
    stream: Stream
    state: TouchState
    template: str
    due_at: datetime
    kind: TouchKind = TouchKind.CAMPAIGN
    order_id: int | None = None
    campaign_version: str = ""
    expires_at: datetime | None = None
    next_at: datetime | None = None
    attempts: int = 0
    reason: str = ""
    place: int = 1
    places: int = 1
    #: The receiving provider group; with the stream it names the lane.
    provider: str = "other"
    #: The arm of a test that chance gave the customer.
    arm: str = ""
