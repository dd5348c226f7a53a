"""One sending process of a benchmark: `python -m benchmarks.sender HOME [--limit N]`.

It does what a worker of the daemon does, once: opens the shop, says `ready`, waits for a line, then
sends all that is due. What it tells at the end is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

from crm_mailer.app import delivering, open_app


def main() -> None:
    """Open, wait, send, tell."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("home")
    options.add_argument("--limit", type=int)
    options.add_argument("--profile", default="", help="file for what cProfile counts")
    given = options.parse_args()
    app = open_app(given.home)
    assert app.store
    assert app.definitions
    print("ready", flush=True)
    sys.stdin.readline()
    begin, cpu = time.monotonic(), processor_seconds()
    report = run(lambda: delivering.send(app, limit=given.limit, is_by_hand=True), given.profile)
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


def run(work, profile: str):  # type: ignore[no-untyped-def]
    """What `work` returns; with `profile`, where its time goes is kept in that file."""
    if not profile:
        return work()
    import cProfile

    watch = cProfile.Profile()
    try:
        return watch.runcall(work)
    finally:
        watch.dump_stats(profile)


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
