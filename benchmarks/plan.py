"""How long planning takes, beside a bare INSERT ... SELECT of the same rows in the same run.

Run: python -m benchmarks.plan [--customers 50000] [--orders 200000] [--database URL]
The last line printed is one JSON object. `idle_tick_ms`: a tick of the daemon's planning with 14
live campaigns and nothing due. `edm_s`: an EDM to everybody, planned and saved; `edm_ratio`: that
by the bare statement. `lifecycle_day_s`: a day of 100 lifecycle campaigns: the first full look with
what is due, 47 full looks (3 of them with yearly campaigns) and 1,392 quick ticks that find nothing
(each measured, then multiplied).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

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
from crm_mailer.store import bulk, migrate
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, open_store

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SHOP = Shop(name="Lotus Shop", time_zone="UTC", country="GB", postal_address="1 Lake Road")
HOMES = (("GB", "Europe/London"), ("RU", ""), ("US", "America/New_York"), ("DE", ""), ("JP", ""))
DOMAINS = ("gmail.com", "example.com", "yandex.ru", "outlook.com", "example.net")
YEARLY_LOOKS, FULL_LOOKS, TICKS = 4, 48, 1_440
CHUNK = 50_000


def main() -> None:
    """Generate, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=50_000)
    options.add_argument("--orders", type=int, default=200_000)
    options.add_argument("--database", default="")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(given.database or f"sqlite:///{Path(folder) / 'shop.db'}")
        migrate.upgrade(store)
        fill(store, given.customers, given.orders)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        told = measure(store)
        store.close()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({
        "bench": "plan", **told, "rss_mb": rss // 1024, "rss_before_mb": before // 1024,
        "customers": given.customers, "orders": given.orders,
        "engine": "postgresql" if given.database else "sqlite",
    }))  # fmt: skip


def measure(store: Store) -> dict[str, float]:
    """Each figure by its name."""
    edm = timed(lambda: act(store, [sale()], NOW))
    bare = timed(lambda: insert_bare(store))
    with store.write() as connection:
        connection.execute(t.touches.delete())
    hundred = [one for number in range(10) for one in lifecycle(number)]
    first = timed(lambda: act(store, hundred, NOW))
    full = timed(lambda: act(store, hundred, NOW + timedelta(minutes=31)))
    quick = [
        timed(lambda m=minute: act(store, hundred, NOW + timedelta(minutes=m), is_quick=True))
        for minute in range(32, 37)
    ]
    few = hundred[:14]
    act(store, few, NOW + timedelta(minutes=40))
    idle = [
        timed(lambda m=minute: act(store, few, NOW + timedelta(minutes=m), is_quick=True))
        for minute in range(41, 62)
    ]
    yearly = timed(lambda: act(store, hundred, NOW + timedelta(hours=7)))
    tick = statistics.median(quick)
    return {
        "idle_tick_ms": round(statistics.median(idle) * 1000, 1),
        "edm_s": round(edm, 2),
        "edm_ratio": round(edm / bare, 2),
        "bare_s": round(bare, 2),
        "lifecycle_day_s": round(
            first
            + (YEARLY_LOOKS - 1) * yearly
            + (FULL_LOOKS - YEARLY_LOOKS) * full
            + (TICKS - FULL_LOOKS) * tick,
            1,
        ),
        "lifecycle_first_s": round(first, 2),
        "lifecycle_full_ms": round(full * 1000, 1),
        "lifecycle_tick_ms": round(tick * 1000, 1),
    }


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
    for start in range(1, orders + 1, CHUNK):
        part = range(start, min(start + CHUNK, orders + 1))
        with store.write() as connection:
            bulk.insert(
                connection, t.orders,
                ["id", "platform", "number", "customer_id", "state", "is_counted", "placed_at",
                 "paid_at", "currency", "amount_minor", "net_usd_cents", "created_at",
                 "changed_at"],
                [order(number, people) for number in part],
            )  # fmt: skip
            bulk.insert(
                connection, t.order_events, ["order_id", "state", "at", "learnt_at"],
                [(number, state, at(number), at(number))
                 for number in part for state in ("paid", "arrived")],
            )  # fmt: skip
    with store.write() as connection:
        bulk.insert(
            connection, t.memberships, ["customer_id", "segment", "since"],
            [(number, "cooling", int(NOW.timestamp()) - number % 400 * 86_400)
             for number in range(1, people + 1, 5)],
        )  # fmt: skip
        connection.execute(sa.text("ANALYZE"))


def customers(first: int, end: int) -> Iterator[tuple[object, ...]]:
    """Rows of customers from `first` to before `end`."""
    known = int((NOW - 900 * DAY).timestamp())
    for number in range(first, end):
        email = f"c{number}@{DOMAINS[number % len(DOMAINS)]}"
        country, zone = HOMES[number % len(HOMES)]
        born = (number % 12 + 1, number % 28 + 1)
        yield number, email, email, f"Customer {number}", country, zone, *born, known, known


def order(number: int, people: int) -> tuple[object, ...]:
    """One paid order."""
    when = at(number)
    who = number * 7_919 % people + 1
    return (number, "shop", str(number), who, "arrived", True, when, when, "USD", 1000, 1000, when,
            when)  # fmt: skip


def at(number: int) -> int:
    """When an order was placed: three years, evenly."""
    return int(NOW.timestamp()) - number * 7_919_777 % (3 * 365 * 86_400)


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
