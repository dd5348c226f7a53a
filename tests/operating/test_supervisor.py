"""What the system's service manager is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from crm_mailer import supervisor
from crm_mailer.app import App, operating
from crm_mailer.daemon import TICKS
from crm_mailer.settings import read_settings

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def ear(tmp_path: Path) -> socket.socket:
    """The manager's own socket; short, since its name has at most 108 letters."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(str(Path("/tmp") / f"crm-notify-{os.getpid()}-{id(line)}"))
    line.settimeout(60)
    return line


def test_the_daemon_says_that_it_works_lives_and_stops(home: Path, ear: socket.socket) -> None:
    app = App(home, read_settings(home, {}))
    operating.upgrade_database(app)
    daemon = subprocess.Popen(
        [sys.executable, "-m", "crm_mailer", "--home", str(home), "run"], cwd=ROOT,
        env={**os.environ, "NOTIFY_SOCKET": ear.getsockname()}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = {ear.recv(64).decode() for _once in range(2)}
        assert told == {supervisor.READY, supervisor.ALIVE}
        daemon.send_signal(signal.SIGTERM)
        while (word := ear.recv(64).decode()) != supervisor.STOPPING:
            assert word == supervisor.ALIVE
        assert daemon.wait(30) == 0
    finally:
        daemon.kill()
        daemon.wait()
        Path(ear.getsockname()).unlink()
        ear.close()


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    supervisor.tell(supervisor.READY)
    monkeypatch.setenv("NOTIFY_SOCKET", "/tmp/nobody-listens-here")
    supervisor.tell(supervisor.READY)


def test_the_unit_waits_longer_than_the_pulse() -> None:
    unit = (ROOT / "deploy" / "crm-mailer.service").read_text(encoding="utf-8")
    settings = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
    assert settings["Type"] == "notify"
    assert int(settings["WatchdogSec"]) > 3 * TICKS["pulse"]
