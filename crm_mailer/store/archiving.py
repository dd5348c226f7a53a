"""Which mails of past months may leave the database for files, and their leaving.

Only what a mail was and how it went leaves: messages and attempts. Touches stay for ever: they are
the keys by which nothing goes out twice, and what planning, caps and most reports count.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.touch import SETTLED, TouchKind
from crm_mailer.store import bulk, partitions
from crm_mailer.store import tables as t
from crm_mailer.store.partitions import Partition

#: What leaves, in the order in which it does; each row has the number of its touch.
TABLES: Mapping[str, sa.Table] = {"messages": t.messages, "deliveries": t.deliveries}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The mails of one month: touches from `first` on and before `until`.

    `month` is when they were planned, such as 2024-12; `is_whole` says that they lie in partitions
    of their own.
    """

    month: str
    first: int
    until: int
    is_whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A folder with mails that left. `counts`: rows by table."""

    folder: str
    first_touch: int
    last_touch: int
    counts: Mapping[str, int]
    at: datetime


# ------------------------------------------------------------------ which


def slices(connection: sa.Connection, before: datetime) -> list[Slice]:
    """Months that were planned before `before` and still have rows here, the first first."""
    found: list[Slice] = []
    start = 0
    for part in _whole(connection):
        assert part.first is not None
        assert part.until is not None
        found += _months(connection, start, part.first, before)
        if _has_rows(connection, part.first, part.until) and _is_over(connection, part, before):
            found.append(Slice(month=part.month, first=part.first, until=part.until, is_whole=True))
        start = part.until
    return [*found, *_months(connection, start, None, before)]


def _whole(connection: sa.Connection) -> list[Partition]:
    """Partitions with two ends, which are there for each table."""
    per_table = [
        {(one.first, one.until): one for one in partitions.list_(connection, name)}
        for name in TABLES
    ]
    both = [one for ends, one in per_table[0].items() if all(ends in known for known in per_table)]
    return [one for one in both if one.month and one.until is not None]


def _is_over(connection: sa.Connection, part: Partition, before: datetime) -> bool:
    touch = t.touches.c
    query = sa.select(touch.planned_at).where(touch.id < part.until, touch.id >= part.first)
    last = connection.scalar(query.order_by(touch.id.desc()).limit(1))
    return last is None or last < before


def _months(
    connection: sa.Connection, first: int, until: int | None, before: datetime
) -> Iterator[Slice]:
    """The months of a stretch without partitions of their own."""
    touch = t.touches.c
    end = until if until is not None else _behind_last(connection)
    while (number := _first_row(connection, first, end)) is not None:
        planned = connection.scalar(sa.select(touch.planned_at).where(touch.id == number))
        if planned is None or planned >= before:
            return
        following = _next_month(planned)
        later = connection.scalar(
            sa.select(touch.id)
            .where(touch.id >= number, touch.id < end, touch.planned_at >= following)
            .order_by(touch.id)
            .limit(1)
        )
        first = end if later is None else later
        if following <= before:
            yield Slice(month=f"{planned:%Y-%m}", first=number, until=first)


def _behind_last(connection: sa.Connection) -> int:
    return (connection.scalar(sa.select(sa.func.max(t.touches.c.id))) or 0) + 1


def _first_row(connection: sa.Connection, first: int, until: int) -> int | None:
    numbers = [
        connection.scalar(
            sa.select(sa.func.min(table.c.touch_id)).where(
                table.c.touch_id >= first, table.c.touch_id < until
            )
        )
        for table in TABLES.values()
    ]
    return min((one for one in numbers if one is not None), default=None)


def _has_rows(connection: sa.Connection, first: int, until: int) -> bool:
    return _first_row(connection, first, until) is not None


def _next_month(moment: datetime) -> datetime:
    first = date(moment.year + moment.month // 12, moment.month % 12 + 1, 1)
    return datetime(first.year, first.month, 1, tzinfo=UTC)


def needed(connection: sa.Connection, which: Slice, before: datetime) -> list[int]:
    """Touches of a month whose rows stay.

    Those that have no end yet or had it lately, those in doubt, letters of agents, tests, what
    belongs to an open case or to a code that is not settled, and what went to another address than
    the customer has now: who opts out by its link opts out for that one too. On SQLite also the
    last attempt of all: its number would be given once more, and by it is known which refusals were
    understood.
    """
    stays, found = ~_is_free(before), set[int]()
    if connection.dialect.name == "sqlite":
        last = sa.select(t.deliveries.c.touch_id).order_by(t.deliveries.c.id.desc()).limit(1)
        found = {one for one in connection.scalars(last) if which.first <= one < which.until}
    for table in TABLES.values():
        query = (
            sa.select(table.c.touch_id)
            .join_from(table, t.touches, t.touches.c.id == table.c.touch_id)
            .where(table.c.touch_id >= which.first, table.c.touch_id < which.until, stays)
        )
        found.update(connection.scalars(query))
    return sorted(found)


def _is_free(before: datetime) -> sa.ColumnElement[bool]:
    touch, case, reply = t.touches.c, t.cases.c, t.replies.c
    link, grant = t.benefit_touches.c, t.benefit_grants.c
    is_open = case.state.in_(sorted(UNDER_WAY))
    of_person = sa.exists().where(case.customer_id == touch.customer_id, is_open)
    of_case = sa.exists().where(case.touch_id == touch.id, is_open)
    answered = sa.exists().where(reply.touch_id == touch.id, case.reply_id == reply.id, is_open)
    waits = sa.exists().where(link.touch_id == touch.id, grant.id == link.grant_id, grant.is_open)
    mail, person = t.messages.c, t.customers.c
    went_elsewhere = sa.exists().where(
        mail.touch_id == touch.id,
        person.id == touch.customer_id,
        sa.func.lower(mail.rcpt_to) != sa.func.coalesce(person.email_key, ""),
    )
    return sa.and_(
        touch.kind == TouchKind.CAMPAIGN.value,
        touch.state.in_(sorted(SETTLED)),
        sa.func.coalesce(touch.settled_at, sa.literal(before, touch.settled_at.type)) < before,
        ~of_person,
        ~of_case,
        ~answered,
        ~waits,
        ~went_elsewhere,
    )


# ------------------------------------------------------------------ their rows


def rows(
    connection: sa.Connection, table: sa.Table, first: int, until: int, limit: int | None = None
) -> list[dict[str, Any]]:
    """Rows by the number of their touch, as JSON can say them."""
    key = list(table.primary_key.columns) if table is t.messages else [
        table.c.touch_id, table.c.attempt
    ]  # fmt: skip
    query = sa.select(table).where(table.c.touch_id >= first, table.c.touch_id < until)
    found = connection.execute(query.order_by(*key).limit(limit))
    return [plain(row._mapping) for row in found]


def end_of_page(connection: sa.Connection, first: int, until: int, mails: int) -> int:
    """Where a stretch from `first` on ends that has so many mails, or else `until`."""
    number = t.messages.c.touch_id
    query = sa.select(number).where(number >= first, number < until).order_by(number)
    return connection.scalar(query.offset(mails).limit(1)) or until


def rows_of(
    connection: sa.Connection, table: sa.Table, touch_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """The same of certain touches."""
    query = sa.select(table).where(bulk.among(connection, table.c.touch_id, touch_ids))
    return [plain(row._mapping) for row in connection.execute(query)]


def plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row as JSON can say it: moments with their offset, bytes as text or else in hexadecimal."""
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        raw = bytes(value)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            return {"hex": raw.hex()}
    return value


def line(row: Mapping[str, Any]) -> str:
    """A row as it stands in a file, and as two rows are compared."""
    return json.dumps(row, ensure_ascii=False, sort_keys=True)


# ------------------------------------------------------------------ leaving


def add(connection: sa.Connection, one: Archive) -> None:
    """Note that a folder holds the mails of these touches; before the first of them leaves."""
    here = connection.scalar(
        sa.select(t.archives.c.folder).where(t.archives.c.folder == one.folder)
    )
    if here is None:
        connection.execute(
            sa.insert(t.archives).values(
                folder=one.folder,
                first_touch=one.first_touch,
                last_touch=one.last_touch,
                counts=dict(one.counts),
                at=one.at,
            )
        )


def list_(connection: sa.Connection, touch_id: int | None = None) -> list[Archive]:
    """Every folder, or those that may hold the mail of a touch."""
    kept = t.archives.c
    query = sa.select(t.archives).order_by(kept.first_touch, kept.folder)
    if touch_id is not None:
        query = query.where(kept.first_touch <= touch_id, kept.last_touch >= touch_id)
    return [Archive(**row._mapping) for row in connection.execute(query)]


def is_archived(touch_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """Whether a touch is of a month that left, so that its rows need not be here."""
    kept = t.archives.c
    return sa.exists().where(kept.first_touch <= touch_id, kept.last_touch >= touch_id)


def remove(
    connection: sa.Connection, archived: Mapping[str, Mapping[int, Sequence[str]]]
) -> set[int]:
    """Delete rows of which the archive holds exactly what stands here.

    Args:
        connection: a write turn.
        archived: table -> touch -> its lines in the archive.

    Returns:
        Touches whose rows are other by now: all of theirs stay.
    """
    every = sorted({one for known in archived.values() for one in known})
    changed: set[int] = set()
    for name, table in TABLES.items():
        here: dict[int, list[str]] = {}
        for row in rows_of(connection, table, every):
            here.setdefault(row["touch_id"], []).append(line(row))
        changed |= {
            touch for touch, held in here.items()
            if not set(held) <= set(archived[name].get(touch, ()))
        }  # fmt: skip
    leaving = [one for one in every if one not in changed]
    for table in TABLES.values():
        connection.execute(
            sa.delete(table).where(bulk.among(connection, table.c.touch_id, leaving))
        )
    return changed


def drop(
    connection: sa.Connection, which: Slice, kept: Iterable[int], counts: Mapping[str, int]
) -> bool:
    """Let the partitions of a month go; what is still needed moves to the rest.

    Args:
        connection: a write transaction that gives up soon (`partitions.unless_used`).
        which: a month that is whole.
        kept: touches whose rows stay.
        counts: rows in the archive, by table. Where others are here, nothing is done.
    """
    parts = _parts(connection, which)
    staying = list(kept)
    for part in parts:
        connection.exec_driver_sql(f"LOCK TABLE {part.name} IN SHARE MODE")
        here = sa.table(part.name, sa.column("touch_id", sa.BigInteger))
        is_kept = bulk.among(connection, here.c.touch_id, staying)
        if _count(connection, here, sa.not_(is_kept)) != counts[part.table]:
            return False
    for part in parts:
        names = ", ".join(column.name for column in TABLES[part.table].c)
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE staying_{part.table} ON COMMIT DROP AS"
            f" SELECT {names} FROM {part.name} WHERE touch_id = ANY(%s)",
            (staying,),
        )
        partitions.drop(connection, part)
        connection.exec_driver_sql(
            f"INSERT INTO {part.table} ({names}) SELECT {names} FROM staying_{part.table}"
        )
    return True


def _count(connection: sa.Connection, table: Any, condition: sa.ColumnElement[bool]) -> int:
    query = sa.select(sa.func.count()).select_from(table).where(condition)
    return int(connection.scalar(query) or 0)


def is_gone(connection: sa.Connection, which: Slice) -> bool:
    """Whether the partitions of a month are gone already."""
    return not _parts(connection, which)


def _parts(connection: sa.Connection, which: Slice) -> list[Partition]:
    return [
        one
        for name in TABLES
        for one in partitions.list_(connection, name)
        if (one.first, one.until) == (which.first, which.until)
    ]
