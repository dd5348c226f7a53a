from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import shops
from benchmarks.fault_server import Taken
from benchmarks.kill import beyond, is_kept
from crm_mailer.model.campaign import Stream
from tests.servers.postfix import POSTFIX

ROOT = Path(__file__).resolve().parents[2]
NEEDS_COMPILER = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the sink")
FAULTLESS = {
    "duplicates": 0, "lost": 0, "in_doubt": 7, "bound": 7,
    "accepted_ok": True, "conservation": True, "audit": True,
}  # fmt: skip


def run(name: str, *words: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the last line of a benchmark."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.servers
@pytest.mark.skipif(POSTFIX is None, reason="no smtp-source and smtp-sink")
def test_sending_is_measured_beside_smtp_source() -> None:
    code, found = run("send", "--plain", "--mails", "300", "--rounds", "2")

    assert code == 0
    assert (found["bench"], found["case"]) == ("send", "sqlite1")
    assert found["rate"] > 0
    assert found["ceiling"] > 0
    assert found["ratio"] == pytest.approx(found["rate"] / found["ceiling"], rel=0.5)
    assert found["cpu_us"] > 0
    assert 20 < found["rss_mb"] < 400
    assert found["config"]["mails"] == 300
    assert 10_000 < found["config"]["bytes"] < 14_000
    assert len(found["rounds"]) == 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def test_kills_and_stops_of_four_senders_double_nothing_and_lose_nothing(engine: str) -> None:
    code, found = run("kill", "--kills", "8", "--mails", "600", "--stops", "0.35",
                      "--engine", engine)  # fmt: skip

    assert (code, found["kills"], found["config"]["workers"]) == (0, 8, 4)
    assert (found["duplicates"], found["lost"]) == (0, 0)
    assert found["stops"] > 0
    assert found["in_doubt"] <= found["bound"]
    assert found["config"]["hosts"] == (1 if engine == "sqlite" else 2)


@pytest.mark.timeout(300)
def test_order_mail_in_doubt_is_sent_once_more_however_often_senders_die() -> None:
    code, found = run("kill", "--kills", "6", "--stream", "transactional", "--workers", "1")

    assert (code, found["duplicates"], found["lost"]) == (0, 0, 0)
    assert found["resent"] > 0


@NEEDS_COMPILER
def test_one_two_and_four_senders_are_compared() -> None:
    code, found = run("workers", "--engine", "sqlite", "--rounds", "1", "--mails", "40",
                      "--latency", "10", "--connections", "4")  # fmt: skip

    assert code == 0
    assert (found["bench"], found["bound_1"]) == ("workers", 400)
    assert found["speedup_4"] == pytest.approx(found["rate_4"] / found["rate_1"], rel=0.2)
    assert {"rate_2", "speedup_2"} <= found.keys()


@NEEDS_COMPILER
def test_a_soak_watches_all_processes_and_all_ticks() -> None:
    code, found = run("soak", "--minutes", "0.3", "--planned", "300", "--pace", "600")

    assert (code, found["audit"]) == (0, True)
    assert sum(found["states"].values()) == 300
    assert 20 < found["rss_mb_max"] <= found["pss_mb_max"] < 900
    assert 0 < found["fds_first"] <= found["fds_max"]
    assert {"lease", "plan", "workers"} <= found["by_tick"].keys()
    assert found["tick_p99_ms"] <= found["tick_max_ms"]


def test_a_shop_that_is_measured_yields_mails_of_its_class(tmp_path: Path) -> None:
    shops.make_shop(tmp_path / "shop", port=25, connections=1)
    app = shops.shop(tmp_path / "shop")

    assert not app.definitions.errors
    assert [shops.touch_of(shops.address(one)) for one in (1, 17, 9_999)] == [1, 17, 9_999]


@pytest.mark.parametrize(
    "broken",
    [{"duplicates": 1}, {"lost": 1}, {"in_doubt": 8}, {"accepted_ok": False},
     {"conservation": False}, {"audit": False}],
)  # fmt: skip
def test_a_broken_promise_is_told(broken: dict[str, Any]) -> None:
    assert is_kept(FAULTLESS)
    assert not is_kept(FAULTLESS | broken)


@pytest.mark.parametrize(
    ("stream", "copies", "number"),
    [
        (Stream.MARKETING, [("a", 0)], 0),
        (Stream.MARKETING, [("a", 0), ("a", 900)], 1),
        (Stream.TRANSACTIONAL, [("a", 0), ("a", 600)], 0),
        (Stream.TRANSACTIONAL, [("a", 0), ("a", 590)], 1),
        (Stream.TRANSACTIONAL, [("a", 0), ("b", 900)], 1),
        (Stream.TRANSACTIONAL, [("a", 0), ("a", 600), ("a", 1_200)], 1),
    ],
)
def test_copies_beyond_what_is_promised_are_counted(
    stream: Stream, copies: list[tuple[str, int]], number: int
) -> None:
    taken = [Taken("buyer1@example.com", "<1@x>", digest, at) for digest, at in copies]

    assert beyond(taken, stream) == number


@pytest.mark.parametrize(
    "name", ["header_fuzz", "import_orders", "inbox", "inbox_lessons", "kill", "plan", "render",
             "segment", "send", "soak", "workers"],
)  # fmt: skip
def test_a_benchmark_may_be_started_as_a_file(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / f"{name}.py", "--help"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False, env={},
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout
