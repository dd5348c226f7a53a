"""A follow-up that someone owes an unhappy customer, with a time by which it is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from crm_mailer.model.reply import Severity


class CaseState(StrEnum):
    """Where a case stands."""

    NEW = "new"
    OPEN = "open"
    WAITING_CUSTOMER = "waiting_customer"
    RESOLVED = "resolved"
    CLOSED = "closed"


#: While a case is in one of these, marketing to the customer is on hold.
UNDER_WAY = frozenset({CaseState.NEW, CaseState.OPEN, CaseState.WAITING_CUSTOMER})


class Channel(StrEnum):
    """Where the customer wrote or spoke."""

    EMAIL = "email"
    PLATFORM = "platform"
    CHAT = "chat"
    PHONE = "phone"


class CaseEventKind(StrEnum):
    """What was done about a case, by a person or by the program."""

    OPENED = "opened"
    #: The customer wrote again.
    REPLY = "reply"
    NOTE = "note"
    #: An agent answered the customer.
    ANSWERED = "answered"
    ASSIGNED = "assigned"
    #: Severity or reason became worse.
    RAISED = "raised"
    #: The order's facts contradict the customer's words.
    CLASH = "clash"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REOPENED = "reopened"


#: Time to the first answer, by severity.
FIRST_RESPONSE = {
    Severity.P1: timedelta(hours=2),
    Severity.P2: timedelta(hours=8),
    Severity.P3: timedelta(hours=24),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One follow-up."""

    id: int
    customer_id: int
    state: CaseState
    reason: str
    severity: Severity
    opened_at: datetime
    due_at: datetime
    order_id: int | None = None
    owner: str = ""
    channel: Channel = Channel.EMAIL
    first_response_at: datetime | None = None
    closed_at: datetime | None = None
    asks: str = ""
    reply_id: int | None = None
    touch_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseEvent:
    """One act on a case; an empty `by` means the program itself."""

    kind: CaseEventKind
    at: datetime
    by: str = ""
    text: str = ""
    reply_id: int | None = None
