"""How healthy a shop has to be: the figures that marketplaces measure, and the shop's limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from crm_mailer.model.period import USUAL_DAYS


class HealthFigure(StrEnum):
    """What is measured in each assessment period."""

    ORDER_DEFECT_RATE = "order_defect_rate"
    DISPUTE_RATE = "dispute_rate"
    ARBITRATION_RAISED = "arbitration_raised"
    ARBITRATION_LOST = "arbitration_lost"
    SELLER_CANCELLED = "seller_cancelled"
    POSITIVE_REVIEWS = "positive_reviews"
    ITEM_AS_DESCRIBED = "item_as_described"
    COMMUNICATION = "communication"
    SHIPPING_SPEED = "shipping_speed"
    FIRST_RESPONSE = "first_response"
    SOLVED_WITHOUT_ESCALATION = "solved_without_escalation"


class Unit(StrEnum):
    """In what a figure is told."""

    #: From 0 to 1; limits are written in per cent.
    SHARE = "share"
    STARS = "stars"
    HOURS = "hours"


class Grade(StrEnum):
    """How a figure stands against its limits."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    #: Too small a sample to say anything.
    TOO_FEW = "too_few"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """From `warn` on a figure is to be looked at, from `bad` on it is dangerous.

    The greater of the two tells which way is worse: `warn` 1 and `bad` 2 means that more is worse.
    """

    warn: float
    bad: float

    @property
    def is_more_better(self) -> bool:
        """Whether a greater figure is a better one."""
        return self.bad < self.warn

    def grade(self, value: float) -> Grade:
        """How a value stands; a limit that is reached exactly is met."""
        sign = -1 if self.is_more_better else 1
        if sign * value > sign * self.bad:
            return Grade.BAD
        return Grade.WARN if sign * value > sign * self.warn else Grade.OK


UNITS: Mapping[HealthFigure, Unit] = {
    **dict.fromkeys(HealthFigure, Unit.SHARE),
    HealthFigure.ITEM_AS_DESCRIBED: Unit.STARS,
    HealthFigure.COMMUNICATION: Unit.STARS,
    HealthFigure.SHIPPING_SPEED: Unit.STARS,
    HealthFigure.FIRST_RESPONSE: Unit.HOURS,
}
#: Shares in per cent, ratings in stars, times in hours. Of the order of what large marketplaces
#: ask for (a defect rate under 1 %, seller's cancellations under 2.5 %); each shop sets its own.
DEFAULT_LIMITS: Mapping[HealthFigure, Limit] = {
    HealthFigure.ORDER_DEFECT_RATE: Limit(warn=0.5, bad=1),
    HealthFigure.DISPUTE_RATE: Limit(warn=1, bad=2),
    HealthFigure.ARBITRATION_RAISED: Limit(warn=0.3, bad=0.6),
    HealthFigure.ARBITRATION_LOST: Limit(warn=0.15, bad=0.3),
    HealthFigure.SELLER_CANCELLED: Limit(warn=1, bad=2.5),
    HealthFigure.POSITIVE_REVIEWS: Limit(warn=95, bad=90),
    HealthFigure.ITEM_AS_DESCRIBED: Limit(warn=4.7, bad=4.5),
    HealthFigure.COMMUNICATION: Limit(warn=4.7, bad=4.5),
    HealthFigure.SHIPPING_SPEED: Limit(warn=4.6, bad=4.4),
    HealthFigure.FIRST_RESPONSE: Limit(warn=12, bad=24),
    HealthFigure.SOLVED_WITHOUT_ESCALATION: Limit(warn=90, bad=75),
}
#: Of fewer orders, reviews or cases no rate is judged.
DEFAULT_TOO_FEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRules:
    """What the section `health:` of a shop's file says."""

    #: Days of the assessment period.
    days: int = USUAL_DAYS
    too_few: int = DEFAULT_TOO_FEW
    limits: Mapping[HealthFigure, Limit] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
