"""The flight journal: which mails this process has on the wire, kept beside the database.

One short line goes to the end of a file before each final dot leaves and one for each answer.
Lines survive the death of the process, so the next one knows: claimed and not in the journal was
never sent; a dot without an answer is in doubt; an answered mail is settled as it was answered.
The file is locked while its process lives and removed when all is in the database.
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any
from zlib import crc32

from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.errors import AlreadyRunning, CannotWrite
from crm_mailer.model.sentence import Sentence

SUFFIX = ".flight"
DRAFT = ".draft"
#: Bytes taken on the disk beforehand, and from where on the file is written afresh.
ROOM, LONG = 2 << 20, 1 << 20
#: The run of a machine that does not name it: nothing is known of one that is like another.
UNKNOWN = "unknown"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this run of the machine: another one means that a power cut may have lost writes.

    `CRM_MAILER_BOOT_ID` names it where the system does not, and in tests of power cuts.
    """
    if given := os.environ.get("CRM_MAILER_BOOT_ID"):
        return given
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return UNKNOWN


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
    #: By which outlet they left, where it is told: older programs did not note it.
    outlets: dict[tuple[int, int], str] = field(default_factory=dict)
    answers: dict[tuple[int, int], Answered] = field(default_factory=dict)


class Journal:
    """The journal of one living process. Not for use by two threads at once.

    Its room on the disk is taken beforehand, so that a disk which fills up meanwhile leaves no
    mail without a note.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        self.owner = owner
        self.path = folder / (_file_name(owner) + SUFFIX)
        self._head = _line({"owner": owner, "boot": boot_id()})
        self._file, self._end = -1, 0
        self._pages: mmap.mmap | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = _open_patiently(self.path)
        except OSError as error:
            raise _unwritable(error) from error
        if file is None:
            raise AlreadyRunning(
                Sentence("another process sends as {owner!r}", owner=owner),
                hint="wait until it has ended",
            )
        self._file = file
        self._end = len(self.path.read_bytes().rstrip(b"\0"))
        self.is_empty = self._end == 0
        try:
            self._pages = _mapped(file)
            if self.is_empty:
                self._write(self._head)
        except OSError as error:
            self.close(is_settled=False)
            raise _unwritable(error) from error

    @property
    def is_long(self) -> bool:
        """Whether it is time to write it afresh."""
        return self._end > LONG

    def render(self, touch_ids: Sequence[int]) -> None:
        """Note what is being rendered now, until `rendered`. A crash then has suspects.

        Raises:
            CannotWrite: it cannot be noted.
        """
        try:
            self._write(_line({"render": list(touch_ids)}))
        except OSError as error:
            raise _unwritable(error) from error

    def rendered(self) -> None:
        """What was being rendered has done no harm."""
        with suppress(OSError):  # it would be suspected without need
            self._write(_NO_SUSPECTS)

    def dot(self, touch_id: int, attempt: int, at: datetime, outlet: str = "") -> None:
        """Note that the final dot is about to leave, and by which outlet.

        Raises:
            OSError: it cannot be noted; the dot must not leave.
        """
        by = _by(outlet)
        self._write(
            _checked(b'{"dot":[%d,%d],"at":%d%b}' % (touch_id, attempt, at.timestamp(), by))
        )

    def back(self, touch_id: int, attempt: int) -> None:
        """Note that the server said no for a reason of its own: the touch is given back."""
        self._write(_checked(b'{"back":[%d,%d]}' % (touch_id, attempt)))

    def answer(self, touch_id: int, attempt: int, outcome: Outcome, at: datetime) -> None:
        """Note how it ended."""
        # written by hand: an encoder takes three times as long, and every mail needs it
        self._write(
            _checked(
                b'{"end":[%d,%d],"at":%d,"kind":"%b","phase":"%b","code":%d,"status":%b,"text":%b,'
                b'"blame":"%b","host":%b,"ms":%d,"dead":%b}'
                % (
                    touch_id,
                    attempt,
                    at.timestamp(),
                    outcome.kind.encode(),
                    outcome.phase.encode(),
                    outcome.code,
                    _quoted(outcome.status),
                    _quoted(outcome.text[:200]),
                    outcome.blame.encode(),
                    _quoted(outcome.host),
                    outcome.took_ms,
                    b"true" if outcome.is_dead_address else b"false",
                )
            )
        )

    def compact(self, in_air: Iterable[tuple[int, int]]) -> None:
        """Write it afresh with nothing but the dots on the wire, as (touch, attempt).

        Everything else that it holds must be in the database. The old file stands until the new
        one is whole and locked.
        """
        draft = self.path.with_suffix(DRAFT)
        before = self._file, self._end, self._pages
        try:
            dots = [self._dot_line(*key) for key in in_air]
            self._file = _locked_draft(draft)
            self._end, self._pages = 0, None
            self._pages = _mapped(self._file)
            self._write(self._head)
            for line in dots:
                self._write(line)
            draft.replace(self.path)
        except OSError:  # the disk is full: the old one serves on
            if self._file != before[0]:
                self._let_go()
            self._file, self._end, self._pages = before
        else:
            os.close(before[0])
            if before[2] is not None:
                before[2].close()

    def _dot_line(self, touch_id: int, attempt: int) -> bytes:
        """The line of a dot as it was written.

        Raises:
            OSError: there is none.
        """
        pages, end, begin = self._pages, self._end, b'{"dot":[%d,%d],' % (touch_id, attempt)
        place = -1 if pages is None else pages.rfind(begin, 0, end)
        if pages is None or place < 0:
            raise OSError(errno.EIO, "the journal does not know the dot")
        first = pages.rfind(b"\n", 0, place) + 1
        return pages[first : pages.find(b"\n", place, end) + 1]

    def close(self, *, is_settled: bool) -> None:
        """Let go of the file; remove it when nothing in it is needed any more."""
        if self._file < 0:
            return
        if is_settled:
            self.path.unlink(missing_ok=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._pages is not None:
            self._pages.close()
        os.close(self._file)
        self._file, self._pages = -1, None

    def _write(self, line: bytes) -> None:
        end = self._end + len(line)
        if self._pages is None or end > ROOM:
            raise OSError(errno.ENOSPC, "the journal is full")
        self._pages[self._end : end] = line
        self._end = end


def _mapped(file: int) -> mmap.mmap:
    """The journal's pages in memory. All are on the disk already, so that none is missing later.

    What is written there outlives the process as a file's bytes do, and costs no call of the
    system: this happens twice for each mail.

    Raises:
        OSError: the disk has no room.
    """
    size = os.fstat(file).st_size
    while size < ROOM:
        written = os.pwrite(file, bytes(ROOM - size), size)
        if not written:
            raise OSError(errno.ENOSPC, "the journal's disk is full")
        size += written
    return mmap.mmap(file, ROOM)


def orphans(folder: Path) -> Iterator[tuple[Path, Flights]]:
    """Each journal whose process is dead, locked while the caller looks at it.

    The caller removes the file once its flights are settled in the database.
    """
    _sweep(folder)
    for path in sorted(folder.glob("*" + SUFFIX)):
        file = _open_locked(path, make=False)
        if file is None:
            continue
        try:
            yield path, read(path)
        finally:
            os.close(file)


def _sweep(folder: Path) -> None:
    """Remove what a process left that died while it wrote its journal afresh."""
    for path in folder.glob("*" + DRAFT):
        file = _open_locked(path, make=False)
        if file is not None:
            path.unlink(missing_ok=True)
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
    for line in raw.rstrip(b"\0").splitlines():
        _take(flights, _parsed(line))
    return flights


def _take(flights: Flights, value: dict[str, Any]) -> None:
    if "owner" in value:
        flights.owner, flights.boot = value["owner"], value["boot"]
        return
    if "render" in value:
        flights.rendering = frozenset(value["render"])
        return
    key = tuple(value.get("dot") or value.get("end") or value.get("back") or ())
    if len(key) != 2:
        return
    if "back" in value:
        flights.dots.pop(key, None)
        return
    at = datetime.fromtimestamp(value["at"], UTC)
    if "dot" in value:
        flights.dots[key] = at
        flights.outlets[key] = value.get("by", "")
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


def _unwritable(error: OSError) -> CannotWrite:
    return CannotWrite(
        Sentence("the flight journal cannot be written: {why}", why=error.strerror or error),
        hint="nothing is sent without it: free some space on the disk of the shop's folder, and "
        "look at the rights of its folder `journal`",
    )


def _line(value: dict[str, Any]) -> bytes:
    return _checked(_JSON.encode(value).encode("ascii"))


def _checked(body: bytes) -> bytes:
    return b"%08x %b\n" % (crc32(body), body)


@lru_cache(maxsize=64)
def _by(outlet: str) -> bytes:
    return b',"by":%b' % _quoted(outlet) if outlet else b""


def _quoted(text: str) -> bytes:
    return encode_basestring_ascii(text).encode("ascii")


_JSON = json.JSONEncoder(separators=(",", ":"))
_NO_SUSPECTS = _line({"render": []})


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
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0)
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


def _locked_draft(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise
    return file


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
