"""One sending process of a benchmark: `python -m benchmarks.sender HOME [--limit N]`.

It is a worker of the daemon that works once: opens the shop, reads its files, compiles its
templates, says `ready`, waits for a line, then sends what is due. What it tells at the end is one
JSON object.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import shops
from crm_mailer import logs, workers
from crm_mailer.app import delivering, open_app
from crm_mailer.delivering import DeliverReport
from crm_mailer.store import engine


def main() -> None:
    """Open, wait, send, tell."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("home")
    options.add_argument("--number", type=int, default=1)
    options.add_argument("--limit", type=int, default=0, help="at most so many mails; 0: all")
    options.add_argument("--profile", default="", help="file for what cProfile counts")
    given = options.parse_args()
    engine.trust_threads()
    app = open_app(given.home)
    logs.set_up(app.settings.log_level)
    assert app.store
    app.templates.prepare({f"{shops.TEMPLATES}/{name}" for name in shops.CAMPAIGN.values()})
    worker = workers.Worker(app, number=given.number)
    if not given.limit:
        worker.get_ready()
    print("ready", flush=True)
    sys.stdin.readline()
    begin, cpu = time.monotonic(), processor_seconds()
    report = profiled(lambda: send(worker, given.limit), given.profile)
    end = time.monotonic()
    told = {
        "begin": begin,
        "end": end,
        "cpu": processor_seconds() - cpu,
        "rss_kb": peak_memory(),
        "outcomes": report.outcomes,
        "skipped": report.skipped,
        "fault": report.lane_fault.message if report.lane_fault else "",
    }
    app.close()
    print(json.dumps(told), flush=True)


def send(worker: workers.Worker, limit: int) -> DeliverReport:
    """One round of a worker. With a limit it is the same round, which a worker has no word for."""
    if not limit:
        return worker.run_once()
    app = worker.app
    app.store.keep_few_pages()
    workers.spare_collector()
    return delivering.send(app, limit=limit, is_by_hand=True)


def profiled(work: Callable[[], DeliverReport], path: str) -> DeliverReport:
    """What `work` returns; with `path`, where its time goes is kept in that file."""
    if not path:
        return work()
    watch = cProfile.Profile()
    try:
        return watch.runcall(work)
    finally:
        watch.dump_stats(path)


def processor_seconds() -> float:
    """What this process and its ended children have used."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def peak_memory() -> int:
    """Most memory this process has held, in KiB; getrusage would count the parent's too."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
