"""Where customers live, as it stands in their rows: who lives alike has the same clock."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store


@dataclass(frozen=True, slots=True)
class Home:
    """What tells where a customer's clock hangs, as it stands in the rows."""

    time_zone: str
    country: str
    region: str

    @property
    def key(self) -> str:
        """As `key` says it in SQL."""
        return f"{self.country}|{self.time_zone}|{self.region}"


#: Read when they are needed first: a million rows are a second.
Homes = Callable[[], tuple[Home, ...]]


def list_homes(connection: sa.Connection, among: Collection[int] | None = None) -> tuple[Home, ...]:
    """All homes of customers, or of those with the numbers in `among`."""
    person = t.customers.c
    query = sa.select(person.time_zone, person.country, person.region).distinct()
    if among is not None:
        query = query.where(person.id.in_(sorted(among)))
    return tuple(Home(*row) for row in connection.execute(query))


def of_all(store: Store) -> Homes:
    """All homes of customers, read once, when somebody asks."""

    def read() -> tuple[Home, ...]:
        with store.read() as connection:
            return list_homes(connection)

    return cache(read)


def key() -> sa.ColumnElement[str]:
    """A customer's home as one text."""
    person = t.customers.c
    return person.country + "|" + person.time_zone + "|" + person.region
