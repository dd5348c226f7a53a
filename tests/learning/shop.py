"""A shop with one customer and one order, and short ways to say what happened to them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.store.engine import Store
from crm_mailer.store.tables import (
    case_events,
    cases,
    customers,
    feedback,
    order_events,
    orders,
    replies,
    reviews,
    tasks,
)

NOW = datetime.fromisoformat("2026-11-02T12:00:00+00:00")


class SmallShop:
    """Writes rows as the rooms before learning do."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.anna = self.customer("Anna Petrova", "anna@example.com")
        self.order = self.new_order("A-1", self.anna)

    def customer(self, name: str, email: str) -> int:
        return self.add(
            customers, name=name, email=email, email_key=email, created_at=NOW, changed_at=NOW
        )

    def new_order(self, number: str, customer_id: int, state: str = "paid") -> int:
        return self.add(
            orders,
            platform="shop",
            number=number,
            customer_id=customer_id,
            state=state,
            placed_at=NOW,
            currency="USD",
            amount_minor=1000,
            created_at=NOW,
            changed_at=NOW,
        )

    def reached(self, order_id: int, state: str, *, days_ago: int) -> None:
        at = NOW - timedelta(days=days_ago)
        self.add(order_events, order_id=order_id, state=state, at=at, learnt_at=at)

    def wrote(self, intent: str | None, *reasons: str, **more: Any) -> int:
        values: dict[str, Any] = {
            "kind": "human",
            "received_at": NOW,
            "sender": "anna@example.com",
            "own_text": "words",
            "intent": intent,
            "reasons": list(reasons),
            "customer_id": self.anna,
            "order_id": self.order,
        }
        return self.add(replies, **(values | more))

    def reviewed(self, stars: int, comment: str = "", *, order_id: int | None = None) -> int:
        return self.add(
            reviews, order_id=order_id or self.order, stars=stars, comment=comment, at=NOW
        )

    def cases(self) -> list[Any]:
        return self._rows(cases)

    def events(self, kind: str) -> list[Any]:
        return [row for row in self._rows(case_events) if row.kind == kind]

    def feedback(self) -> list[Any]:
        return self._rows(feedback)

    def tasks(self) -> list[Any]:
        return self._rows(tasks)

    def row(self, table: sa.Table, row_id: int) -> Any:
        with self.store.read() as connection:
            return connection.execute(sa.select(table).where(table.c.id == row_id)).one()

    def _rows(self, table: sa.Table) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(sa.select(table).order_by(table.c.id)))

    def add(self, table: sa.Table, **values: Any) -> int:
        with self.store.write() as connection:
            added = connection.execute(table.insert().values(**values).returning(table.c.id))
            return int(added.scalar_one())
