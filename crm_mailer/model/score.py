"""RFM: how recently, how often and for how much a customer bought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Three marks from 1 to 5 and the figures they came from. Total 3..15."""

    days_since_last: int
    order_count: int
    spent_usd_cents: int
    r: int
    f: int
    m: int
    value_class: str = ""
    scored_on: date | None = None

    @property
    def total(self) -> int:
        """R + F + M."""
        return self.r + self.f + self.m


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmProfile:
    """Where the marks change: four limits each, for the marks 5, 4, 3 and 2; beyond is 1.

    Days since the last paid order are upper limits, the two others lower ones. With `quantiles`
    the limits are values of the shop's own customers, found anew each month.
    """

    name: str = "default"
    r_days: tuple[int, int, int, int] = (90, 180, 360, 720)
    f_orders: tuple[int, int, int, int] = (5, 4, 3, 2)
    m_usd_cents: tuple[int, int, int, int] = (100_000, 50_000, 20_000, 10_000)
    #: Which share of the customers, in percent, has at least the mark 5, 4, 3 and 2.
    quantiles: tuple[int, int, int, int] | None = None
    #: F and M count the orders of so many days only; None: all.
    window_days: int | None = None
    #: Whether a mark is high when it is above the mean of all customers, not from `high` on.
    is_high_by_mean: bool = False
    #: From which mark on a customer counts as high in R, F and M.
    high: tuple[int, int, int] = (4, 4, 4)

    @property
    def is_fixed(self) -> bool:
        """Whether its limits are as written, not taken from the customers."""
        return self.quantiles is None and not self.is_high_by_mean


DEFAULT_PROFILE = RfmProfile()

#: From this mark on a customer counts as high in R, F or M, unless a profile says otherwise.
HIGH = 4


class ScoreReason(StrEnum):
    """Why marks changed."""

    FIRST_ORDER = "first_order"
    ORDER = "order"
    #: Money went back, or an order was cancelled or moved to another customer.
    REFUND = "refund"
    #: Days passed, or orders left the profile's window.
    DAYS_PASSED = "days_passed"
    #: The profile was edited, or its quantiles were found anew.
    PROFILE = "profile"


class ChurnState(StrEnum):
    """How far a customer has gone, by the shop's own half-life."""

    ACTIVE = "active"
    COOLING = "cooling"
    LAPSED = "lapsed"
    LOST = "lost"


class RfmSegment(StrEnum):
    """Ten groups by R and F that share out all 25 pairs."""

    CHAMPIONS = "champions"
    LOYAL = "loyal"
    POTENTIAL_LOYALIST = "potential_loyalist"
    NEW = "new"
    PROMISING = "promising"
    NEED_ATTENTION = "need_attention"
    ABOUT_TO_SLEEP = "about_to_sleep"
    AT_RISK = "at_risk"
    CANT_LOSE = "cant_lose"
    HIBERNATING = "hibernating"


#: Group -> lowest and highest R, lowest and highest F.
RFM_SEGMENTS: dict[RfmSegment, tuple[int, int, int, int]] = {
    RfmSegment.CHAMPIONS: (5, 5, 4, 5),
    RfmSegment.LOYAL: (3, 4, 4, 5),
    RfmSegment.POTENTIAL_LOYALIST: (4, 5, 2, 3),
    RfmSegment.NEW: (5, 5, 1, 1),
    RfmSegment.PROMISING: (4, 4, 1, 1),
    RfmSegment.NEED_ATTENTION: (3, 3, 3, 3),
    RfmSegment.ABOUT_TO_SLEEP: (3, 3, 1, 2),
    RfmSegment.AT_RISK: (1, 2, 3, 4),
    RfmSegment.CANT_LOSE: (1, 2, 5, 5),
    RfmSegment.HIBERNATING: (1, 2, 1, 2),
}


class ValueClass(StrEnum):
    """Eight groups by whether R, F and M are high, as the trade names them."""

    #: 重要价值
    KEY_VALUE = "key_value"
    #: 重要保持
    KEY_KEEP = "key_keep"
    #: 重要发展
    KEY_GROW = "key_grow"
    #: 重要挽留
    KEY_RESCUE = "key_rescue"
    #: 一般价值
    GENERAL_VALUE = "general_value"
    #: 一般保持
    GENERAL_KEEP = "general_keep"
    #: 一般发展
    GENERAL_GROW = "general_grow"
    #: 一般挽留
    GENERAL_RESCUE = "general_rescue"


#: (R is high, F is high, M is high) -> group.
VALUE_CLASSES: dict[tuple[bool, bool, bool], ValueClass] = {
    (True, True, True): ValueClass.KEY_VALUE,
    (False, True, True): ValueClass.KEY_KEEP,
    (True, False, True): ValueClass.KEY_GROW,
    (False, False, True): ValueClass.KEY_RESCUE,
    (True, True, False): ValueClass.GENERAL_VALUE,
    (False, True, False): ValueClass.GENERAL_KEEP,
    (True, False, False): ValueClass.GENERAL_GROW,
    (False, False, False): ValueClass.GENERAL_RESCUE,
}

#: What the trade calls the groups.
CHINESE_NAMES: dict[str, str] = {
    RfmSegment.CHAMPIONS: "冠军客户",
    RfmSegment.LOYAL: "忠诚客户",
    RfmSegment.POTENTIAL_LOYALIST: "潜在忠诚客户",
    RfmSegment.NEW: "新客户",
    RfmSegment.PROMISING: "有潜力",
    RfmSegment.NEED_ATTENTION: "需要关注",
    RfmSegment.ABOUT_TO_SLEEP: "即将沉睡",
    RfmSegment.AT_RISK: "有流失风险",
    RfmSegment.CANT_LOSE: "不能流失",
    RfmSegment.HIBERNATING: "沉睡客户",
    ValueClass.KEY_VALUE: "重要价值",
    ValueClass.KEY_KEEP: "重要保持",
    ValueClass.KEY_GROW: "重要发展",
    ValueClass.KEY_RESCUE: "重要挽留",
    ValueClass.GENERAL_VALUE: "一般价值",
    ValueClass.GENERAL_KEEP: "一般保持",
    ValueClass.GENERAL_GROW: "一般发展",
    ValueClass.GENERAL_RESCUE: "一般挽留",
}


def english_name(group: str) -> str:
    """A group's code as words."""
    return group.replace("cant_", "can't ").replace("_", " ")
