"""Rows whose texts speak of a person: no index finds them, so they are read, once for an erasure.

Reading every body that other programs sent takes seconds, which no writer should wait for. So the
search runs in a read; the write that follows looks only at what came since.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.address import key
from crm_mailer.store import tables as t
from crm_mailer.store.privacy_map import PLACES, Place

#: Numbers are given before the commit: a row may become visible after those that follow it.
OVERLAP = 1_000
#: Rows with bytes that are held at a time.
_AT_ONCE = 500
#: Letters as JSON may write them; JSON inside JSON has more backslashes.
_ESCAPED = re.compile(r"(?:\\+u[0-9a-fA-F]{4})+")
_UNIT = re.compile(r"\\+u")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mentions:
    """Rows that speak of a person, by table, and how far each numbered table was read."""

    needles: tuple[str, ...]
    keys: Mapping[str, Collection[int | str]]
    upto: Mapping[str, int]


def search(
    connection: sa.Connection, needles: tuple[str, ...], known: Mentions | None = None
) -> Mentions:
    """The rows that say one of these; where much is `known` already only what came since is read.

    Tables without numbers (alerts, facts) are small and always read.
    """
    if known is not None and known.needles != needles:
        known = None
    keys: dict[str, Collection[int | str]] = {}
    upto: dict[str, int] = {}
    for place in PLACES:
        if not place.is_searched:
            continue
        name = row_key(place).name
        after = None
        if name == "id":
            upto[place.table] = _last(connection, place)
            after = known.upto[place.table] - OVERLAP if known else None
        found = set(_found(connection, place, needles, after)) if needles else set()
        keys[place.table] = found.union(known.keys[place.table] if known and name == "id" else ())
    return Mentions(needles=needles, keys=keys, upto=upto)


def row_key(place: Place) -> sa.Column[Any]:
    """The column that names a row of a table that is searched."""
    (column,) = t.metadata.tables[place.table].primary_key
    return column


def _last(connection: sa.Connection, place: Place) -> int:
    return connection.scalar(sa.select(sa.func.max(row_key(place)))) or 0


def _found(
    connection: sa.Connection, place: Place, needles: Sequence[str], after: int | None
) -> Iterator[int | str]:
    """Keys of the rows that say it."""
    named, table = row_key(place), t.metadata.tables[place.table]
    columns = [table.c[name] for name, kind in place.links.items() if kind == "mentions"]
    texts = [one for one in columns if not isinstance(one.type, sa.LargeBinary)]
    is_new = sa.true() if after is None else named > after
    says = sa.or_(*(_says(one, needle) for one in texts for needle in needles))
    yield from connection.scalars(sa.select(named).where(is_new, says))
    for column in set(columns) - set(texts):
        query = sa.select(named, column).where(is_new, column.is_not(None))
        for row in connection.execute(query, execution_options={"yield_per": _AT_ONCE}):
            if is_said(bytes(row[1]), needles):
                yield row[0]


def _says(column: sa.Column[Any], needle: str) -> sa.ColumnElement[bool]:
    """Whether a text says it in any case; our own JSON escapes nothing but quotes."""
    text = sa.type_coerce(column, sa.Text)
    ways = dict.fromkeys((needle, key(needle)))
    return sa.or_(
        *(text.contains(one, autoescape=True) for one in ways),
        sa.func.lower(text).contains(needle.lower(), autoescape=True),
    )


def is_said(raw: bytes, needles: Sequence[str]) -> bool:
    """Whether a body says one of these in any case, plainly or as JSON escapes letters.

    The body need not be JSON, nor whole: what could not be read is kept, too.
    """
    text = raw.decode("utf-8", "replace").lower()
    wanted = [one.lower() for one in needles]
    if any(one in text for one in wanted):
        return True
    if "\\" not in text:
        return False
    plain = _ESCAPED.sub(_letters, text).replace("\\", "").lower()
    return any(one in plain for one in wanted)


def _letters(found: re.Match[str]) -> str:
    """What a run of escapes says; two halves make one letter."""
    return bytes.fromhex(_UNIT.sub("", found[0])).decode("utf-16-be", "replace")
