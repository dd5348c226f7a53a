"""Marks how recently, how often and for how much a customer bought; explains each mark."""

from __future__ import annotations

from datetime import date

from crm_mailer.model.score import (
    DEFAULT_PROFILE,
    HIGH,
    RFM_SEGMENTS,
    VALUE_CLASSES,
    RfmProfile,
    RfmSegment,
    Score,
    ValueClass,
)


def score(
    *,
    days_since_last: int,
    order_count: int,
    spent_usd_cents: int,
    profile: RfmProfile = DEFAULT_PROFILE,
    scored_on: date | None = None,
) -> Score | None:
    """The marks of a customer; None without a paid order.

    Days are upper limits that belong to the better mark, orders and money are lower limits.
    """
    if order_count < 1:
        return None
    return Score(
        days_since_last=days_since_last,
        order_count=order_count,
        spent_usd_cents=spent_usd_cents,
        r=_mark([days_since_last <= limit for limit in profile.r_days]),
        f=_mark([order_count >= limit for limit in profile.f_orders]),
        m=_mark([spent_usd_cents >= limit for limit in profile.m_usd_cents]),
        scored_on=scored_on,
    )


def segment(r: int, f: int) -> RfmSegment:
    """Which of the ten groups a pair of marks belongs to."""
    return next(
        name
        for name, (low_r, high_r, low_f, high_f) in RFM_SEGMENTS.items()
        if low_r <= r <= high_r and low_f <= f <= high_f
    )


def value_class(r: int, f: int, m: int) -> ValueClass:
    """Which of the eight groups of the trade three marks belong to."""
    return VALUE_CLASSES[(r >= HIGH, f >= HIGH, m >= HIGH)]


def _mark(passed: list[bool]) -> int:
    """5 for the first limit that is kept, down to 1 for none."""
    return next((5 - place for place, is_kept in enumerate(passed) if is_kept), 1)
