from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.reporting.agents import agent_report
from crm_mailer.reporting.response_times import response_report
from crm_mailer.store.engine import Store
from crm_mailer.store.report_cases import AgentFigures, Answered
from crm_mailer.store.tables import agent_replies, case_escalations, touches
from tests.reporting.months import LATELY, NOW, Shop, ago


@pytest.fixture
def shop(store: Store) -> Shop:
    return Shop(store)


def answered(shop: Shop, customer: int, hours: float, **more: object) -> int:
    opened = ago(days=5)
    return shop.case(
        customer,
        opened_at=opened,
        due_at=opened + timedelta(hours=8),
        first_response_at=opened + timedelta(hours=hours),
        **more,
    )


def total(shop: Shop) -> Answered:
    found = response_report(shop.store, LATELY, now=NOW).total
    assert found is not None
    return found


def agents(shop: Shop) -> dict[str, AgentFigures]:
    return {one.name: one for one in agent_report(shop.store, LATELY, now=NOW).agents}


def test_median_and_p90_are_those_of_a_textbook(shop: Shop) -> None:
    anna = shop.customer()
    for hours in (1, 2, 3, 4, 5, 6, 7, 8, 9, 100):
        answered(shop, anna, hours)

    response = total(shop).response

    assert (response.count, response.median, response.p90) == (10, 5.5 * 3600, 9 * 3600)


@pytest.mark.parametrize("hours", [[2], [1, 3], [1, 2, 3]])
def test_the_middle_of_few_values_is_right(shop: Shop, hours: list[float]) -> None:
    anna = shop.customer()
    for one in hours:
        answered(shop, anna, one)

    assert total(shop).response.median == 2 * 3600


def test_late_is_what_came_after_its_time_or_is_still_owed(shop: Shop) -> None:
    anna = shop.customer()
    answered(shop, anna, 8)
    answered(shop, anna, 9)
    shop.case(anna, due_at=ago(hours=1))
    shop.case(anna, due_at=NOW + timedelta(hours=1))
    shop.case(anna, due_at=ago(hours=1), state="closed")

    found = total(shop)

    assert (found.cases, found.answered, found.waiting, found.late) == (5, 2, 2, 2)


def test_a_breach_that_was_told_stays_one_when_a_later_clock_is_due(shop: Shop) -> None:
    case = answered(shop, shop.customer(), 2)
    for clock, level in (("first_response", "breach"), ("update", "breach"), ("solution", "warn")):
        shop.add(case_escalations, case_id=case, clock=clock, level=level, since=NOW, at=NOW)

    found = total(shop)

    assert (found.late, found.late_updates, found.late_solutions) == (1, 1, 0)


def test_cases_are_told_apart_by_everything(shop: Shop) -> None:
    anna = shop.customer()
    touch = shop.reminder(shop.order("1", anna), anna, ago(days=6), campaign="win-back")
    answered(shop, anna, 1, severity="P1", owner="lin", touch_id=touch)
    answered(shop, anna, 3, reason="nr.customs")
    answered(shop, anna, 5, merged_into_id=1)

    found = response_report(shop.store, LATELY, now=NOW)

    assert [(one.key, one.cases) for one in found.by_severity] == [("P1", 1), ("P2", 1)]
    assert {one.key for one in found.by_reason} == {"nad.damaged", "nr.customs"}
    assert {one.key for one in found.by_agent} == {"", "lin"}
    assert {one.key: one.response.median for one in found.by_campaign} == {
        "": 3 * 3600,
        "win-back": 3600,
    }


def test_no_case_has_no_total(shop: Shop) -> None:
    assert response_report(shop.store, LATELY, now=NOW).total is None


def test_an_agents_figures_are_those_of_the_cases_they_own(shop: Shop) -> None:
    anna = shop.customer()
    solved = answered(shop, anna, 2, owner="lin", state="closed", satisfaction=5)
    answered(shop, anna, 4, owner="lin", satisfaction=4)
    shop.case(anna, owner="wei")
    shop.event(solved, "reopened")
    shop.event(solved, "reopened", at=NOW + timedelta(seconds=1))
    shop.event(solved, "answered", by="zoe")

    found = agents(shop)

    lin = found["lin"]
    assert (lin.cases, lin.answered, lin.solved, lin.reopened) == (2, 2, 1, 1)
    assert (lin.satisfaction, lin.rated, lin.response.median) == (4.5, 2, 3 * 3600)
    assert (found["wei"].cases, found["wei"].satisfaction) == (1, None)
    assert (found["zoe"].cases, found["zoe"].answers) == (0, 1)


def test_cases_of_nobody_stand_last(shop: Shop) -> None:
    anna = shop.customer()
    for owner in ("", "", "lin"):
        shop.case(anna, owner=owner)

    assert [one.name for one in agent_report(shop.store, LATELY, now=NOW).agents] == ["lin", ""]


def test_an_order_that_an_agent_wrote_about_and_that_was_paid_is_recovered(shop: Shop) -> None:
    anna = shop.customer()
    wrote = ago(days=10)
    paid_at = (
        wrote + timedelta(days=1),  # recovered
        wrote + timedelta(days=8),  # too late to be the agent's merit
        wrote - timedelta(days=1),  # paid before: no reminder
        None,
    )
    for number, paid in enumerate(paid_at):
        order = shop.order(f"{number}", anna, paid_at=paid, is_counted=paid is not None)
        touch = shop.add(
            touches, kind="case_reply", campaign="", step="", anchor=f"a:{number}",
            customer_id=anna, order_id=order, stream="transactional", template="", state="accepted",
            anchored_at=wrote, due_at=wrote, planned_at=wrote,
        )  # fmt: skip
        shop.add(agent_replies, touch_id=touch, by="lin", at=wrote)

    found = agents(shop)["lin"]

    assert (found.reminded, found.recovered) == (3, 1)
