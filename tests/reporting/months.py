"""Three months of a shop's life, written row by row, for the tests of reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model.period import Period, period
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import (
    case_events,
    cases,
    customers,
    feedback,
    order_events,
    order_items,
    orders,
    reviews,
    tasks,
    touches,
)

NOW = datetime.fromisoformat("2026-11-02T12:00:00+00:00")
PLACE = ZoneInfo("Asia/Shanghai")
LATELY: Period = period(None, None, now=NOW, place=PLACE)


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


class Shop:
    """Writes rows as the rooms do."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(self, table: sa.Table, **values: Any) -> int:
        with self.store.write() as connection:
            added = connection.execute(table.insert().values(**values))
            key = added.inserted_primary_key
            return int(key[0]) if key else 0

    def customer(self, name: str = "Анна Петрова", **more: Any) -> int:
        more.setdefault("country", "RU")
        return self.add(customers, name=name, created_at=NOW, changed_at=NOW, **more)

    def order(self, number: str, customer: int | None = None, **more: Any) -> int:
        """A paid order of the last month with one item: SKU, title."""
        item = more.pop("item", ("TP-1", "Teapot"))
        values: dict[str, Any] = {
            "platform": "aliexpress",
            "state": "received",
            "is_counted": True,
            "placed_at": ago(days=20),
            "paid_at": ago(days=20),
            "currency": "USD",
            "amount_minor": 2000,
            "net_usd_cents": 2000,
            "created_at": NOW,
            "changed_at": NOW,
            **more,
        }
        order = self.add(orders, number=number, customer_id=customer, **values)
        self.add(
            order_items, order_id=order, line=1, sku=item[0], title=item[1], quantity=1,
            price_minor=2000,
        )  # fmt: skip
        return order

    def reached(self, order: int, state: str, at: datetime = NOW) -> None:
        self.add(order_events, order_id=order, state=state, at=at, learnt_at=at)

    def said(self, kind: str, reason: str = "", **more: Any) -> int:
        values: dict[str, Any] = {
            "channel": "email", "at": ago(days=5), "text": "words", "reason": reason, **more,
        }  # fmt: skip
        return self.add(feedback, kind=kind, **values)

    def case(self, customer: int, **more: Any) -> int:
        values: dict[str, Any] = {
            "state": "new",
            "reason": "nad.damaged",
            "severity": "P2",
            "opened_at": ago(days=5),
            "due_at": ago(days=4),
            **more,
        }
        return self.add(cases, customer_id=customer, **values)

    def event(self, case: int, kind: str, by: str = "", at: datetime = NOW) -> None:
        self.add(case_events, case_id=case, kind=kind, by=by, at=at)

    def review(self, stars: int, comment: str = "", **more: Any) -> int:
        return self.add(reviews, stars=stars, comment=comment, at=more.pop("at", ago(days=3)),
                        **more)  # fmt: skip

    def task(self, key: str, kind: str = "answer", **more: Any) -> int:
        return self.add(tasks, key=key, kind=kind, created_at=ago(days=1), **more)

    def reminder(self, order: int, customer: int, at: datetime, **more: Any) -> int:
        values: dict[str, Any] = {
            "campaign": "payment-reminder", "step": "first", "anchor": f"order:{order}:placed",
            "stream": "transactional", "template": "t", "anchored_at": at, "due_at": at,
            "state": "accepted", "planned_at": at, "settled_at": at, **more,
        }  # fmt: skip
        return self.add(touches, order_id=order, customer_id=customer, **values)
