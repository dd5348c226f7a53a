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
    scored_on: date | None = None

    @property
    def total(self) -> int:
        """R + F + M."""
        return self.r + self.f + self.m


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmProfile:
    """Where the marks change: four limits each, for the marks 5, 4, 3 and 2; beyond is 1.

    Days since the last paid order are upper limits, the two others lower ones.
    """

    name: str = "default"
    r_days: tuple[int, int, int, int] = (90, 180, 360, 720)
    f_orders: tuple[int, int, int, int] = (5, 4, 3, 2)
    m_usd_cents: tuple[int, int, int, int] = (100_000, 50_000, 20_000, 10_000)


DEFAULT_PROFILE = RfmProfile()

#: From this mark on a customer counts as high in R, F or M.
HIGH = 4


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
