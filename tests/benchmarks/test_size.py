from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(120)
def test_size_is_measured_before_and_after_months_left() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.size", "--customers", "200", "--events", "4000"],
        cwd=ROOT, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])

    assert found["rows"]["messages"] == 1_200
    assert found["archive_month_mails"] == 100
    for look in ("before", "after"):
        assert set(found[look]) == {"claim_ms", "tick_ms", "customer_ms"}
        assert min(found[look].values()) > 0
