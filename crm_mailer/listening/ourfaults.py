"""Refusals that are our own fault: one alert a reason, nothing held against the customers.

Where they are many, the lane or the campaign is paused before more mails are wasted; a person lets
it go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import alerts, pauses, refusals
from crm_mailer.store import reputation as returns
from crm_mailer.store.refusals import Refusal
from crm_mailer.store.reputation import OurFault

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The scope of the alerts: what came back to us.
SCOPE = "returned"
#: A reason that was not met for so long is over.
QUIET = timedelta(days=7)

R = BounceReason
_WORDS = Sentence("the server's words tell why")
_AUTH = Sentence("check SPF, DKIM and DMARC of the sender's domain")
_LISTED = Sentence(
    "look whether the sending server is on a block list, and slow down; "
    "the provider's page in the server's words tells how to be taken off"
)
_PACE = Sentence("send slower to this provider, and in smaller lots")
_CONTENT = Sentence("look at the text, the links and the pictures of the last campaign")
_HINTS = {
    R.AUTHFAILURE: _AUTH,
    R.BADSENDER: Sentence(
        "the server does not take our sender, or the address for its bounces: look at `sender`, "
        "`bounce_domain` and `return_path` in shop.yaml"
    ),
    R.REQUIREPTR: Sentence("the sending server needs a reverse DNS name; ask whoever runs it"),
    R.BLOCKED: _LISTED,
    R.BADREPUTATION: _LISTED,
    R.TOOMANYCONN: _PACE,
    R.SPEEDING: _PACE,
    R.SPAMDETECTED: _CONTENT,
    R.VIRUSDETECTED: _CONTENT,
    R.CONTENTERROR: _CONTENT,
    R.MESGTOOBIG: Sentence("make the mail smaller: fewer or smaller pictures"),
    R.NORELAYING: Sentence(
        "the mail server of this account may not send to others: look at its settings"
    ),
}


#: Reasons that speak of what a campaign says; all others speak of us, as its receiver sees us.
OF_CONTENT = frozenset({R.SPAMDETECTED, R.VIRUSDETECTED, R.CONTENTERROR, R.MESGTOOBIG})
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultLimits:
    """So many mails, and so large a share of what left beside them, stop a lane or a campaign."""

    least: int = 3
    #: Share among the first mails, and among more of them.
    share_first: float = 0.02
    share: float = 0.05
    first: int = 500
    #: What came back for longer than this is not the trouble of today.
    within: timedelta = timedelta(days=1)


DEFAULTS = FaultLimits()


def is_too_many(faults: int, left: int, limits: FaultLimits = DEFAULTS) -> bool:
    """Whether so many of the mails that left were refused for our own fault that it must stop.

    Args:
        faults: mails that were refused, at once or later.
        left: mails of the same lane or campaign that left meanwhile, those included.
    """
    share = limits.share_first if left <= limits.first else limits.share
    return faults >= limits.least and faults > share * left


def tell(
    connection: Connection,
    reason: BounceReason,
    where: str,
    said: str,
    now: datetime,
    *,
    touch_id: int | None = None,
) -> bool:
    """Raise the alert of what came back, with the server's words; true where it is to be told.

    Where a breaker has stopped the lane or the campaign for it, its alert says all.

    Args:
        where: the address that was not reached, or the host that said so.
        said: status and words of the server.
        touch_id: the mail that came back; None where nothing proves which it was.
    """
    if touch_id is not None and _is_told(connection, reason, touch_id):
        return False
    message = Sentence(
        "{where} sends our mails back ({reason}): {words}",
        where=where.rpartition("@")[2],
        reason=reason.value,
        words=_short(said),
    )
    return _raise(connection, reason, message, now)


def tell_refused(connection: Connection, reason: BounceReason, one: Refusal, now: datetime) -> bool:
    """Raise the alert of what was refused at hand-over; true where it is to be told.

    It names the mail server of the account: nobody else was asked. Where the breaker has stopped
    the lane or the campaign for it, its alert says all.
    """
    if _is_told(connection, reason, one.touch_id):
        return False
    host = one.host or one.address.rpartition("@")[2]
    if one.code:
        message = Sentence(
            "mail server {host} refuses our mails ({reason}): {words}",
            host=host,
            reason=reason.value,
            words=_short(f"{one.code} {one.status} {one.text}"),
        )
    elif reason is R.MESGTOOBIG:
        # the server named its limit, so that the mail was not even offered to it
        message = Sentence(
            "a mail is too big for mail server {host}: {words}", host=host, words=_short(one.text)
        )
    else:
        return False
    return _raise(connection, reason, message, now)


def _raise(connection: Connection, reason: BounceReason, message: str, now: datetime) -> bool:
    cause, hint = f"{SCOPE}/{reason.value}", _HINTS.get(reason, _WORDS)
    return alerts.raise_(connection, cause, message, hint=hint, now=now)


def _short(said: str) -> str:
    return " ".join(said.replace("\0", "").split())[:300]


def _is_told(connection: Connection, reason: BounceReason, touch_id: int) -> bool:
    """Whether a pause has told of the same trouble: one alert a cause."""
    lane, campaign = refusals.scopes_of(connection, touch_id)
    causes = {f"{lane}/policy", f"{lane}/{SCOPE}"}
    if reason in OF_CONTENT:
        kind = "size" if reason is R.MESGTOOBIG else "content"
        causes |= {f"{campaign}/{kind}", f"{campaign}/{SCOPE}"}
    found = [one.cause for one in alerts.list_open(connection)]
    if reason is R.BADSENDER and any(cause.startswith(pauses.ACCOUNT) for cause in found):
        return True  # the account rests for it
    return not causes.isdisjoint(found)


def stop(connection: Connection, now: datetime, limits: FaultLimits = DEFAULTS) -> list[str]:
    """Pause lanes and campaigns of which too many mails were refused for our own fault.

    What was counted before a person let one go on does not count again. The causes of the alerts
    that are new.
    """
    if not _is_met(connection, now - limits.within):
        return []
    found = returns.list_our_faults(connection, now - limits.within)
    stopped = pauses.load(connection)
    causes = []
    for scope, faults in _by_scope(found).items():
        kind, _colon, name = scope.partition(":")
        is_campaign = f"{kind}:" == pauses.CAMPAIGN
        if name in stopped.campaigns if is_campaign else stopped.stops(name):
            continue
        let_go = alerts.last_ended(connection, scope)
        fresh = {f.touch_id: f for f in faults if let_go is None or f.left_at > let_go}
        enough = max(limits.first + 1, int(len(fresh) / limits.share) + 1)
        left = returns.count_left(connection, scope, fresh.values(), enough)
        if is_too_many(len(fresh), left, limits):
            causes += _pause(connection, scope, list(fresh.values()), left, now)
    if causes:
        _end_told(connection, found, now)
    return causes


def _end_told(connection: Connection, faults: Iterable[OurFault], now: datetime) -> None:
    """End the alerts of reasons of which pauses tell: one alert a cause.

    A reason that was met elsewhere, too, goes on being told.
    """
    stopped = pauses.load(connection)
    told: dict[str, bool] = {}
    for one in faults:
        lane = f"{one.provider}/{one.stream}"
        is_campaign = BounceReason(one.reason) in OF_CONTENT
        stops = one.campaign in stopped.campaigns if is_campaign else stopped.stops(lane)
        told[one.reason] = told.get(one.reason, True) and stops
    for reason in [reason for reason, is_told in told.items() if is_told]:
        alerts.end(connection, f"{SCOPE}/{reason}", now)


def _is_met(connection: Connection, since: datetime) -> bool:
    """Whether there is anything to count: what is told of is told once for each reason."""
    return any(
        one.cause.startswith(f"{SCOPE}/") and one.last_at >= since
        for one in alerts.list_open(connection)
    )


def _by_scope(faults: Iterable[OurFault]) -> dict[str, list[OurFault]]:
    """What each fault speaks of: `campaign:spring-sale` or `lane:gmail/marketing`."""
    found: dict[str, list[OurFault]] = {}
    for one in faults:
        if BounceReason(one.reason) not in OF_CONTENT:
            scope = f"{pauses.LANE}{one.provider}/{one.stream}"
        elif one.is_campaign:
            scope = f"{pauses.CAMPAIGN}{one.campaign}"
        else:
            continue
        found.setdefault(scope, []).append(one)
    return found


def _pause(
    connection: Connection, scope: str, faults: list[OurFault], left: int, now: datetime
) -> list[str]:
    kind, _colon, name = scope.partition(":")
    reasons = ", ".join(sorted({one.reason for one in faults}))
    parts = {"name": name, "number": len(faults), "left": left, "reasons": reasons}
    if kind == "campaign":
        message = Sentence(
            "campaign {name} is paused: {number} of {left} mails were refused ({reasons})", **parts
        )
    else:
        message = Sentence(
            "lane {name} is paused: {number} of {left} mails were refused ({reasons})", **parts
        )
    hint = Sentence(
        "{advice}; then `crm-mailer resume --{kind} {name}`",
        advice=_HINTS.get(BounceReason(faults[-1].reason), _WORDS),
        kind=kind,
        name=name,
    )
    pauses.pause(connection, scope, now=now, reason=message, by=pauses.BREAKER)
    cause = f"{scope}/{SCOPE}"
    if not alerts.raise_(connection, cause, message, hint=hint, now=now):
        return []
    _log.warning("alert", cause=cause)
    return [cause]


def calm(connection: Connection, now: datetime) -> int:
    """End the alerts whose reason was not met for a week; how many."""
    old = [
        one.cause
        for one in alerts.list_open(connection)
        if one.cause.startswith(f"{SCOPE}/") and one.last_at < now - QUIET
    ]
    return sum(alerts.end(connection, cause, now) for cause in old)
