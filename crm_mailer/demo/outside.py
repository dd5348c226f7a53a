"""Starts and speaks with the demo's outside world, which is a process of its own."""

from __future__ import annotations

import importlib.util
from datetime import datetime
from typing import Self

from crm_mailer.demo.child import Child
from crm_mailer.model.errors import SettingsError

HOST = "127.0.0.1"
#: Of the mailbox.
USER, PASSWORD = "care", "demo"


def check_parts() -> None:
    """That the mailbox's server, which only the demo needs, is installed.

    Raises:
        SettingsError: it is not.
    """
    if importlib.util.find_spec("pymap") is None:
        raise SettingsError(
            "the demo has a mailbox of its own, and pymap, which serves it, is not installed",
            hint="pip install 'crm-mailer[demo]'",
        )


class Outside(Child):
    """The customers with their SMTP and IMAP servers on loopback."""

    def __init__(self, seed: int) -> None:
        super().__init__("crm_mailer.demo.post_office", str(seed))
        self.smtp_port = 0
        self.imap_port = 0
        #: Mails that the customers had taken at the last tick.
        self.taken = 0

    def __enter__(self) -> Self:
        ports = self.hear()
        self.smtp_port, self.imap_port = ports["smtp"], ports["imap"]
        return self

    def tick(self, now: datetime) -> int:
        """Move the world's clock; how many answers arrived in the mailbox."""
        answer = self.ask({"do": "tick", "now": int(now.timestamp())})
        self.taken = int(answer["taken"])
        return int(answer["arrived"])

    def counts(self) -> dict[str, int]:
        """What the customers did."""
        return dict(self.ask({"do": "count"})["count"])

    def read(self) -> None:
        """Let the customers read what has come, while we go on."""
        self.say({"do": "read"})
