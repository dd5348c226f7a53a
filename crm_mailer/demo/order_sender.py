"""The demo's second sender: order mail leaves by a process of its own, beside marketing.

Runs as `python -m crm_mailer.demo.order_sender FOLDER`, with the mail server in the environment.
A line `{"now": 1314835200}` makes it send what is due then; it answers with the counts.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from crm_mailer import logs
from crm_mailer.app import App, rounds
from crm_mailer.app.clocks import SetClock
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import StoreBusy
from crm_mailer.settings import read_settings

#: How often the sender waits for its turn once more.
PATIENCE = 10


def main(folder: Path) -> None:
    """Answer until the parent closes our input."""
    logs.set_up("error")
    clock = SetClock(datetime.now(UTC))
    app = App(folder, read_settings(folder), clock)
    for line in sys.stdin:
        clock.moment = datetime.fromtimestamp(json.loads(line)["now"], UTC)
        sys.stdout.write(json.dumps({"did": _send(app)}) + "\n")
        sys.stdout.flush()
    app.close()


def _send(app: App) -> str:
    """Send what is due. On a loaded machine the parent may have the database for long: go on then.

    Raises:
        StoreBusy: it has it for some minutes.
    """
    for _time in range(PATIENCE):
        with suppress(StoreBusy):
            return rounds.send(app, streams=frozenset({Stream.TRANSACTIONAL}))
    return rounds.send(app, streams=frozenset({Stream.TRANSACTIONAL}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
