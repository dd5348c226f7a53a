"""What the studio shows of segments and of RFM, and what it lets a marketer write."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from crm_mailer.app import figures, names, segments
from crm_mailer.app.figures import Facets
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import Problem, raise_errors
from crm_mailer.definitions.segment_reader import read_segment_text
from crm_mailer.model.errors import CannotWrite, NotPossible
from crm_mailer.model.score import CHINESE_NAMES, RfmSegment, ValueClass, english_name
from crm_mailer.model.segment import Segment
from crm_mailer.model.segment_order import Ring, parts_first
from crm_mailer.model.sentence import Sentence
from crm_mailer.segmenting import rfm, rules
from crm_mailer.store import browsing, score_standing, selection
from crm_mailer.store.directory import Entry
from crm_mailer.store.homes import Home

#: Days that "since a month" looks back, and that a segment's line shows.
MONTH, LINE = 28, 90
#: Customers whom a segment's page names.
SAMPLE = 5
#: Longer rules are written in the file itself.
LONGEST_RULE = 20_000
#: What a new segment's file begins as.
_START = """\
id: my-segment
name: "My segment"
rule:
  all:
    - country: RU
    - order_count >= 2
"""
#: A count of a million customers takes both cores: one at a time.
_counting = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRow:
    """A segment in one line. `change`: how many more than on `changed_since`; below 0 fewer."""

    id: str
    name: str
    note: str
    members: int
    change: int | None
    changed_since: date | None
    line: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentOne:
    """All about a segment but its facets. `sql` is empty where it was not asked for and is long."""

    id: str
    name: str
    note: str
    members: int
    everybody: int
    counted_at: datetime
    line: tuple[tuple[date, int], ...]
    rule: tuple[tuple[int, str], ...]
    sql: str
    sample: tuple[Entry, ...]
    facets: Facets | None
    yaml: str
    #: What the text was when it was read: saving refuses where another was saved since.
    seen: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmCell:
    """Customers with one pair of R and F."""

    r: int
    f: int
    segment: str
    customers: int
    spent_usd_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmGroup:
    """Customers of one RFM segment or value class, by its code, with its two names."""

    code: str
    en: str
    zh: str
    customers: int
    spent_usd_cents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmMap:
    """The shop's customers by their marks, as last counted."""

    counted_at: datetime
    profile: Any
    customers: int
    spent_usd_cents: int
    cells: tuple[RfmCell, ...]
    segments: tuple[RfmGroup, ...]
    classes: tuple[RfmGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A rule that is being written: for how many it holds, in words; or what is wrong with it."""

    id: str
    name: str
    customers: int | None
    everybody: int
    took: float
    rule: tuple[tuple[int, str], ...]
    problems: tuple[Problem, ...]


def overview(app: App) -> tuple[list[SegmentRow], datetime]:
    """All segments with their members as last counted, and when that was."""
    sizes, at = figures.sizes(app)
    history = figures.history(app, LINE)
    rows = [
        _row(one, sizes.get(one.id, 0), history.get(one.id, []))
        for one in app.definitions.segments.values()
    ]
    return rows, at


def show(app: App, segment_id: str, *, has_sql: bool = False) -> SegmentOne:
    """A segment with its members as last counted.

    Raises:
        NotFound: there is no such segment.
    """
    one = names.segment(app, segment_id)
    sizes, at = figures.sizes(app)
    members = sizes.get(one.id, 0)
    text = read_text(app, one.id)
    with app.store.read() as connection:
        sample = browsing.members(connection, one.id, limit=SAMPLE)
    return SegmentOne(
        id=one.id,
        name=one.name,
        note=one.note,
        members=members,
        everybody=figures.everybody(app),
        counted_at=at,
        line=tuple(figures.history(app, LINE).get(one.id, [])),
        rule=_in_words(one),
        sql=_sql(app, one, is_asked=has_sql),
        sample=tuple(sample),
        facets=figures.facets(app, one.id, members),
        yaml=text,
        seen=digest(text),
        problems=tuple(p for p in app.definitions.problems if p.file.endswith(f"/{one.id}.yaml")),
    )


def rfm_map(app: App) -> RfmMap:
    """The marks of all customers, as last counted."""
    counted, at = figures.cells(app)
    with app.store.read() as connection:
        profile = score_standing.profile_in_force(connection)
    cells: dict[tuple[int, int], list[int]] = {
        (r, f): [0, 0] for r in range(1, 6) for f in range(1, 6)
    }
    groups: dict[str, list[int]] = {code.value: [0, 0] for code in (*RfmSegment, *ValueClass)}
    for one in counted:
        of_segment = groups[rfm.segment(one.r, one.f).value]
        for sums in (cells[one.r, one.f], of_segment, groups.setdefault(one.value_class, [0, 0])):
            sums[0] += one.customers
            sums[1] += one.spent_usd_cents
    return RfmMap(
        counted_at=at,
        profile=profile,
        customers=sum(one.customers for one in counted),
        spent_usd_cents=sum(one.spent_usd_cents for one in counted),
        cells=tuple(
            RfmCell(r=r, f=f, segment=rfm.segment(r, f).value, customers=number,
                    spent_usd_cents=cents)
            for (r, f), (number, cents) in cells.items()
        ),
        segments=_groups(RfmSegment, groups),
        classes=_groups(ValueClass, groups),
    )  # fmt: skip


def group_history(app: App) -> list[tuple[str, dict[str, int]]]:
    """How many were in each RFM segment at the end of each month, oldest first.

    Told backwards from today by what moved since: who was scored when the shop began counts
    as having been there.
    """
    now = {one.code: one.customers for one in rfm_map(app).segments}
    told = [("", dict(now))]
    months = figures.moves(app)
    for name, flows in months.items():
        told[-1] = (name, told[-1][1])
        if not flows:
            break
        before = dict(told[-1][1])
        for was, became, number in flows:
            if became:
                before[became] = before.get(became, 0) - number
            if was:
                before[was] = before.get(was, 0) + number
        told.append(("", {code: max(0, number) for code, number in before.items()}))
    return [(name, sizes) for name, sizes in reversed(told) if name]


def find_text(app: App, segment_id: str) -> Path:
    """The file that defines a segment, or that would."""
    folder = app.home / "campaigns" / "segments"
    usual = folder / f"{segment_id}.yaml"
    if usual.is_file():
        return usual
    mark = re.compile(rf"^id:\s*[\"']?{re.escape(segment_id)}[\"']?\s*(#.*)?$", re.MULTILINE)
    for path in sorted(folder.glob("*.yaml")):
        if mark.search(path.read_text(encoding="utf-8-sig", errors="replace")):
            return path
    return usual


def read_text(app: App, segment_id: str) -> str:
    """What stands in a segment's file; of one that is not there yet, a beginning."""
    try:
        return find_text(app, segment_id).read_text(encoding="utf-8-sig", errors="replace")
    except FileNotFoundError:
        return _START


def digest(text: str) -> str:
    """What tells one text from another."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def try_text(app: App, text: str, *, is_counted: bool = True) -> Tried:
    """For how many customers a rule holds now; nothing is saved.

    Args:
        app: the shop.
        text: a segment's file.
        is_counted: False to say it in words only, which takes no time.
    """
    problems: list[Problem] = []
    found = _read(app, text, problems)
    if found is None:
        return Tried(id="", name="", customers=None, everybody=0, took=0.0, rule=(),
                     problems=tuple(problems))  # fmt: skip
    began, number = time.perf_counter(), None
    if is_counted:
        with _counting, app.store.read() as connection:
            number = selection.count(connection, found.rule, segments.look(app, found))
    return Tried(
        id=found.id,
        name=found.name,
        customers=number,
        everybody=figures.everybody(app),
        took=time.perf_counter() - began,
        rule=_in_words(found),
        problems=tuple(problems),
    )


def save_text(app: App, segment_id: str, text: str, *, seen: str = "") -> Segment:
    """Write a segment's file anew, or a new one; it counts from the next run on.

    Args:
        app: the shop.
        segment_id: the segment that is edited; empty for a new one.
        text: the whole file.
        seen: `digest` of what stood there when editing began.

    Raises:
        DefinitionError: there is a fault in it; nothing is written.
        NotPossible: it names another id, or somebody saved another text meanwhile.
        CannotWrite: the file cannot be written.
    """
    problems: list[Problem] = []
    found = _read(app, text, problems)
    raise_errors(problems)
    if found is None:
        raise NotPossible("this is no segment")
    if segment_id and found.id != segment_id:
        raise NotPossible(
            Sentence(
                "the id is `{id}`, but this is the segment `{segment_id}`",
                id=found.id,
                segment_id=segment_id,
            ),
            hint="leave the id: campaigns name it; a new segment has a page of its own",
        )
    path = find_text(app, found.id)
    if not segment_id and (path.exists() or found.id in app.definitions.segments):
        raise NotPossible(
            Sentence("there is a segment `{id}` already", id=found.id), hint="take another id"
        )
    if segment_id and seen and digest(read_text(app, segment_id)) != seen:
        raise NotPossible(
            Sentence("{name} was saved by somebody else meanwhile", name=path.name),
            hint="load the page again, and put your change into the new text",
        )
    with _replacing(path) as draft:
        draft.write_text(text.replace("\r\n", "\n").rstrip() + "\n", encoding="utf-8")
    app.reload()
    return found


@contextmanager
def _replacing(path: Path) -> Any:
    """A draft that takes the file's place at the end: nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as error:
        raise CannotWrite(
            Sentence("{path} cannot be written: {why}", path=path, why=error.strerror or error)
        ) from error
    finally:
        draft.unlink(missing_ok=True)


def _read(app: App, text: str, problems: list[Problem]) -> Segment | None:
    if len(text) > LONGEST_RULE:
        what = Sentence("is longer than {number} letters", number=f"{LONGEST_RULE:,}")
        problems.append(Problem(code="CRM100", message=what, file="rule"))
        return None
    known = app.definitions.segments
    found = read_segment_text(
        text,
        problems,
        folder=app.home / "campaigns" / "segments",
        segments=known,
        shown="rule",
        campaigns=app.definitions.ids,
    )
    if found is None:
        return None
    try:
        others = [one for id_, one in known.items() if id_ != found.id]
        parts_first([*others, found])
    except Ring as ring:
        what = Sentence("segments speak of each other in a ring: {ring}", ring=ring)
        problems.append(Problem(code="CRM130", message=what, file="rule"))
        return None
    return found


def _row(one: Segment, members: int, history: Sequence[tuple[date, int]]) -> SegmentRow:
    past = [(day, number) for day, number in history if (history[-1][0] - day).days >= MONTH]
    since, before = past[-1] if past else (history[0] if len(history) > 1 else (None, None))
    return SegmentRow(
        id=one.id,
        name=one.name,
        note=one.note,
        members=members,
        change=None if before is None else members - before,
        changed_since=since,
        line=tuple(number for _day, number in history),
    )


def _in_words(one: Segment) -> tuple[tuple[int, str], ...]:
    return tuple((depth, rules.in_words(part)) for depth, part in rules.parts(one.rule))


class _LongSql(Exception):
    """The rule asks where customers live, which is read from all of them."""


def _sql(app: App, one: Segment, *, is_asked: bool) -> str:
    """The rule as SQL; empty where it is long and nobody asked for it."""

    def homes() -> tuple[Home, ...]:
        raise _LongSql

    look = segments.look(app, one)
    if not is_asked:
        look = replace(look, homes=homes)
    try:
        return selection.as_sql(one.rule, look, app.store.engine.dialect)
    except _LongSql:
        return ""


def _groups(
    kinds: Collection[RfmSegment] | Collection[ValueClass] | Any, sums: Mapping[str, Sequence[int]]
) -> tuple[RfmGroup, ...]:
    return tuple(
        RfmGroup(
            code=kind.value,
            en=english_name(kind.value),
            zh=CHINESE_NAMES[kind.value],
            customers=sums[kind.value][0],
            spent_usd_cents=sums[kind.value][1],
        )
        for kind in kinds
    )
