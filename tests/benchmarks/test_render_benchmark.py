from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_writing_a_mail_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.render", "--mails", "60", "--rounds", "1"],
        cwd=ROOT, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])

    assert (found["bench"], found["mails"]) == ("render", 60)
    costs = [value for name, value in found.items() if name.startswith("us_")]
    assert len(costs) == 6
    assert all(0 < cost < 5_000 for cost in costs)
    assert found["us_per_mail"] > found["us_html"]
    assert found["save_ms"] > 0
