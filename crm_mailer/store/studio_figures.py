"""Figures that pages show without counting a million rows: kept with the time of counting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.score import RFM_SEGMENTS
from crm_mailer.store import selection_fields as fields
from crm_mailer.store import tables as t
from crm_mailer.store.engine import upsert
from crm_mailer.store.look import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Something counted; `took_ms` says how long counting took."""

    value: Any
    at: datetime
    took_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """So many customers went from one RFM segment to another; empty: without a paid order."""

    before: str
    after: str
    customers: int


def find(connection: sa.Connection, name: str) -> Figure | None:
    """The figure of this name; None where it was never counted."""
    figure = t.studio_figures.c
    query = sa.select(figure.value, figure.at, figure.took_ms).where(figure.name == name)
    row = connection.execute(query).first()
    return None if row is None else Figure(value=row.value, at=row.at, took_ms=row.took_ms)


def find_all(connection: sa.Connection, names: Sequence[str]) -> dict[str, Figure]:
    """The figures of these names, as far as they were counted."""
    rows = connection.execute(
        sa.select(t.studio_figures).where(t.studio_figures.c.name.in_(list(names)))
    )
    return {r.name: Figure(value=r.value, at=r.at, took_ms=r.took_ms) for r in rows}


def put(connection: sa.Connection, name: str, value: Any, *, now: datetime, took: float) -> None:
    """Note a figure in place of what was counted before; `took` in seconds."""
    statement = upsert(connection, t.studio_figures).values(
        name=name, value=value, at=now, took_ms=round(1000 * took)
    )
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": new.value, "at": new.at, "took_ms": new.took_ms}
        )
    )


def drop_others(connection: sa.Connection, prefix: str, names: Sequence[str]) -> None:
    """Forget the figures that begin with `prefix` and are none of `names`."""
    figure = t.studio_figures.c
    connection.execute(
        sa.delete(t.studio_figures).where(
            figure.name.startswith(prefix, autoescape=True), figure.name.not_in(list(names))
        )
    )


def flows(connection: sa.Connection, since: datetime, until: datetime) -> list[Flow]:
    """Who was in which RFM segment before the first, and after the last change in that time.

    Reads the slice of the history that lies in it, by index. The largest flow comes first.
    """
    change = t.score_changes.c
    ends = (
        sa.select(sa.func.min(change.id).label("first"), sa.func.max(change.id).label("last"))
        .where(change.at >= since, change.at < until)
        .group_by(change.customer_id)
        .subquery("ends")
    )
    first, last = t.score_changes.alias("first"), t.score_changes.alias("last")
    before = _rfm_segment(first.c.r_before, first.c.f_before).label("before")
    after = _rfm_segment(last.c.r, last.c.f).label("after")
    number = sa.func.count().label("number")
    query = (
        sa.select(before, after, number)
        .select_from(ends)
        .join(first, first.c.id == ends.c.first)
        .join(last, last.c.id == ends.c.last)
        .group_by(sa.text("before"), sa.text("after"))
        .order_by(sa.text("number DESC"), sa.text("before"), sa.text("after"))
    )
    rows = connection.execute(query)
    return [Flow(before=r.before, after=r.after, customers=r.number) for r in rows]


def put_sizes(connection: sa.Connection, sizes: Mapping[str, int], day: date) -> None:
    """Note how large the segments are on a day."""
    if not sizes:
        return
    statement = upsert(connection, t.segment_sizes).values(
        [{"segment": name, "day": day, "members": number} for name, number in sizes.items()]
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["segment", "day"], set_={"members": statement.excluded.members}
        )
    )


def sizes_since(connection: sa.Connection, day: date) -> dict[str, list[tuple[date, int]]]:
    """How large the segments were on each day since `day`, oldest first."""
    size = t.segment_sizes.c
    rows = connection.execute(
        sa.select(t.segment_sizes).where(size.day >= day).order_by(size.segment, size.day)
    )
    found: dict[str, list[tuple[date, int]]] = {}
    for row in rows:
        found.setdefault(row.segment, []).append((row.day, row.members))
    return found


def sizes_at(
    connection: sa.Connection, moments: Mapping[date, datetime]
) -> dict[date, dict[str, int]]:
    """How large the segments were at these instants, from the memberships; one look at them all."""
    stay = t.memberships.c
    days = list(moments)
    counted = [
        sa.func.count(
            sa.case(
                (
                    sa.and_(
                        stay.since <= moments[day],
                        sa.or_(stay.until.is_(None), stay.until > moments[day]),
                    ),
                    1,
                )
            )
        ).label(f"d{number}")
        for number, day in enumerate(days)
    ]
    rows = connection.execute(sa.select(stay.segment, *counted).group_by(stay.segment)).all()
    return {day: {row[0]: row[1 + number] for row in rows} for number, day in enumerate(days)}


def has_sizes(connection: sa.Connection) -> bool:
    """Whether sizes were ever noted."""
    return connection.scalar(sa.select(t.segment_sizes.c.day).limit(1)) is not None


def facet(connection: sa.Connection, segment: str, by: str, look: Look) -> list[tuple[str, int]]:
    """How the members of a segment spread over country, language, value class, kind of address or
    mail domain: the largest first; empty text is unknown.
    """
    value = _FACETS[by](look)
    stay = t.memberships.c
    number = sa.func.count().label("number")
    source = t.memberships.join(t.customers, t.customers.c.id == stay.customer_id)
    if by == "value_class":
        source = source.outerjoin(t.scores, t.scores.c.customer_id == stay.customer_id)
    rows = connection.execute(
        sa.select(sa.func.coalesce(value, "").label("value"), number)
        .select_from(source)
        .where(stay.segment == segment, stay.until.is_(None))
        .group_by(sa.text("value"))
        .order_by(sa.text("number DESC"), sa.text("value"))
    )
    return [(row.value, row.number) for row in rows]


_FACETS = {
    "country": lambda _look: t.customers.c.country,
    "language": lambda _look: t.customers.c.language,
    "value_class": lambda _look: t.scores.c.value_class,
    "address_kind": lambda _look: t.customers.c.address_kind,
    "mail_domain": fields.SCALARS["mail_domain"],
}


def spent_of(connection: sa.Connection, segment: str) -> int:
    """What the members of a segment have spent, in US cents."""
    stay, score = t.memberships.c, t.scores.c
    query = (
        sa.select(sa.cast(sa.func.coalesce(sa.func.sum(score.spent_usd_cents), 0), sa.BigInteger))
        .select_from(t.memberships)
        .join(t.scores, score.customer_id == stay.customer_id)
        .where(stay.segment == segment, stay.until.is_(None))
    )
    return int(connection.scalar(query) or 0)


def _rfm_segment(r: sa.ColumnElement[Any], f: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.case(
        *(
            (sa.and_(r.between(low_r, high_r), f.between(low_f, high_f)), name.value)
            for name, (low_r, high_r, low_f, high_f) in RFM_SEGMENTS.items()
        ),
        else_="",
    )
