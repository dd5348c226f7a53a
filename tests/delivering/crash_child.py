"""A sender in a process of its own, to be killed: `python -m tests.delivering.crash_child`."""

from __future__ import annotations

import sys
from pathlib import Path

from crm_mailer.delivering import Pace, SmtpTransport, deliver
from crm_mailer.store.engine import open_store
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account


def main(url: str, port: str, folder: str, owner: str, connections: str) -> None:
    store = open_store(url)
    deliver(
        store,
        PlainRenderer(),
        SmtpTransport(account(int(port), connections=int(connections))),
        clock=StandingClock(),
        owner=owner,
        journal_folder=Path(folder),
        pace=Pace(batch=10, cycle=5),
    )
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
