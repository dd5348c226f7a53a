"""Mailgun: one event beside its signature.

https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-structure
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_mailer.listening.notices.shapes import BadShape, key_of, moment, table, text
from crm_mailer.model.hook import EventKind, HookEvent

_KINDS = {
    "failed": EventKind.BOUNCE,
    "rejected": EventKind.BOUNCE,
    "delivered": EventKind.DELIVERED,
    "complained": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
    "opened": EventKind.OPEN,
    "clicked": EventKind.CLICK,
}
#: Addresses that Mailgun itself has given up, and why.
_SUPPRESSED = {
    "suppress-bounce": EventKind.BOUNCE,
    # told of when it happened: a mail that was not sent since is no second complaint
    "suppress-complaint": EventKind.UNSUBSCRIBE,
    "suppress-unsubscribe": EventKind.UNSUBSCRIBE,
}


def read(payload: Any, now: datetime) -> list[HookEvent]:
    """The event of a request.

    Raises:
        BadShape: there is none in it.
    """
    one = table(table(payload).get("event-data"))
    told = text(one.get("event")).lower()
    if not told:
        raise BadShape("there is no event-data")
    kind = _KINDS.get(told)
    return [] if kind is None else [_event(one, told, kind, now)]


def _event(one: Mapping[str, Any], told: str, kind: EventKind, now: datetime) -> HookEvent:
    why = text(one.get("reason")).lower()
    kind = _SUPPRESSED.get(why, kind)
    if kind is EventKind.BOUNCE and text(one.get("severity")).lower() == "temporary":
        kind = EventKind.DELAY
    status = table(one.get("delivery-status"))
    code = text(status.get("code"))
    said = text(status.get("message")) or text(status.get("description"))
    # codes from 600 on are Mailgun's own, and 498 and 499 as well
    is_smtp = len(code) == 3 and code[0] in "45" and code not in ("498", "499")
    sent = table(table(one.get("message")).get("headers"))
    variables = table(one.get("user-variables"))
    return HookEvent(
        kind=kind,
        key=key_of(told, one.get("id"), one.get("timestamp"), one.get("recipient")),
        at=moment(one.get("timestamp"), now),
        recipient=text(one.get("recipient")) or text(sent.get("to")),
        clues=(text(sent.get("message-id")), text(variables.get("crm_send"))),
        status=text(status.get("enhanced-code")),
        diagnostic=f"{code} {said}" if is_smtp else said,
        remote_host=text(status.get("mx-host")),
        is_for_good=why == "suppress-bounce",
        text=text(one.get("url") or table(one.get("client-info")).get("user-agent")),
        is_machine=bool(text(table(one.get("client-info")).get("bot"))),
    )
