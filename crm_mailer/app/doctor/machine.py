"""Whether this machine is fit: Python, database, disk, clock, secrets, and our own guard."""

from __future__ import annotations

import errno
import os
import platform
import shutil
import sqlite3
import stat
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

from crm_mailer.app import witnessing
from crm_mailer.app.clocks import WRITTEN
from crm_mailer.app.doctor.findings import Finding, fault, ok, skipped, warning
from crm_mailer.app.wiring import App
from crm_mailer.home import KEY_FILE
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import headers
from crm_mailer.rendering.headers import Mailbox, Text, UnsafeHeader
from crm_mailer.settings import FILE_NAME
from crm_mailer.store import vitals

#: The first SQLite without the fault that can damage a database which two connections write to
#: and checkpoint at the same moment; we let one connection checkpoint, so it does not reach us.
SOUND_SQLITE = (3, 51, 3)
#: Bytes: below, a day's mails may not fit; and a share of the disk.
LITTLE, FULL = 2_000_000_000, 0.05
#: A disk or a quota without room.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
#: Seconds: a disk that is quicker has not written anything yet.
TOO_QUICK = 20e-6
#: How far two clocks may differ, and what a commit may take.
FAR, SLOW = timedelta(seconds=30), 0.1
TRIALS = 20
#: Each has broken a mail program: a second header, a folded one, a bare end of line, a hidden end.
NASTY = (
    "x\r\nBcc: victim@example.com", "x\nSubject: y", "x\r\n\r\n<script>", "x\rX-A: 1",
    "x\0y", "x\u2028Bcc: y", "=?utf-8?b?DQpCY2M6IHg=?=", "a" * 5_000, "\u202etxt.exe", "\x1b[2J",
)  # fmt: skip


def python() -> Iterator[Finding]:
    """The interpreter: a build without optimisation costs a fifth of the mails a second."""
    version = platform.python_version()
    options = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    is_distributions = sys.base_prefix == "/usr"  # Debian optimises without saying so there
    if os.name == "posix" and "--enable-optimizations" not in options and not is_distributions:
        yield warning(
            "python",
            Sentence("Python {version} was built without optimisation: sending takes longer",
                     version=version),
            Sentence("Debian's python3 and the official container images are optimised"),
        )  # fmt: skip
    else:
        yield ok("python", Sentence("Python {version}", version=version))


def database(app: App, now: datetime) -> Iterator[Finding]:
    """Reachable, with our schema, sound, and of a version without known trouble."""
    try:
        with app.store.read() as connection:
            found = vitals.look(connection)
    except CrmMailerError as error:
        yield fault("database", str(error), error.hint)
        return
    engine = "SQLite" if app.store.is_sqlite else "PostgreSQL"
    said = Sentence("{engine} {version}, our schema", engine=engine, version=found.version)
    if found.damage:
        yield fault(
            "database",
            Sentence("the database is damaged: {what}", what=found.damage),
            Sentence("stop the daemon and go back to a backup"),
        )
    elif app.store.is_sqlite and sqlite3.sqlite_version_info < SOUND_SQLITE:
        yield ok("database", Sentence("{said}; one process at a time writes its log back",
                                      said=said))  # fmt: skip
    else:
        yield ok("database", said)
    if app.store.is_pooled():
        yield ok("pooler", Sentence("one stands between: senders look for new mails by themselves, "
                                    "and copies are made at the server"))  # fmt: skip
    why_not, mend = witnessing.why_not(app)
    if why_not:
        yield fault("database", why_not, mend)
    if found.now is not None and abs(found.now - now) > FAR:
        yield fault(
            "clock database",
            Sentence("the database's clock differs by {seconds} seconds",
                     seconds=round(abs(found.now - now).total_seconds())),
            Sentence("run a time service (chrony, systemd-timesyncd) on both machines"),
        )  # fmt: skip


def disk(app: App) -> Iterator[Finding]:
    """Room, the right to write, and a disk that tells the truth about what it has written."""
    room = shutil.disk_usage(app.home)
    free = Sentence("{free} GB free", free=round(room.free / 1e9, 1))
    if room.free < LITTLE or room.free < FULL * room.total:
        yield warning("disk", free, Sentence("make room: a full disk stops sending"))
    else:
        yield ok("disk", free)
    try:
        took = _write_time(app.home)
    except OSError as error:
        yield fault(
            "folder",
            Sentence("{folder} cannot be written: {why}", folder=str(app.home),
                     why=error.strerror or str(error)),
            Sentence("make room: a full disk stops sending") if error.errno in _NO_ROOM
            else Sentence("give it to the user that runs the daemon"),
        )  # fmt: skip
        return
    said = Sentence("a write is safe after {number} ms", number=round(took * 1000, 2))
    if took < TOO_QUICK:
        yield warning(
            "folder",
            said,
            Sentence("too quick to be true: after a power cut mails may be in doubt or twice"),
        )
    elif took > SLOW:
        yield warning("folder", said, Sentence("a slow disk slows sending down: is it a network?"))
    else:
        yield ok("folder", said)


def _write_time(folder: Path) -> float:
    """Seconds until a little is on the disk, the middle one of some."""
    taken = []
    with NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        for _trial in range(TRIALS):
            began = time.perf_counter()
            file.write(b"x" * 100)
            file.flush()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - began)
    return sorted(taken)[TRIALS // 2]


def clock(now: datetime) -> Iterator[Finding]:
    """The time of day: mails are planned by it, and receivers look at it."""
    if now < WRITTEN:
        yield fault(
            "clock",
            Sentence("{now} is before this program was written", now=f"{now:%Y-%m-%d %H:%M}Z"),
            Sentence("set the clock; nothing is sent until then"),
        )
        return
    states = [Path("/run/systemd/timesync/synchronized"), Path("/run/chrony")]
    if any(state.exists() for state in states):
        yield ok("clock", Sentence("kept right by a time service"))
    else:
        yield skipped(
            "clock",
            Sentence("{now}; no time service is known to keep it right",
                     now=f"{now:%Y-%m-%d %H:%M}Z"),
            Sentence("run chrony or systemd-timesyncd where the host does not do it"),
        )  # fmt: skip


def secrets(app: App) -> Iterator[Finding]:
    """Files that only their owner should read."""
    open_ = []
    for name in (FILE_NAME, KEY_FILE, app.settings.dkim.key_file):
        path = app.home / name
        with suppress(OSError):
            if name and path.is_file() and _is_open(path.stat()):
                open_.append(path)
    secret = [one for one in open_ if one.name != FILE_NAME or _holds_secrets(one)]
    if secret:
        names = " ".join(str(one) for one in secret)
        yield warning(
            "secrets",
            Sentence("others on this machine can read {names}", names=names),
            Sentence("chmod 600 {names}", names=names),
        )
    else:
        yield ok("secrets", Sentence("only their owner can read them"))


def _is_open(state: os.stat_result) -> bool:
    """Whether others can read it; root's file may be for our group, as a service's settings are."""
    is_for_us = state.st_uid == 0 and state.st_gid == os.getegid() != 0
    return bool(state.st_mode & (stat.S_IROTH if is_for_us else stat.S_IROTH | stat.S_IRGRP))


def _holds_secrets(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    words = ("password", "secret", "token", "_key")
    return any(
        any(word in line.partition("=")[0] for word in words) and line.partition("=")[2].strip(' "')
        for line in lines
        if not line.lstrip().startswith("#")
    )


def guard() -> Iterator[Finding]:
    """Our own header writer, given what has broken others: no header more than was meant."""
    for text in NASTY:
        try:
            block = headers.block([("To", Mailbox(text, "a@example.com")), ("Subject", Text(text))])
        except UnsafeHeader:
            continue
        lines = block.decode("ascii", "replace").split("\r\n")[:-1]
        names = [line.partition(":")[0] for line in lines if not line.startswith((" ", "\t"))]
        if names != ["To", "Subject"] or any("\r" in one or "\n" in one for one in lines):
            yield fault(
                "headers",
                Sentence("a hostile name came through: {text}", text=ascii(text)[:60]),
                Sentence("send nothing with this build, and report it"),
            )
            return
    yield ok("headers", Sentence("{number} hostile names and subjects stay harmless",
                                 number=len(NASTY)))  # fmt: skip
