"""The log of departures: which mails left, kept in files beside the journals for some weeks.

The ledger knows it, too, and better. These files are for the day on which the ledger is lost and
an older copy takes its place: they know which of its mails have left since. A line holds what
left together, by numbers only; no line names a person.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from crm_mailer.delivering import journal
from crm_mailer.model.delivery import Outcome, OutcomeKind
from crm_mailer.model.touch import TouchKind
from crm_mailer.store.claims import Claimed

BEGIN, END = "departed-", ".log"
#: How long files are kept: older backups know nothing of what left before them.
KEEP = timedelta(days=35)
_LEFT = {OutcomeKind.ACCEPTED: 1, OutcomeKind.UNKNOWN: 0}


class Departure(NamedTuple):
    """A mail that left. `is_sure`: the server took it; else nobody knows.

    `campaign` is empty where only the flight journal of a dead sender tells of it.
    """

    touch_id: int
    customer_id: int
    campaign: str
    step: str
    is_sure: bool
    at: datetime


def note(folder: Path, landed: Sequence[tuple[Claimed, Outcome]], now: datetime) -> None:
    """Write down those of these mails that left or may have; before the ledger does.

    A disk that is full does not keep outcomes out of the database: nothing is raised.
    """
    if line := _line(landed, now):
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = folder / f"{BEGIN}{now:%Y-%m-%d}{END}"
            file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, line)
            finally:
                os.close(file)


def read(folder: Path, since: datetime | None, until: datetime) -> Iterator[Departure]:
    """All that left from `since` to `until`, as it was written down; damaged lines are passed."""
    for path in files(folder):
        day = _day(path)
        if day is None or (since and day < since.date()) or day > until.date():
            continue
        with suppress(OSError), path.open("rb") as file:
            for line in file:
                for one in _parsed(line):
                    if (since is None or one.at >= since) and one.at <= until:
                        yield one


def in_flight(folder: Path) -> Iterator[Departure]:
    """What dead senders had on the wire, or had heard of and not yet put into the database."""
    for _path, flights in journal.orphans(folder):
        answers = {key: one.outcome.kind for key, one in flights.answers.items()}
        ends = {key: one.at for key, one in flights.answers.items()}
        for key, at in {**flights.dots, **ends}.items():
            kind = answers.get(key, OutcomeKind.UNKNOWN)
            if kind in _LEFT:
                yield Departure(key[0], 0, "", "", kind is OutcomeKind.ACCEPTED, at)


def files(folder: Path) -> list[Path]:
    """The files of the log, the oldest first."""
    return sorted(folder.glob(f"{BEGIN}*{END}"))


def oldest(folder: Path) -> date | None:
    """From which day on it is known what left; None where nothing is."""
    return min(filter(None, map(_day, files(folder))), default=None)


def purge(folder: Path, now: datetime) -> int:
    """Remove what is too old; how many files that were."""
    old = [path for path in files(folder) if (_day(path) or now.date()) < (now - KEEP).date()]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _line(landed: Iterable[tuple[Claimed, Outcome]], now: datetime) -> bytes:
    names: dict[tuple[str, str], int] = {}
    rows = []
    for claimed, outcome in landed:
        sure = _LEFT.get(outcome.kind)
        touch = claimed.touch
        if sure is not None and touch.kind is not TouchKind.TEST:
            place = names.setdefault((touch.campaign, touch.step), len(names))
            rows.append((touch.id, touch.customer_id, place, sure))
    if not rows:
        return b""
    body = _JSON.encode({"at": int(now.timestamp()), "names": [*names], "left": rows}).encode()
    return b"%08x %b\n" % (crc32(body), body)


_JSON = json.JSONEncoder(separators=(",", ":"))


def _parsed(line: bytes) -> Iterator[Departure]:
    check, _blank, body = line.rstrip(b"\n").partition(b" ")
    if check != b"%08x" % crc32(body):
        return
    told: dict[str, Any] = json.loads(body)
    at, names = datetime.fromtimestamp(told["at"], UTC), told["names"]
    for touch_id, customer_id, place, sure in told["left"]:
        campaign, step = names[place]
        yield Departure(touch_id, customer_id or 0, campaign, step, bool(sure), at)


def _day(path: Path) -> date | None:
    with suppress(ValueError):
        return date.fromisoformat(path.name[len(BEGIN) : -len(END)])
    return None
