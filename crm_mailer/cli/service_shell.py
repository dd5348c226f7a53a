"""The program `crm-mailer-shop`: any of our commands as this machine's service would run it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from crm_mailer.app import service_shell, system
from crm_mailer.cli import show
from crm_mailer.model.errors import CrmMailerError


def main() -> None:
    """Become systemd-run, which passes our exit code on; one line where that cannot be."""
    try:
        words = service_shell.command(
            service_shell.ask(),
            sys.argv[1:],
            program=system.installed_program(),
            name=f"crm-mailer-shop-{os.getpid()}",
            folder=Path.cwd(),
            is_terminal=sys.stdin.isatty() and sys.stdout.isatty(),
            environment=os.environ,
        )
        os.execvp(words[0], words)
    except CrmMailerError as error:
        show.trouble(error)
        sys.exit(error.exit_code)
