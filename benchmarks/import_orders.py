"""How fast an export comes in, beside a bare csv.reader pass and raw inserts of the same rows.

Run: python -m benchmarks.import_orders [--lines 1000000] [--lines-per-order 2.2]
The last line printed is one JSON object. The ceiling is measured in the same run: Python's own csv
reader over the same file, and sqlite3.executemany of the same rows into bare tables with the keys
that any order store needs (order number, order and line).
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from crm_mailer.definitions.rates import Rates
from crm_mailer.importing import import_orders
from crm_mailer.store import migrate
from crm_mailer.store.engine import open_store

HEADER = (
    "order_number placed_at paid_at state email customer_name phone country city postcode street "
    "currency amount payment_method sku title quantity price"
).split()
PLACES = (("RU", "Москва"), ("US", "Austin"), ("ES", "Sevilla"), ("BR", "Recife"), ("DE", "Köln"))
NAMES = ("Анна Петрова", "John Smith", "María López", "João Souza", "Jörg Weiß", "Olga Ivanova")
START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def main() -> None:
    """Generate, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lines", type=int, default=1_000_000)
    options.add_argument("--lines-per-order", type=float, default=2.2)
    options.add_argument("--seed", type=int, default=7)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "orders.csv"
        write_export(path, given.lines, given.lines_per_order, random.Random(given.seed))
        ceiling, ceiling_cpu = timed(lambda: bare(path, folder / "bare.db"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ours, ours_cpu = timed(lambda: ourselves(path, folder / "shop.db"))
        again, _ = timed(lambda: ourselves(path, folder / "shop.db"))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = path.stat().st_size
    print(
        json.dumps(
            {
                "bench": "import_orders",
                "rate": round(given.lines / ours),
                "ceiling": round(given.lines / ceiling),
                "ratio": round(ceiling / ours, 3),
                "cpu_us": round(ours_cpu / given.lines * 1e6, 1),
                "ceiling_cpu_us": round(ceiling_cpu / given.lines * 1e6, 1),
                "seconds": round(ours, 1),
                "seconds_again": round(again, 1),
                "rss_mb": after // 1024,
                "rss_before_mb": before // 1024,
                "config": {"lines": given.lines, "mb": size // 1_000_000, "engine": "sqlite"},
            }
        )
    )


def write_export(path: Path, lines: int, per_order: float, chance: random.Random) -> None:
    """A made-up export with the program's own columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows(lines, per_order, chance))


def rows(lines: int, per_order: float, chance: random.Random) -> Iterator[list[object]]:
    """Lines of orders by a tenth as many customers, in the sequence of time."""
    customers = max(1, lines // 10)
    done = order = 0
    while done < lines:
        order += 1
        who = chance.randrange(customers)
        country, city = PLACES[who % len(PLACES)]
        at = START + timedelta(seconds=order * 90)
        count = min(lines - done, max(1, round(chance.expovariate(1 / per_order))))
        prices = [chance.randrange(100, 20_000) for _ in range(count)]
        for price in prices:
            yield [
                f"A{order:08}", f"{at:%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%d %H:%M:%S}",
                ("paid", "shipped", "received")[who % 3], f"c{who}@example.com",
                NAMES[who % len(NAMES)], f"+{79000000000 + who}", country, city,
                f"{who % 90000:05}", f"Street {who % 977}, {who % 50}", "USD",
                f"{sum(prices) / 100:.2f}", "card",
                f"SKU-{price % 500}", f"Product number {price % 500}", 1, f"{price / 100:.2f}",
            ]  # fmt: skip
        done += count


def bare(path: Path, database: Path) -> None:
    """The least that any program must do: read each cell, insert each row."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("CREATE TABLE orders (number TEXT PRIMARY KEY, cells TEXT)")
    columns = ", ".join(f"c{place}" for place in range(len(HEADER)))
    connection.execute(f"CREATE TABLE lines (number TEXT, {columns})")
    connection.execute("CREATE INDEX by_number ON lines (number)")
    marks = ", ".join("?" * (len(HEADER) + 1))
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        while chunk := [row for _, row in zip(range(20_000), reader, strict=False)]:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT OR IGNORE INTO orders VALUES (?, ?)", [(row[0], row[1]) for row in chunk]
            )
            connection.executemany(
                f"INSERT INTO lines VALUES ({marks})", [(row[0], *row) for row in chunk]
            )
            connection.execute("COMMIT")
    connection.close()


def ourselves(path: Path, database: Path) -> None:
    """The import, as the command runs it."""
    store = open_store(f"sqlite:///{database}")
    migrate.upgrade(store)
    import_orders(
        store,
        path,
        rates=Rates(),
        shop_zone=ZoneInfo("Asia/Shanghai"),
        shop_currency="USD",
        default_language="en",
        now=NOW,
    )
    store.close()


def timed(work: object) -> tuple[float, float]:
    """Seconds on the clock and on the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()  # type: ignore[operator]
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main()
