"""Marks how recently, how often and for how much a customer bought; explains each mark."""

from __future__ import annotations

from collections.abc import Sequence
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
    return _marked(days_since_last, order_count, spent_usd_cents, profile, scored_on)


def score_orders(
    orders: Sequence[tuple[int, int]], profile: RfmProfile = DEFAULT_PROFILE
) -> Score | None:
    """The marks of a customer with these paid orders: days ago, net US cents; None without one.

    R looks at all of them, F and M at those of the profile's window. An order of the future is
    one of today.
    """
    if not orders:
        return None
    window = profile.window_days
    counted = [cents for days, cents in orders if window is None or days <= window]
    last = max(0, min(days for days, _ in orders))
    return _marked(last, len(counted), sum(counted), profile, None)


def _marked(
    days_since_last: int,
    order_count: int,
    spent_usd_cents: int,
    profile: RfmProfile,
    scored_on: date | None,
) -> Score:
    r = _mark([days_since_last <= limit for limit in profile.r_days])
    f = _mark([order_count >= limit for limit in profile.f_orders])
    m = _mark([spent_usd_cents >= limit for limit in profile.m_usd_cents])
    return Score(
        days_since_last=days_since_last,
        order_count=order_count,
        spent_usd_cents=spent_usd_cents,
        r=r,
        f=f,
        m=m,
        value_class=value_class(r, f, m, high=profile.high),
        scored_on=scored_on,
    )


def segment(r: int, f: int) -> RfmSegment:
    """Which of the ten groups a pair of marks belongs to."""
    return next(
        name
        for name, (low_r, high_r, low_f, high_f) in RFM_SEGMENTS.items()
        if low_r <= r <= high_r and low_f <= f <= high_f
    )


def value_class(
    r: int, f: int, m: int, *, high: tuple[int, int, int] = (HIGH, HIGH, HIGH)
) -> ValueClass:
    """Which of the eight groups of the trade three marks belong to."""
    return VALUE_CLASSES[(r >= high[0], f >= high[1], m >= high[2])]


def in_words(score: Score, profile: RfmProfile = DEFAULT_PROFILE) -> tuple[str, str, str]:
    """Each mark with the figure and the limits that it comes from."""
    days, orders, cents = score.days_since_last, score.order_count, score.spent_usd_cents
    window = f" in the last {profile.window_days} days" if profile.window_days else ""
    upper = profile.r_days
    r_limits = {
        5: f"at most {upper[0]}",
        1: f"more than {upper[3]}",
        **{mark: f"{upper[4 - mark]} < {days} <= {upper[5 - mark]}" for mark in (2, 3, 4)},
    }
    money = f"{cents / 100:,.2f}"
    f_limits = _between(score.f, str(orders), profile.f_orders, 1)
    return (
        f"R {score.r}: last paid order {days} days ago, {r_limits[score.r]}",
        f"F {score.f}: {_many(orders)}{window}, {f_limits}",
        f"M {score.m}: {money} USD spent{window}, "
        f"{_between(score.m, money, profile.m_usd_cents, 100)}",
    )


def unpriced_in_words(orders: int) -> tuple[str, ...]:
    """What M leaves out, where an order's currency had no rate on its day."""
    if not orders:
        return ()
    return (f"   not counted in M: {_many(orders)} without a rate in rates.csv",)


def _many(orders: int) -> str:
    return "1 paid order" if orders == 1 else f"{orders} paid orders"


def _between(mark: int, figure: str, lower: tuple[int, int, int, int], unit: int) -> str:
    """The limits around a figure; limits are shown in `unit`s."""
    limits = [f"{limit // unit}" if limit % unit == 0 else f"{limit / unit:.2f}" for limit in lower]
    if mark == 5:
        return f"at least {limits[0]}"
    if mark == 1:
        return f"less than {limits[3]}"
    return f"{limits[5 - mark]} <= {figure} < {limits[4 - mark]}"


def _mark(passed: list[bool]) -> int:
    """5 for the first limit that is kept, down to 1 for none."""
    return next((5 - place for place, is_kept in enumerate(passed) if is_kept), 1)
