"""Power cuts under a sender: what was not fsynced is lost. `python -m tests.faults.power_cut`.

A child sends to a server on loopback and is killed. Then its write-ahead log is cut at a random
place that was not yet safe on the disk, its flight journal likewise, and the next sender finds
another run of the machine. The last line printed is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crm_mailer.delivering import Pace, SmtpTransport, deliver, recover
from crm_mailer.delivering.journal import SUFFIX
from crm_mailer.store import migrate, outbox
from crm_mailer.store.engine import Queued, Store, open_store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, plan, states
from tests.servers.smtp_faults import FaultServer, fault_server

ROOT = Path(__file__).resolve().parents[2]
PACE, CONNECTIONS = Pace(batch=20, cycle=10), 2
EXTENSIONS = ("8BITMIME", "PIPELINING", "SIZE 1000000")
#: The database file format, section 4.1 and 4.2 (https://sqlite.org/walformat.html).
WAL_HEAD, FRAME_HEAD = 32, 24
MAX_FRAME, SALTS, ATTEMPTED, INDEX_LENGTH = 16, slice(32, 40), 128, 136
#: The disk writes whole sectors: what follows the cut may be zeros.
SECTOR = 512


# ------------------------------------------------------------------ the sender


class WitnessedStore(Store):
    """Notes after each durable commit how much of the log is safe, before it is relied on."""

    @contextmanager
    def write(
        self, *, durable: bool = False, place: Queued | None = None
    ) -> Iterator[sa.Connection]:
        with super().write(durable=durable, place=place) as connection:
            yield connection
        if durable:
            path = str(self.url.database)
            log = Log(Path(path))
            note = json.dumps([log.salts.hex(), log.frames]) + "\n"
            with Path(path + "-safe").open("a") as file:
                file.write(note)


def child(url: str, port: str, folder: str, owner: str) -> None:
    """Send until killed."""
    deliver(
        WitnessedStore(url),
        PlainRenderer(),
        SmtpTransport(account(int(port), connections=CONNECTIONS)),
        clock=StandingClock(),
        owner=owner,
        journal_folder=Path(folder),
        pace=PACE,
    )


# ------------------------------------------------------------------ the disk


class Log:
    """The write-ahead log of a database that nobody has open, or that stands still."""

    def __init__(self, database: Path) -> None:
        self.path = Path(f"{database}-wal")
        self.index = Path(f"{database}-shm")
        index = self.index.read_bytes()[:INDEX_LENGTH] if self.index.exists() else b""
        index = index.ljust(INDEX_LENGTH, b"\0")
        self.salts = index[SALTS]
        self.frames = struct.unpack_from("=I", index, MAX_FRAME)[0]
        #: Frames that a checkpoint has begun to bring home: it fsyncs the log before.
        self.attempted = struct.unpack_from("=I", index, ATTEMPTED)[0]

    def place(self, frame: int, page: int) -> int:
        """Where the frames end of which `frame` is the last."""
        return WAL_HEAD + frame * (FRAME_HEAD + page)


def cut(database: Path, chance: random.Random) -> int:
    """Lose a random part of what the log's last fsync does not cover; returns the octets lost."""
    log = Log(database)
    if not log.path.exists() or not log.frames:
        return 0
    safe = max(_safe_frames(Path(f"{database}-safe"), log), log.attempted)
    page = struct.unpack_from(">I", log.path.read_bytes(), 8)[0]
    assert safe <= log.frames
    at = chance.randint(log.place(safe, page), log.place(log.frames, page))
    lost = log.place(log.frames, page) - at
    tear(log.path, at, chance)
    log.index.unlink()
    return lost


def tear(path: Path, at: int, chance: random.Random) -> None:
    """Keep the first `at` octets: the rest is gone, or zeros from there or from a sector on."""
    raw = path.read_bytes()
    end = chance.choice([at, min(len(raw), -(-at // SECTOR) * SECTOR)])
    has_length = chance.random() < 0.5
    path.write_bytes(raw[:end] + bytes(len(raw) - end) if has_length else raw[:end])


def _safe_frames(notes: Path, log: Log) -> int:
    """Frames that the last durable commit made safe; none when the log was begun afresh since."""
    if not notes.exists():
        return 0
    last = notes.read_text().splitlines()[-1:]
    if not last:
        return 0
    salts, frames = json.loads(last[0])
    return frames if salts == log.salts.hex() else 0


# ------------------------------------------------------------------ the trial


@dataclass
class Trial:
    """Cut after cut over one outbox."""

    folder: Path
    server: FaultServer
    chance: random.Random
    clock: StandingClock = field(default_factory=StandingClock)
    cuts: int = 0
    lost_octets: int = 0

    def __post_init__(self) -> None:
        self.database = self.folder / "shop.db"
        self.url = f"sqlite:///{self.database}"
        self.journals = self.folder / "journals"

    def prepare(self, mails: int) -> None:
        """So many mails are due."""
        store = open_store(self.url)
        migrate.upgrade(store)
        plan(store, mails, self.clock.now(), expires_after=timedelta(days=300))
        store.close()

    def cut_once(self) -> None:
        """One sender, one power cut, and what the next start makes of it."""
        self.cuts += 1
        wanted = len(self.server.box) + self.chance.randint(3, 45)
        self._send_until(wanted)
        self.lost_octets += cut(self.database, self.chance)
        for journal in self.journals.glob("*" + SUFFIX):
            length = len(journal.read_bytes().rstrip(b"\0"))
            if self.chance.random() < 0.2:
                journal.unlink()
            else:
                tear(journal, self.chance.randint(0, length), self.chance)
        self._recover()

    def finish(self) -> None:
        """The last sender meets no cut."""
        store = open_store(self.url)
        deliver(store, PlainRenderer(), SmtpTransport(account(self.server.port)), clock=self.clock,
                owner="last", journal_folder=self.journals)  # fmt: skip
        store.close()

    def verdict(self) -> dict[str, Any]:
        """The server's truth beside the ledger's."""
        store = open_store(self.url)
        with store.read() as connection:
            audit = outbox.audit(connection, self.clock.now())
            whole = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
            rows = connection.execute(sa.select(touches.c.id, touches.c.state)).all()
        by_state = states(store)
        store.close()
        taken = Counter(_number(letter) for letter in self.server.box)
        state_of = {row.id: row.state for row in rows}
        wrong = [one for one in taken if state_of[one] not in ("accepted", "in_doubt")]
        wrong += [one for one, state in state_of.items() if state == "accepted" and not taken[one]]
        unsettled = [one for one, state in state_of.items() if state not in SETTLED]
        return {
            "cuts": self.cuts,
            "mails": len(rows),
            "duplicates": sum(number - 1 for number in taken.values()),
            "lost": len(wrong) + len(unsettled),
            "in_doubt": by_state.get("in_doubt", 0),
            "bound": self.cuts * PACE.batch * 4,
            "lost_octets": self.lost_octets,
            "troubles": audit.troubles,
            "integrity": whole,
        }

    def _send_until(self, wanted: int) -> None:
        owner = f"sender-{self.cuts}"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.power_cut", "child", self.url,
             str(self.server.port), str(self.journals), owner],
            cwd=ROOT,
            env={**os.environ, "CRM_MAILER_BOOT_ID": owner},
        )  # fmt: skip
        while process.poll() is None and len(self.server.box) < wanted:
            time.sleep(0.001)
        process.kill()
        process.wait()

    def _recover(self) -> None:
        """At once, and again when the claims of who left no journal are past their time."""
        store = open_store(self.url)
        recover(store, self.journals, now=self.clock.now())
        recover(store, self.journals, now=self.clock.now() + timedelta(hours=2))
        store.close()


SETTLED = ("accepted", "in_doubt")


def _number(letter: bytes) -> int:
    """The touch, as `letters.message` writes it into the subject."""
    return int(letter.split(b"\r\n", 1)[0].removeprefix(b"Subject: Hello "))


def trial(cuts: int, mails: int, folder: Path, seed: int = 7) -> dict[str, Any]:
    """So many power cuts, then the rest of the mails; returns the verdict."""
    with fault_server(extensions=EXTENSIONS) as server:
        work = Trial(folder, server, random.Random(seed))
        work.prepare(mails)
        for _ in range(cuts):
            work.cut_once()
        work.finish()
        return work.verdict()


def main() -> None:
    """Fifty cuts, or as many as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--mails", type=int, default=4_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="crm-power-cut-"))
    try:
        sys.stdout.write(json.dumps(trial(given.cuts, given.mails, folder, given.seed)) + "\n")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main()
