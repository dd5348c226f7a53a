"""SendGrid's event webhook: a list of events.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_mailer.listening.notices.shapes import BadShape, key_of, moment, table, text
from crm_mailer.model.hook import EventKind, HookEvent

_KINDS = {
    "bounce": EventKind.BOUNCE,
    "dropped": EventKind.BOUNCE,
    "deferred": EventKind.DELAY,
    "delivered": EventKind.DELIVERED,
    "spamreport": EventKind.COMPLAINT,
    "unsubscribe": EventKind.UNSUBSCRIBE,
    "group_unsubscribe": EventKind.UNSUBSCRIBE,
    "open": EventKind.OPEN,
    "click": EventKind.CLICK,
}
#: Why SendGrid itself did not try, and what that means.
_DROPPED = {
    "bounced address": (EventKind.BOUNCE, True),
    "invalid": (EventKind.BOUNCE, True),
    # told of when it happened: a mail that was not sent since is no second complaint
    "spam reporting address": (EventKind.UNSUBSCRIBE, False),
    "unsubscribed address": (EventKind.UNSUBSCRIBE, False),
}


def read(payload: Any, now: datetime) -> list[HookEvent]:
    """The events of a request.

    Raises:
        BadShape: it is no list.
    """
    if not isinstance(payload, list):
        raise BadShape("SendGrid sends a list of events")
    found = (_event(table(one), now) for one in payload)
    return [one for one in found if one is not None]


def _event(one: Mapping[str, Any], now: datetime) -> HookEvent | None:
    told = text(one.get("event")).lower()
    kind = _KINDS.get(told)
    if kind is None:  # processed, group_resubscribe
        return None
    is_for_good = False
    said = text(one.get("reason") or one.get("response"))
    if told == "dropped":
        why = (said or text(one.get("type"))).lower()
        kind, is_for_good = _DROPPED.get(why, (EventKind.BOUNCE, False))
    return HookEvent(
        kind=kind,
        key=text(one.get("sg_event_id"))
        or key_of(told, one.get("email"), one.get("sg_message_id"), one.get("timestamp")),
        at=moment(one.get("timestamp"), now),
        recipient=text(one.get("email")),
        clues=tuple(text(one.get(name)) for name in ("smtp-id", "crm_send", "x-crm-send")),
        status=text(one.get("status")),
        diagnostic=said,
        is_for_good=is_for_good,
        text=text(one.get("url") or one.get("useragent")),
        is_machine=one.get("sg_machine_open") is True,
    )
