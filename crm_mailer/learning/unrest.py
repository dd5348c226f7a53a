"""When so many customers complain after one campaign that a person should look at it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from crm_mailer.model.sentence import Sentence
from crm_mailer.store import alerts, facts, reviews
from crm_mailer.store import unrest as store_unrest
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.unrest import Unrest

#: What is dear to count is counted at most so often.
LOOK_EVERY = timedelta(minutes=10)
_LOOKED = "complaints:looked"
_KIND = "/complaints"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnrestLimits:
    """So many complaints, and so large a share of the mails of this time, raise an alert."""

    least: int = 3
    share: float = 0.003
    within: timedelta = timedelta(days=7)


DEFAULTS = UnrestLimits()


def is_unrest(one: Unrest, limits: UnrestLimits = DEFAULTS) -> bool:
    """Whether a campaign angers more people than chance explains (INBOX section 7: 0.3 %)."""
    if one.complaints < limits.least:
        return False
    return one.complaints > limits.share * one.accepted


def sentence(one: Unrest) -> str:
    """What the alert says."""
    if not one.accepted:
        return Sentence(
            "campaign {name}: {number} customers complained",
            name=one.campaign,
            number=one.complaints,
        )
    return Sentence(
        "campaign {name}: {number} customers complained in answer to {mails:,} mails ({share:.1%})",
        name=one.campaign,
        number=one.complaints,
        mails=one.accepted,
        share=one.complaints / one.accepted,
    )


def watch(store: Store, *, now: datetime, limits: UnrestLimits = DEFAULTS) -> list[str]:
    """Raise an alert for each campaign with too many complaints, and end those that are over.

    Beside it, note which reviews were answered meanwhile. At most every ten minutes; the causes
    that are new.
    """
    with store.read() as connection:
        looked = facts.find(connection, _LOOKED)
        if looked is not None and 0 <= now.timestamp() - looked < LOOK_EVERY.total_seconds():
            return []
        found = store_unrest.of_campaigns(connection, now - limits.within, limits.least)
        told = store_unrest.list_told(connection, _KIND)
        answered = reviews.find_answered(connection, now)
    with store.write() as connection:
        facts.put(connection, _LOOKED, int(now.timestamp()), now)
        for review_id, at in answered:
            reviews.mark_answered(connection, review_id, at)
        causes = _alert(connection, [one for one in found if is_unrest(one, limits)], told, now)
    for cause in causes:
        _log.warning("alert", cause=cause)
    return causes


def _alert(
    connection: Connection, found: Iterable[Unrest], told: Iterable[str], now: datetime
) -> list[str]:
    new, over = [], set(told)
    for one in found:
        over.discard(one.campaign)
        cause = f"campaign:{one.campaign}{_KIND}"
        hint = Sentence(
            "read them: `crm-mailer inbox list --intent complaint`; stop it: "
            "`crm-mailer pause --campaign {name}`",
            name=one.campaign,
        )
        if alerts.raise_(connection, cause, sentence(one), hint=hint, now=now):
            new.append(cause)
    for campaign in sorted(over):
        alerts.end(connection, f"campaign:{campaign}{_KIND}", now)
    return new
