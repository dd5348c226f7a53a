"""How much faster several senders are than one, where the mail server is far away.

Run: python -m benchmarks.workers [--engine postgresql] [--rounds 3] [--latency 100]
1, 2 and 4 sending processes of one shop send to a server whose every answer comes 100 ms late, as
from another continent. So a sender's rate is bound by its lines: each of its connections has one
mail on the way at a time, and gets rid of 1,000 / 100 mails a second at most, whatever the
processor could do; `bound_1` says how many that makes for one sender. What can keep four senders
from being four times as fast is only what they share: the database with its claims and paces, the
server, and in the end the processor (`cpu_us` a mail).

The last line printed is one JSON object: `rate_1`, `rate_2`, `rate_4` in mails a second, medians
of all rounds; `speedup_2`, `speedup_4`. Senders get rid of equally many mails each, and more are
due than they send, so that none waits for another at the end. After each turn the sink's count,
the ledger and the senders' reports must agree, else there is no rate.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import shops, sinks
from benchmarks.send import FIRST, Bench, Case, Disagreement, Round
from benchmarks.sinks import Missing

CROWDS = (1, 2, 4)
#: Due mails beyond those that are sent: as many as senders may have claimed at the end.
SPARE = 10_000

Rates = dict[int, list[Round]]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--engine", choices=["postgresql", "sqlite"], default="postgresql")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--mails", type=int, default=3_000, help="mails of each sender and round")
    options.add_argument("--connections", type=int, default=20, help="connections of each sender")
    options.add_argument("--latency", type=int, default=100, help="milliseconds to each answer")
    given = options.parse_args()
    case = Case(
        what="senders far from their server", must=3, goal=3.8, mails=given.mails, sink="cheap",
        connections=given.connections, engine=given.engine, round_trip_ms=given.latency,
        ceiling_on="cheap",
    )  # fmt: skip
    try:
        found = measure(case, given.rounds)
    except (Missing, Disagreement) as error:
        sys.exit(f"no rate: {error}")
    print(json.dumps(summary(case, found)))


def measure(case: Case, rounds: int) -> Rates:
    """Each crowd in turn, round after round: senders -> what they reached."""
    found: Rates = {number: [] for number in CROWDS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crm-bench-")))
        database = stack.enter_context(shops.postgres()) if case.engine == "postgresql" else ""
        sink = stack.enter_context(sinks.cheap_sink(folder, round_trip_ms=case.round_trip_ms))
        bench = Bench(
            case=case, folder=folder, all_sinks={"cheap": sink}, mails=case.mails, profile="",
            planned=FIRST + rounds * sum(CROWDS) * case.mails + SPARE,
        )  # fmt: skip
        bench.open(database)
        for _ in range(rounds):
            for number in CROWDS:
                bench.case = replace(case, workers=number)
                one = bench.ours(number * case.mails)
                print(f"{number}: {one.rate:,.0f}/s, {one.cpu_us:.0f} us", file=sys.stderr)
                found[number].append(one)
    return found


def summary(case: Case, found: Rates) -> dict[str, Any]:
    """What is printed."""
    rates = {
        number: statistics.median(one.rate for one in rounds) for number, rounds in found.items()
    }
    return {
        "bench": "workers",
        **{f"rate_{number}": round(rate) for number, rate in rates.items()},
        **{f"speedup_{number}": round(rates[number] / rates[1], 2) for number in CROWDS[1:]},
        "bound_1": round(case.connections * 1000 / case.round_trip_ms),
        "cpu_us": {
            number: round(statistics.median(one.cpu_us for one in rounds))
            for number, rounds in found.items()
        },
        "rss_mb": round(max(one.rss_mb for rounds in found.values() for one in rounds)),
        "rounds": {number: [round(one.rate) for one in rounds] for number, rounds in found.items()},
        "config": {
            "engine": case.engine,
            "mails": case.mails,
            "connections": case.connections,
            "latency_ms": case.round_trip_ms,
            "cores": os.cpu_count(),
            "python": sys.version.split()[0],
        },
    }


if __name__ == "__main__":
    main()
