"""Leafs through customers page by page: by an index, never past rows that nobody sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.address import key
from crm_mailer.model.score import RFM_SEGMENTS, RfmSegment
from crm_mailer.store import tables as t
from crm_mailer.store.directory import Entry, entry_of

#: Rows that one page looks at before it says where to go on: a rare kind lies far apart.
WINDOW = 4_000
#: Rows of a kind of search that are looked at, and countries that are told.
_MOST = 400
#: When no name begins with what is searched: so many of the latest customers are looked through.
_LATEST = 30_000
_LAST_LETTER = "\U0010ffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which customers; empty: all."""

    segment: str = ""
    country: str = ""
    language: str = ""
    group: str = ""
    is_flagged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One page; `after` leads to the next, empty at the end. `looked`: rows that were looked at."""

    entries: tuple[Entry, ...]
    after: str
    looked: int


def leaf(connection: sa.Connection, wanted: Wanted, *, after: str, limit: int) -> Leaf:
    """The next customers after a place that `Leaf.after` named.

    With a segment, a country or a language the highest numbers come first, else the latest buyers,
    and those who never bought at the end. At most `WINDOW` rows are looked at.
    """
    if wanted.segment or wanted.country:
        return _by_number(connection, wanted, after, limit)
    return _by_last_order(connection, wanted, after, limit)


def members(connection: sa.Connection, segment: str, *, limit: int) -> list[Entry]:
    """The newest customers of a segment, by the last run."""
    found = leaf(connection, Wanted(segment=segment), after="", limit=limit)
    return list(found.entries)


def countries(connection: sa.Connection) -> list[str]:
    """All countries in which customers live: a jump through the index for each."""
    return _distinct(connection, t.customers.c.country)


def search(connection: sa.Connection, text: str, *, limit: int) -> list[Entry]:
    """Customers by what one knows of them: number, address, order, name on a platform, name.

    Each is looked up by an index. A piece inside a name is looked for among the latest customers
    only, where nothing else was found.
    """
    words = " ".join(text.split())
    ids: dict[int, None] = {}
    for found in _exact(connection, words):
        ids.update(dict.fromkeys(found))
    if len(ids) < limit:
        ids.update(dict.fromkeys(_beginning(connection, words, limit)))
    if not ids and words:
        ids.update(dict.fromkeys(_inside(connection, words, limit)))
    return entries(connection, list(ids)[:limit])


def entries(connection: sa.Connection, ids: Sequence[int]) -> list[Entry]:
    """These customers in this order; those who were erased are left out."""
    if not ids:
        return []
    person = t.customers.c
    query = _select().where(person.id.in_(ids), person.erased_at.is_(None))
    rows = {row.id: row for row in connection.execute(query)}
    return [entry_of(rows[id_]) for id_ in ids if id_ in rows]


def _select() -> sa.Select[Any]:
    score = t.scores.c
    return sa.select(
        t.customers,
        score.r,
        score.f,
        score.m,
        score.order_count,
        score.spent_usd_cents,
        score.last_order_at,
    ).outerjoin_from(t.customers, t.scores, score.customer_id == t.customers.c.id)


# ------------------------------------------------------------------ leafing


def _by_number(connection: sa.Connection, wanted: Wanted, after: str, limit: int) -> Leaf:
    """Driven by the index of countries, else by that of memberships; a window at a time."""
    person, stay = t.customers.c, t.memberships.c
    if wanted.country:
        id_ = person.id
        driver = sa.select(id_.label("id")).where(person.country == wanted.country)
    else:
        id_ = stay.customer_id
        driver = sa.select(id_.label("id")).where(
            stay.segment == wanted.segment, stay.until.is_(None)
        )
    if (last := _number(after)) is not None:
        driver = driver.where(id_ < last)
    window = driver.order_by(id_.desc()).limit(WINDOW).subquery("window")
    is_driven = not wanted.country
    conditions = _conditions(wanted, has_segment=not is_driven)
    query = (
        _select()
        .join(window, window.c.id == person.id)
        .where(*conditions)
        .order_by(window.c.id.desc())
        .limit(limit + 1)
    )
    rows = connection.execute(query).all()
    if len(rows) > limit:
        kept = rows[:limit]
        return Leaf(entries=tuple(map(entry_of, kept)), after=str(kept[-1].id), looked=limit)
    end = connection.execute(sa.select(sa.func.min(window.c.id), sa.func.count())).one()
    is_over = end[1] < WINDOW
    return Leaf(
        entries=tuple(map(entry_of, rows)), after="" if is_over else str(end[0]), looked=end[1]
    )


def _by_last_order(connection: sa.Connection, wanted: Wanted, after: str, limit: int) -> Leaf:
    """The latest buyers first; when they are at an end, those without a paid order."""
    if after.startswith("n"):
        return _without_order(connection, wanted, after[1:], limit, looked=0)
    score, person = t.scores.c, t.customers.c
    driver = sa.select(score.customer_id, score.last_order_at)
    if (place := _place(after)) is not None:
        at, last = place
        driver = driver.where(
            score.last_order_at <= at,
            sa.or_(score.last_order_at < at, score.customer_id < last),
        )
    size = WINDOW if wanted != Wanted() else limit + 1
    window = (
        driver.order_by(score.last_order_at.desc(), score.customer_id.desc())
        .limit(size)
        .subquery("window")
    )
    query = (
        _select()
        .join(window, window.c.customer_id == person.id)
        .where(*_conditions(wanted, has_segment=True))
        .order_by(window.c.last_order_at.desc(), window.c.customer_id.desc())
        .limit(limit + 1)
    )
    rows = connection.execute(query).all()
    if len(rows) > limit:
        kept = rows[:limit]
        last_row = kept[-1]
        place_ = f"{int(last_row.last_order_at.timestamp())}.{last_row.id}"
        return Leaf(entries=tuple(map(entry_of, kept)), after=place_, looked=limit)
    looked = connection.scalar(sa.select(sa.func.count()).select_from(window)) or 0
    if looked == size:
        end = connection.execute(
            sa.select(window).order_by(window.c.last_order_at, window.c.customer_id).limit(1)
        ).one()
        place_ = f"{int(end.last_order_at.timestamp())}.{end.customer_id}"
        return Leaf(entries=tuple(map(entry_of, rows)), after=place_, looked=looked)
    rest = _without_order(connection, wanted, "", limit - len(rows), looked=len(rows))
    return Leaf(entries=(*map(entry_of, rows), *rest.entries), after=rest.after, looked=rest.looked)


def _without_order(
    connection: sa.Connection, wanted: Wanted, after: str, limit: int, *, looked: int
) -> Leaf:
    if wanted.group or limit <= 0:
        return Leaf(entries=(), after="" if wanted.group else "n", looked=looked)
    person = t.customers.c
    driver = sa.select(person.id)
    if (last := _number(after)) is not None:
        driver = driver.where(person.id < last)
    window = driver.order_by(person.id.desc()).limit(WINDOW).subquery("window")
    query = (
        _select()
        .join(window, window.c.id == person.id)
        .where(t.scores.c.customer_id.is_(None), *_conditions(wanted, has_segment=True))
        .order_by(window.c.id.desc())
        .limit(limit + 1)
    )
    rows = connection.execute(query).all()
    if len(rows) > limit:
        kept = rows[:limit]
        return Leaf(entries=tuple(map(entry_of, kept)), after=f"n{kept[-1].id}", looked=looked)
    end = connection.execute(sa.select(sa.func.min(window.c.id), sa.func.count())).one()
    after_ = f"n{end[0]}" if end[1] == WINDOW else ""
    return Leaf(entries=tuple(map(entry_of, rows)), after=after_, looked=looked + end[1])


def _conditions(wanted: Wanted, *, has_segment: bool) -> list[sa.ColumnElement[bool]]:
    person, score, stay = t.customers.c, t.scores.c, t.memberships.c
    found: list[sa.ColumnElement[bool]] = [person.erased_at.is_(None)]
    if wanted.segment and has_segment:
        found.append(
            sa.exists().where(
                stay.segment == wanted.segment, stay.customer_id == person.id, stay.until.is_(None)
            )
        )
    if wanted.country:
        found.append(person.country == wanted.country)
    if wanted.language:
        found.append(person.language == wanted.language)
    if wanted.is_flagged:
        found.append(person.is_flagged)
    if wanted.group in set(RfmSegment):
        low_r, high_r, low_f, high_f = RFM_SEGMENTS[RfmSegment(wanted.group)]
        found += [score.r.between(low_r, high_r), score.f.between(low_f, high_f)]
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _place(text: str) -> tuple[int, int] | None:
    at, _dot, last = text.partition(".")
    moment, number = _number(at.removeprefix("-")), _number(last)
    if moment is None or number is None:
        return None
    return (-moment if at.startswith("-") else moment), number


# ------------------------------------------------------------------ searching


def _exact(connection: sa.Connection, words: str) -> Iterable[list[int]]:
    """What names one customer: number, address, order number, name on a platform."""
    person, order, named = t.customers.c, t.orders.c, t.customer_identities.c
    number = _number(words.removeprefix("#"))
    if number is not None:
        yield _ids(connection, sa.select(person.id).where(person.id == number))
    yield _ids(connection, sa.select(person.id).where(person.email_key == key(words)))
    yield _ids(
        connection,
        sa.select(order.customer_id)
        .where(order.number == words.removeprefix("#"), order.customer_id.is_not(None))
        .limit(_MOST),
    )
    yield _ids(
        connection,
        sa.select(named.customer_id)
        .where(named.buyer_id == words, named.platform.not_like("#%"))
        .limit(_MOST),
    )


def _beginning(connection: sa.Connection, words: str, limit: int) -> list[int]:
    """Whose address, name or family name begins so, as typed or with large letters."""
    if not words:
        return []
    person = t.customers.c
    ways = dict.fromkeys((words, words.title(), words.upper(), words.lower()))
    found = _ids(
        connection,
        sa.select(person.id).where(_begins(connection, person.email_key, key(words))).limit(limit),
    )
    for column in (person.name, person.family_name):
        for way in ways:
            query = sa.select(person.id).where(_begins(connection, column, way)).limit(limit)
            found += _ids(connection, query)
    return found


def _inside(connection: sa.Connection, words: str, limit: int) -> list[int]:
    person = t.customers.c
    latest = (
        sa.select(person.id, person.name, person.email_key)
        .order_by(person.id.desc())
        .limit(_LATEST)
        .subquery("latest")
    )
    ways = dict.fromkeys((words, words.title(), words.lower()))
    is_in = sa.or_(
        latest.c.email_key.contains(key(words), autoescape=True),
        *(latest.c.name.contains(way, autoescape=True) for way in ways),
    )
    return _ids(connection, sa.select(latest.c.id).where(is_in).limit(limit))


def _begins(
    connection: sa.Connection, column: sa.ColumnElement[Any], text: str
) -> sa.ColumnElement[bool]:
    """As each engine finds it by an index."""
    if connection.dialect.name == "sqlite":
        return sa.and_(column >= text, column < text + _LAST_LETTER)
    return column.startswith(text, autoescape=True)


def _ids(connection: sa.Connection, query: sa.Select[Any]) -> list[int]:
    return [int(id_) for id_ in connection.scalars(query)]


def _distinct(connection: sa.Connection, column: sa.ColumnElement[str]) -> list[str]:
    found: list[str] = []
    last = connection.scalar(sa.select(sa.func.min(column)))
    while last is not None and len(found) < _MOST:
        found.append(last)
        last = connection.scalar(sa.select(sa.func.min(column)).where(column > last))
    return [one for one in found if one]
