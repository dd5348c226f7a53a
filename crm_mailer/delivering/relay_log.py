"""Reads the log of a Postfix relay: what became of mails that we are in doubt about.

Postfix 3 writes a mail's Message-ID when it reads the header (cleanup), before the final dot; that
alone does not show that it took the mail. It did once the queue manager or a delivery agent names
the same queue id, or the mail was put on hold or discarded. A reject by header, body or milter in
the same place means that it answered no.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import BinaryIO

from crm_mailer.delivering.answers import clean
from crm_mailer.model.errors import SourceError
from crm_mailer.model.sentence import Sentence, Sentences

#: Two files whose lines are no further apart than this are one stretch of time without a gap.
GAP = timedelta(hours=1)
#: Clocks of two machines, and the time between a line and what it tells of.
SLACK = timedelta(minutes=2)
#: How much of a line is kept as evidence, and the longest line that is looked at.
TEXT_LENGTH, LONGEST = 400, 64 * 1024

_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec").split(), start=1
    )
}
_SYSLOG = re.compile(rb"(?:<\d+>)?([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)\b")
_ISO = re.compile(
    rb"(?:<\d+>\d? ?)?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?"
)
_ID = re.compile(rb"message-id=(?:<([^<>]*)>|(\S+))")
#: The agents that touch a mail only after the relay has answered for it.
_TAKEN = re.compile(
    rb"postfix[^/\s]*/(?:[\w.-]+/)?"
    rb"(?:qmgr|smtp|lmtp|local|virtual|pipe|error|discard|bounce)\[\d+\]: "
)
#: Put on hold or thrown away with a yes: by a header or body check, or by a milter.
_KEPT = re.compile(rb": (?:milter-)?(?:hold|discard|quarantine): ")
_REJECTED = re.compile(rb": (?:milter-)?reject: ")
_FATE = re.compile(rb"\bstatus=(sent|bounced|deferred|expired|undeliverable|deliverable)\b")
#: `mail.log` -> `mail.log.1`, `mail.log.2.gz`, `mail.log-20261101`, `mail.log-20261101.gz`.
_ROTATED = re.compile(r"(?:\.\d{1,4}|-\d{8}(?:-?\d{2,10})?)(?:\.gz)?")


@dataclass(slots=True)
class Trace:
    """What a log says of one mail, by its Message-ID without brackets."""

    message_id: str
    #: The best line, and its time: the one that shows that it was taken, else a reject.
    line: str = ""
    at: datetime | None = None
    is_taken: bool = False
    #: `sent`, `bounced` or `deferred` where the relay says how it went on.
    fate: str = ""
    #: How many times the relay refused it after the dot.
    rejects: int = 0
    #: How often its header was read.
    seen: int = 0


@dataclass(slots=True, kw_only=True)
class RelayLog:
    """What one or several files of a relay's log say."""

    lines: int = 0
    #: Lines of Postfix among them.
    postfix_lines: int = 0
    #: Mails of ours that it names, whether in doubt or not.
    ours: int = 0
    traces: dict[str, Trace] = field(default_factory=dict)
    #: Stretches of time that it covers, in order.
    covered: list[tuple[datetime, datetime]] = field(default_factory=list)

    def covers(self, since: datetime, until: datetime) -> bool:
        """Whether nothing of this time can be missing."""
        return any(first <= since - SLACK and until + SLACK <= last for first, last in self.covered)


def read_relay_log(
    paths: Iterable[Path],
    wanted: Collection[str],
    *,
    near: datetime,
    zone: tzinfo | None = None,
    domains: Collection[str] = (),
) -> RelayLog:
    """Look for mails in a relay's log, line by line: it may be of any size.

    Args:
        paths: its files, compressed by gzip or not, in any order.
        wanted: the Message-IDs in question, with or without brackets.
        near: a time not far from them: tells the year of lines that have none.
        zone: where the relay's clock hangs, for lines without an offset; None: as here.
        domains: right-hand sides of our Message-IDs: tells whether the log knows mails of ours.

    Raises:
        SourceError: a file cannot be read, or has no line of Postfix.
    """
    found = RelayLog(traces={name: Trace(name) for name in map(_bare, wanted)})
    stretches, last = [], Path()
    for path in paths:
        scan = _Scan(found, near, zone, [domain.lower().encode() for domain in domains])
        try:
            with _opened(path) as file:
                stretches.append(scan.run(file))
        except (OSError, EOFError, zlib.error) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SourceError(
                Sentences(str(path), why, between=": "), hint="is it the relay's log, whole?"
            ) from error
        last = path
    if not found.postfix_lines:
        raise SourceError(
            Sentence("{path}: there is no line of Postfix in it", path=last),
            hint="usually it is /var/log/mail.log or /var/log/maillog of the relay",
        )
    found.covered = _joined([stretch for stretch in stretches if stretch is not None])
    return found


def with_older(path: Path, since: datetime) -> list[Path]:
    """A log and its rotated predecessors that were written to after `since`, the oldest first."""
    if not path.parent.is_dir():
        return [path]
    older = [
        one
        for one in path.parent.glob(glob_safe(path.name) + "*")
        if _ROTATED.fullmatch(one.name[len(path.name) :])
        and one.is_file()
        and one.stat().st_mtime >= since.timestamp()
    ]
    return [*sorted(older, key=lambda one: one.stat().st_mtime), path]


def glob_safe(name: str) -> str:
    """A file's name as a pattern that means itself."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def moment(line: bytes, *, near: datetime, zone: tzinfo | None) -> datetime | None:
    """When a line was written; None where it does not say so.

    A line without a year is of the year that brings it nearest to `near`; one without an offset
    is of the clock in `zone`.
    """
    if iso := _ISO.match(line):
        offset = (iso[3] or b"").replace(b"Z", b"+00:00")
        return _aware(f"{iso[1].decode()}T{iso[2].decode()}{offset.decode()}", zone)
    if (old := _SYSLOG.match(line)) and old[1] in _MONTHS:
        day = f"-{_MONTHS[old[1]]:02d}-{int(old[2]):02d}T" + b":".join(old.groups()[2:]).decode()
        years = (near.year - 1, near.year, near.year + 1)
        times = [one for year in years if (one := _aware(f"{year:04d}{day}", zone)) is not None]
        return min(times, key=lambda one: abs(one - near), default=None)
    return None


class _Scan:
    """One file, read once."""

    def __init__(
        self, found: RelayLog, near: datetime, zone: tzinfo | None, domains: list[bytes]
    ) -> None:
        self.found = found
        self.near, self.zone = near, zone
        self.endings = tuple(b"@" + domain for domain in domains)
        self.wanted = {name.encode(): trace for name, trace in found.traces.items()}
        #: Queue id -> the mail of ours in that file of the queue.
        self.queued: dict[bytes, Trace] = {}

    def run(self, file: BinaryIO) -> tuple[datetime, datetime] | None:
        """Read it; from when to when it goes."""
        first: datetime | None = None
        last, lines, postfix = b"", 0, 0
        queued, header = self.queued, self._header
        for line in _lines(file):
            lines += 1
            # such as `Nov  2 12:00:01 mail postfix/qmgr[123]: 4XyZ12abcz: removed`
            start = line.find(b"]: ") + 3
            if start < 3 or b"postfix" not in line[:start]:
                continue
            postfix += 1
            last = line
            if first is None:
                first = self._moment(line)
            end = line.find(b": ", start)
            if end < 0:
                continue
            if line.startswith(b"message-id=", end + 2):
                header(line, line[start:end])
            elif queued and (trace := queued.get(line[start:end])) is not None:
                self._event(line, trace)
        self.found.lines += lines
        self.found.postfix_lines += postfix
        end_at = self._moment(last)
        return (first, end_at) if first is not None and end_at is not None else None

    def _header(self, line: bytes, queue_id: bytes) -> None:
        """A mail's header was read: from now on its queue id stands for it."""
        match = _ID.search(line)
        name = ((match[1] or match[2]) if match is not None else b"") or b""
        self.found.ours += name.lower().endswith(self.endings) if self.endings else 0
        trace = self.wanted.get(name)
        if trace is None:
            self.queued.pop(queue_id, None)  # the queue id is used again
            return
        trace.seen += 1
        self.queued[queue_id] = trace

    def _event(self, line: bytes, trace: Trace) -> None:
        """Something happened to a mail of ours."""
        if _TAKEN.search(line) or _KEPT.search(line):
            fate = _FATE.search(line)
            told = fate[1].decode() if fate is not None else ""
            if not trace.is_taken or (told and trace.fate != "sent"):
                self._note(trace, line)
            trace.is_taken = True
            trace.fate = trace.fate if trace.fate == "sent" else told or trace.fate
        elif _REJECTED.search(line):
            trace.rejects += 1
            if not trace.is_taken:
                self._note(trace, line)

    def _note(self, trace: Trace, line: bytes) -> None:
        trace.line = clean(line.decode("utf-8", "replace").strip())[:TEXT_LENGTH]
        trace.at = self._moment(line)

    def _moment(self, line: bytes) -> datetime | None:
        return moment(line, near=self.near, zone=self.zone)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Its lines; of one without an end no more than `LONGEST` bytes are kept at a time."""
    return iter(lambda: file.readline(LONGEST), b"")


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if is_packed else path.open("rb")  # type: ignore[return-value]


def _bare(message_id: str) -> str:
    return message_id.strip().removeprefix("<").removesuffix(">")


def _aware(text: str, zone: tzinfo | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:  # no such day in that year
        return None
    if found.tzinfo is None:
        found = found.replace(tzinfo=zone) if zone is not None else found.astimezone()
    return found.astimezone(UTC)


def _joined(stretches: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Stretches in order, those that touch put together."""
    joined: list[tuple[datetime, datetime]] = []
    for first, last in sorted(stretches):
        if joined and first - joined[-1][1] <= GAP:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
