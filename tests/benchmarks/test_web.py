from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_the_last_line_tells_the_rates_and_all_that_was_answered_was_written_down() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/web.py", "--customers", "300", "--seconds", "0.5",
         "--lines", "4"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])

    assert done.returncode == 0, told
    assert told["pixel_rps"] > 0
    assert told["click_rps"] > 0
    assert told["p99_ms"] > 0
    assert told["studio_ms"] > 0
    assert told["written"] >= told["answered"]
