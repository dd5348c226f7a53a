"""Refusals that are our own fault: one alert a reason, nothing held against the customers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crm_mailer.listening.bounces import Bounce
from crm_mailer.model.bounce import BounceReason
from crm_mailer.store import alerts

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The scope of the alerts: what came back to us.
SCOPE = "returned"
#: A reason that was not met for so long is over.
QUIET = timedelta(days=7)

R = BounceReason
_AUTH = "check SPF, DKIM and DMARC of the sender's domain"
_LISTED = (
    "look whether the sending server is on a block list, and slow down; "
    "the provider's page in the server's words tells how to be taken off"
)
_PACE = "send slower to this provider, and in smaller lots"
_CONTENT = "look at the text, the links and the pictures of the last campaign"
_HINTS = {
    R.AUTHFAILURE: _AUTH,
    R.BADSENDER: "the receiver does not accept our sender: look at `sender` in shop.yaml",
    R.REQUIREPTR: "the sending server needs a reverse DNS name; ask whoever runs it",
    R.BLOCKED: _LISTED,
    R.BADREPUTATION: _LISTED,
    R.TOOMANYCONN: _PACE,
    R.SPEEDING: _PACE,
    R.SPAMDETECTED: _CONTENT,
    R.VIRUSDETECTED: _CONTENT,
    R.CONTENTERROR: _CONTENT,
    R.MESGTOOBIG: "make the mail smaller: fewer or smaller pictures",
    R.NORELAYING: "the mail server of this account may not send to others: look at its settings",
}


def tell(connection: Connection, bounce: Bounce, address: str, now: datetime) -> bool:
    """Raise the alert of the reason, with the server's words; true where it is to be told."""
    domain = address.rpartition("@")[2] or bounce.remote_host
    words = " ".join(f"{bounce.status} {bounce.diagnostic}".replace("\0", "").split())[:300]
    return alerts.raise_(
        connection,
        f"{SCOPE}/{bounce.reason.value}",
        f"{domain} sends our mails back ({bounce.reason.value}): {words}",
        hint=_HINTS.get(bounce.reason, "the server's words tell why"),
        now=now,
    )


def calm(connection: Connection, now: datetime) -> int:
    """End the alerts whose reason was not met for a week; how many."""
    old = [
        one.cause
        for one in alerts.list_open(connection)
        if one.cause.startswith(f"{SCOPE}/") and one.last_at < now - QUIET
    ]
    return sum(alerts.end(connection, cause, now) for cause in old)
