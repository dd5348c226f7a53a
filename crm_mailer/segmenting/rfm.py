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
from crm_mailer.model.sentence import Sentence


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


def in_words(
    score: Score, profile: RfmProfile = DEFAULT_PROFILE
) -> tuple[Sentence, Sentence, Sentence]:
    """Each mark with the figure and the limits that it comes from."""
    days, cents = score.days_since_last, score.spent_usd_cents
    orders, money = _many(score.order_count), f"{cents / 100:,.2f}"
    f_limits = _between(score.f, str(score.order_count), profile.f_orders, 1)
    m_limits = _between(score.m, money, profile.m_usd_cents, 100)
    window = profile.window_days
    r = Sentence(
        "R {mark}: last paid order {ago}, {limits}",
        mark=score.r,
        ago=days_ago(days),
        limits=_r_limits(score.r, days, profile.r_days),
    )
    if window is None:
        f = Sentence("F {mark}: {orders}, {limits}", mark=score.f, orders=orders, limits=f_limits)
        m = Sentence(
            "M {mark}: {money} USD spent, {limits}", mark=score.m, money=money, limits=m_limits
        )
        return (r, f, m)
    f = Sentence(
        "F {mark}: {orders} in the last {days} days, {limits}",
        mark=score.f,
        orders=orders,
        days=window,
        limits=f_limits,
    )
    m = Sentence(
        "M {mark}: {money} USD spent in the last {days} days, {limits}",
        mark=score.m,
        money=money,
        days=window,
        limits=m_limits,
    )
    return (r, f, m)


def _r_limits(mark: int, days: int, upper: Sequence[int]) -> str:
    if mark == 5:
        return Sentence("at most {limit}", limit=upper[0])
    if mark == 1:
        return Sentence("more than {limit}", limit=upper[3])
    return f"{upper[4 - mark]} < {days} <= {upper[5 - mark]}"


def days_ago(days: int) -> Sentence:
    """So many days before today."""
    if days < 2:
        return Sentence("yesterday") if days else Sentence("today")
    return Sentence("{days} days ago", days=days)


def unpriced_in_words(orders: int) -> tuple[Sentence, ...]:
    """What M leaves out, where an order's currency had no rate on its day."""
    if not orders:
        return ()
    return (
        Sentence("   not counted in M: {orders} without a rate in rates.csv", orders=_many(orders)),
    )


def _many(orders: int) -> Sentence:
    if orders == 1:
        return Sentence("1 paid order")
    return Sentence("{number} paid orders", number=orders)


def _between(mark: int, figure: str, lower: tuple[int, int, int, int], unit: int) -> str:
    """The limits around a figure; limits are shown in `unit`s."""
    limits = [f"{limit // unit}" if limit % unit == 0 else f"{limit / unit:.2f}" for limit in lower]
    if mark == 5:
        return Sentence("at least {limit}", limit=limits[0])
    if mark == 1:
        return Sentence("less than {limit}", limit=limits[3])
    return f"{limits[5 - mark]} <= {figure} < {limits[4 - mark]}"


def _mark(passed: list[bool]) -> int:
    """5 for the first limit that is kept, down to 1 for none."""
    return next((5 - place for place, is_kept in enumerate(passed) if is_kept), 1)
