"""kill -9 while the envelope of the next mail is on its way behind the body of this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.delivering import SmtpTransport, deliver
from crm_mailer.store import outbox
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, plan
from tests.servers.smtp_faults import PIPELINED, fault_server

ROOT = Path(__file__).resolve().parents[2]
#: Kill point, the mails in doubt after it, and what there is at that moment.
WINDOWS = [
    ("K3:1", 0),  # 354 to the first; nothing is noted
    ("K3:3", 0),  # the second has landed and is noted, the third has its 354
    ("K4:1", 1),  # the first is noted, nothing of it has left
    ("K4:3", 1),
    ("K5:1", 1),  # its dot has left, and with it the envelope of the second
    ("K5:3", 1),
    ("K6:1", 1),  # the answers to the dot and to the next envelope came in one breath
    ("K6:3", 1),
    ("K6J:3", 0),  # the answer is noted; the next one's DATA was granted
]


@pytest.mark.parametrize(("point", "doubts"), WINDOWS)
def test_a_kill_with_the_next_envelope_under_way_doubles_nothing_and_loses_nothing(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path, point: str, doubts: int
) -> None:
    ids = plan(sqlite_store, 9, clock.now())
    url = sqlite_store.url.render_as_string(hide_password=False)
    with fault_server(extensions=PIPELINED) as server:
        killed = subprocess.run(
            [sys.executable, "-m", "tests.delivering.crash_child", url, str(server.port),
             str(tmp_path), "child", "1"],
            cwd=ROOT, env={**os.environ, "CRM_MAILER_KILL_AT": point}, timeout=60,
        )  # fmt: skip
        assert killed.returncode == -signal.SIGKILL
        deliver(sqlite_store, PlainRenderer(), SmtpTransport(account(server.port)), clock=clock,
                owner="next", journal_folder=tmp_path)  # fmt: skip
    with sqlite_store.read() as connection:
        audit = outbox.audit(connection, clock.now())
        doubtful = set(
            connection.scalars(sa.select(touches.c.id).where(touches.c.state == "in_doubt"))
        )

    taken = Counter(_number(letter) for letter in server.box)
    assert max(taken.values()) == 1
    assert set(taken) | doubtful == set(ids)
    assert audit.is_sound
    assert audit.states == {"accepted": 9 - doubts} | ({"in_doubt": doubts} if doubts else {})


def _number(letter: bytes) -> int:
    return int(letter.split(b"\r\n", 1)[0].removeprefix(b"Subject: Hello "))
