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


@pytest.mark.timeout(120)
def test_a_shop_that_is_kept_lives_the_same_day_again(tmp_path: Path) -> None:
    shop, told = tmp_path / "shop.db", []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.plan", "--only", "day", "--shop", str(shop),
             "--customers", "300", "--orders", "20000"],
            cwd=ROOT, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout.splitlines()[-1]))

    first, second = told
    assert first["touches"] > 0
    assert first["touches_hash"] == second["touches_hash"]
    assert first["lifecycle_first_s"] > 0
    assert "lifecycle_first_s" not in second
    assert "edm_s" not in first
    assert [one.name for one in tmp_path.iterdir()] == ["shop.db"]
