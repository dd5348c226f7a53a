"""Postmark: one record a request.

https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crm_mailer.listening.notices.shapes import BadShape, key_of, moment, table, text
from crm_mailer.model.hook import EventKind, HookEvent

#: Types of bounce by which Postmark says that an address is dead.
_DEAD = frozenset({"hardbounce", "bademailaddress"})
#: Types that are no bounce at all.
_OTHERS = {
    "spamcomplaint": EventKind.COMPLAINT,
    "unsubscribe": EventKind.UNSUBSCRIBE,
    "transient": EventKind.DELAY,
}
#: Types that say nothing of the address: auto-replies, challenges, subscriptions, tests.
_NOTHING = frozenset(
    {"autoresponder", "addresschange", "challengeverification", "opennotification", "subscribe"}
)
_KINDS = {
    "delivery": EventKind.DELIVERED,
    "open": EventKind.OPEN,
    "click": EventKind.CLICK,
    "spamcomplaint": EventKind.COMPLAINT,
}


def read(payload: Any, now: datetime) -> list[HookEvent]:
    """The event of a request.

    Raises:
        BadShape: it names no type of record.
    """
    one = table(payload)
    told = text(one.get("RecordType")).lower()
    if not told:
        raise BadShape("there is no RecordType")
    if told == "bounce":
        kind = text(one.get("Type")).lower()
        found = None if kind in _NOTHING else _OTHERS.get(kind, EventKind.BOUNCE)
        return [] if found is None else [_bounce(one, found, kind in _DEAD, now)]
    if told == "subscriptionchange":
        return _subscription(one, now)
    return [_event(one, _KINDS[told], now)] if told in _KINDS else []


def _bounce(one: Mapping[str, Any], kind: EventKind, is_dead: bool, now: datetime) -> HookEvent:
    said = text(one.get("Details")).removeprefix("smtp;")
    return HookEvent(
        **_common(one, kind, one.get("BouncedAt"), now),
        diagnostic=said,
        is_for_good=is_dead and not said,
    )


def _subscription(one: Mapping[str, Any], now: datetime) -> list[HookEvent]:
    """Postmark stops sending to an address, or goes on."""
    if one.get("SuppressSending") is not True:
        return []
    kinds = {
        "hardbounce": EventKind.BOUNCE,
        # a record of its own tells the complaint
        "spamcomplaint": EventKind.UNSUBSCRIBE,
        "manualsuppression": EventKind.UNSUBSCRIBE,
    }
    kind = kinds.get(text(one.get("SuppressionReason")).lower())
    if kind is None:
        return []
    told = _common(one, kind, one.get("ChangedAt"), now)
    return [HookEvent(**told, is_for_good=kind is EventKind.BOUNCE)]


def _event(one: Mapping[str, Any], kind: EventKind, now: datetime) -> HookEvent:
    at = one.get("DeliveredAt") or one.get("ReceivedAt") or one.get("BouncedAt")
    return HookEvent(
        **_common(one, kind, at, now),
        diagnostic=text(one.get("Details")) if kind is EventKind.DELIVERED else "",
        text=text(one.get("OriginalLink") or one.get("UserAgent")),
    )


def _common(one: Mapping[str, Any], kind: EventKind, at: Any, now: datetime) -> dict[str, Any]:
    metadata = table(one.get("Metadata"))
    return {
        "kind": kind,
        "key": key_of(
            one.get("RecordType"), one.get("ID"), one.get("MessageID"), one.get("Recipient"), at
        ),
        "at": moment(at, now),
        "recipient": text(one.get("Email") or one.get("Recipient")),
        # Content is the bounce itself, with the headers of the mail that came back
        "clues": (text(metadata.get("crm_send")), _content(one.get("Content"))),
    }


def _content(value: Any) -> str:
    return value[:64_000] if isinstance(value, str) else ""
