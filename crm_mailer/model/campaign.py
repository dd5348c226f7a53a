"""What a marketer defines in one file, checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from crm_mailer.model.benefit import Benefit
from crm_mailer.model.chance import Trial
from crm_mailer.model.curve import Adaptive
from crm_mailer.model.festivals import Festival
from crm_mailer.model.order import OrderState
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.send_window import SendWindow


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
    """A named memory curve: offsets from the anchor, rising.

    With `adaptive` the next place depends on what a customer does; the offsets are those of one
    who stays silent.
    """

    name: str
    offsets: tuple[timedelta, ...]
    note: str = ""
    adaptive: Adaptive | None = None


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
    """The customer's birthday, `days_before` days ahead of it; less than 0: after it."""

    days_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOrderAnchor:
    """The first paid order; with `is_yearly`, each anniversary of it."""

    is_yearly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAnchor:
    """The customer wrote: `kind` is praise, question, complaint or any."""

    kind: str = "any"


#: What a review is called by its stars.
STARS = {"bad": (1, 2), "middling": (3, 3), "good": (4, 5), "any": (1, 5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewAnchor:
    """The customer reviewed a product: `kind` is bad, middling, good or any."""

    kind: str = "any"

    @property
    def stars(self) -> tuple[int, int]:
        """The fewest and the most stars that are meant."""
        return STARS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class DateAnchor:
    """A day in the calendar, the same for everybody, in each customer's own zone."""

    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class FestivalAnchor:
    """A festival as the customer's country keeps it, `days_before` days ahead (below 0: after)."""

    festival: Festival
    days_before: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyAnchor:
    """A day of each month, 1..31: the last day of months that have fewer."""

    day: int


Anchor = (
    OrderAnchor
    | SegmentAnchor
    | BirthdayAnchor
    | FirstOrderAnchor
    | ReplyAnchor
    | ReviewAnchor
    | DateAnchor
    | FestivalAnchor
    | MonthlyAnchor
)


#: `catch_up: skip` leaves out what is later than this.
GRACE = timedelta(hours=6)


class CatchUp(StrEnum):
    """What becomes of mails whose time went by while nothing was sent."""

    #: Of several steps that are due, the last one leaves and the others are left out.
    LATEST = "latest"
    #: Each of them leaves, as far as the cap and its own `valid_for` allow.
    ALL = "all"
    #: What is hours late is left out.
    SKIP = "skip"


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
    #: The customer does not belong to the audience any more.
    AUDIENCE_LEFT = "audience.left"


#: What each exit is, in words.
EXIT_SENTENCES: dict[Exit, str] = {
    Exit.ORDER_PAID: "the order is paid",
    Exit.ORDER_CANCELLED: "the order is cancelled",
    Exit.ORDER_SHIPPED: "the order is shipped",
    Exit.ORDER_ARRIVED: "the order has arrived",
    Exit.ORDER_REVIEWED: "the order is reviewed",
    Exit.ORDER_DISPUTED: "the order is disputed",
    Exit.BOUGHT: "the customer buys again",
    Exit.REPLIED: "the customer replies",
    Exit.CASE_OPEN: "a case is opened",
    Exit.SEGMENT_LEFT: "the customer leaves the segment",
    Exit.AUDIENCE_LEFT: "the customer leaves the audience",
}


class ExitRule(StrEnum):
    """Which of the two ends a campaign for a customer: its goal, or leaving its audience."""

    UNMATCHED = "unmatched"
    CONVERTED = "converted"
    EITHER = "either"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a campaign is for, and within which time after a mail it counts."""

    when: Exit
    within: timedelta = timedelta(days=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One mail of a campaign: when after the anchor, which template."""

    id: str
    template: str
    offset: timedelta
    subject: dict[str, str] = field(default_factory=dict)
    #: Asked when the mail is about to leave; who does not fit goes on to the next step.
    condition: Rule = EVERYBODY
    trial: Trial | None = None
    #: What the mail gives; None: nothing.
    benefit: Benefit | None = None

    def of_arm(self, name: str) -> Step:
        """The mail as an arm of its test writes it: with the arm's template and subjects."""
        arms = self.trial.arms if self.trial is not None else ()
        arm = next((one for one in arms if one.id == name), None)
        if arm is None:
            return self
        return replace(
            self, template=arm.template or self.template, subject={**self.subject, **arm.subject}
        )


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
    #: Set where the curve is adaptive: one touch is planned at a time.
    adaptive: Adaptive | None = None
    audience: Rule = EVERYBODY
    exits: frozenset[Exit] = frozenset()
    #: Local time of day for steps of a day or more; None sends as soon as due.
    send_at: tuple[int, int] | None = None
    #: The hours and weekdays in which its mails may leave; None: whenever the shop allows.
    window: SendWindow | None = None
    #: `send_at: best`: the hour at which the customer answers and buys.
    is_best_hour: bool = False
    #: Mails of one moment leave within so much time after it, each customer's always at the same.
    spread: timedelta = timedelta(0)
    catch_up: CatchUp = CatchUp.LATEST
    #: A touch that is later than this is skipped, not sent.
    valid_for: timedelta = timedelta(days=3)
    #: The undo window: nothing leaves sooner than this after it was planned.
    hold: timedelta = timedelta(0)
    is_parallel: bool = False
    priority: int = 0
    #: What its mails are about, one of the shop's topics; customers may not want it.
    topic: str = ""
    #: What it is for; `exits` hold it already where it ends the campaign.
    goal: Goal | None = None
    exit_rule: ExitRule = ExitRule.NEVER
    #: How long after its last event a customer may start anew; 0: at once, None: never.
    reentry: timedelta | None = timedelta(0)
    #: Percent of the customers who get no mail, so that its worth can be seen.
    hold_out: int = 0
    #: Who bought or wrote lately goes first; the coldest leave so much later.
    warm_first: timedelta = timedelta(0)
    vars: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    path: str = ""

    @property
    def gives_anything(self) -> bool:
        """Whether one of its mails has a benefit."""
        return any(step.benefit is not None for step in self.steps)

    def benefit_of(self, step: str) -> Benefit | None:
        """What the mail of this step gives."""
        return next((one.benefit for one in self.steps if one.id == step), None)

    @property
    def at_once(self) -> tuple[Step, ...]:
        """The steps that an occasion plans at once: of an adaptive curve only the first."""
        return self.steps[:1] if self.adaptive is not None else self.steps
