"""The published orders of the CDNOW customers, written straight into the tables."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store


def fill_with_cdnow(store: Store, shared: Path) -> None:
    """Customers and their orders; those of one day are one."""
    days: dict[tuple[int, date], Decimal] = {}
    with (shared / "data" / "CDNOW_master.txt").open() as file:
        for line in csv.reader(file, delimiter=" ", skipinitialspace=True):
            if line[0].isdigit():
                key = (int(line[0]), date.fromisoformat(line[1]))
                days[key] = days.get(key, Decimal(0)) + Decimal(line[3])
    noon = datetime(1998, 6, 30, 12, tzinfo=UTC)
    stamps = {"created_at": noon, "changed_at": noon}
    people = [{"id": id_, **stamps} for id_ in sorted({id_ for id_, _ in days})]
    rows = [
        {
            "platform": "test", "number": str(number), "customer_id": id_, "state": "paid",
            "is_counted": True, "currency": "USD", "amount_minor": int(usd * 100),
            "net_usd_cents": int(usd * 100), **stamps,
            "placed_at": datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        }
        for number, ((id_, day), usd) in enumerate(days.items())
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(sa.insert(t.customers), people)
        connection.execute(sa.insert(t.orders), rows)
