from __future__ import annotations

from datetime import date, timedelta

import pytest

from crm_mailer.model.health import DEFAULT_LIMITS, Grade, HealthFigure, HealthRules, Limit, Unit
from crm_mailer.reporting.health import FORMULAS, Measure, health_report, judge
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import case_escalations, shop_ratings
from tests.reporting.months import LATELY, NOW, Shop, ago


@pytest.fixture
def shop(store: Store) -> Shop:
    return Shop(store)


def measures(shop: Shop, rules: HealthRules | None = None) -> dict[HealthFigure, Measure]:
    report = health_report(shop.store, LATELY, rules or HealthRules())
    return {one.figure: one for one in report.measures}


def parts(one: Measure) -> tuple[float | None, float | None]:
    return one.numerator, one.denominator


def test_every_figure_has_a_formula_and_an_empty_shop_is_not_judged(shop: Shop) -> None:
    found = measures(shop)

    assert list(found) == list(HealthFigure) == list(FORMULAS)
    assert {one.grade for one in found.values()} == {Grade.TOO_FEW}
    assert all(one.formula for one in found.values())


def test_an_order_with_several_faults_is_one_defect(shop: Shop) -> None:
    fine, bad, cancelled = shop.order("1"), shop.order("2"), shop.order("3", is_counted=False)
    shop.reached(fine, "shipped")
    shop.reached(bad, "disputed")
    shop.review(1, order_id=bad)
    shop.reached(cancelled, "cancelled")

    found = measures(shop)

    assert parts(found[HealthFigure.ORDER_DEFECT_RATE]) == (2, 3)
    assert parts(found[HealthFigure.DISPUTE_RATE]) == (1, 3)
    assert parts(found[HealthFigure.SELLER_CANCELLED]) == (1, 3)


def test_what_the_buyer_cancelled_or_never_paid_is_not_ours(shop: Shop) -> None:
    wished = shop.order("1", is_counted=False)
    shop.reached(wished, "cancel_requested")
    shop.reached(wished, "cancelled")
    unpaid = shop.order("2", is_counted=False, paid_at=None, state="cancelled")
    shop.reached(unpaid, "cancelled")

    assert parts(measures(shop)[HealthFigure.SELLER_CANCELLED]) == (0, 1)


def test_an_order_of_another_period_is_not_counted(shop: Shop) -> None:
    shop.reached(shop.order("1", placed_at=ago(days=91)), "disputed")

    assert parts(measures(shop)[HealthFigure.DISPUTE_RATE]) == (0, 0)


def test_neutral_reviews_are_left_out_of_the_positive_rate(shop: Shop) -> None:
    for stars in (5, 4, 3, 3, 1):
        shop.review(stars)

    found = measures(shop)[HealthFigure.POSITIVE_REVIEWS]

    assert parts(found) == (2, 3)
    assert found.value == pytest.approx(2 / 3)


def test_arbitration_of_goods_not_as_described_is_counted_and_lost(shop: Shop) -> None:
    anna = shop.customer()
    shop.order("1", anna)
    shop.case(anna, arbitration="opened")
    shop.case(anna, arbitration="decided", is_liable=True)
    shop.case(anna, arbitration="decided", is_liable=False)
    shop.case(anna, arbitration="decided", is_liable=True, reason="nr.customs")

    found = measures(shop)

    assert found[HealthFigure.ARBITRATION_RAISED].numerator == 3
    assert found[HealthFigure.ARBITRATION_LOST].numerator == 1


def test_a_case_is_solved_without_escalation_unless_it_was_late_or_went_to_the_marketplace(
    shop: Shop,
) -> None:
    anna = shop.customer()
    shop.case(anna, state="resolved")
    shop.case(anna, state="closed", dispute_number="D-1")
    shop.case(anna, state="open")
    late = shop.case(anna, state="closed")
    warned = shop.case(anna, state="closed")
    for case, level in ((late, "breach"), (warned, "warn")):
        shop.add(case_escalations, case_id=case, clock="update", level=level, since=NOW, at=NOW)
    shop.case(anna, state="closed", merged_into_id=late)

    assert parts(measures(shop)[HealthFigure.SOLVED_WITHOUT_ESCALATION]) == (2, 4)


def test_the_first_answer_is_the_median_in_hours(shop: Shop) -> None:
    anna = shop.customer()
    for hours in (1, 2, 30):
        opened = ago(days=5)
        shop.case(anna, opened_at=opened, first_response_at=opened + timedelta(hours=hours))
    shop.case(anna)

    found = measures(shop, HealthRules(too_few=3))[HealthFigure.FIRST_RESPONSE]

    assert (found.value, found.count, found.grade) == (2.0, 3, Grade.OK)


def test_detailed_ratings_are_weighed_by_how_many_gave_them(shop: Shop) -> None:
    for day, stars, number in ((1, 480, 90), (2, 400, 10)):
        shop.add(
            shop_ratings, platform="aliexpress", from_on=date(2026, 9, day),
            until_on=date(2026, 9, day), item_as_described=stars, ratings=number, at=NOW,
        )  # fmt: skip

    found = measures(shop)

    assert found[HealthFigure.ITEM_AS_DESCRIBED].value == pytest.approx(4.72)
    assert found[HealthFigure.ITEM_AS_DESCRIBED].grade is Grade.OK
    assert found[HealthFigure.COMMUNICATION].value is None


def test_a_rating_of_a_longer_time_speaks_where_none_lies_within(shop: Shop) -> None:
    for last, stars in ((date(2026, 8, 20), 300), (date(2026, 12, 31), 450)):
        shop.add(
            shop_ratings, platform="ebay", from_on=date(2026, 1, 1), until_on=last,
            communication=stars, ratings=50, at=NOW,
        )  # fmt: skip

    found = measures(shop)[HealthFigure.COMMUNICATION]

    assert (found.value, found.grade) == (4.5, Grade.WARN)


@pytest.mark.parametrize(
    ("value", "count", "limit", "grade"),
    [
        (0.01, 100, Limit(warn=1, bad=2), Grade.OK),
        (0.0101, 100, Limit(warn=1, bad=2), Grade.WARN),
        (0.021, 100, Limit(warn=1, bad=2), Grade.BAD),
        (0.95, 100, Limit(warn=95, bad=90), Grade.OK),
        (0.94, 100, Limit(warn=95, bad=90), Grade.WARN),
        (0.89, 100, Limit(warn=95, bad=90), Grade.BAD),
        (0.5, 19, Limit(warn=1, bad=2), Grade.TOO_FEW),
        (None, 100, Limit(warn=1, bad=2), Grade.TOO_FEW),
    ],
)
def test_a_figure_is_judged_by_its_limits(
    value: float | None, count: int, limit: Limit, grade: Grade
) -> None:
    assert judge(value, count, limit, Unit.SHARE, too_few=20) is grade


def test_the_usual_limits_know_which_way_is_worse() -> None:
    better = {figure for figure, limit in DEFAULT_LIMITS.items() if limit.is_more_better}

    assert better == {
        HealthFigure.POSITIVE_REVIEWS,
        HealthFigure.ITEM_AS_DESCRIBED,
        HealthFigure.COMMUNICATION,
        HealthFigure.SHIPPING_SPEED,
        HealthFigure.SOLVED_WITHOUT_ESCALATION,
    }
