"""How long planning takes, beside a bare INSERT ... SELECT of the same rows in the same run.

Run: python -m benchmarks.plan [--customers 20000] [--orders 80000] [--engine postgres]
     python -m benchmarks.plan --only day [--shop FILE] [--customers 1000000] [--orders 10000000]
The last line printed is one JSON object. `idle_tick_ms`: a tick of the daemon's planning with 14
live campaigns and nothing due. `edm_s`: an EDM to everybody, planned and saved; `edm_ratio`: that
by the bare statement. `lifecycle_first_s`: 100 lifecycle campaigns are switched on, with two weeks
of orders that call for mails. `lifecycle_day_s`: their next day, minute by minute: an import each
hour, with all that is planned for it; ticks between two looks at something are measured once an
hour and multiplied. `..._cpu_s` are the same in processor time of this process, which hardly
depends on what else the machine does; a database server's time is not in it. `rss_mb`: the most
memory that this process had; `first_rss_mb`, `day_rss_mb`: up to the end of that part.

With `--only day` there is no EDM and no idle tick: campaigns are switched on, then their day is
lived. With `--shop FILE` the shop is kept in that SQLite file once its campaigns are switched on,
and each day is lived on a copy beside it. If FILE is there already (made with the same numbers),
only the day is measured: for a million customers a minute, where making the shop takes half an
hour. Two days can be compared by `touches` and `touches_hash`, which tell what was planned.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
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
    options.add_argument("--only", choices=["day"])
    options.add_argument("--shop", type=Path, metavar="FILE")
    given = options.parse_args()
    if given.shop and (given.engine != "sqlite" or given.only != "day"):
        options.error("--shop goes with --only day, on SQLite")
    figures = (measure_kept if given.shop else measure)(given)
    print(json.dumps({
        "bench": "plan", **figures, "rss_mb": rss_mb(),
        "customers": given.customers, "orders": given.orders,
        "engine": "sqlite" if given.engine == "sqlite" else "postgresql",
    }))  # fmt: skip


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """A shop that is made and thrown away."""
    told = Told()
    with tempfile.TemporaryDirectory() as folder, database(given.engine, Path(folder)) as url:
        make(url, given)
        store = open_store(url)
        told(rss_before_mb=rss_mb())
        if given.only != "day":
            measure_edm(store, told)
        switch_on(store, told)
        live(store, given, told)
        if given.only != "day":
            measure_idle(store, told)
        store.close()
    return told.figures


def measure_kept(given: argparse.Namespace) -> dict[str, Any]:
    """The day of a shop that is kept; it is made where it is not there yet."""
    told, kept = Told(), Path(given.shop)
    new, copy = (kept.with_name(f"{kept.name}.{end}") for end in ("new", "day"))
    if not kept.exists():
        remove(new)
        make(f"sqlite:///{new}", given)
        store = open_store(f"sqlite:///{new}")
        switch_on(store, told)
        close(store)
        new.rename(kept)
        remove(new)
    remove(copy)
    shutil.copyfile(kept, copy)
    store = open_store(f"sqlite:///{copy}")
    live(store, given, told)
    store.close()
    remove(copy)
    return told.figures


def make(url: str, given: argparse.Namespace) -> None:
    """The shop, by another process, whose memory is not measured."""
    with ProcessPoolExecutor(1) as other:
        other.submit(generate, url, given.customers, given.orders).result()


def close(store: Store) -> None:
    """Leave a SQLite database in its one file."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as free:
        free.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.close()


def remove(path: Path) -> None:
    """A SQLite database and the files beside it."""
    names = [path.name + end for end in ("", "-wal", "-shm")]
    for name in (*names, f".{path.name}-next", f".{path.name}-turn"):
        path.with_name(name).unlink(missing_ok=True)


def rss_mb() -> int:
    """The most memory that this process had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


class Told:
    """Figures by their names, told as they come: a large shop takes an hour."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}

    def __call__(self, **figures: float | str) -> None:
        """Remember and print them."""
        self.figures.update(figures)
        print(json.dumps(figures), flush=True)


def measure_edm(store: Store, told: Told) -> None:
    """An EDM to everybody, beside a bare statement; nothing of it stays."""
    edm = timed(lambda: act(store, [sale()], NOW))
    bare = timed(lambda: insert_bare(store))
    told(
        edm_s=round(edm.clock, 2),
        edm_cpu_s=round(edm.cpu, 2),
        edm_ratio=round(edm.clock / bare.clock, 2),
        bare_s=round(bare.clock, 2),
        bare_cpu_s=round(bare.cpu, 2),
    )
    with store.write() as connection:
        connection.execute(t.touches.delete())


def switch_on(store: Store, told: Told) -> None:
    """A hundred lifecycle campaigns plan what the last weeks call for."""
    first = timed(lambda: act(store, hundred(), NOW))
    told(
        lifecycle_first_s=round(first.clock, 2),
        lifecycle_first_cpu_s=round(first.cpu, 2),
        first_rss_mb=rss_mb(),
    )


def live(store: Store, given: argparse.Namespace, told: Told) -> None:
    """Their next day."""
    day = Day(store=store, campaigns=hundred(), people=given.customers, orders=given.orders)
    day.live()
    most = rss_mb()
    number, digest = planned_since(store, NOW)
    told(
        lifecycle_day_s=round(day.seconds, 1),
        lifecycle_day_cpu_s=round(day.cpu_seconds, 1),
        lifecycle_look_ms=ms(statistics.median(day.looks)),
        lifecycle_longest_ms=ms(max(day.looks)),
        lifecycle_tick_ms=ms(statistics.median(day.ticks)),
        day_rss_mb=most,
        touches=number,
        touches_hash=digest,
    )


def measure_idle(store: Store, told: Told) -> None:
    """Ticks with few campaigns and nothing to do."""
    few, evening = hundred()[:14], NOW + DAY + HOUR
    act(store, few, evening)

    def tick(minute: int) -> float:
        now = evening + minute * MINUTE
        return timed(lambda: act(store, few, now, is_quick=True)).clock

    told(idle_tick_ms=ms(statistics.median([tick(minute) for minute in range(1, 22)])))


def planned_since(store: Store, moment: datetime) -> tuple[int, str]:
    """How many touches were planned after `moment`, and a hash of what they say."""
    touch, number, digest = t.touches.c, 0, hashlib.sha256()
    query = (
        sa.select(*(one for one in touch if one.name != "id"))
        .where(touch.planned_at > moment)
        .order_by(touch.campaign, touch.step, touch.anchor, touch.customer_id)
    )
    with store.read() as connection:
        found = connection.execution_options(stream_results=True).execute(query)
        for row in found:
            digest.update(repr(tuple(row)).encode())
            number += 1
    return number, digest.hexdigest()[:16]


def ms(seconds: float) -> float:
    """Milliseconds."""
    return round(seconds * 1000, 1)


class Took(NamedTuple):
    """What something took, in seconds: by the clock, and of this process' processor time."""

    clock: float
    cpu: float


@dataclass(slots=True, kw_only=True)
class Day:
    """A day of a shop: what its ticks cost. `looks` found something to look at, `ticks` not."""

    store: Store
    campaigns: list[Campaign]
    people: int
    orders: int
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    looks: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)

    def live(self) -> None:
        """24 hours, each with an import at its start; what it brings is looked at again later."""
        for hour in range(1, 25):
            start = NOW + hour * HOUR
            self._import(hour, start)
            minutes = (0, 1, *range(10, 60, 10))
            took = {minute: self._tick(start + minute * MINUTE) for minute in minutes}
            idle = took.pop(1)
            self.ticks.append(idle.clock)
            self.looks += [one.clock for one in took.values()]
            rest = 60 - len(took)
            self.seconds += sum(one.clock for one in took.values()) + idle.clock * rest
            self.cpu_seconds += sum(one.cpu for one in took.values()) + idle.cpu * rest

    def _tick(self, now: datetime) -> Took:
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


def timed(work: Callable[[], object]) -> Took:
    """What it takes."""
    started, used = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - started, time.process_time() - used)


# ------------------------------------------------------------------ the shop


def generate(url: str, people: int, orders: int) -> None:
    """A shop in the empty database at `url`."""
    store = open_store(url)
    migrate.upgrade(store)
    fill(store, people, orders)
    store.close()


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
        for start in range(1, orders + 1, 10 * CHUNK):
            last = min(start + 10 * CHUNK - 1, orders)
            with store.write() as connection:
                add_old_orders(connection, start, last, people)
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


def add_old_orders(connection: sa.Connection, first: int, last: int, people: int) -> None:
    """Orders of three years, spread evenly: written by the database itself, which is quicker."""
    now, span = int(NOW.timestamp()), PAST * 86_400
    numbers = f"""WITH RECURSIVE numbers(n) AS (SELECT CAST({first} AS BIGINT)
        UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}),
        made AS (SELECT n, {now} - n * 7919777 % {span} AS placed FROM numbers)"""
    connection.execute(
        sa.text(f"""INSERT INTO orders (id, platform, number, customer_id, state,
        is_counted, placed_at, paid_at, currency, amount_minor, net_usd_cents, created_at,
        changed_at) {numbers} SELECT n, 'shop', CAST(n AS TEXT), n * 7919 % {people} + 1, 'arrived',
        true, placed, placed, 'USD', 1000, 1000, placed, placed FROM made""")
    )
    connection.execute(
        sa.text(f"""INSERT INTO order_events (order_id, state, at, learnt_at)
        {numbers} SELECT n, state, placed, placed FROM made
        CROSS JOIN (SELECT 'paid' AS state UNION ALL SELECT 'arrived') AS states""")
    )


def customers(first: int, end: int) -> Iterator[tuple[object, ...]]:
    """Rows of customers from `first` to before `end`."""
    known = int((NOW - 900 * DAY).timestamp())
    for number in range(first, end):
        email = f"c{number}@{DOMAINS[number % len(DOMAINS)]}"
        country, zone = HOMES[number % len(HOMES)]
        born = (number % 12 + 1, number // 12 % 28 + 1)
        yield number, email, email, f"Customer {number}", country, zone, *born, known, known


def order(number: int, people: int, when: int) -> tuple[Any, ...]:
    """One paid order."""
    who = number * 7_919 % people + 1
    return (number, "shop", str(number), who, "arrived", True, when, when, "USD", 1000, 1000, when,
            when)  # fmt: skip


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


def hundred() -> list[Campaign]:
    """Ten campaigns for each of ten anchors."""
    return [one for number in range(10) for one in lifecycle(number)]


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
