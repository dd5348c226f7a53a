"""Whether a customer may be mailed at all, whatever the campaign says."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from crm_mailer.model.campaign import Stream
from crm_mailer.model.suppression import Scope, SuppressionReason
from crm_mailer.model.touch import SkipReason

OF_SUPPRESSION = {
    SuppressionReason.UNSUBSCRIBED: SkipReason.UNSUBSCRIBED,
    SuppressionReason.SPAM_REPORT: SkipReason.SPAM_REPORT,
    SuppressionReason.HARD_BOUNCE: SkipReason.HARD_BOUNCE,
}
#: Reasons that may pass by themselves: the same touch can still be right later.
PASSING = frozenset(
    {
        SkipReason.CASE_OPEN,
        SkipReason.SNOOZED,
        SkipReason.NO_ADDRESS,
        SkipReason.NO_CAMPAIGN,
        SkipReason.BENEFIT_APPROVAL,
    }
)


class Standing(NamedTuple):
    """What decides. `suppression` is the most severe one of the address, None where none."""

    has_address: bool = True
    suppression: tuple[Scope, SuppressionReason] | None = None
    is_flagged: bool = False
    is_relay: bool = False
    has_basis: bool = True
    has_open_case: bool = False
    snoozed_until: datetime | None = None
    #: What the customer chose: topics that are not wanted, and half of the usual number of mails.
    topics_off: frozenset[str] = frozenset()
    wants_fewer: bool = False


def refusal(standing: Standing, stream: Stream, topic: str = "") -> SkipReason | None:
    """Why no mail of `stream` may go to this customer; None when it may.

    An order mail goes to every address that is not dead or erased; marketing also respects
    flags, relays, opt-outs, the lack of a lawful basis, and which topics the customer wants.
    """
    if not standing.has_address:
        return SkipReason.NO_ADDRESS
    if standing.suppression is not None:
        scope, reason = standing.suppression
        if scope is Scope.ALL or stream is Stream.MARKETING:
            return OF_SUPPRESSION.get(reason, SkipReason.SUPPRESSED)
    if stream is Stream.TRANSACTIONAL:
        return None
    if standing.is_flagged:
        return SkipReason.FLAGGED
    if standing.is_relay:
        return SkipReason.RELAY_ADDRESS
    if not standing.has_basis:
        return SkipReason.NO_CONSENT
    return SkipReason.TOPIC if topic in standing.topics_off else None


def hold(standing: Standing, stream: Stream, now: datetime) -> SkipReason | None:
    """Why marketing must wait at this moment: an open case, or the customer asked for a pause."""
    if stream is Stream.TRANSACTIONAL:
        return None
    if standing.has_open_case:
        return SkipReason.CASE_OPEN
    if standing.snoozed_until is not None and standing.snoozed_until > now:
        return SkipReason.SNOOZED
    return None
