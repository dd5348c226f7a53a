"""A made-up order contradicts no mail that it stands in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.definitions import library as definitions
from crm_mailer.model.campaign import Campaign, OrderAnchor, Step
from crm_mailer.model.order import Order, OrderState
from crm_mailer.rendering.library import TemplateLibrary
from crm_mailer.rendering.preview import find_occasion, take_stand
from crm_mailer.rendering.samples import minimal_order, sample_customer, sample_order
from crm_mailer.store.bundled import bundled
from tests.conftest import NOON

LIBRARY = TemplateLibrary(bundled("templates"))
SHIPPED = definitions.load(bundled("campaigns"), LIBRARY.names)
MAILS = [
    pytest.param(campaign, step, id=f"{campaign.id}/{step.id}")
    for campaign in SHIPPED.campaigns.values()
    for step in campaign.steps
    if isinstance(campaign.anchor, OrderAnchor)
]
S = OrderState
PAID = {S.PAID, S.FUNDS_PENDING, S.DELAYED, S.OUT_OF_STOCK, S.RESTOCKED, S.CANCEL_REQUESTED}
HERE = {S.ARRIVED, S.RECEIVED, S.REVIEWED}


def made_up(campaign: Campaign, step: Step) -> Order:
    stand = take_stand(None, LIBRARY, campaign, step, None, None, SHIPPED.shop, NOON)
    assert "the order is made up" in stand.made_up
    assert stand.occasion.order is not None
    return stand.occasion.order


@pytest.mark.parametrize(("campaign", "step"), MAILS)
def test_a_made_up_order_is_in_the_state_that_its_mail_speaks_of(
    campaign: Campaign, step: Step
) -> None:
    order = made_up(campaign, step)

    assert isinstance(campaign.anchor, OrderAnchor)
    assert order.state is campaign.anchor.state
    assert order.placed_at <= NOON - step.offset
    assert (order.paid_at is None) is (order.payment_method == "") is (order.state is S.PLACED)
    assert order.paid_at is None or order.paid_at <= NOON - step.offset
    assert bool(order.tracking_number) is (order.state not in {S.PLACED, *PAID})


def of(name: str, number: int = 0) -> Order:
    campaign = SHIPPED.campaigns[name]
    return made_up(campaign, campaign.steps[number])


def test_a_late_order_was_promised_for_a_day_that_is_over() -> None:
    late, paid = of("delayed"), of("confirm-details")

    assert late.promised_ship_at is not None
    assert paid.promised_ship_at is not None
    assert late.promised_ship_at.date() < NOON.date() < paid.promised_ship_at.date()
    assert late.expected_at is not None
    assert late.expected_at > NOON  # "we expect it to reach you around"


def test_an_unpaid_order_is_as_old_as_its_reminder_says() -> None:
    assert of("payment-reminder", 1).placed_at == NOON - timedelta(hours=12)


def test_who_has_had_the_goods_for_a_while_ordered_them_before() -> None:
    assert of("post-purchase-care", 2).placed_at < NOON - timedelta(days=4 + 7)
    assert of("replenishment").placed_at < NOON - timedelta(days=60 + 7)


def test_a_parcel_that_takes_long_is_past_its_day_and_one_that_just_left_is_not() -> None:
    slow, fresh = of("in-transit-long").expected_at, of("shipped").expected_at

    assert slow is not None
    assert fresh is not None
    assert slow < NOON < fresh


def test_what_went_back_is_a_part_or_all_of_it() -> None:
    part, whole = of("partly-refunded"), of("refunded")

    assert 0 < part.refunded_minor < part.amount_minor
    assert whole.refunded_minor == whole.amount_minor
    assert minimal_order(part).refunded_minor == 0


@pytest.mark.parametrize("state", OrderState)
def test_there_is_a_made_up_order_for_every_state(state: OrderState) -> None:
    order = sample_order(sample_customer("en"), NOON, state)

    assert order.state is state
    assert order.amount_minor == sum(one.price_minor * one.quantity for one in order.items)
    assert order.placed_at <= NOON


def test_a_made_up_order_that_is_given_is_said_to_be_made_up() -> None:
    order = minimal_order(sample_order(sample_customer("en"), NOON))
    anchor = OrderAnchor(state=S.DELAYED)

    found = find_occasion(None, anchor, sample_customer("en"), order, NOON)

    assert (found.order, found.made_up) == (order, "the order is made up")
