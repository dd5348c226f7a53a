"""What providers of mail tell by webhooks, in one shape; and kinds of senders of webhooks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn


class HookKind(StrEnum):
    """What kind of program sends to a table `[hooks.NAME]` of the settings."""

    SES = "ses"
    SENDGRID = "sendgrid"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    BREVO = "brevo"
    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"
    #: A program of the shop's own, at `/orders`.
    ORDERS = "orders"

    @property
    def tells_of_mail(self) -> bool:
        """Whether it sends our mails, and tells what became of them."""
        return self in _MAIL


_MAIL = frozenset(
    {HookKind.SES, HookKind.SENDGRID, HookKind.MAILGUN, HookKind.POSTMARK, HookKind.BREVO}
)


class EventKind(StrEnum):
    """What became of a mail."""

    #: Refused for good or for now, at once or later.
    BOUNCE = "bounce"
    #: The provider goes on trying.
    DELAY = "delay"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    DELIVERED = "delivered"
    OPEN = "open"
    CLICK = "click"
    #: A person has something to do, such as confirming a subscription.
    TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEvent:
    """One thing that a provider tells of one mail to one address."""

    kind: EventKind
    #: What names the event for ever: one that is told again has no effect.
    key: str
    at: datetime
    recipient: str = ""
    #: Texts in which a token of ours may stand: Message-IDs, headers, metadata.
    clues: tuple[str, ...] = ()
    #: What the receiving server said, as in a delivery report.
    status: str = ""
    diagnostic: str = ""
    remote_host: str = ""
    #: The provider itself says that the address is dead.
    is_for_good: bool = False
    #: As in a spam report (RFC 5965): abuse, fraud, not-spam ...
    feedback_type: str = "abuse"
    #: The link that was clicked, the program that opened, what a person should do.
    text: str = ""
    #: An open by a program, not by a person.
    is_machine: bool = False


class NotJson(ValueError):
    """A body that is no JSON that we read."""


def read_json(body: bytes) -> Any:
    """The value in a body; numbers with a point stay exact text.

    Raises:
        NotJson: it is none, or one that is made to hurt: too deep, NaN, numbers of any length.
    """
    try:
        found = json.loads(body.decode("utf-8"), parse_float=str, parse_constant=_refuse)
        return _mended(found) if b"\\ud" in body.lower() else found
    except RecursionError:
        raise NotJson("the JSON is nested too deeply") from None
    except UnicodeDecodeError:
        raise NotJson("the body is not UTF-8 text") from None
    except ValueError as error:
        raise NotJson(f"the body is no JSON: {error}") from None


def _mended(value: Any) -> Any:
    """Without halves of characters, which no database takes."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_mended(one) for one in value]
    return value


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
