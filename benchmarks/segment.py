"""How fast customers are scored: at first, day by day, after new orders; beside the bare SQL.

Run: python -m benchmarks.segment [--customers 100000] [--orders 1000000] [--engine postgres]
The last line printed is one JSON object:

- first_scoring_s: everybody scored from the orders, for the first time;
- aggregate_s, scoring_ratio: the bare aggregate of the same orders in SQL, and how many times
  as long the first scoring takes;
- rollover_s: the next day, without any new order;
- new_orders_s: after 20,000 new orders;
- values_s: the nightly models of churn and value, fitted and applied to everybody;
- ..._cpu_s: the same in processor time of this process, which hardly depends on what else the
  machine does; a database server's time is not in it;
- rss_mb: the most memory that this process took.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks.shops import database, without_indexes
from crm_mailer.segmenting.scoring import update_scores
from crm_mailer.segmenting.valuing import value_customers
from crm_mailer.store import bulk, migrate
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store, open_store

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Shanghai")
DAY = 86_400
#: Days that the orders are spread over.
PAST = 1200
NEW_ORDERS = 20_000
CHUNK = 50_000
#: The bare aggregate and the first scoring are timed so often, in turn; the quickest counts.
RUNS = 3
ORDER_COLUMNS = (
    "platform", "number", "customer_id", "state", "is_counted", "placed_at", "currency",
    "amount_minor", "net_usd_cents", "created_at", "changed_at",
)  # fmt: skip
#: The figures that a score keeps, and nothing else.
AGGREGATE = """
SELECT count(*), sum(first), sum(last), sum(number), sum(cents) FROM (
    SELECT customer_id, min(placed_at) AS first, max(placed_at) AS last, count(*) AS number,
           coalesce(sum(net_usd_cents), 0) AS cents
    FROM orders WHERE is_counted = {true} AND customer_id IS NOT NULL GROUP BY customer_id
) AS sums
"""


def main() -> None:
    """Generate, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--customers", type=int, default=100_000)
    options.add_argument("--orders", type=int, default=1_000_000)
    options.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, database(given.engine, Path(folder)) as url:
        with ProcessPoolExecutor(1) as other:  # whose memory is not measured
            filling = other.submit(_generate, url, given.customers, given.orders)
            took = _timed(filling.result)
        store = open_store(url)
        print(f"generated in {took.clock:.1f} s")
        print(json.dumps(_measure(store, given.customers, given.orders)))
        store.close()


def _measure(store: Store, customers: int, orders: int) -> dict[str, Any]:
    aggregate = first = Took(math.inf, math.inf)
    for _ in range(RUNS):
        aggregate = _quicker(aggregate, _timed(lambda: _aggregate(store)))
        _forget(store)
        first = _quicker(first, _timed(lambda: _score(store, NOW)))
    tomorrow = NOW + timedelta(days=1)
    rollover = _timed(lambda: _score(store, tomorrow))
    _add_orders(store, customers, range(orders, orders + NEW_ORDERS), tomorrow, days=1)
    later = tomorrow + timedelta(minutes=5)
    fresh = _timed(lambda: _score(store, later))
    valued = _timed(lambda: value_customers(store, zone=ZONE, now=later))
    return {
        "engine": "sqlite" if store.is_sqlite else "postgres",
        "customers": customers,
        "orders": orders,
        "first_scoring_s": round(first.clock, 3),
        "first_scoring_cpu_s": round(first.cpu, 3),
        "aggregate_s": round(aggregate.clock, 3),
        "aggregate_cpu_s": round(aggregate.cpu, 3),
        "scoring_ratio": round(first.clock / aggregate.clock, 2),
        "rollover_s": round(rollover.clock, 3),
        "rollover_cpu_s": round(rollover.cpu, 3),
        "new_orders_s": round(fresh.clock, 3),
        "new_orders_cpu_s": round(fresh.cpu, 3),
        "values_s": round(valued.clock, 3),
        "values_cpu_s": round(valued.cpu, 3),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _score(store: Store, now: datetime) -> None:
    update_scores(store, zone=ZONE, now=now).stand(store, now)


def _forget(store: Store) -> None:
    """Nobody was ever scored."""
    with store.write() as connection:
        for table in (t.scores, t.score_changes, t.facts):
            connection.execute(sa.delete(table))


def _aggregate(store: Store) -> None:
    true = "1" if store.is_sqlite else "true"
    with store.read() as connection:
        connection.exec_driver_sql(AGGREGATE.format(true=true)).all()


def _generate(url: str, customers: int, orders: int) -> None:
    store = open_store(url)
    migrate.upgrade(store)
    _fill(store, customers, orders)
    store.close()


def _fill(store: Store, customers: int, orders: int) -> None:
    long_ago = NOW - timedelta(days=2)
    at = bulk.seconds(long_ago)
    with store.write() as connection:
        bulk.widen(connection)
    for ids in bulk.batches(range(1, customers + 1), CHUNK):
        people = [(id_, f"b{id_}@example.com", f"b{id_}@example.com", at, at) for id_ in ids]
        with store.write() as connection:
            bulk.insert(
                connection,
                t.customers,
                ("id", "email", "email_key", "created_at", "changed_at"),
                people,
            )
    with without_indexes(store, t.orders):
        _add_orders(store, customers, range(orders), long_ago, days=PAST)
    if not store.is_sqlite:
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))


def _add_orders(
    store: Store, customers: int, numbers: range, learnt: datetime, *, days: int
) -> None:
    """Orders of the `days` before `learnt`; few customers buy much, most once or twice."""
    dice = random.Random(numbers.start)
    end = bulk.seconds(learnt)

    def row(number: int) -> tuple[Any, ...]:
        who = 1 + int(customers * dice.random() ** 1.6)
        cents = int(dice.lognormvariate(8.0, 0.9))
        is_counted = dice.random() < 0.94
        placed = end - int(dice.random() * days * DAY)
        state = "paid" if is_counted else "cancelled"
        return ("test", str(number), who, state, is_counted, placed, "USD", cents, cents, end, end)

    for batch in bulk.batches(numbers, CHUNK):
        rows = [row(number) for number in batch]
        with store.write() as connection:
            bulk.insert(connection, t.orders, ORDER_COLUMNS, rows)


class Took(NamedTuple):
    """What something took, in seconds: by the clock, and of this process' processor time."""

    clock: float
    cpu: float


def _timed(work: Callable[[], object]) -> Took:
    start, used = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - start, time.process_time() - used)


def _quicker(one: Took, other: Took) -> Took:
    """The least of each."""
    return Took(min(one.clock, other.clock), min(one.cpu, other.cpu))


if __name__ == "__main__":
    main()
