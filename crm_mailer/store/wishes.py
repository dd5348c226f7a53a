"""What a customer wishes, as columns keep it, and what becomes of it when two customers are one."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from crm_mailer.store.tables import customers


def chosen(text: str) -> frozenset[str]:
    """The words of a column in which each has a comma after it."""
    return frozenset(text.split(",")[:-1])


def listed(words: Iterable[str]) -> str:
    """Words as such a column keeps them."""
    return "".join(f"{word}," for word in sorted(words))


def merge(connection: sa.Connection, loser: int, winner: int) -> None:
    """Of two customers who are one: what either chose for less mail holds, with their own words."""
    one = customers.c
    query = sa.select(
        one.id, one.topics_off, one.wants_fewer, one.told_by_self, one.snoozed_until
    ).where(one.id.in_([loser, winner]))
    found = {row.id: row for row in connection.execute(query)}
    theirs, own = found[loser], found[winner]
    pauses = [until for until in (own.snoozed_until, theirs.snoozed_until) if until is not None]
    connection.execute(
        sa.update(customers)
        .where(one.id == winner)
        .values(
            topics_off=listed(chosen(own.topics_off) | chosen(theirs.topics_off)),
            wants_fewer=bool(own.wants_fewer or theirs.wants_fewer),
            told_by_self=listed(chosen(own.told_by_self) | chosen(theirs.told_by_self)),
            snoozed_until=max(pauses, default=None),
        )
    )
