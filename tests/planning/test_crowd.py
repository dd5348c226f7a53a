"""What SQL plans for a crowd is what the pure rules decide for each of its customers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from crm_mailer.definitions.consent_reader import LAWS
from crm_mailer.model.campaign import Campaign, DateAnchor, Exit, Mode
from crm_mailer.model.chance import Arm, Trial
from crm_mailer.model.consent import ConsentRules
from crm_mailer.model.segment import Compare, Not
from crm_mailer.model.shop import Shop
from crm_mailer.planning import crowd, plan
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import (
    NOON,
    SHOP,
    add,
    campaign,
    customer,
    definitions,
    open_case,
    order,
    suppress,
    touches,
)
from tests.store.test_lawful import people_of_all_kinds

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
COLUMNS = [column.name for column in t.touches.c if column.name != "id"]
SALE = campaign("sale", anchor=DateAnchor(day=date(2026, 11, 3)), offsets=[0 * DAY, 2 * DAY])
TRIAL = Trial(arms=(Arm(id="a"), Arm(id="b", template="care/other", share=2)))
CASES = {
    "as it is": SALE,
    "of a topic": replace(SALE, topic="news"),
    "held out": replace(SALE, hold_out=30),
    "warm first": replace(SALE, warm_first=3 * HOUR),
    "a test": replace(SALE, steps=tuple(replace(one, trial=TRIAL) for one in SALE.steps)),
    "an audience": replace(SALE, audience=Not(Compare("country", "is", "RU"))),
    "an exit": replace(SALE, exits=frozenset({Exit.CASE_OPEN, Exit.BOUGHT})),
    "by hand": replace(SALE, mode=Mode.MANUAL),
    "in the night": replace(SALE, send_at=(6, 30)),
    "in the night too long": replace(SALE, send_at=(2, 30), valid_for=HOUR),
    "too late": campaign("sale", anchor=DateAnchor(day=date(2026, 10, 30)), valid_for=2 * DAY),
}


def shop_of_many(store: Store) -> None:
    """People of every kind that makes a difference."""
    homes = (("GB", ""), ("RU", ""), ("US", "America/Denver"), ("", ""), ("JP", "Asia/Tokyo"))
    for number in range(30):
        country, zone = homes[number % len(homes)]
        domain = ("example.com", "gmail.com", "Mail.RU")[number % 3]
        person = customer(
            store,
            f"c{number}",
            email=f"c{number}@{domain}",
            country=country,
            time_zone=zone,
            is_flagged=number == 3,
            address_kind="relay" if number == 4 else "personal",
            snoozed_until=NOON + 2 * DAY if number == 5 else None,
            topics_off="news," if number in (10, 12) else "",
            wants_fewer=number == 11,
        )
        if number % 4 == 0:
            r = number % 5 + 1
            add(
                store, t.scores, customer_id=person, r=r, f=1, m=1, total=r + 2, order_count=1,
                spent_usd_cents=1, first_order_at=NOON, last_order_at=NOON, days_since_last=0,
                profile="", scored_on=NOON.date(),
            )  # fmt: skip
        if number == 6:
            open_case(store, person)
        if number == 7:
            order(store, person, arrived=NOON)
    customer(store, "nobody", email=None)
    for number, reason, scope in ((8, "unsubscribed", "marketing"), (9, "hard_bounce", "all")):
        suppress(store, f"c{number}@{('example.com', 'gmail.com', 'mail.ru')[number % 3]}",
                 reason, scope)  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_crowd_is_planned_as_each_of_its_customers_would_be(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    one = CASES[name]
    shop_of_many(store)
    care = campaign("care", offsets=[DAY])  # takes a slot of one of them
    plan(store, definitions(care), now=NOON, is_saved=True)
    as_crowd = _planned(store, one)
    _forget(store, "sale")
    monkeypatch.setattr(crowd, "fits", lambda _campaign: False)

    one_by_one = _planned(store, one)

    assert as_crowd == one_by_one
    assert len(as_crowd) > 20


def test_a_crowd_is_asked_for_its_consent_as_each_customer_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lawful = replace(SHOP, consent=ConsentRules(LAWS))
    people_of_all_kinds(store)
    as_crowd = _planned(store, SALE, lawful)
    _forget(store, "sale")
    monkeypatch.setattr(crowd, "fits", lambda _campaign: False)

    one_by_one = _planned(store, SALE, lawful)

    assert as_crowd == one_by_one
    assert 20 < sum("no_consent" in row for row in as_crowd) < len(as_crowd) - 20


def _planned(store: Store, one: Campaign, shop: Shop = SHOP) -> list[tuple[Any, ...]]:
    plan(store, definitions(one, shop=shop), now=NOON, is_saved=True)
    return sorted(touches(store, *COLUMNS), key=repr)


def _forget(store: Store, name: str) -> None:
    with store.write() as connection:
        connection.execute(t.touches.delete().where(t.touches.c.campaign == name))
        connection.execute(t.plan_runs.delete().where(t.plan_runs.c.campaign == name))


def test_the_report_of_a_crowd_adds_up(store: Store) -> None:
    shop_of_many(store)

    [report] = plan(store, definitions(SALE), now=NOON, is_saved=True).campaigns

    assert report.asked == report.saved == len(touches(store, "id"))
    assert sum(report.providers.values()) == report.planned
    assert report.first is not None


def test_what_is_not_the_same_for_all_who_live_alike_is_no_crowd() -> None:
    assert crowd.fits(SALE)
    assert not crowd.fits(replace(SALE, spread=HOUR))
    assert not crowd.fits(replace(SALE, reentry=None))
    assert not crowd.fits(campaign("care"))
