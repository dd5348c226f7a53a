"""Verbs of the archive: let past months leave the database, look them up, erase people in them.

A month is written, read back, compared with the database row by row, and only then deleted there.
Broken off at any point, the next run goes on: what was not written whole is written anew, what was
written whole and has not left yet leaves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import crm_mailer.store.tables as t
from crm_mailer.app import archive_files as files
from crm_mailer.app.archive_files import File, Manifest
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import Touch, TouchState
from crm_mailer.store import archiving as rows
from crm_mailer.store import partitions
from crm_mailer.store.archiving import TABLES, Archive, Slice
from crm_mailer.store.privacy_map import PLACES

#: Mails of fewer months are still worked with: answers and bounces come, reports are read.
YOUNGEST = 3
#: Mails of one file: an erasure writes a file anew, so it should be small.
AT_ONCE = 20_000
#: Mails that leave the database in one write turn.
TURN = 500
#: How often partitions are tried that others use just now.
TRIES = 5

#: Fates of mails of which there is something to archive.
LEFT = frozenset({TouchState.ACCEPTED, TouchState.REFUSED, TouchState.EXPIRED})

Told = Callable[[str, int], None]
#: Whether a person's mails go to an address.
Theirs = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A month that is in the archive. `kept`: mails that are still needed and stayed."""

    month: str
    folder: str
    counts: dict[str, int]
    kept: int
    size: int


def archive(
    app: App, year: int, month: int, on_rows: Told = lambda _month, _rows: None
) -> list[Left]:
    """Let the mails of every month before this one leave, into files; those that did.

    Args:
        app: the shop.
        year: with `month` the first month that stays.
        month: 1 to 12.
        on_rows: told the month and how many rows were written.

    Raises:
        NotPossible: the month is too young, or another command archives now.
        CannotWrite: the disk is full, or the folder cannot be written.
        StoreError: a file of the archive is damaged; nothing of it was deleted.
    """
    before = _before(app, year, month)
    with files.held(app.home) as folder, files.plain_errors(folder):
        files.clear(folder)
        found = [_leave(app, place, known) for place, known in files.unfinished(folder)]
        with app.store.read() as connection:
            months = rows.slices(connection, before)
        written = (_write(app, folder, which, before, on_rows) for which in months)
        found += [_leave(app, one, files.read_manifest(one)) for one in written if one]
        return found


def _before(app: App, year: int, month: int) -> datetime:
    now = app.clock.now()
    youngest = now.year * 12 + now.month - 1 - YOUNGEST
    if year * 12 + month - 1 > youngest:
        raise NotPossible(
            Sentence("mails of the last {number} months are still worked with", number=YOUNGEST),
            hint=Sentence(
                "--before {year:04}-{month:02} or earlier",
                year=youngest // 12,
                month=youngest % 12 + 1,
            ),
        )
    return now.replace(year=year, month=month, day=1, hour=0, minute=0, second=0, microsecond=0)


# ------------------------------------------------------------------ writing


def _write(app: App, folder: Path, which: Slice, before: datetime, on_rows: Told) -> Path | None:
    """Write a month; its folder, or None where all of it is still needed."""
    with app.store.read() as connection:
        kept = rows.needed(connection, which, before)
    part, whole = files.begin(folder, which.month)
    written: list[File] = []
    for number, (first, until) in enumerate(_stretches(app, which), start=1):
        for name, lines in _lines(app, first, until, set(kept)):
            if lines:
                file = f"{name}-{number:06}.jsonl.gz"
                written.append(files.write_file(part, file, name, first, until, lines))
                on_rows(which.month, len(lines))
    if not written and not which.is_whole:
        part.rmdir()
        return None
    files.end(part, whole, Manifest(
        month=which.month, first=which.first, until=which.until, is_whole=which.is_whole,
        kept=tuple(kept), files=tuple(written), written_at=app.clock.now().isoformat(),
    ))  # fmt: skip
    return whole


def _stretches(app: App, which: Slice) -> Iterator[tuple[int, int]]:
    """A month in pieces of `AT_ONCE` mails."""
    first = which.first
    while True:
        with app.store.read() as connection:
            until = rows.end_of_page(connection, first, which.until, AT_ONCE)
        yield first, until
        if until == which.until:
            return
        first = until


def _lines(app: App, first: int, until: int, kept: set[int]) -> Iterator[tuple[str, list[str]]]:
    for name, table in TABLES.items():
        with app.store.read() as connection:
            found = rows.rows(connection, table, first, until)
        yield name, [rows.line(row) for row in found if row["touch_id"] not in kept]


# ------------------------------------------------------------------ leaving


def _leave(app: App, place: Path, known: Manifest) -> Left:
    """Delete in the database what a folder holds, once it is proved to."""
    noted = Archive(
        folder=place.name, first_touch=known.first, last_touch=known.until - 1,
        counts=known.counts, at=app.clock.now(),
    )  # fmt: skip
    which = Slice(month=known.month, first=known.first, until=known.until, is_whole=known.is_whole)
    if which.is_whole:
        for first, until in _pieces(known):
            _compare(app, place, known, first, until)
        _drop(app, which, known, noted)
    else:
        with app.store.write(durable=True) as connection:
            rows.add(connection, noted)
        changed: set[int] = set()
        for first, until in _pieces(known):
            changed |= _delete(app, _by_touch(place, known, first, until))
        known = replace(known, kept=tuple(sorted({*known.kept, *changed})))
    files.write_manifest(place, replace(known, left_at=app.clock.now().isoformat()))
    return Left(
        month=known.month,
        folder=f"{files.FOLDER}/{place.name}",
        counts=known.counts,
        kept=len(known.kept),
        size=sum((place / one.name).stat().st_size for one in known.files),
    )


def _pieces(known: Manifest) -> list[tuple[int, int]]:
    return sorted({(one.first, one.until) for one in known.files})


def _by_touch(place: Path, known: Manifest, first: int, until: int) -> dict[str, dict[int, Any]]:
    """Table -> touch -> its lines, as they are read back from the disk."""
    found: dict[str, dict[int, Any]] = {name: {} for name in TABLES}
    for file in known.files:
        if file.first == first and file.until == until:
            for one in files.read_lines(place, file):
                found[file.table].setdefault(json.loads(one)["touch_id"], []).append(one)
    return found


def _compare(app: App, place: Path, known: Manifest, first: int, until: int) -> None:
    """Check that the archive holds exactly what the database does."""
    archived = _by_touch(place, known, first, until)
    for name, lines in _lines(app, first, until, set(known.kept)):
        held = [one for some in archived[name].values() for one in some]
        if sorted(held) != sorted(lines):
            raise _changed(place)


def _changed(place: Path) -> NotPossible:
    return NotPossible(
        Sentence("mails of {month} changed while they were archived", month=place.name),
        hint=Sentence(
            "remove the folder {folder} and do it again; nothing of it has left", folder=place
        ),
    )


def _drop(app: App, which: Slice, known: Manifest, noted: Archive) -> None:
    counts = {name: known.counts.get(name, 0) for name in TABLES}
    for _ in range(TRIES):
        with partitions.unless_used(app.store) as connection:
            if rows.is_gone(connection, which):  # before a kill
                return
            if not rows.drop(connection, which, known.kept, counts):
                raise _changed(app.home / files.FOLDER / noted.folder)
            rows.add(connection, noted)
            return
    raise NotPossible(
        Sentence("the tables of {month} are in use", month=which.month),
        hint="it is in the archive and stays in the database until you do it again",
    )


def _delete(app: App, archived: dict[str, dict[int, Any]]) -> set[int]:
    """Delete these mails in short turns; those that changed meanwhile, which stay."""
    changed: set[int] = set()
    every = sorted({one for known in archived.values() for one in known})
    for start in range(0, len(every), TURN):
        some = set(every[start : start + TURN])
        with app.store.write() as connection:
            changed |= rows.remove(
                connection,
                {
                    name: {one: lines for one, lines in known.items() if one in some}
                    for name, known in archived.items()
                },
            )
    return changed


# ------------------------------------------------------------------ looking


def list_(app: App) -> list[Archive]:
    """Every month that left."""
    with app.store.read() as connection:
        return rows.list_(connection)


def places_of(app: App, touch: Touch) -> list[str]:
    """In which folders the mail of a touch may be; none where it never left or is still here."""
    if touch.state not in LEFT:
        return []
    with app.store.read() as connection:
        return [f"{files.FOLDER}/{one.folder}" for one in rows.list_(connection, touch.id)]


def find(app: App, touch_id: int) -> dict[str, list[Any]]:
    """What the archive holds of a mail, by table.

    Raises:
        NotFound: nothing.
        StoreError: a file is missing or damaged.
    """
    if found := rows_of(app, [touch_id]):
        return found
    raise NotFound(
        Sentence("mail {number} is not in the archive", number=touch_id),
        hint=Sentence("`crm-mailer outbox show {number}` says where it is", number=touch_id),
    )


def rows_of(
    app: App, touch_ids: Iterable[int], is_theirs: Theirs | None = None
) -> dict[str, list[Any]]:
    """What the archive holds of these mails, by table.

    `is_theirs` tells mails of a person from those of somebody else, where a folder did not leave
    this database: another one gave the same numbers to other mails.
    """
    found: dict[str, list[Any]] = {}
    for place, known, mine in _with_mails(app, touch_ids, is_theirs):
        for name, held in files.rows(place, mine.difference(known.kept)).items():
            found.setdefault(name, []).extend(held)
    return found


def _with_mails(
    app: App, touch_ids: Iterable[int], is_theirs: Theirs | None, *, is_always_asked: bool = False
) -> Iterator[tuple[Path, Manifest, set[int]]]:
    """Each folder that may hold one of the mails, also those that have not left yet."""
    wanted, own = set(touch_ids), {one.folder for one in list_(app)}
    for path in sorted((app.home / files.FOLDER).glob(f"*/{files.MANIFEST}")):
        place, known = path.parent, files.read_manifest(path.parent)
        mine = {one for one in wanted if known.first <= one < known.until}
        if mine and is_theirs is not None and (is_always_asked or place.name not in own):
            sent = files.rows(place, mine).get("messages", [])
            mine = {row["touch_id"] for row in sent if is_theirs(row["rcpt_to"] or "")}
        if mine:
            yield place, known, mine


# ------------------------------------------------------------------ erasing


class Archived:
    """The archive while nobody writes it."""

    def __init__(self, app: App, folder: Path | None) -> None:
        self._app = app
        self._folder = folder

    def addresses(self, touch_ids: Iterable[int], is_theirs: Theirs) -> list[str]:
        """Where these mails went to; `is_theirs` as in `rows_of`.

        Raises:
            StoreError: a file is missing or damaged.
        """
        found = rows_of(self._app, touch_ids, is_theirs).get("messages", [])
        return sorted({row["rcpt_to"] for row in found if row["rcpt_to"]})

    def forget(
        self, touch_ids: Iterable[int], is_theirs: Theirs, *, is_always_asked: bool = False
    ) -> int:
        """Empty what names a person in these mails; how many rows.

        The files are written anew, so that the folder does not hold what they said before.

        Args:
            touch_ids: mails of the person.
            is_theirs: as in `rows_of`.
            is_always_asked: also of folders that left this database.

        Raises:
            CannotWrite: the disk is full, or the folder cannot be written.
            StoreError: a file is missing or damaged.
        """
        if self._folder is None:
            return 0
        hint = "is the disk full? the archive still names the person: do it again"
        with files.plain_errors(self._folder, hint):
            found = list(
                _with_mails(self._app, touch_ids, is_theirs, is_always_asked=is_always_asked)
            )
            return sum(_forget_in(place, known, mine) for place, known, mine in found)


@contextmanager
def still(app: App) -> Iterator[Archived]:
    """The archive for as long as a person is erased.

    Raises:
        NotPossible: it is being written now, or writing it was broken off.
    """
    if not (app.home / files.FOLDER).is_dir():
        yield Archived(app, None)
        return
    with files.held(app.home) as folder:
        if broken := sorted(folder.glob(f"*{files.PART}")):
            raise NotPossible(
                Sentence("archiving {month} was broken off", month=broken[0].stem),
                hint="run `crm-mailer db archive --before ...` to its end first",
            )
        yield Archived(app, folder)


def _forget_in(place: Path, known: Manifest, touch_ids: set[int]) -> int:
    number, old = 0, []
    after: list[File] = []
    for file in known.files:
        lines = files.read_lines(place, file)
        emptied = [_emptied(file.table, one, touch_ids) for one in lines]
        changed = sum(one != other for one, other in zip(lines, emptied, strict=True))
        if changed:
            name = f"{file.table}-{_next(file.name)}.jsonl.gz"
            old.append(place / file.name)
            file = files.write_file(place, name, file.table, file.first, file.until, emptied)
        after.append(file)
        number += changed
    files.write_manifest(place, replace(known, files=tuple(after)))
    for path in old:
        path.unlink(missing_ok=True)
    return number


def _next(name: str) -> str:
    """`messages-000001.jsonl.gz` was written anew: 000001a, then 000001b ..."""
    digits, letters = name.split("-")[1].split(".")[0][:6], name.split("-")[1].split(".")[0][6:]
    return f"{digits}{'b' if letters == 'a' else 'a'}"


def _emptied(table: str, line: str, touch_ids: set[int]) -> str:
    row = json.loads(line)
    if row["touch_id"] not in touch_ids:
        return line
    columns = t.metadata.tables[table].c
    for place in PLACES:
        if place.table == table:
            row.update({name: None if columns[name].nullable else "" for name in place.blank})
    return rows.line(row)
