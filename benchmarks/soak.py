"""Half an hour of a busy daemon with a million mails planned: does it stay as it was?

Run: python -m benchmarks.soak [--minutes 30] [--planned 1000000] [--pace 6000] [--engine sqlite]
The daemon of a real shop runs with two workers, everything on, against a sink on this machine. Of
the mails planned, all due, `--pace` leave in a minute. Every few seconds the memory and the open
descriptors of each process are noted. The last line printed is one JSON object:

- `rss_mb_max`: the largest process at its largest; `pss_mb_max`: all together, where shared pages
  count once.
- `fds_first`, `fds_last`: open descriptors of all, once it has settled down, and at the end.
- `tick_p99_ms`, `tick_max_ms`: how long a tick of the daemon lasts; `by_tick` tells the slowest of
  each kind.
- `sent`, `audit`: how many mails the sink took, and whether the ledger says the same at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import shops, sinks
from benchmarks.sinks import CheapSink, Missing
from crm_mailer import logs
from crm_mailer.daemon import Daemon
from crm_mailer.store import outbox

ROOT = Path(__file__).resolve().parent.parent
WORKERS = 2
#: Seconds between two looks, and before the first one that counts.
LOOK_EVERY, SETTLES_IN = 5.0, 30.0
#: Seconds for which the daemon may end what it has begun.
PATIENCE = 90.0


@dataclass(slots=True)
class Process:
    """What one process uses at a moment."""

    rss_mb: float
    pss_mb: float
    descriptors: int


@dataclass(slots=True)
class Watch:
    """What was seen of all processes, look by look."""

    daemon: subprocess.Popen[bytes]
    rss_mb_max: float = 0.0
    pss_mb_max: float = 0.0
    fds: list[int] = field(default_factory=list)

    def look(self) -> str:
        """Note what is used now; the same in words."""
        all_ = [one for pid in _family(self.daemon.pid) if (one := _process(pid)) is not None]
        rss = max((one.rss_mb for one in all_), default=0.0)
        pss = sum(one.pss_mb for one in all_)
        self.rss_mb_max = max(self.rss_mb_max, rss)
        self.pss_mb_max = max(self.pss_mb_max, pss)
        self.fds.append(sum(one.descriptors for one in all_))
        return f"{len(all_)} processes, {rss:.0f} MB, {pss:.0f} MB together, {self.fds[-1]} open"


def main() -> None:
    """Run, watch, print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--minutes", type=float, default=30)
    options.add_argument("--planned", type=int, default=1_000_000)
    options.add_argument("--pace", type=int, default=6_000, help="mails a minute")
    options.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")
    options.add_argument("--daemon", nargs=2, metavar=("HOME", "TICKS"), help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.daemon:
        run_daemon(*given.daemon)
        return
    try:
        with ExitStack() as stack:
            found = soak(stack, given)
    except Missing as error:
        sys.exit(f"nothing was tried: {error}")
    print(json.dumps(found))
    sys.exit(not (found["audit"] and found["exit_code"] == 0))


def soak(stack: ExitStack, given: argparse.Namespace) -> dict[str, Any]:
    """The whole of it; what is printed."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crm-soak-")))
    database = stack.enter_context(shops.postgres()) if given.engine == "postgresql" else ""
    sink = stack.enter_context(sinks.cheap_sink(folder))
    home, ticks = folder / "shop", folder / "ticks"
    shops.make_shop(home, port=sink.port, connections=4, database=database)
    app = shops.shop(home)
    shops.plan(app.store, given.planned)
    app.close()
    print(f"{given.planned:,} mails are planned", file=sys.stderr)
    settings = {"CRM_MAILER_WORKERS": str(WORKERS), "CRM_MAILER_SMTP_PER_MINUTE": str(given.pace)}
    daemon = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.soak", "--daemon", str(home), str(ticks)],
        cwd=ROOT, env={**os.environ, **settings},
    )  # fmt: skip
    watch = Watch(daemon)
    try:
        _await(daemon, ticks)
        _watch(watch, sink, given.minutes * 60)
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(PATIENCE)
    finally:
        daemon.kill()
        daemon.wait()
    return summary(given, watch, ticks, sink.taken(), home, code)


def _await(daemon: subprocess.Popen[bytes], ticks: Path) -> None:
    """Until it has ticked."""
    until = time.monotonic() + PATIENCE
    while not (ticks.exists() and ticks.stat().st_size):
        if daemon.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the daemon does not begin")
        time.sleep(0.1)


def _watch(watch: Watch, sink: CheapSink, seconds: float) -> None:
    begin = time.monotonic()
    settled = begin + min(SETTLES_IN, seconds / 2)
    while (now := time.monotonic()) < begin + seconds:
        if watch.daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended by itself, with {watch.daemon.returncode}")
        if now >= settled:
            told = watch.look()
            print(f"{now - begin:.0f} s: {told}, {sink.taken():,} sent", file=sys.stderr)
        time.sleep(LOOK_EVERY)


def summary(
    given: argparse.Namespace, watch: Watch, ticks: Path, sent: int, home: Path, code: int
) -> dict[str, Any]:
    """What is printed."""
    by_tick: dict[str, list[float]] = defaultdict(list)
    for line in ticks.read_text(encoding="ascii").splitlines():
        name, _blank, seconds = line.partition(" ")
        by_tick[name].append(float(seconds))
    every = sorted(one for times in by_tick.values() for one in times)
    app = shops.shop(home)
    with app.store.picture() as connection:
        audit = outbox.audit(connection, datetime.now(UTC))
    app.close()
    return {
        "bench": "soak",
        "rss_mb_max": round(watch.rss_mb_max),
        "pss_mb_max": round(watch.pss_mb_max),
        "fds_first": watch.fds[0],
        "fds_last": watch.fds[-1],
        "fds_max": max(watch.fds),
        "tick_p99_ms": _ms(every[max(0, ceil(len(every) * 0.99) - 1)]),
        "tick_max_ms": _ms(every[-1]),
        "ticks": len(every),
        "by_tick": {name: _ms(max(times)) for name, times in sorted(by_tick.items())},
        "sent": sent,
        "audit": audit.is_sound and audit.states.get("accepted", 0) == sent,
        "states": audit.states,
        "exit_code": code,
        "config": {
            "engine": given.engine, "minutes": given.minutes, "planned": given.planned,
            "pace": given.pace, "workers": WORKERS, "cores": os.cpu_count(),
            "python": sys.version.split()[0],
        },
    }  # fmt: skip


def _ms(seconds: float) -> int:
    return round(seconds * 1e3)


# ------------------------------------------------------------------ the daemon's side


class Timed(Daemon):
    """A daemon that notes how long its ticks last."""

    #: Where to; opened so that each line is written at once.
    note: Any = None

    def tick(self, name: str, work: Callable[[], str]) -> None:
        """One turn of one kind of work."""
        begin = time.monotonic()
        try:
            super().tick(name, work)
        finally:
            if Timed.note is not None:
                Timed.note.write(f"{name} {time.monotonic() - begin:.6f}\n")


def run_daemon(home: str, ticks: str) -> None:
    """The daemon, until a signal comes."""
    logs.set_up("warning")
    with Path(ticks).open("w", encoding="ascii", buffering=1) as Timed.note:
        Timed(shops.shop(Path(home))).run()


# ------------------------------------------------------------------ what the system tells


def _family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                yield from _family(int(child))


def _process(pid: int) -> Process | None:
    """What it uses; None where it has just ended."""
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    sizes = {line.split(":")[0]: line.split()[1] for line in told.splitlines()[1:]}
    return Process(int(sizes["Rss"]) / 1024, int(sizes["Pss"]) / 1024, descriptors)


if __name__ == "__main__":
    main()
