"""What a marketer defines in one file, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from crm_mailer.model.order import OrderState
from crm_mailer.model.segment import EVERYBODY, Rule


class Kind(StrEnum):
    """What starts a campaign: an event or a date."""

    LIFECYCLE = "lifecycle"
    EDM = "edm"


class Stream(StrEnum):
    """Transactional mail answers an order; everything else is marketing."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


class Mode(StrEnum):
    """`draft` plans nothing, `manual` plans held touches, `live` plans and sends."""

    DRAFT = "draft"
    MANUAL = "manual"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A named memory curve: offsets from the anchor, rising."""

    name: str
    offsets: tuple[timedelta, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAnchor:
    """An order reached a state."""

    state: OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentAnchor:
    """A customer came into a segment."""

    segment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BirthdayAnchor:
    """The customer's birthday, `days_before` days ahead of it."""

    days_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOrderAnchor:
    """The first paid order; with `is_yearly`, each anniversary of it."""

    is_yearly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAnchor:
    """The customer wrote: `kind` is praise, question, complaint or any."""

    kind: str = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class DateAnchor:
    """A day in the calendar, the same for everybody, in each customer's own zone."""

    day: date


Anchor = OrderAnchor | SegmentAnchor | BirthdayAnchor | FirstOrderAnchor | ReplyAnchor | DateAnchor


class Exit(StrEnum):
    """What ends the unsent touches of a campaign for a customer."""

    #: The anchoring order was paid.
    ORDER_PAID = "order.paid"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_SHIPPED = "order.shipped"
    ORDER_ARRIVED = "order.arrived"
    ORDER_REVIEWED = "order.reviewed"
    ORDER_DISPUTED = "order.disputed"
    #: The customer paid for another order after the anchor.
    BOUGHT = "bought"
    REPLIED = "replied"
    CASE_OPEN = "case.open"
    SEGMENT_LEFT = "segment.left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One mail of a campaign: when after the anchor, which template."""

    id: str
    template: str
    offset: timedelta
    subject: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A checked campaign. `version` is a hash of what the file says, pinned on each touch."""

    id: str
    name: str
    kind: Kind
    stream: Stream
    mode: Mode
    anchor: Anchor
    steps: tuple[Step, ...]
    curve: str = ""
    audience: Rule = EVERYBODY
    exits: frozenset[Exit] = frozenset()
    #: Local time of day for steps of a day or more; None sends as soon as due.
    send_at: tuple[int, int] | None = None
    #: A touch that is later than this is skipped, not sent.
    valid_for: timedelta = timedelta(days=3)
    #: The undo window: nothing leaves sooner than this after it was planned.
    hold: timedelta = timedelta(0)
    is_parallel: bool = False
    priority: int = 0
    vars: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    path: str = ""
