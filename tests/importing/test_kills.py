"""A program that dies in the middle leaves whole orders, and the same import completes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.store import tables
from tests.importing.desk import Desk, order

CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo
from crm_mailer.definitions.rates import Rates
from crm_mailer.importing import import_orders
from crm_mailer.store.engine import open_store

def die(rows):
    if rows >= 60:
        os.kill(os.getpid(), signal.SIGKILL)

import_orders(
    open_store(sys.argv[1]), Path(sys.argv[2]), rates=Rates(), shop_zone=ZoneInfo("Asia/Shanghai"),
    shop_currency="USD", default_language="en", now=datetime.now(UTC), chunk_rows=20, progress=die,
)
"""


def test_a_killed_import_leaves_whole_orders_and_is_completed(quick: Desk) -> None:
    rows = [
        order(order_number=f"A{n}", email=f"c{n % 9}@example.com", sku=f"S{line}", amount="3")
        for n in range(40)
        for line in range(3)
    ]
    path = quick.file(rows)

    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(quick.store.url), str(path)],
        cwd=Path(__file__).resolve().parents[2],
        check=False,
    )
    after_kill = quick.count("orders")
    items = items_by_order(quick)
    report = quick.orders(path)

    assert child.returncode == -signal.SIGKILL
    assert 0 < after_kill < 40
    assert set(items) == {3}
    assert (report.orders_new, report.orders_unchanged) == (40 - after_kill, after_kill)
    assert quick.count("order_items") == 120


def items_by_order(desk: Desk) -> list[int]:
    query = sa.select(sa.func.count(tables.order_items.c.line)).group_by(
        tables.order_items.c.order_id
    )
    with desk.store.read() as connection:
        return [row[0] for row in connection.execute(query)]
