from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from crm_mailer.model import send_hours as rules
from crm_mailer.model.zones import home_zone
from crm_mailer.store import send_hours
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.send_hours import Lesson
from tests.planning.people import add, customer, order

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SHOP = ZoneInfo("Asia/Shanghai")
ALLOWED = rules.allowed(21, 8)
HOMES = [
    ("", "DE"), ("Europe/Moscow", "RU"), ("Asia/Kathmandu", "NP"), ("", ""),
    ("Australia/Lord_Howe", "AU"), ("America/St_Johns", "CA"),
]  # fmt: skip


def lesson(store: Store) -> Lesson:
    with store.read() as connection:
        homes = send_hours.homes(connection)
    return Lesson(now=NOW, places={home: home_zone(*home, SHOP.key) for home in homes}, shop=SHOP)


def local(day: str, hour: int, place: str) -> datetime:
    moment = datetime.fromisoformat(f"{day}T{hour:02}:30").replace(tzinfo=ZoneInfo(place))
    return moment.astimezone(UTC)


def learn(store: Store, people: list[int]) -> dict[int, int]:
    """The hours of these people, all countries but the shop being too small."""
    facts = lesson(store)
    with store.write() as connection:
        by_country = send_hours.counts_by_country(connection, facts)
        shop = [sum(numbers) for numbers in zip(*by_country.values(), strict=True)]
        send_hours.set_countries(connection, {"": shop}, facts, ALLOWED)
        everybody = {country: shop for _zone, country in facts.places}
        send_hours.learn(connection, people, everybody, facts, ALLOWED)
        query = sa.select(t.send_hours.c.customer_id, t.send_hours.c.hour)
        return {row[0]: row[1] for row in connection.execute(query)}


def test_an_hour_is_counted_on_the_customers_own_clock_in_summer_and_in_winter(
    store: Store,
) -> None:
    hans = customer(store, "hans", country="DE", time_zone="Europe/Berlin")
    days = ("2026-01-10", "2026-07-10", "2026-10-25")
    for day in days:
        order(store, hans, number=day, placed_at=local(day, 18, "Europe/Berlin"))

    assert learn(store, [hans]) == {hans: 18}
    facts = lesson(store)
    with store.read() as connection:
        counts = send_hours.counts_by_country(connection, facts)
    assert counts == {"DE": [3 * (hour == 18) for hour in range(24)]}


def test_replies_and_clicks_count_and_machines_do_not(store: Store) -> None:
    anna = customer(store, "anna", time_zone="UTC")
    for number, kind in enumerate(("human", "human", "auto_reply", "auto_reply", "auto_reply")):
        hour = 15 if kind == "human" else 10
        at = NOW.replace(hour=hour) - (number + 1) * timedelta(days=1)
        add(store, t.mailboxes, account=f"a{number}", folder="INBOX")
        add(
            store, t.inbound, mailbox_id=number + 1, uidvalidity=1, uid=number, digest=str(number),
            size=1, received_at=at,
        )  # fmt: skip
        add(
            store, t.replies, inbound_id=number + 1, kind=kind, received_at=at, customer_id=anna,
        )  # fmt: skip
    order(store, anna, placed_at=NOW.replace(hour=16, minute=5) - timedelta(days=9))

    assert learn(store, [anna]) == {anna: 15}


def test_an_order_whose_file_gave_no_time_says_nothing(store: Store) -> None:
    anna = customer(store, "anna", time_zone="UTC")
    for number in range(4):
        midnight = datetime(2026, 9, 1 + number, tzinfo=SHOP).astimezone(UTC)
        order(store, anna, number=str(number), placed_at=midnight)

    facts = lesson(store)
    with store.read() as connection:
        assert send_hours.counts_by_country(connection, facts) == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_statement_chooses_as_the_rule_does(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    people, seen = [], {}
    for number in range(40):
        time_zone, country = chance.choice(HOMES)
        one = customer(store, f"c{number}", time_zone=time_zone, country=country)
        place = home_zone(time_zone, country, SHOP.key)
        people.append(one)
        seen[one] = [0] * 24
        favourite = chance.randrange(24)
        for nth in range(chance.choice((0, 2, 3, 5, 12))):
            hour = (favourite + chance.choice((-2, -1, 0, 0, 0, 1, 7))) % 24
            at = NOW - timedelta(days=chance.randrange(1, 700))
            at = at.astimezone(place).replace(hour=hour, minute=31).astimezone(UTC)
            seen[one][at.astimezone(place).hour] += 1
            order(store, one, number=f"{number}-{nth}", placed_at=at)
    shop = [sum(numbers) for numbers in zip(*seen.values(), strict=True)]
    expected = {
        one: rules.best_hour(seen[one], rules.habit(shop), ALLOWED)
        for one in people
        if sum(seen[one]) >= rules.ENOUGH
    }

    assert learn(store, people) == expected
    assert len(expected) > 10
