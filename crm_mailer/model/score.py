"""RFM: how recently, how often and for how much a customer bought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


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
