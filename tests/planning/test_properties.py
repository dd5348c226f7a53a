from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_mailer.model import windows
from crm_mailer.model.campaign import BirthdayAnchor, OrderAnchor, Stream
from crm_mailer.model.order import OrderState
from crm_mailer.planning import plan
from crm_mailer.store.engine import Store, open_store
from tests.planning.people import NOON, SHOP, campaign, customer, definitions, order, touches

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLACES = ("Asia/Kathmandu", "Pacific/Apia", "America/Los_Angeles", "Europe/Madrid")
CAMPAIGNS = definitions(
    campaign("care", offsets=(DAY, 2 * DAY, 4 * DAY)),
    campaign("now", offsets=(5 * HOUR,), priority=3),
    campaign("wish", anchor=BirthdayAnchor(), offsets=(timedelta(0),), priority=9),
    campaign(
        "mail",
        anchor=OrderAnchor(state=OrderState.SHIPPED),
        stream=Stream.TRANSACTIONAL,
        offsets=(HOUR, 12 * HOUR),
        is_parallel=True,
    ),
)

#: Hours after noon at which parcels are shipped (and arrive a day later), by customer.
PARCELS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 100)), min_size=1, max_size=6)
LOOKS = st.lists(st.integers(1, 11), min_size=1, max_size=40)
QUICK = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def shop(empty_database: Path, parcels: list[tuple[int, int]]) -> Iterator[Store]:
    """A shop with four customers whose orders are known from the start; time reveals them."""
    with TemporaryDirectory() as folder:
        store = open_store(f"sqlite:///{shutil.copy(empty_database, folder)}")
        people = [
            customer(store, f"c{number}", time_zone=place, birth_month=11, birth_day=4 + number)
            for number, place in enumerate(PLACES)
        ]
        for number, (person, hours) in enumerate(parcels):
            shipped = NOON + hours * HOUR
            order(store, people[person], number=str(number), shipped=shipped, arrived=shipped + DAY)
        yield store
        store.close()


def run(store: Store, looks: list[int]) -> None:
    """Plan again and again, `looks` hours apart, and for ten days in all."""
    now, end = NOON, NOON + 10 * DAY
    hours = [*looks, *[11] * 30]
    for wait in hours:
        plan(store, CAMPAIGNS, now=now, is_saved=True)
        now += wait * HOUR
        if now > end:
            break


def keys(store: Store) -> list[tuple[object, ...]]:
    return sorted(touches(store, "campaign", "step", "anchor", "customer_id"))


@QUICK
@given(PARCELS, LOOKS)
def test_planning_in_any_slices_of_time_gives_the_same_touches(
    empty_database: Path, parcels: list[tuple[int, int]], looks: list[int]
) -> None:
    with shop(empty_database, parcels) as first, shop(empty_database, parcels) as second:
        run(first, looks)
        run(second, [])

        assert keys(first) == keys(second)


@QUICK
@given(PARCELS, LOOKS)
def test_marketing_keeps_the_night_and_the_cap_however_often_it_is_planned(
    empty_database: Path, parcels: list[tuple[int, int]], looks: list[int]
) -> None:
    with shop(empty_database, parcels) as store:
        run(store, looks)
        rows = touches(store, "customer_id", "due_at", "stream", "state")

    by_customer: dict[int, list[datetime]] = {}
    for customer_id, due_at, stream, state in rows:
        if stream == "marketing" and state == "planned":
            by_customer.setdefault(customer_id, []).append(due_at)
    for customer_id, moments in by_customer.items():
        local = [at.astimezone(ZoneInfo(PLACES[customer_id - 1])) for at in sorted(moments)]
        assert not any(windows.is_quiet(at.hour, quiet_from=21, quiet_until=8) for at in local)
        days = [at.date() for at in local]
        assert len(set(days)) == len(days)
        caps = zip(days, days[SHOP.cap_count :], strict=False)
        assert all((last - first).days >= SHOP.cap_days for first, last in caps)
