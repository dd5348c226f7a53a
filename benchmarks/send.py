"""How fast mails leave, beside Postfix' own load generator in the same run.

Run: python -m benchmarks.send [--case sqlite1] [--rounds 3] [--mails N] [--planned N]
The last line printed is one JSON object. Everything is on: the ledger, the flight journal, the last
look before a mail leaves, signed links, a return path for each mail, the pace of the account and of
receiving providers. `rate` is mails a second from the first claim to the last settlement; starting
the processes and compiling the templates is left out of it and part of `rate_with_start`.
`ceiling` is what smtp-source reaches in the same round with mails of the same size and as many
connections, and `ratio` says how ours compares: medians of all rounds. After each round the sink's
count and the ledger must agree, else there is no rate.

smtp-sink reads bodies byte by byte and is the limit from ten connections on. Where that would hide
what two processes do, the mails go to our own cheap sink (`sink.c`); `ratios` then tells both, the
ratio to smtp-source against the same cheap sink and against smtp-sink. Sink and senders share the
machine's cores.

Senders run the compiled build (`hatch_build.py`), which is made first where it is missing: that
takes a minute. `--plain` measures what a wheel without it does; so does a machine without a C
compiler, and `config` says which it was.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import compiled, naive, shops, sinks
from benchmarks.sinks import Missing, Sink
from crm_mailer.app import rendering
from crm_mailer.model.message import Message
from crm_mailer.store import outbox

ROOT = Path(__file__).resolve().parent.parent
SESSIONS = 20
#: Seconds that a round may take.
LONGEST = 300
#: Mails that are sent before anything is measured.
FIRST = 200


class Disagreement(Exception):
    """Ledger and server do not say the same, or not all was sent: a rate would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured. `must` and `goal` are ratios, or mails a second where `is_absolute`."""

    what: str
    must: float
    goal: float
    mails: int = 20_000
    workers: int = 1
    connections: int = 20
    size_kb: int = 12
    sink: str = "smtp-sink"
    engine: str = "sqlite"
    has_dkim: bool = False
    round_trip_ms: int = 0
    is_absolute: bool = False
    with_naive: bool = False
    #: Against which sink smtp-source is the ceiling.
    ceiling_on: str = "smtp-sink"


CASES = {
    "sqlite1": Case(what="one process, SQLite", must=0.40, goal=0.75),
    "sqlite2": Case(
        what="two processes, SQLite", must=0.7, goal=1.2, workers=2, sink="cheap",
        ceiling_on="smtp-sink",
    ),
    "big1": Case(what="one process, 40 KB of HTML", must=0.45, goal=0.8, size_kb=48, mails=8_000),
    "dkim1": Case(what="one process, RSA-2048", must=0.13, goal=0.2, has_dkim=True, mails=6_000),
    "dkim2": Case(
        what="two processes, RSA-2048", must=0.2, goal=0.33, has_dkim=True, mails=6_000, workers=2
    ),
    "pg2": Case(
        what="two processes, PostgreSQL", must=0.45, goal=0.8, workers=2, sink="cheap",
        engine="postgresql", ceiling_on="smtp-sink",
    ),
    "rtt20": Case(
        what="one process, 20 ms round trip", must=3_000, goal=4_000, connections=100,
        sink="cheap", ceiling_on="smtp-sink", round_trip_ms=20, is_absolute=True,
    ),
    "naive": Case(what="the usual Python stack", must=0.40, goal=0.75, with_naive=True),
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Round:
    """One measurement of each."""

    rate: float
    rate_with_start: float
    cpu_us: float
    rss_mb: float
    #: Sink -> what smtp-source reaches there.
    ceilings: dict[str, float] = field(default_factory=dict)
    others: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Bench:
    """A shop and a sink for one case."""

    case: Case
    folder: Path
    #: The first is the one that our mails go to.
    all_sinks: dict[str, Sink]
    mails: int
    planned: int
    profile: str
    #: Where the senders' code lies.
    code: Path = ROOT
    sample: list[Message] = field(default_factory=list)

    @property
    def sink(self) -> Sink:
        """Where our mails go."""
        return self.all_sinks[self.case.sink]

    @property
    def home(self) -> Path:
        """The shop's folder."""
        return self.folder / "shop"

    @property
    def size(self) -> int:
        """Bytes of a mail, on average."""
        return round(statistics.fmean(len(one.content) for one in self.sample))

    def open(self, database: str) -> None:
        """Make the shop, plan and send a few mails, so that the first round starts warm."""
        case = self.case
        shops.make_shop(
            self.home, port=self.sink.port, connections=case.connections, size_kb=case.size_kb,
            database=database, has_dkim=case.has_dkim,
        )  # fmt: skip
        self._plan(FIRST)
        self.sample = self._rendered(FIRST)
        self.ours(FIRST)
        if self.planned:
            self._plan(self.planned)

    def round(self, number: int) -> Round:
        """Ours and the ceiling, in turn the one and the other first."""
        if not self.planned:
            self._plan(self.mails)
        ceilings = self._ceilings() if number % 2 else {}
        found = self.ours(self.mails)
        found.ceilings = ceilings or self._ceilings()
        if self.case.with_naive:
            few = max(1, self.mails // 20)
            found.others = naive.rates(self.sink.port, self.sample, few, self.case.connections)
        return found

    def _ceilings(self) -> dict[str, float]:
        sessions = max(SESSIONS, self.case.connections)
        return {
            name: sinks.smtp_source(one.port, mails=self.mails, size=self.size, sessions=sessions)
            for name, one in self.all_sinks.items()
        }

    def _plan(self, number: int) -> None:
        app = shops.shop(self.home)
        shops.plan(app.store, number)
        app.close()

    def _rendered(self, number: int) -> list[Message]:
        """Some mails as they will leave."""
        app = shops.shop(self.home)
        with app.store.read() as connection:
            records = [outbox.find(connection, one + 1) for one in range(number)]
        some = [one.touch for one in records if one is not None]
        found = rendering.renderer(app).render_batch(some)
        app.close()
        failed = [one for one in found if not isinstance(one, Message)]
        if failed:
            raise Disagreement(f"cannot be rendered: {failed[0]}")
        return [one for one in found if isinstance(one, Message)]

    def ours(self, mails: int) -> Round:
        """Send so many with as many senders as the case says; all that counted must agree."""
        before, accepted = self.sink.taken(), self._accepted()
        started = time.monotonic()
        told = self._workers(mails)
        outcomes = sum((Counter(one["outcomes"]) for one in told), Counter[str]())
        self._compare(mails, self.sink.taken() - before, self._accepted() - accepted, outcomes)
        end = max(one["end"] for one in told)
        return Round(
            rate=mails / (end - min(one["begin"] for one in told)),
            rate_with_start=mails / (end - started),
            cpu_us=sum(one["cpu"] for one in told) / mails * 1e6,
            rss_mb=max(one["rss_kb"] for one in told) / 1024,
        )

    def _workers(self, mails: int) -> list[dict[str, Any]]:
        """Processes that begin at the same moment; what each tells."""
        command = [sys.executable, "-m", "benchmarks.sender", str(self.home)]
        command += ["--profile", self.profile] if self.profile else []
        if self.planned:  # more is due than is to be sent
            command += ["--limit", str(mails // self.case.workers)]
        running = [
            subprocess.Popen(
                [*command, "--number", str(number + 1)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=self.code,
            )
            for number in range(self.case.workers)
        ]  # fmt: skip
        for one in running:
            assert one.stdout is not None
            one.stdout.readline()
        for one in running:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        try:
            return [json.loads(one.communicate(timeout=LONGEST)[0]) for one in running]
        except subprocess.TimeoutExpired:
            raise Disagreement(f"a sender has not ended after {LONGEST} s") from None
        finally:
            for one in running:
                one.kill()

    def _accepted(self) -> int:
        app = shops.shop(self.home)
        with app.store.picture() as connection:
            found = outbox.audit(connection, datetime.now(UTC))
        app.close()
        if not found.is_sound:
            raise Disagreement(f"the ledger does not add up: {found}")
        return found.states.get("accepted", 0)

    @staticmethod
    def _compare(mails: int, taken: int, accepted: int, outcomes: Counter[str]) -> None:
        if not mails == taken == accepted == outcomes["accepted"]:
            raise Disagreement(
                f"of {mails} mails the ledger says {accepted} were accepted, the sink says {taken},"
                f" the senders say {dict(outcomes)}"
            )


def main() -> None:
    """Measure one case and print it."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--case", choices=sorted(CASES), default="sqlite1")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--mails", type=int, help="mails of each round")
    options.add_argument("--planned", type=int, default=0, help="due touches before the first one")
    options.add_argument("--workers", type=int, help="sending processes")
    options.add_argument("--connections", type=int, help="connections of each process")
    options.add_argument("--sink", choices=["smtp-sink", "cheap"], help="where mails go")
    options.add_argument("--plain", action="store_true", help="without what is compiled")
    options.add_argument("--profile", default="", help="a file for cProfile; spoils the rate")
    given = options.parse_args()
    changes = {
        name: getattr(given, name)
        for name in ("mails", "workers", "connections", "sink")
        if getattr(given, name) is not None
    }
    case = replace(CASES[given.case], **changes)
    code = ROOT if given.plain else _compiled()
    try:
        rounds, size = measure(case, given.rounds, given.planned, given.profile, code)
    except (Missing, Disagreement) as error:
        sys.exit(f"no rate: {error}")
    found = summary(given.case, case, rounds, size, given.planned)
    found["config"]["compiled"] = code != ROOT
    print(json.dumps(found))


def _compiled() -> Path:
    """The folder of the compiled build; the checkout itself where it cannot be made."""
    try:
        print("the compiled build is made where it is missing (a minute)", file=sys.stderr)
        return compiled.tree()
    except Missing as error:
        print(f"without what is compiled: {error}", file=sys.stderr)
        return ROOT


def measure(
    case: Case, rounds: int, planned: int, profile: str, code: Path = ROOT
) -> tuple[list[Round], int]:
    """All rounds of a case, and the size of its mails."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crm-bench-")))
        database = stack.enter_context(shops.postgres()) if case.engine == "postgresql" else ""
        bench = Bench(
            case=case,
            folder=folder,
            all_sinks={name: stack.enter_context(_sink(name, case, folder)) for name in
                       dict.fromkeys([case.sink, case.ceiling_on, *_others(case)])},
            mails=case.mails - case.mails % case.workers,
            planned=planned,
            profile=profile,
            code=code,
        )  # fmt: skip
        bench.open(database)
        found = []
        for number in range(rounds):
            one = bench.round(number)
            print(
                f"round {number + 1}: {one.rate:,.0f}/s, smtp-source "
                f"{one.ceilings[case.ceiling_on]:,.0f}/s, {one.cpu_us:.0f} us, {one.rss_mb:.0f} MB",
                file=sys.stderr,
            )
            found.append(one)
        return found, bench.size


def _sink(name: str, case: Case, folder: Path) -> AbstractContextManager[Sink]:
    if name == "smtp-sink":
        return sinks.smtp_sink(folder)
    return sinks.cheap_sink(folder, round_trip_ms=case.round_trip_ms)


def _others(case: Case) -> list[str]:
    """Sinks that are there for the ceiling alone."""
    return [] if case.sink == "smtp-sink" or case.round_trip_ms else ["smtp-sink"]


def summary(name: str, case: Case, rounds: list[Round], size: int, planned: int) -> dict[str, Any]:
    """What is printed."""

    def median(what: str) -> float:
        return float(statistics.median(getattr(one, what) for one in rounds))

    ceilings = {
        sink: statistics.median(one.ceilings[sink] for one in rounds) for sink in rounds[0].ceilings
    }
    ratios = {
        sink: round(statistics.median(one.rate / one.ceilings[sink] for one in rounds), 3)
        for sink in ceilings
    }
    found: dict[str, Any] = {
        "bench": "send",
        "case": name,
        "what": case.what,
        "rate": round(median("rate")),
        "ceiling": round(ceilings[case.ceiling_on]),
        "ratio": ratios[case.ceiling_on],
        "cpu_us": round(median("cpu_us")),
        "rss_mb": round(max(one.rss_mb for one in rounds)),
        "rate_with_start": round(median("rate_with_start")),
        "measure": "rate" if case.is_absolute else "ratio",
        "must": case.must,
        "goal": case.goal,
        "ratios": ratios,
        "rounds": [[round(one.rate), round(one.ceilings[case.ceiling_on])] for one in rounds],
        "config": {
            "mails": case.mails,
            "planned": planned or case.mails,
            "bytes": size,
            "workers": case.workers,
            "connections": case.connections,
            "engine": case.engine,
            "sink": case.sink,
            "ceiling_on": case.ceiling_on,
            "round_trip_ms": case.round_trip_ms,
            "dkim": case.has_dkim,
            "cores": os.cpu_count(),
            "python": sys.version.split()[0],
        },
    }
    if case.round_trip_ms:
        # every mail takes one round trip at least, on each connection
        found["bound"] = round(case.connections * 1000 / case.round_trip_ms)
    for other in rounds[0].others:
        found[other] = round(statistics.median(one.others[other] for one in rounds))
    return found


if __name__ == "__main__":
    main()
