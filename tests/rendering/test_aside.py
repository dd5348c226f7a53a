from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crm_mailer.rendering import aside

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")


def test_work_is_done_in_another_process() -> None:
    assert aside.begin(lambda: (os.getpid(), "done")).result() != (os.getpid(), "done")


def test_work_that_fails_or_is_killed_has_no_result(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ValueError

    failed = aside.begin(fail)
    killed = aside.begin(lambda: os.kill(os.getpid(), signal.SIGKILL))

    assert failed.result() is None
    assert killed.result() is None


def test_the_shares_of_two_are_about_equal_and_groups_stay_together() -> None:
    groups = [[50, 1], [20], [20, 10], [1], [1], [1]]

    first, second = aside.in_two(groups, float)

    assert (first, second) == ([50, 1, 1], [20, 20, 10, 1, 1])


def test_the_other_process_does_not_outlive_a_killed_one() -> None:
    program = (
        "import os, sys, time; from crm_mailer.rendering import aside\n"
        "def work():\n"
        "    print(os.getpid(), flush=True); time.sleep(1); return 'x' * 10_000_000\n"
        "aside.begin(work); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        other = int(parent.stdout.readline())
        parent.kill()

        deadline = time.monotonic() + 20
        while _is_alive(other) and time.monotonic() < deadline:
            time.sleep(0.05)

        assert not _is_alive(other)


def _is_alive(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
