"""Starts the daemon as an operator does, and looks at its log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: Generous: the machine may be busy.
PATIENCE = 40.0


class Running:
    """A daemon in a process of its own; its log goes to a file.

    `before` is Python that the process runs first; `words` name another command.
    """

    def __init__(self, home: Path, settings: dict[str, str], before: str = "", *words: str) -> None:
        command = ["--home", str(home), *(words or ("run",))]
        start = f"{before}; from crm_mailer.cli import main; main({command!r})"
        usual = ["-m", "crm_mailer", *command]
        self.log_file = home / f"daemon-{time.monotonic_ns()}.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(["-c", start] if before else usual)],
                env={**os.environ, **settings},
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def lines(self, *words: str) -> list[str]:
        return [line for line in self.log.splitlines() if all(word in line for word in words)]

    def waits_for(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the daemon ended by itself: {self.log}"
            assert time.monotonic() < until, f"waited in vain: {self.log}"
            time.sleep(0.05)

    def ends(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)
