"""Verbs for work on segments: count while editing, export, report, make one of a list."""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from crm_mailer import segmenting
from crm_mailer.app import names
from crm_mailer.app.wiring import App
from crm_mailer.definitions.list_reader import ListFolder, read_list
from crm_mailer.definitions.problems import Problem, nearest, raise_all, raise_errors
from crm_mailer.definitions.segment_reader import read_segment
from crm_mailer.definitions.tree import Node, Place, Source
from crm_mailer.definitions.written import SLUG
from crm_mailer.model.errors import CannotWrite, DefinitionError, NotFound, NotPossible
from crm_mailer.model.segment import EVERYBODY, Rule, Segment
from crm_mailer.model.segment_order import Ring, parts_first
from crm_mailer.model.sentence import Sentence
from crm_mailer.segmenting.facts import Facts, facts
from crm_mailer.store import distributions, growth, members, selection
from crm_mailer.store.distributions import Share
from crm_mailer.store.homes import of_all
from crm_mailer.store.look import Look
from crm_mailer.store.stories import Known

#: What `segment report` tells of when nothing is asked for.
USUAL = ("gender", "age_band", "country", "language", "address_kind", "value_class", "category")
#: Beginnings of a cell that a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """For how many customers a rule holds now, of all that there are; `took` in seconds."""

    segment: str
    customers: int
    everybody: int
    took: float
    problems: tuple[Problem, ...] = ()

    @property
    def warning(self) -> str:
        """What is odd about the number: `nobody`, `everybody` or nothing."""
        if not self.everybody:
            return ""
        return {0: "nobody", self.everybody: "everybody"}.get(self.customers, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """How the customers of a segment (of all, where it is empty) spread over a dimension."""

    segment: str
    by: str
    across: str
    customers: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A segment that was made of a list."""

    segment: str
    path: Path
    entries: int
    customers: int
    problems: tuple[Problem, ...]


def find(app: App, target: str) -> tuple[Segment, tuple[Problem, ...]]:
    """The segment of this id, or in this file, with what there is to say about it.

    Raises:
        DefinitionError: the file is wrong.
        NotFound: there is no such segment, or no such file.
    """
    if not _is_file_name(target):
        one = names.segment(app, target)
        file = f"segments/{one.id}.yaml"
        return one, tuple(p for p in app.definitions.problems if p.file.endswith(file))
    path = _path_of(app, target)
    problems: list[Problem] = []
    found = read_segment(
        path,
        problems,
        segments=app.definitions.segments,
        shown=target,
        campaigns=app.definitions.ids,
    )
    if found is None:
        raise_errors(problems)
        raise NotFound(Sentence("there is no segment in {file}", file=target))
    try:
        parts_first([*_others(app, found).values(), found])
    except Ring as ring:
        what = Sentence("segments speak of each other in a ring: {ring}", ring=ring)
        raise_all([Problem(code="CRM130", message=what, file=target)])
    return found, tuple(problems)


def count(app: App, target: str) -> Count:
    """For how many customers the rule of a segment, or of a file, holds now; nothing is saved."""
    found, problems = find(app, target)
    began = time.perf_counter()
    with app.store.read() as connection:
        customers = selection.count(connection, found.rule, look(app, found))
        took = time.perf_counter() - began
        everybody = members.everybody(connection)
    return Count(
        segment=found.id,
        customers=customers,
        everybody=everybody,
        took=took,
        problems=problems,
    )


def watch(
    app: App, target: str, wait: Callable[[], bool]
) -> Iterator[Count | DefinitionError | NotFound]:
    """Count anew each time a file is saved; a file with a fault gives the fault.

    Args:
        app: the shop.
        target: a segment's id or file.
        wait: waits a moment; says whether to go on.
    """
    seen: object = None
    while True:
        now = _written(app, target)
        if now != seen:
            seen = now
            app.reload()
            try:
                yield count(app, target)
            except (DefinitionError, NotFound) as error:
                yield error
        if not wait():
            return


def look(app: App, one: Segment | None = None) -> Look:
    """Now, with every segment worked out afresh; `one` as it is given, not as it is saved."""
    rules = {id_: other.rule for id_, other in app.definitions.segments.items()}
    if one is not None:
        rules[one.id] = one.rule
    now = app.clock.now()
    shop = app.shop_or_default
    return Look.of(shop, now, of_all(app.store), segments=rules, is_of_all=True)


def edited(app: App) -> dict[str, Rule]:
    """The rules of segments whose members follow from older ones still: to look at afresh."""
    found = segmenting.find_stale(app.store, tuple(app.definitions.segments.values()))
    return {one.id: one.rule for one in found}


def facts_of(app: App, known: Known) -> Facts:
    """What rules may ask of the customer now, counted as the shop's file says."""
    shop = app.shop_or_default
    return facts(
        known,
        now=app.clock.now(),
        zone=app.zone,
        time_zones=shop.time_zones,
        leap_day=shop.leap_day,
    )


def report(
    app: App, target: str = "", *, by: Sequence[str] = (), across: str = ""
) -> list[Distribution]:
    """How the customers of a segment, or all of them, spread over each dimension.

    Raises:
        NotFound: there is no such dimension.
    """
    for name in (*by, *((across,) if across else ())):
        if name not in distributions.DIMENSIONS:
            raise NotFound(
                Sentence("customers cannot be told apart by `{name}`", name=name), hint=_meant(name)
            )
    one = find(app, target)[0] if target else None
    rule = one.rule if one else EVERYBODY
    asked = look(app, one)
    with app.store.read() as connection:
        total = selection.count(connection, rule, asked)
        return [
            Distribution(
                segment=one.id if one else "",
                by=name,
                across=across,
                customers=total,
                shares=tuple(
                    distributions.shares(
                        connection, rule, replace(asked, parts={}), by=name, across=across
                    )
                ),
            )
            for name in (by or USUAL)
        ]


def export(app: App, target: str, into: TextIO) -> int:
    """Write the customers for whom the rule holds now as CSV; returns how many.

    Cells that a spreadsheet would run as a formula begin with an apostrophe.
    """
    one, _problems = find(app, target)
    writer = csv.writer(into, lineterminator="\n")
    writer.writerow(["last_order_on" if c == "last_order_at" else c for c in members.COLUMNS])
    number = 0
    with app.store.read() as connection:
        for row in members.each(connection, one.rule, look(app, one)):
            writer.writerow(_cells(app, row))
            number += 1
    return number


@contextmanager
def new_file(path: Path, *, is_forced: bool) -> Iterator[TextIO]:
    """A file that takes its place when all is written; read by Excel as UTF-8.

    Raises:
        CannotWrite: there is such a file already, or it cannot be made.
    """
    if path.exists() and not is_forced:
        hint = "name another file, or add --force to replace it"
        raise CannotWrite(Sentence("{path} is there already", path=path), hint=hint)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("w", encoding="utf-8-sig", newline="") as file:
            yield file
        draft.replace(path)
    except OSError as error:
        raise CannotWrite(
            Sentence("{path} cannot be written: {why}", path=path, why=error.strerror or error)
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def make(app: App, source: Path, *, id_: str, name: str) -> Made:
    """Make a segment of a list: the file is copied beside the segments.

    Raises:
        NotPossible: the id is none, or taken.
        DefinitionError: the list cannot be read.
        CannotWrite: the files cannot be made.
    """
    folder = app.home / "campaigns" / "segments"
    path, kept = folder / f"{id_}.yaml", folder / f"{id_}{source.suffix.lower()}"
    if not SLUG.fullmatch(id_) or len(id_) > 60:
        hint = "lower-case letters, digits and hyphens, such as `spring-fair`"
        raise NotPossible(Sentence("`{id}` is no id of a segment", id=id_), hint=hint)
    if id_ in app.definitions.segments or path.exists() or kept.exists():
        raise NotPossible(
            Sentence("there is a segment `{id}` already", id=id_), hint="take another --id"
        )
    problems: list[Problem] = []
    here = Node(Source(str(source), ()), Place(0, 0))
    where = ListFolder(path=source.parent, shown=str(source.parent))
    listed = read_list(source.name, where, here, problems)
    raise_errors(problems)
    if not listed.addresses and not listed.numbers:
        raise NotPossible(
            Sentence("nobody is on the list {name}: no segment was made", name=source.name),
            hint="it needs a column `email` or `customer_id`, or a mail address in each row",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, kept)
        path.write_text(_yaml(id_, name or id_, kept.name), encoding="utf-8")
    except OSError as error:
        raise CannotWrite(
            Sentence("{path} cannot be written: {why}", path=path, why=error.strerror or error)
        ) from error
    app.reload()
    return Made(
        segment=id_,
        path=path,
        entries=len(listed.addresses) + len(listed.numbers),
        customers=count(app, id_).customers,
        problems=tuple(problems),
    )


def everybody(app: App) -> int:
    """How many customers there are."""
    with app.store.read() as connection:
        return members.everybody(connection)


def note_growth(app: App) -> int:
    """Give an agent a task for each who grew into a key customer; returns how many."""
    with app.store.read() as connection:
        if not growth.is_due(connection):
            return 0
    with app.store.write() as connection:
        return growth.add_tasks(connection, app.clock.now())


def _meant(name: str) -> Sentence:
    """The remedy for an unknown dimension: the nearest one that begins alike, else all of them."""
    near = nearest(name, distributions.DIMENSIONS)
    if near and near[0] == name[:1].lower():
        return Sentence("did you mean `{name}`?", name=near)
    return Sentence("known: {names}", names=", ".join(distributions.DIMENSIONS))


def _yaml(id_: str, name: str, file: str) -> str:
    shown = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'id: {id_}\nname: "{shown}"\nlist: {file}\n'


def _cells(app: App, row: Sequence[Any]) -> list[Any]:
    *values, cents, last = row
    cells = [
        f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
        for value in values
    ]
    day = last.astimezone(app.zone).date().isoformat() if last else ""
    return [*("" if cell is None else cell for cell in cells), f"{cents / 100:.2f}", day]


def _others(app: App, one: Segment) -> Mapping[str, Segment]:
    return {id_: other for id_, other in app.definitions.segments.items() if id_ != one.id}


def _is_file_name(target: str) -> bool:
    return target.endswith((".yaml", ".yml")) or os.sep in target


def _path_of(app: App, target: str) -> Path:
    """The file as named, from here or from the shop's folder."""
    for path in (Path(target), app.home / target, app.home / "campaigns" / "segments" / target):
        if path.is_file():
            return path
    raise NotFound(
        Sentence("there is no file {file}", file=target), hint="name a segment or its file"
    )


def _written(app: App, target: str) -> object:
    """Changes whenever the file, a segment or a list is saved."""
    folder = app.home / "campaigns" / "segments"
    files = [*sorted(folder.glob("*")), *([Path(target)] if _is_file_name(target) else [])]
    times = []
    for path in files:
        try:
            times.append((str(path), path.stat().st_mtime_ns))
        except OSError:  # an editor puts the new file into the place of the old one just now
            times.append((str(path), 0))
    return tuple(times)
