"""A process of the demo's own that speaks one line of JSON at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Self

from crm_mailer.model.errors import CrmMailerError


class Child:
    """A module that runs as a process of its own; use as a context manager."""

    def __init__(self, module: str, *words: str, environment: Mapping[str, str] | None = None):
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )

    def __enter__(self) -> Self:
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

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Say something and wait for the answer."""
        self.say(question)
        return self.hear()

    def say(self, question: Mapping[str, Any]) -> None:
        """Say something; the answer is heard later."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            CrmMailerError: the process has ended.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise CrmMailerError(
                "a part of the demo stopped",
                hint="why, stands above; is all installed? pip install 'crm-mailer[demo]'",
            )
        return dict(json.loads(line))
