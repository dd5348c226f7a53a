"""Keeps the figures that pages show: counted when scoring ends, so that no page counts a million.

What takes long to count is counted less often: never more than a fiftieth of the time is spent.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from crm_mailer.app.wiring import App
from crm_mailer.model.address import provider
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.store import members, memberships, score_figures, studio_figures
from crm_mailer.store.score_figures import Counted
from crm_mailer.store.studio_figures import Figure

CELLS, SIZES, ALL = "rfm:cells", "segments:sizes", "customers"
FACETS, MOVES = "facets:", "moves:"
#: The dimensions by which a segment's page tells its members apart.
FACET_KINDS = ("country", "language", "value_class", "address_kind", "mail_domain")
#: So many kinds of a facet are kept by name; the others are summed up.
LARGEST_FACET = 12
#: Months of movement between segments that are kept.
MONTHS = 12
#: Days for which sizes are worked out from the memberships when none were noted yet.
BACK = (28, 21, 14, 7)
#: Counted no more often than this, and no more rarely while nothing changes.
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(minutes=15)
#: Counting may take so small a part of the time.
SHARE = 50
#: A segment's facets hold for so long.
FACETS_HOLD = timedelta(days=1)
#: A segment of so many members is told apart at once, when its page is opened.
SMALL = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """How a segment's members spread, and when that was counted."""

    at: datetime
    customers: int
    spent_usd_cents: int
    kinds: dict[str, list[tuple[str, int]]]


def is_due(last: Figure | None, now: datetime, *, is_changed: bool) -> bool:
    """Whether it is time to count anew.

    Args:
        last: what was counted last.
        now: the present instant.
        is_changed: whether anything is known to be other than then.
    """
    if last is None:
        return True
    age = now - last.at
    rest = max(SHORTEST, SHARE * timedelta(milliseconds=last.took_ms))
    return age < timedelta(0) or (age >= rest and (is_changed or age >= LONGEST))


def refresh(app: App, *, is_changed: bool) -> bool:
    """Count what is due: cells of marks, sizes of segments, moves, one segment's facets."""
    now = app.clock.now()
    with app.store.read() as connection:
        last = studio_figures.find(connection, CELLS)
    is_counted = is_due(last, now, is_changed=is_changed)
    if is_counted:
        count_all(app)
    _refresh_oldest_facets(app)
    return is_counted


def count_all(app: App) -> None:
    """Count cells, sizes and moves now."""
    began = time.perf_counter()
    now = app.clock.now()
    day = local_day(now, app.zone)
    with app.store.read() as connection:
        counted = score_figures.counts_stored(connection)
        sizes = memberships.sizes(connection)
        number = members.everybody(connection)
        is_first = not studio_figures.has_sizes(connection)
        past = studio_figures.sizes_at(connection, _ends(app, day)) if is_first else {}
    moves = _moves(app, now, day)
    took = time.perf_counter() - began
    with app.store.write() as connection:
        studio_figures.put(connection, CELLS, _cells(counted), now=now, took=took)
        studio_figures.put(connection, SIZES, sizes, now=now, took=took)
        studio_figures.put(connection, ALL, number, now=now, took=took)
        for name, value in moves.items():
            studio_figures.put(connection, name, value, now=now, took=took)
        for that_day, known in past.items():
            studio_figures.put_sizes(connection, known, that_day)
        all_ids = {**dict.fromkeys(app.definitions.segments, 0), **sizes}
        studio_figures.put_sizes(connection, all_ids, day)


def cells(app: App) -> tuple[list[Counted], datetime]:
    """The marks as last counted, and when; where they never were, they are counted now."""
    found = _kept(app, CELLS)
    rows = [
        Counted(r=r, f=f, m=m, value_class=group, customers=number, spent_usd_cents=cents)
        for r, f, m, group, number, cents in found.value
    ]
    return rows, found.at


def sizes(app: App) -> tuple[dict[str, int], datetime]:
    """How many customers are in each segment, and when that was counted."""
    found = _kept(app, SIZES)
    return dict(found.value), found.at


def everybody(app: App) -> int:
    """How many customers there are, as last counted."""
    return int(_kept(app, ALL).value)


def history(app: App, days: int) -> dict[str, list[tuple[date, int]]]:
    """How large each segment was in the last days, oldest first."""
    since = local_day(app.clock.now(), app.zone) - timedelta(days=days)
    with app.store.read() as connection:
        return studio_figures.sizes_since(connection, since)


def moves(app: App) -> dict[str, list[tuple[str, str, int]]]:
    """Month ("2026-11") -> (segment before, segment after, customers); the newest month first."""
    _kept(app, CELLS)
    months = _months(local_day(app.clock.now(), app.zone))
    with app.store.read() as connection:
        found = studio_figures.find_all(connection, [MOVES + name for name in months])
    return {
        name: [tuple(row) for row in found[MOVES + name].value]
        for name in months
        if MOVES + name in found
    }


def facets(app: App, segment: str, members: int) -> Facets | None:
    """How a segment's members spread, as last counted; None where that is still to be done.

    A small segment is told apart at once.
    """
    with app.store.read() as connection:
        found = studio_figures.find(connection, FACETS + segment)
    is_old = found is None or _is_over(found, app.clock.now())
    if is_old and members <= SMALL:
        return count_facets(app, segment)
    return None if found is None else _facets(found.value, found.at)


def count_facets(app: App, segment: str) -> Facets:
    """Tell a segment's members apart now, and keep the figures."""
    from crm_mailer.app import segments  # it looks at rules, which most figures need not

    began = time.perf_counter()
    look, now = segments.look(app), app.clock.now()
    with app.store.read() as connection:
        kinds = {
            by: studio_figures.facet(connection, segment, by, look)
            for by in FACET_KINDS
            if by != "mail_domain"
        }
        domains = studio_figures.facet(connection, segment, "mail_domain", look)
        spent = studio_figures.spent_of(connection, segment)
    providers: Counter[str] = Counter()
    for domain, number in domains:
        providers[provider(f"a@{domain}") if domain else ""] += number
    kinds["provider"] = providers.most_common()
    value = {
        "customers": sum(number for _value, number in kinds["country"]),
        "spent": spent,
        "kinds": {by: _largest(rows) for by, rows in kinds.items()},
    }
    with app.store.write() as connection:
        took = time.perf_counter() - began
        studio_figures.put(connection, FACETS + segment, value, now=now, took=took)
    return _facets(value, now)


def month_name(day: date) -> str:
    """Such as 2026-11."""
    return f"{day:%Y-%m}"


def _facets(value: Any, at: datetime) -> Facets:
    return Facets(
        at=at,
        customers=value["customers"],
        spent_usd_cents=value["spent"],
        kinds={
            by: [(name, number) for name, number in rows] for by, rows in value["kinds"].items()
        },
    )


def _largest(rows: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The largest kinds; what is left goes by the name "*"."""
    rest = sum(number for _value, number in rows[LARGEST_FACET:])
    return [*rows[:LARGEST_FACET], *([("*", rest)] if rest else [])]


def _refresh_oldest_facets(app: App) -> None:
    """Tell one segment apart anew: the one whose figures are oldest, if they are over."""
    now = app.clock.now()
    names = {FACETS + id_: id_ for id_ in app.definitions.segments}
    with app.store.read() as connection:
        found = studio_figures.find_all(connection, list(names))
        last = max((one.at for one in found.values()), default=None)
    over = [name for name in names if name not in found or _is_over(found[name], now)]
    if not over or (last is not None and timedelta(0) <= now - last < SHORTEST):
        return
    never = datetime.fromtimestamp(0, now.tzinfo)
    oldest = min(over, key=lambda name: found[name].at if name in found else never)
    count_facets(app, names[oldest])


def _is_over(figure: Figure, now: datetime) -> bool:
    return not timedelta(0) <= now - figure.at < FACETS_HOLD


def _kept(app: App, name: str) -> Figure:
    with app.store.read() as connection:
        found = studio_figures.find(connection, name)
    if found is None:
        count_all(app)
        with app.store.read() as connection:
            found = studio_figures.find(connection, name)
    assert found is not None
    return found


def _cells(counted: list[Counted]) -> list[list[Any]]:
    return [
        [one.r, one.f, one.m, one.value_class, one.customers, one.spent_usd_cents]
        for one in counted
    ]


def _moves(app: App, now: datetime, day: date) -> dict[str, Any]:
    """The moves of this month, and of those before it that were not counted to their end."""
    names = _months(day)
    with app.store.read() as connection:
        known = studio_figures.find_all(connection, [MOVES + name for name in names])
        found = {}
        for name in names:
            begin, end = _bounds(app, name)
            last = known.get(MOVES + name)
            if last is None or last.at < end:
                flows = studio_figures.flows(connection, begin, min(end, now + timedelta(days=1)))
                found[MOVES + name] = [[one.before, one.after, one.customers] for one in flows]
    return found


def _months(day: date) -> list[str]:
    """The names of the last months, the newest first."""
    months, first = [], day.replace(day=1)
    for _number in range(MONTHS):
        months.append(month_name(first))
        first = (first - timedelta(days=1)).replace(day=1)
    return months


def _bounds(app: App, name: str) -> tuple[datetime, datetime]:
    first = date.fromisoformat(f"{name}-01")
    after = (first + timedelta(days=32)).replace(day=1)
    return at_local(first, 0, 0, app.zone), at_local(after, 0, 0, app.zone)


def _ends(app: App, day: date) -> dict[date, datetime]:
    days = [day - timedelta(days=back) for back in BACK]
    return {one: at_local(one + timedelta(days=1), 0, 0, app.zone) for one in days}
