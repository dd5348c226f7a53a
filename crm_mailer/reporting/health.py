"""How a shop stands in the figures by which marketplaces judge it, each with its formula."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crm_mailer.model.health import UNITS, Grade, HealthFigure, HealthRules, Limit, Unit
from crm_mailer.model.period import Period
from crm_mailer.store import report_health
from crm_mailer.store.engine import Store
from crm_mailer.store.report_health import CaseCounts, OrderCounts, Rating

#: Figure -> how it is worked out, in words.
FORMULAS: Mapping[HealthFigure, str] = {
    HealthFigure.ORDER_DEFECT_RATE: "paid orders with a dispute, a review of 1 or 2 stars or a "
    "cancellation by us ÷ paid orders",
    HealthFigure.DISPUTE_RATE: "paid orders with a dispute ÷ paid orders",
    HealthFigure.ARBITRATION_RAISED: "cases of goods not as described that went to arbitration ÷ "
    "paid orders",
    HealthFigure.ARBITRATION_LOST: "of these, the ones in which we were found liable ÷ paid orders",
    HealthFigure.SELLER_CANCELLED: "paid orders cancelled without the buyer's request ÷ paid "
    "orders",
    HealthFigure.POSITIVE_REVIEWS: "reviews of 4 and 5 stars ÷ (reviews of 4 and 5 stars + of 1 "
    "and 2 stars)",
    HealthFigure.ITEM_AS_DESCRIBED: "sum of stars for “item as described” ÷ ratings",
    HealthFigure.COMMUNICATION: "sum of stars for “communication” ÷ ratings",
    HealthFigure.SHIPPING_SPEED: "sum of stars for “shipping speed” ÷ ratings",
    HealthFigure.FIRST_RESPONSE: "median of the hours from opening a case to the first answer",
    HealthFigure.SOLVED_WITHOUT_ESCALATION: "ended cases that were never late and never went to "
    "the marketplace ÷ ended cases",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure. `value` is a share from 0 to 1, stars or hours; None where nothing is known.

    `count` is the size of the sample, `limit` in per cent, stars or hours.
    """

    figure: HealthFigure
    formula: str
    numerator: float | None
    denominator: float | None
    count: int
    value: float | None
    unit: Unit
    limit: Limit
    grade: Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """All figures of one assessment period."""

    period: Period
    too_few: int
    measures: tuple[Measure, ...]


def health_report(store: Store, period: Period, rules: HealthRules) -> HealthReport:
    """The figures of the period, judged by the shop's own limits."""
    with store.read() as connection:
        orders = report_health.orders(connection, period)
        good, bad = report_health.reviews(connection, period)
        ratings = report_health.ratings(connection, period)
        cases = report_health.cases(connection, period)
    counted = {**_shares(orders, good, bad, cases)}
    measures = [
        _share(figure, rules, *counted[figure]) for figure in HealthFigure if figure in counted
    ]
    measures += [_rating(HealthFigure(name), rules, one) for name, one in ratings.items()]
    measures.append(_response(rules, cases))
    order = list(HealthFigure)
    return HealthReport(
        period=period,
        too_few=rules.too_few,
        measures=tuple(sorted(measures, key=lambda one: order.index(one.figure))),
    )


def judge(value: float | None, count: int, limit: Limit, unit: Unit, *, too_few: int) -> Grade:
    """How a figure stands; a small sample is not judged."""
    if value is None or count < too_few:
        return Grade.TOO_FEW
    # Shares are compared as they are read: 1.0 % is not above 1 %.
    return limit.grade(round(value * 100, 6) if unit is Unit.SHARE else round(value, 6))


def _shares(
    orders: OrderCounts, good: int, bad: int, cases: CaseCounts
) -> dict[HealthFigure, tuple[int, int]]:
    return {
        HealthFigure.ORDER_DEFECT_RATE: (orders.defective, orders.paid),
        HealthFigure.DISPUTE_RATE: (orders.disputed, orders.paid),
        HealthFigure.ARBITRATION_RAISED: (cases.arbitration_raised, orders.paid),
        HealthFigure.ARBITRATION_LOST: (cases.arbitration_lost, orders.paid),
        HealthFigure.SELLER_CANCELLED: (orders.seller_cancelled, orders.paid),
        HealthFigure.POSITIVE_REVIEWS: (good, good + bad),
        HealthFigure.SOLVED_WITHOUT_ESCALATION: (cases.ended_quietly, cases.ended),
    }


def _share(figure: HealthFigure, rules: HealthRules, part: int, whole: int) -> Measure:
    value = part / whole if whole else None
    return _measure(figure, rules, value=value, count=whole, numerator=part, denominator=whole)


def _rating(figure: HealthFigure, rules: HealthRules, one: Rating) -> Measure:
    stars = one.hundredths / 100
    value = stars / one.ratings if one.ratings else None
    return _measure(
        figure, rules, value=value, count=one.ratings, numerator=stars, denominator=one.ratings
    )


def _response(rules: HealthRules, cases: CaseCounts) -> Measure:
    median = cases.response.median
    return _measure(
        HealthFigure.FIRST_RESPONSE,
        rules,
        value=None if median is None else median / 3600,
        count=cases.response.count,
        numerator=None,
        denominator=None,
    )


def _measure(
    figure: HealthFigure,
    rules: HealthRules,
    *,
    value: float | None,
    count: int,
    numerator: float | None,
    denominator: float | None,
) -> Measure:
    unit, limit = UNITS[figure], rules.limits[figure]
    return Measure(
        figure=figure,
        formula=FORMULAS[figure],
        numerator=numerator,
        denominator=denominator,
        count=count,
        value=value,
        unit=unit,
        limit=limit,
        grade=judge(value, count, limit, unit, too_few=rules.too_few),
    )
