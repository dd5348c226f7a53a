"""Finds the header of an export and the map that fits it, and binds fields to columns."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.definitions.column_maps import ColumnMap, fold
from crm_mailer.model.errors import SourceError
from crm_mailer.model.sentence import Sentence

#: Rows at the top among which the header is looked for: some exports begin with a title.
SEARCHED = 15
#: What each kind of file must tell; one field of each group is enough.
NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "orders": (
        ("placed_at", "paid_at"),
        ("order_number", "buyer_id", "email"),
    ),
    "customers": (("email", "buyer_id", "phone", "street"),),
    "reviews": (("order_number",), ("stars",)),
}
Getter = Callable[[list[str]], str]


@dataclass(frozen=True, slots=True)
class Binding:
    """A map bound to one file: where each field stands. `header_row` counts from 1; 0: none."""

    map: ColumnMap
    header_row: int
    names: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]
    notes: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Cells that a row must have to be read."""
        highest = max((place for places in self.places.values() for place in places), default=0)
        return max(len(self.names), highest + 1)

    def padded(self, cells: list[str]) -> list[str]:
        """The row, with empty cells where it ends early."""
        return [*cells, *[""] * (self.width - len(cells))]

    def has(self, *fields: str) -> bool:
        """Whether at least one of the fields has a column."""
        return any(name in self.places for name in fields)

    def getter(self, name: str) -> Getter | None:
        """A function from a row to the field's text; the first column that is not empty counts."""
        places = self.places.get(name)
        if not places:
            return None
        if len(places) == 1:
            place = places[0]
            return lambda cells: cells[place].strip()
        return lambda cells: next((text for p in places if (text := cells[p].strip())), "")

    def getters(self, name: str) -> list[Getter]:
        """One function for each column of the field, where all of them are added up."""
        return [lambda cells, p=place: cells[p].strip() for place in self.places.get(name, ())]  # type: ignore[misc]

    def label(self, name: str) -> str:
        """The header under which the field stands, for messages."""
        places = self.places.get(name, ())
        if not places:
            return name
        named = self.names[places[0]] if places[0] < len(self.names) else ""
        return named or Sentence("column {number}", number=places[0] + 1)


def bind(
    path: Path,
    rows: Sequence[Sequence[str]],
    kind: str,
    maps: Sequence[ColumnMap],
    wanted: ColumnMap | None = None,
) -> Binding:
    """The map that fits the file's header best, or the one that is wanted.

    Args:
        path: the file, for messages.
        rows: its first rows.
        kind: orders, customers or reviews.
        maps: to choose from.
        wanted: the map to use, whatever others fit better.

    Raises:
        SourceError: no map fits, or the wanted one does not; the columns found are named.
    """
    tried = [
        found
        for one in ([wanted] if wanted else maps)
        for place, cells in enumerate(rows[:SEARCHED], start=1)
        if (found := _bound(one, place, cells)).places
    ]
    fitting = [found for found in tried if not missing(found, kind)]
    if fitting:
        return max(fitting, key=_score)
    if wanted and wanted.positions:
        return _by_position(wanted, rows)
    best = max(tried, key=_score, default=None)
    raise _unfit(path, rows, kind, best, wanted)


def missing(found: Binding, kind: str) -> list[tuple[str, ...]]:
    """The groups of fields of which the file tells none."""
    return [group for group in NEEDED[kind] if not found.has(*group)]


def _score(found: Binding) -> tuple[int, int]:
    recognised = {place for places in found.places.values() for place in places}
    return len(recognised), -found.header_row


def _bound(one: ColumnMap, row: int, cells: Sequence[str]) -> Binding:
    names = tuple(" ".join(cell.split()) for cell in cells)
    where: dict[str, int] = {}
    twice: list[str] = []
    for place, name in enumerate(names):
        folded = fold(name)
        if folded in where:
            twice.append(name)
        elif folded:
            where[folded] = place
    places = {
        name: found
        for name, headers in one.columns.items()
        if (found := tuple(dict.fromkeys(where[h] for h in map(fold, headers) if h in where)))
    }
    wanted = {fold(header) for headers in one.columns.values() for header in headers}
    notes = tuple(
        Sentence("the column `{name}` stands twice: the first one is read", name=name)
        for name in dict.fromkeys(twice)
        if fold(name) in wanted
    )
    return Binding(one, row, names, places, notes)


def _by_position(one: ColumnMap, rows: Sequence[Sequence[str]]) -> Binding:
    places = {name: (place,) for place, name in enumerate(one.positions) if name != "-"}
    first = next((cells for cells in rows if any(cells)), [])
    time = places.get("placed_at", (0,))[0]
    has_header = time < len(first) and not re.search(r"[0-9]", first[time])
    names = tuple(first) if has_header else ()
    return Binding(one, 1 if has_header else 0, names, places)


def _unfit(
    path: Path,
    rows: Sequence[Sequence[str]],
    kind: str,
    best: Binding | None,
    wanted: ColumnMap | None,
) -> SourceError:
    header = best.names if best else next((tuple(r) for r in rows if any(r)), ())
    columns = ", ".join(name for name in header[:40] if name) or Sentence("none")
    lacks = missing(best, kind) if best else list(NEEDED[kind])
    what = _all_of([_one_of(group) for group in lacks])
    return SourceError(
        Sentence(
            "{path}: the map `{name}` finds no column for {what}; "
            "the file's columns are: {columns}",
            path=path,
            name=wanted.name,
            what=what,
            columns=columns,
        )
        if wanted
        else Sentence(
            "{path}: no column map finds a column for {what}; the file's columns are: {columns}",
            path=path,
            what=what,
            columns=columns,
        ),
        hint=_remedy(header, lacks, wanted, best)
        or "name a map with --map (`crm-mailer import maps` lists them), or write one: "
        "maps/<name>.yaml in the shop's folder",
    )


def _one_of(fields: Sequence[str]) -> str:
    said = f"`{fields[0]}`"
    for name in fields[1:]:
        said = Sentence("{fields} or `{name}`", fields=said, name=name)
    return said


def _all_of(groups: Sequence[str]) -> str:
    said = groups[0] if groups else ""
    for group in groups[1:]:
        said = Sentence("{fields} and {more}", fields=said, more=group)
    return said


def _remedy(
    header: Sequence[str],
    lacks: Sequence[tuple[str, ...]],
    wanted: ColumnMap | None,
    best: Binding | None,
) -> str:
    """Which header may have been meant, by the map that was asked for or that fits best."""
    asked_of = wanted or (best.map if best else None)
    if asked_of is None:
        return ""
    there = {fold(name): name for name in header if name}
    for group in lacks:
        for name in group:
            for asked in asked_of.columns.get(name, ()):
                near = difflib.get_close_matches(fold(asked), there, n=1, cutoff=0.7)
                if near and wanted:
                    return Sentence(
                        "`{name}` is to stand in `{asked}`: did you mean `{near}`?",
                        name=name,
                        asked=asked,
                        near=there[near[0]],
                    )
                if near:
                    return Sentence(
                        "the map `{map}` looks for `{name}` in `{asked}`: if yours is "
                        "`{near}`, rename the column, or write a map of your own: "
                        "maps/<name>.yaml in the shop's folder, see docs/importing.md",
                        map=asked_of.name,
                        name=name,
                        asked=asked,
                        near=there[near[0]],
                    )
    return ""
