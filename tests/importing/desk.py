"""Takes small exports in and looks at what became of them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.definitions.column_maps import ColumnMap, read_maps
from crm_mailer.definitions.rates import Rates
from crm_mailer.importing import ImportReport, import_customers, import_orders
from crm_mailer.store import tables
from crm_mailer.store.engine import Store

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
EUROS = Rates({"EUR": ((datetime(2026, 1, 1, tzinfo=UTC).date(),), (Decimal("1.10"),))})


@dataclass
class Desk:
    """A shop's database and a folder for exports."""

    store: Store
    folder: Path
    rates: Rates = EUROS
    now: datetime = NOW
    currency: str = "USD"
    written: int = field(default=0)

    def file(self, rows: Sequence[Mapping[str, object]], *, delimiter: str = ",") -> Path:
        """A CSV file of these rows."""
        self.written += 1
        path = self.folder / f"export-{self.written}.csv"
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
        return path

    def text(self, content: str | bytes, name: str = "export.csv") -> Path:
        """A file with this content."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def orders(self, source: Path | Sequence[Mapping[str, object]], **more: Any) -> ImportReport:
        """Import orders; `map` names a map."""
        return self._take(import_orders, source, more)

    def customers(self, source: Path | Sequence[Mapping[str, object]], **more: Any) -> ImportReport:
        """Import customers; `map` names a map."""
        return self._take(import_customers, source, more)

    def _take(self, verb: Callable[..., ImportReport], source: Any, more: Any) -> ImportReport:
        path = source if isinstance(source, Path) else self.file(source)
        chosen: ColumnMap | None = read_maps()[more.pop("map")] if "map" in more else None
        settings = {
            "rates": self.rates,
            "shop_zone": ZoneInfo("Asia/Shanghai"),
            "shop_currency": self.currency,
            "default_language": "en",
            "now": self.now,
            "column_map": chosen,
        } | more
        return verb(self.store, path, **settings)

    def all(self, table: str, *columns: str) -> list[Any]:
        """Rows of a table in the sequence of their ids; single values where one column is asked."""
        source = tables.metadata.tables[table]
        order = source.c.id if "id" in source.c else source.c[columns[0]]
        query = sa.select(*(source.c[name] for name in columns)).order_by(order)
        with self.store.read() as connection:
            rows = [tuple(row) for row in connection.execute(query)]
        return [row[0] for row in rows] if len(columns) == 1 else rows

    def count(self, table: str) -> int:
        """How many rows there are."""
        with self.store.read() as connection:
            query = sa.select(sa.func.count()).select_from(tables.metadata.tables[table])
            return int(connection.execute(query).scalar_one())

    def events(self) -> dict[str, datetime]:
        """State -> time, of the only order."""
        return dict(self.all("order_events", "state", "at"))


def order(**cells: object) -> dict[str, object]:
    """A row with the program's own columns."""
    return {
        "order_number": "A1",
        "placed_at": "2026-10-01 10:00",
        "state": "paid",
        "email": "anna@example.com",
        "amount": "20.00",
        "currency": "USD",
    } | cells
