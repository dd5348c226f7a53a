"""A sending process does not grow with the number of mails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Sends 30,000 mails into nothing and prints the megabytes it holds after 5,000 and at the end.
SENDER = """
import os, sys
from pathlib import Path
from crm_mailer import workers
from crm_mailer.delivering import NullTransport, deliver
from crm_mailer.store import migrate
from crm_mailer.store.engine import open_store
from tests.conftest import NOON, StandingClock
from tests.delivering.letters import message, plan

folder = Path(sys.argv[1])
store = open_store(f"sqlite:///{folder}/crm-mailer.db")
migrate.upgrade(store)
for _ in range(10):
    plan(store, 3_000, NOON)
store.keep_few_pages()
workers.spare_collector()
sizes = {}

def look(progress):
    for number in (5_000, 30_000):
        if progress.done >= number and number not in sizes:
            sizes[number] = workers.memory(os.getpid()) / (1 << 20)

class Renderer:
    def look_up(self, wanted):
        pass

    def render_batch(self, wanted):
        return [message(one.id, f"customer{one.customer_id}@example.com") for one in wanted]

report = deliver(store, Renderer(), NullTransport(), clock=StandingClock(), owner="w",
                 journal_folder=folder / "journal", on_progress=look)
print(report.outcomes["accepted"], sizes.get(5_000), workers.memory(os.getpid()) / (1 << 20))
"""


def test_a_worker_does_not_grow_while_it_sends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SENDER, str(tmp_path)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    accepted, early, late = map(float, done.stdout.split())
    assert accepted == 30_000
    assert late - early < 10, done.stdout
    assert late < 120, done.stdout
