"""The flight journal: which mails this process has on the wire, kept beside the database.

One short line goes to an append-only file before each final dot leaves and one for each answer.
Lines survive the death of the process, so the next one knows: claimed and not in the journal was
never sent; a dot without an answer is in doubt; an answered mail is settled as it was answered.
The file is locked while its process lives and removed when all is in the database.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.errors import AlreadyRunning

SUFFIX = ".flight"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this run of the machine: another one means that a power cut may have lost writes."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Answered:
    """An outcome and when it was known."""

    outcome: Outcome
    at: datetime


@dataclass(slots=True)
class Flights:
    """What a journal tells: the dots that left and the answers that came, by (touch, attempt)."""

    owner: str = ""
    boot: str = ""
    #: The touches that were being rendered at the end.
    rendering: frozenset[int] = frozenset()
    dots: dict[tuple[int, int], datetime] = field(default_factory=dict)
    answers: dict[tuple[int, int], Answered] = field(default_factory=dict)


class Journal:
    """The journal of one living process. Not for use by two threads at once."""

    def __init__(self, folder: Path, owner: str) -> None:
        self.owner = owner
        self.path = folder / (_file_name(owner) + SUFFIX)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = _open_patiently(self.path)
        if self._file is None:
            raise AlreadyRunning(
                f"another process sends as {owner!r}", hint="wait until it has ended"
            )
        self._head = _line({"owner": owner, "boot": boot_id()})
        self.is_empty = os.fstat(self._file).st_size == 0
        if self.is_empty:
            self._write(self._head)

    def render(self, touch_ids: Sequence[int]) -> None:
        """Note what is being rendered now, until `landed`. A crash then has suspects."""
        self._write(_line({"render": list(touch_ids)}))

    def dot(self, touch_id: int, attempt: int, at: datetime) -> None:
        """Note that the final dot is about to leave.

        Raises:
            OSError: it cannot be noted; the dot must not leave.
        """
        self._write(_line({"dot": [touch_id, attempt], "at": int(at.timestamp())}))

    def answer(self, touch_id: int, attempt: int, outcome: Outcome, at: datetime) -> None:
        """Note how it ended."""
        value = {
            "end": [touch_id, attempt],
            "at": int(at.timestamp()),
            "kind": outcome.kind.value,
            "phase": outcome.phase.value,
            "code": outcome.code,
            "status": outcome.status,
            "text": outcome.text[:200],
            "blame": outcome.blame.value,
            "host": outcome.host,
            "ms": outcome.took_ms,
            "dead": outcome.is_dead_address,
        }
        self._write(_line(value))

    def landed(self) -> None:
        """Everything noted is in the database: start the file afresh."""
        assert self._file is not None
        os.ftruncate(self._file, len(self._head))

    def close(self, *, is_settled: bool) -> None:
        """Let go of the file; remove it when nothing in it is needed any more."""
        if self._file is None:
            return
        if is_settled:
            self.path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    def _write(self, line: bytes) -> None:
        assert self._file is not None
        written = os.write(self._file, line)
        if written != len(line):
            # what was left of it would spoil the next line too
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError("the journal's disk is full")


def orphans(folder: Path) -> Iterator[tuple[Path, Flights]]:
    """Each journal whose process is dead, locked while the caller looks at it.

    The caller removes the file once its flights are settled in the database.
    """
    for path in sorted(folder.glob("*" + SUFFIX)):
        file = _open_locked(path, make=False)
        if file is None:
            continue
        try:
            yield path, read(path)
        finally:
            os.close(file)


def living(folder: Path) -> set[str]:
    """The owners whose journals are in use right now."""
    owners = set()
    for path in folder.glob("*" + SUFFIX):
        file = _open_locked(path, make=False)
        if file is None:
            owners.add(read(path).owner)
        else:
            os.close(file)
    return owners


def read(path: Path) -> Flights:
    """What a journal says; a torn or damaged line is passed over."""
    flights = Flights()
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return flights
    for line in raw.splitlines():
        _take(flights, _parsed(line))
    return flights


def _take(flights: Flights, value: dict[str, Any]) -> None:
    if "owner" in value:
        flights.owner, flights.boot = value["owner"], value["boot"]
        return
    if "render" in value:
        flights.rendering = frozenset(value["render"])
        return
    key = tuple(value.get("dot") or value.get("end") or ())
    if len(key) != 2:
        return
    at = datetime.fromtimestamp(value["at"], UTC)
    if "dot" in value:
        flights.dots[key] = at
        return
    outcome = Outcome(
        kind=OutcomeKind(value["kind"]),
        phase=Phase(value["phase"]),
        code=value["code"],
        status=value["status"],
        text=value["text"],
        blame=Blame(value["blame"]),
        host=value["host"],
        took_ms=value["ms"],
        is_dead_address=value["dead"],
    )
    flights.answers[key] = Answered(outcome, at)


def _line(value: dict[str, Any]) -> bytes:
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (crc32(body), body)


def _parsed(line: bytes) -> dict[str, Any]:
    check, _blank, body = line.partition(b" ")
    if check != b"%08x" % crc32(body):
        return {}
    value = json.loads(body)
    return value if isinstance(value, dict) else {}


def _file_name(owner: str) -> str:
    return re.sub(r"[^\w.-]", "_", owner)[:100]


def _open_locked(path: Path, *, make: bool = True) -> int | None:
    """A descriptor with the lock on the file at `path`; None when another process holds it."""
    while True:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT if make else 0)
        try:
            file = os.open(path, flags, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return None
        if _is_still(file, path):
            return file
        os.close(file)  # it was removed between opening and locking


def _open_patiently(path: Path) -> int | None:
    """As `_open_locked`; another process may look at the file for a moment."""
    for _ in range(20):
        file = _open_locked(path)
        if file is not None:
            return file
        time.sleep(0.05)
    return None


def _is_still(file: int, path: Path) -> bool:
    try:
        return os.fstat(file).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False
