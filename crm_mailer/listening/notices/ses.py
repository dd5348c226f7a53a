"""Amazon SES by way of SNS: the notification inside the signed envelope.

Both shapes are read: feedback notifications (`notificationType`) and published events
(`eventType`). https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from crm_mailer.listening.notices.shapes import BadShape, headers, key_of, moment, rows, table, text
from crm_mailer.model.hook import EventKind, HookEvent, NotJson, read_json

_CLUES = frozenset({"message-id", "x-crm-send"})
#: Sub-types by which SES itself says that the address is dead.
_DEAD = frozenset({"noemail", "suppressed"})


def read(payload: Any, now: datetime) -> list[HookEvent]:
    """The events of an envelope.

    Raises:
        BadShape: it is none of SNS, or its message none of SES.
    """
    envelope = table(payload)
    kind = text(envelope.get("Type"))
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return [_to_confirm(envelope, kind, now)]
    try:
        notice = table(read_json(str(envelope.get("Message", "")).encode()))
    except NotJson as error:
        raise BadShape(f"the message in the envelope is no JSON: {error}") from error
    told = text(notice.get("notificationType") or notice.get("eventType"))
    if not told:
        raise BadShape("the message is no notification of SES")
    return list(_events(notice, told.replace(" ", "").lower(), text(envelope["MessageId"]), now))


def _to_confirm(envelope: Mapping[str, Any], kind: str, now: datetime) -> HookEvent:
    """A person looks at the address and opens it; the program never follows one."""
    return HookEvent(
        kind=EventKind.TASK,
        key=f"{kind}:{text(envelope.get('MessageId'))}",
        at=now,
        text=f"Amazon SNS, topic {text(envelope.get('TopicArn'))}: "
        f"{'confirm the subscription' if kind.startswith('Sub') else 'the subscription ended'}: "
        f"{text(envelope.get('SubscribeURL'))}",
    )


def _events(
    notice: Mapping[str, Any], told: str, message: str, now: datetime
) -> Iterator[HookEvent]:
    mail = table(notice.get("mail"))
    common = table(mail.get("commonHeaders"))
    clues = (*headers(mail.get("headers"), _CLUES), text(common.get("messageId")))
    readers = {
        "bounce": _bounces,
        "complaint": _complaints,
        "delivery": _deliveries,
        "deliverydelay": _delays,
        "open": _looks,
        "click": _looks,
    }
    reader = readers.get(told)
    if reader is None:  # Send, Reject, Rendering Failure, Subscription
        return
    for place, values in enumerate(reader(notice, told)):
        yield HookEvent(**{
            "key": f"{message}:{place}",
            "clues": clues,
            **values,
            "at": moment(values.get("at"), now),
            "recipient": values.get("recipient") or _only(mail),
        })  # fmt: skip


def _only(mail: Mapping[str, Any]) -> str:
    """Where the mail went, where it went to one address."""
    went = rows(mail.get("destination"))
    return text(went[0]) if len(went) == 1 else ""


def _bounces(notice: Mapping[str, Any], _told: str) -> Iterator[dict[str, Any]]:
    about = table(notice.get("bounce"))
    sub = text(about.get("bounceSubType")).lower()
    is_permanent = text(about.get("bounceType")).lower() == "permanent"
    for each in map(table, rows(about.get("bouncedRecipients"))):
        said = text(each.get("diagnosticCode"))
        yield {
            "kind": EventKind.BOUNCE,
            "at": about.get("timestamp"),
            "recipient": text(each.get("emailAddress")),
            "status": text(each.get("status")),
            "diagnostic": said.partition(";")[2].strip() if said.startswith("smtp;") else said,
            "remote_host": text(about.get("reportingMTA")).rpartition(";")[2].strip(),
            "is_for_good": is_permanent and (sub in _DEAD or not said),
        }


def _complaints(notice: Mapping[str, Any], _told: str) -> Iterator[dict[str, Any]]:
    about = table(notice.get("complaint"))
    for each in map(table, rows(about.get("complainedRecipients"))):
        yield {
            "kind": EventKind.COMPLAINT,
            "at": about.get("arrivalDate") or about.get("timestamp"),
            "recipient": text(each.get("emailAddress")),
            "feedback_type": text(about.get("complaintFeedbackType")).lower() or "abuse",
        }


def _deliveries(notice: Mapping[str, Any], _told: str) -> Iterator[dict[str, Any]]:
    about = table(notice.get("delivery"))
    for each in rows(about.get("recipients")):
        yield {
            "kind": EventKind.DELIVERED,
            "at": about.get("timestamp"),
            "recipient": text(each),
            "diagnostic": text(about.get("smtpResponse")),
        }


def _delays(notice: Mapping[str, Any], _told: str) -> Iterator[dict[str, Any]]:
    about = table(notice.get("deliveryDelay"))
    for each in map(table, rows(about.get("delayedRecipients"))):
        yield {
            "kind": EventKind.DELAY,
            "at": about.get("timestamp"),
            "recipient": text(each.get("emailAddress")),
            "status": text(each.get("status")),
            "diagnostic": text(each.get("diagnosticCode")).removeprefix("smtp;").strip(),
        }


def _looks(notice: Mapping[str, Any], told: str) -> Iterator[dict[str, Any]]:
    about = table(notice.get(told))
    key = key_of(told, table(notice.get("mail")).get("messageId"), about.get("link"))
    yield {
        "kind": EventKind.CLICK if told == "click" else EventKind.OPEN,
        "key": key,
        "at": about.get("timestamp"),
        "text": text(about.get("link") or about.get("userAgent")),
    }
