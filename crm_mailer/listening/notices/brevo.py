"""Brevo's transactional webhook: one event a request, or a batch of them.

https://developers.brevo.com/docs/transactional-webhooks
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_mailer.listening.notices.shapes import BadShape, key_of, moment, rows, table, text
from crm_mailer.model.hook import EventKind, HookEvent

_KINDS = {
    "hard_bounce": EventKind.BOUNCE,
    "invalid_email": EventKind.BOUNCE,
    "soft_bounce": EventKind.BOUNCE,
    "deferred": EventKind.DELAY,
    "delivered": EventKind.DELIVERED,
    "spam": EventKind.COMPLAINT,
    "complaint": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
    "unsubscribe": EventKind.UNSUBSCRIBE,
    "opened": EventKind.OPEN,
    "unique_opened": EventKind.OPEN,
    "proxy_open": EventKind.OPEN,
    "unique_proxy_open": EventKind.OPEN,
    "click": EventKind.CLICK,
}


def read(payload: Any, now: datetime) -> list[HookEvent]:
    """The events of a request.

    Raises:
        BadShape: one names no event.
    """
    many = rows(payload) or [payload]
    found = [_event(table(one), now) for one in many]
    return [one for one in found if one is not None]


def _event(one: Mapping[str, Any], now: datetime) -> HookEvent | None:
    told = text(one.get("event")).lower()
    if not told:
        raise BadShape("there is no event")
    kind = _KINDS.get(told)
    if kind is None:  # request, blocked, error, list_addition
        return None
    said = text(one.get("reason"))
    since = text(one.get("ts_epoch"))
    milliseconds = int(since) / 1000 if since.isdigit() else None
    at = one.get("ts_event") or one.get("ts")
    return HookEvent(
        kind=kind,
        key=key_of(told, one.get("message-id"), one.get("email"), since or at, one.get("link")),
        at=moment(f"{milliseconds:.0f}" if milliseconds else at, now),
        recipient=text(one.get("email")),
        clues=(text(one.get("message-id")), text(one.get("X-Mailin-custom"))),
        diagnostic=said,
        is_for_good=told == "invalid_email" or (told == "hard_bounce" and not said),
        text=text(one.get("link") or one.get("user_agent")),
        is_machine="proxy" in told,
    )
