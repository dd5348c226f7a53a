"""Starts and speaks with the demo's outside world, which is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from typing import Any

from crm_mailer.model.errors import CrmMailerError


class Outside:
    """The customers with their SMTP and IMAP servers on loopback; use as a context manager."""

    def __init__(self, seed: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crm_mailer.demo.post_office", str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.smtp_port = 0
        self.imap_port = 0

    def __enter__(self) -> Outside:
        ports = self._hear()
        self.smtp_port, self.imap_port = ports["smtp"], ports["imap"]
        return self

    def __exit__(self, *_error: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def tick(self, now: datetime) -> int:
        """Move the world's clock; how many answers arrived in the mailbox."""
        return int(self._ask({"do": "tick", "now": int(now.timestamp())})["arrived"])

    def counts(self) -> dict[str, int]:
        """What the customers did."""
        return dict(self._ask({"do": "count"})["count"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise CrmMailerError(
                "the demo's mail servers stopped",
                hint="is pymap installed? pip install 'crm-mailer[demo]'",
            )
        return dict(json.loads(line))
