from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(120)
def test_planning_is_measured_beside_a_bare_insert() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.plan", "--customers", "300", "--orders", "600"],
        cwd=ROOT, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])

    for name in ("idle_tick_ms", "edm_s", "edm_ratio", "lifecycle_day_s", "rss_mb"):
        assert found[name] > 0
    assert found["customers"] == 300
