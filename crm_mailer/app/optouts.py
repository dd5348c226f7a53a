"""Who wants no mail, written down beside the database: an opt-out must outlive the database.

Once a minute whatever is new goes into a file for each day, in the folder of the journals. They
are kept for some weeks and read when an older copy of the database was put in its place. The files
name addresses; erasing a person takes theirs out, on other hosts within a minute.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from crm_mailer.app.wiring import App
from crm_mailer.delivering import departed
from crm_mailer.model import address as addresses
from crm_mailer.model.choices import ActKind
from crm_mailer.model.errors import CannotWrite
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import directory, preferences, wished, witnesses
from crm_mailer.store.wished import ACT, STOP

BEGIN, END = "wishes-", ".jsonl"
PLACE = "wishes.place"
#: Held by whoever writes one of them: an erasure writes a file anew to which others add.
LOCK = "wishes.lock"
#: On a server rows of a long transaction appear behind later ones: so many are read once more.
OVERLAP = 200
#: Clocks of hosts differ, and rows are stamped when their transaction begins.
SLACK = timedelta(minutes=10)


def write_down(app: App) -> int:
    """Write down what is new since the last time; how many rows that were.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    folder = app.journal_folder
    try:
        with _locked(folder):
            return _write_down(app, folder, app.clock.now())
    except OSError as error:
        raise CannotWrite(
            Sentence(
                "{folder} cannot be written: {why}", folder=folder, why=error.strerror or error
            ),
            hint="look at the folder's rights and at the room on its disk",
        ) from error


def _write_down(app: App, folder: Path, now: datetime) -> int:
    with app.store.read() as connection:
        name, last = witnesses.name(connection), wished.places(connection)
        before = _place(folder, name)
        if before is None or before == last:
            rows = []
        else:
            slack = 0 if app.store.is_sqlite else OVERLAP
            rows = wished.since(connection, {kind: n - slack for kind, n in before.items()})
    for kind, place in (before or {}).items():
        got = [number for number, row in rows if row["kind"] == kind]
        last[kind] = max(got, default=place)
    new = _but_erased(app, [row for _number, row in rows])
    _append(folder / f"{BEGIN}{now:%Y-%m-%d}{END}", new)
    erasures = _drop_erased(app, folder)
    told = json.dumps({"database": name, **last, "erasures": erasures})
    if before != last or told != _text(folder / PLACE):
        _write(folder / PLACE, told)
    _purge(folder, now)
    return len(new)


def _drop_erased(app: App, folder: Path) -> str:
    """Whom another host has erased meanwhile leaves these files, too; up to which erasure."""
    from crm_mailer.app import privacy  # which takes people out of these files

    erasures, known = privacy.erasures(app), ""
    with suppress(ValueError, KeyError, TypeError):
        known = json.loads(_text(folder / PLACE))["erasures"]
    if erasures != known:
        for path in _files(folder):
            lines = _text(path).splitlines()
            rows = {line: row for line in lines if (row := _parsed(line)) is not None}
            gone = _erased_of(app, list(rows.values()))
            kept = [line for line in lines if line not in rows or not gone(rows[line])]
            if len(kept) < len(lines):
                _write(path, "".join(f"{line}\n" for line in kept))
    return erasures


def begin_anew(folder: Path) -> None:
    """The database is another one than before: what it has now is no news."""
    with suppress(OSError), _locked(folder):
        (folder / PLACE).unlink(missing_ok=True)


def missing(app: App, since: datetime | None) -> list[dict[str, Any]]:
    """What was written down since then and the database does not know."""
    rows = _told(app, since)
    with app.store.read() as connection:
        return [row for row in rows if not wished.is_known(connection, row)]


def put_back(app: App, since: datetime | None, now: datetime) -> None:
    """Let the database know again what was written down since then, with all that follows.

    Stops come last, those that it has included: an act may lift one, and not those after it. Who
    had taken back an opt-out by then is stopped all the same.
    """
    rows = _told(app, since)
    with app.store.write(durable=True) as connection:
        stops = [row for row in rows
                 if row["kind"] == STOP and not wished.is_older(connection, row)]  # fmt: skip
        acts = [row for row in rows if row["kind"] == ACT]
        lost = [row for row in acts if not wished.has_mail(connection, row)]
        for row in acts:
            if wished.has_mail(connection, row) and not wished.is_known(connection, row):
                wished.put_back(connection, row)
        preferences.take_in(connection, now)
        for row in lost:
            wished.follow(connection, row, now)
        for row in stops:
            wished.put_back(connection, row)


def forget(
    app: App, people: Collection[str], touch_ids: Collection[int], customer_id: int | None = None
) -> int:
    """Take a person out of the files; how many lines went.

    Args:
        app: the shop.
        people: addresses.
        touch_ids: mails of the person.
        customer_id: the person's number; mails that a restored database lacks are known by it.
    """
    keys, mails, gone = {addresses.key(one) for one in people if one}, set(touch_ids), 0
    if not _files(app.journal_folder):
        return 0
    with _locked(app.journal_folder):
        for path in _files(app.journal_folder):
            lines = path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if not _is_about(line, keys, mails, customer_id)]
            if len(kept) < len(lines):
                _write(path, "".join(f"{line}\n" for line in kept))
                gone += len(lines) - len(kept)
    return gone


def oldest(folder: Path) -> date | None:
    """From which day on opt-outs are written down; None where none are."""
    return min(filter(None, map(_day, _files(folder))), default=None)


# ------------------------------------------------------------------ pieces


def _is_about(
    line: str, keys: Collection[str], mails: Collection[int], customer_id: int | None
) -> bool:
    row = _parsed(line)
    if row is None:
        return False
    is_theirs = customer_id is not None and row.get("customer") == customer_id
    return is_theirs or row.get("address") in keys or row.get("touch") in mails


def _but_erased(app: App, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without who was erased, perhaps by another host: these files name nobody of them again."""
    is_gone = _erased_of(app, rows)
    return [row for row in rows if not is_gone(row)]


def _erased_of(app: App, rows: list[dict[str, Any]]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether one of these rows is an erased person's."""
    from crm_mailer.app import privacy

    named = {row["address"] for row in rows if row["kind"] == STOP}
    erased = privacy.erased_among(app, named) if named else set()
    numbers = {row["customer"] for row in rows if row.get("customer") is not None}
    with app.store.read() as connection:
        gone = directory.erased_of(connection, numbers) if numbers else set()
    return lambda row: row.get("address") in erased or row.get("customer") in gone


def _told(app: App, since: datetime | None) -> list[dict[str, Any]]:
    """What was written down since then; an act has as `last` what no later one chose again."""
    rows, later = _but_erased(app, list(_read(app.journal_folder, since))), set()
    for row in reversed(rows):
        person = row.get("customer")
        if row.get("act") == ActKind.CHOOSE and person is not None:
            given = row["given"]
            row["last"] = {name: given[name] for name in given if (person, name) not in later}
            later |= {(person, name) for name in given}
    return rows


def _read(folder: Path, since: datetime | None) -> Iterator[dict[str, Any]]:
    begin = None if since is None else since - SLACK
    seen = set()
    for path in _files(folder):
        if begin is not None and (_day(path) or begin.date()) < begin.date():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            row = _parsed(line)
            if row is None or line in seen:
                continue
            seen.add(line)
            # a stop has the moment of what it came of, which may be learnt days later
            if begin is None or row["kind"] == STOP or row["at"] >= begin.timestamp():
                yield row


def _parsed(line: str) -> dict[str, Any] | None:
    """A line; None for one that was cut off by a crash."""
    with suppress(ValueError, KeyError, TypeError):
        row = json.loads(line)
        known = {STOP: "address", ACT: "touch"}
        return row if known[row["kind"]] in row and isinstance(row["at"], int) else None
    return None


def _place(folder: Path, name: str) -> dict[str, int] | None:
    """How far was written; None: nothing of this database, so that it begins here."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads((folder / PLACE).read_text(encoding="ascii"))
        if told["database"] == name:
            return {kind: int(told[kind]) for kind in (STOP, ACT)}
    return None


def _text(path: Path) -> str:
    """Empty where there is no such file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "a", encoding="utf-8") as out:
        out.writelines(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
        out.flush()
        os.fsync(out.fileno())


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)


def _purge(folder: Path, now: datetime) -> None:
    departed.purge(folder, now)
    for path in _files(folder):
        if (_day(path) or now.date()) < (now - departed.KEEP).date():
            path.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{BEGIN}*{END}"))


def _day(path: Path) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(path.name[len(BEGIN) : -len(END)])
    return None
