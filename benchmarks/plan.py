"""How long planning takes, beside a bare INSERT ... SELECT of the same rows in the same run.

Run: python -m benchmarks.plan [--customers 20000] [--orders 80000] [--engine postgres]
The last line printed is one JSON object. `idle_tick_ms`: a tick of the daemon's planning with 14
live campaigns and nothing due. `edm_s`: an EDM to everybody, planned and saved; `edm_ratio`: that
by the bare statement. `lifecycle_first_s`: 100 lifecycle campaigns are switched on, with two weeks
of orders that call for mails. `lifecycle_day_s`: their next day, minute by minute: an import each
hour, with all that is planned for it; ticks between two looks at something are measured once an
hour and multiplied.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.shops import database, without_indexes
from crm_mailer.definitions.library import Definitions
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    DateAnchor,
    Exit,
    FirstOrderAnchor,
    Kind,
    Mode,
    OrderAnchor,
    ReplyAnchor,
    SegmentAnchor,
    Step,
    Stream,
)
from crm_mailer.model.order import OrderState
from crm_mailer.model.shop import Shop
from crm_mailer.planning import plan
from crm_mailer.segmenting.scoring import update_scores
from crm_mailer.store import bulk, migrate
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, open_store

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
UTC_ZONE = ZoneInfo("UTC")
SHOP = Shop(name="Lotus Shop", time_zone="UTC", country="GB", postal_address="1 Lake Road")
HOMES = (("GB", "Europe/London"), ("RU", ""), ("US", "America/New_York"), ("DE", ""), ("JP", ""))
DOMAINS = ("gmail.com", "example.com", "yandex.ru", "outlook.com", "example.net")
#: Days that the orders are spread over, evenly, up to now.
PAST = 3 * 365
#: New to the segment on each day, of a thousand customers.
COOLING = 0.5
CHUNK = 50_000


def main() -> None:
    """Generate, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=20_000)
    options.add_argument("--orders", type=int, default=80_000)
    options.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(given.engine, Path(folder)) as url:
        store = open_store(url)
        migrate.upgrade(store)
        fill(store, given.customers, given.orders)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        told = measure(store, given.customers, given.orders)
        store.close()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({
        "bench": "plan", **told, "rss_mb": rss // 1024, "rss_before_mb": before // 1024,
        "customers": given.customers, "orders": given.orders,
        "engine": "sqlite" if given.engine == "sqlite" else "postgresql",
    }))  # fmt: skip


def measure(store: Store, people: int, orders: int) -> dict[str, float]:
    """Each figure by its name."""
    edm = timed(lambda: act(store, [sale()], NOW))
    bare = timed(lambda: insert_bare(store))
    with store.write() as connection:
        connection.execute(t.touches.delete())
    hundred = [one for number in range(10) for one in lifecycle(number)]
    first = timed(lambda: act(store, hundred, NOW))
    day = Day(store=store, campaigns=hundred, people=people, orders=orders)
    day.live()
    few, evening = hundred[:14], NOW + DAY + HOUR
    act(store, few, evening)
    idle = [
        timed(lambda m=minute: act(store, few, evening + m * MINUTE, is_quick=True))
        for minute in range(1, 22)
    ]
    return {
        "idle_tick_ms": round(statistics.median(idle) * 1000, 1),
        "edm_s": round(edm, 2),
        "edm_ratio": round(edm / bare, 2),
        "bare_s": round(bare, 2),
        "lifecycle_day_s": round(day.seconds, 1),
        "lifecycle_first_s": round(first, 2),
        "lifecycle_look_ms": round(statistics.median(day.looks) * 1000, 1),
        "lifecycle_longest_ms": round(max(day.looks) * 1000, 1),
        "lifecycle_tick_ms": round(statistics.median(day.ticks) * 1000, 1),
    }


@dataclass(slots=True, kw_only=True)
class Day:
    """A day of a shop: what its ticks cost. `looks` found something to look at, `ticks` not."""

    store: Store
    campaigns: list[Campaign]
    people: int
    orders: int
    seconds: float = 0.0
    looks: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)

    def live(self) -> None:
        """24 hours, each with an import at its start; what it brings is looked at again later."""
        for hour in range(1, 25):
            start = NOW + hour * HOUR
            self._import(hour, start)
            minutes = (0, 1, *range(10, 60, 10))
            took = {minute: self._tick(start + minute * MINUTE) for minute in minutes}
            self.ticks.append(took.pop(1))
            self.looks += took.values()
            self.seconds += sum(took.values()) + self.ticks[-1] * (60 - len(took))

    def _tick(self, now: datetime) -> float:
        return timed(lambda: act(self.store, self.campaigns, now, is_quick=True))

    def _import(self, hour: int, now: datetime) -> None:
        """The orders of an hour, and whom they bring into a segment."""
        each = max(1, self.orders // PAST // 24)
        first, when = self.orders + 1 + (hour - 1) * each, int(now.timestamp()) - 60
        rows = [order(number, self.people, when) for number in range(first, first + each)]
        fresh = max(1, int(self.people * COOLING / 1000 / 24))
        members = [
            (hour * fresh + number + 1, "cooling", when)
            for number in range(fresh)
            if (hour * fresh + number) % 5
        ]
        with self.store.write() as connection:
            add_orders(connection, rows)
            columns = ["customer_id", "segment", "since"]
            bulk.insert(connection, t.memberships, columns, members)


def act(store: Store, campaigns: list[Campaign], now: datetime, *, is_quick: bool = False) -> None:
    """One act of planning, saved."""
    found = Definitions(shop=SHOP, campaigns={one.id: one for one in campaigns})
    plan(store, found, now=now, is_saved=True, is_quick=is_quick)


def timed(work: Callable[[], object]) -> float:
    """Seconds on the clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# ------------------------------------------------------------------ the shop


def fill(store: Store, people: int, orders: int) -> None:
    """Customers, paid orders of three years with their events, and some memberships."""
    for start in range(1, people + 1, CHUNK):
        with store.write() as connection:
            bulk.insert(
                connection, t.customers,
                ["id", "email", "email_key", "name", "country", "time_zone", "birth_month",
                 "birth_day", "created_at", "changed_at"],
                list(customers(start, min(start + CHUNK, people + 1))),
            )  # fmt: skip
    with without_indexes(store, t.orders, t.order_events):
        for start in range(1, orders + 1, CHUNK):
            part = range(start, min(start + CHUNK, orders + 1))
            with store.write() as connection:
                add_orders(connection, [order(number, people, at(number)) for number in part])
    with store.write() as connection:
        bulk.insert(
            connection, t.memberships, ["customer_id", "segment", "since"],
            [(number, "cooling", int(NOW.timestamp()) - number % 400 * 86_400)
             for number in range(1, people + 1, 5)],
        )  # fmt: skip
    update_scores(store, zone=UTC_ZONE, now=NOW)
    if store.is_sqlite:
        with store.write() as connection:
            connection.execute(sa.text("ANALYZE"))
        return
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as free:
        free.execute(sa.text("VACUUM ANALYZE"))


def add_orders(connection: sa.Connection, rows: list[tuple[Any, ...]]) -> None:
    """Orders, paid and arrived at once."""
    bulk.insert(
        connection, t.orders,
        ["id", "platform", "number", "customer_id", "state", "is_counted", "placed_at",
         "paid_at", "currency", "amount_minor", "net_usd_cents", "created_at", "changed_at"],
        rows,
    )  # fmt: skip
    bulk.insert(
        connection, t.order_events, ["order_id", "state", "at", "learnt_at"],
        [(row[0], state, row[6], row[6]) for row in rows for state in ("paid", "arrived")],
    )  # fmt: skip


def customers(first: int, end: int) -> Iterator[tuple[object, ...]]:
    """Rows of customers from `first` to before `end`."""
    known = int((NOW - 900 * DAY).timestamp())
    for number in range(first, end):
        email = f"c{number}@{DOMAINS[number % len(DOMAINS)]}"
        country, zone = HOMES[number % len(HOMES)]
        born = (number % 12 + 1, number % 28 + 1)
        yield number, email, email, f"Customer {number}", country, zone, *born, known, known


def order(number: int, people: int, when: int) -> tuple[Any, ...]:
    """One paid order."""
    who = number * 7_919 % people + 1
    return (number, "shop", str(number), who, "arrived", True, when, when, "USD", 1000, 1000, when,
            when)  # fmt: skip


def at(number: int) -> int:
    """When an order was placed: three years, evenly."""
    return int(NOW.timestamp()) - number * 7_919_777 % (PAST * 86_400)


# ------------------------------------------------------------------ the campaigns


def campaign(name: str, anchor: Anchor, *, exits: frozenset[Exit] = frozenset()) -> Campaign:
    """A live marketing campaign of three mails."""
    is_dated = isinstance(anchor, DateAnchor)
    return Campaign(
        id=name, name=name, kind=Kind.EDM if is_dated else Kind.LIFECYCLE,
        stream=Stream.MARKETING, mode=Mode.LIVE, anchor=anchor, exits=exits, version="v1",
        steps=tuple(
            Step(id=f"s{days}", template="care/hello", offset=timedelta(days=days))
            for days in ((0,) if is_dated else (1, 4, 7))
        ),
    )  # fmt: skip


def lifecycle(number: int) -> list[Campaign]:
    """Ten campaigns of every kind of anchor."""
    exits = frozenset({Exit.BOUGHT, Exit.REPLIED, Exit.CASE_OPEN})
    anchors: list[Anchor] = [
        OrderAnchor(state=OrderState.PAID), OrderAnchor(state=OrderState.ARRIVED),
        OrderAnchor(state=OrderState.SHIPPED), OrderAnchor(state=OrderState.REVIEWED),
        SegmentAnchor(segment="cooling"), SegmentAnchor(segment="vip"),
        BirthdayAnchor(), FirstOrderAnchor(), FirstOrderAnchor(is_yearly=True),
        ReplyAnchor(kind="praise"),
    ]  # fmt: skip
    return [
        campaign(f"c{number}-{place}", anchor, exits=exits) for place, anchor in enumerate(anchors)
    ]


def sale() -> Campaign:
    """An EDM to everybody."""
    return campaign("sale", DateAnchor(day=date(2026, 11, 3)))


def insert_bare(store: Store) -> None:
    """The same rows once more, under another campaign, by the barest statement there is."""
    names = [one.name for one in t.touches.c if one.name not in ("id", "campaign")]
    touch = t.touches.c
    rows = sa.select(sa.literal("bare"), *(touch[name] for name in names)).where(
        touch.campaign == "sale"
    )
    with store.write() as connection:
        connection.execute(t.touches.insert().from_select(["campaign", *names], rows))


if __name__ == "__main__":
    main()
