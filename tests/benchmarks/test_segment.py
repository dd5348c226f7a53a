from __future__ import annotations

import json
import sys

import pytest

from benchmarks import segment


def test_the_benchmark_of_scoring_ends_with_one_json_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["segment", "--customers", "300", "--orders", "2000"])
    monkeypatch.setattr(segment, "NEW_ORDERS", 50)

    segment.main()

    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    keys = {"first_scoring_s", "scoring_ratio", "rollover_s", "new_orders_s", "rss_mb"}
    assert keys <= set(figures)
    assert all(figures[key] > 0 for key in keys)
    assert (figures["customers"], figures["orders"]) == (300, 2000)
