"""Fetching against Debian's Dovecot: killed in the middle, and after a restore of the mailbox."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.listening import ImapMailbox, fetch
from crm_mailer.store import tables
from crm_mailer.store.engine import Store
from tests.conftest import NOON
from tests.listening.conftest import letter
from tests.servers.imap_box import DOVECOT, DovecotBox, dovecot_box

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(DOVECOT is None, reason="Dovecot is not installed"),
]

FETCHER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from crm_mailer.listening import Account, ImapMailbox, Limits, fetch
from crm_mailer.store.engine import open_store
url, port, folder = sys.argv[1:]
account = Account(host="127.0.0.1", port=int(port), username="care", password="s3cret-word",
                  tls="none")
store = open_store(url)
while True:
    with ImapMailbox(account) as mailbox:
        fetch(store, mailbox, account="care", folder="INBOX", raw_folder=Path(folder),
              now=datetime.now(UTC), first_contact="all", limits=Limits(chunk=2))
"""


@pytest.fixture
def dovecot() -> Iterator[DovecotBox]:
    with dovecot_box() as running:
        yield running


def test_nothing_is_lost_or_doubled_over_kills_and_a_replaced_mailbox(
    sqlite_store: Store, dovecot: DovecotBox, tmp_path: Path
) -> None:
    chance, sent = random.Random(7), set[str]()
    url = sqlite_store.url.render_as_string()
    for round_ in range(7):
        for number in range(60):
            name = f"<{round_}.{number}@example.com>"
            sent.add(name)
            size = 90_000 if number % 10 == 0 else 200
            dovecot.deliver(letter("x\n" * (size // 2), Message_ID=name))
        if round_ == 3:
            dovecot.replace()
        child = subprocess.Popen(
            [sys.executable, "-c", FETCHER, url, str(dovecot.port), str(tmp_path / "raw")],
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
            stderr=subprocess.DEVNULL,
        )
        wait_for_first_rows(sqlite_store, child, round_)
        time.sleep(chance.uniform(0, 0.25))
        child.send_signal(signal.SIGKILL)
        child.wait()

    with ImapMailbox(dovecot.account()) as mailbox:
        fetch(sqlite_store, mailbox, account="care", folder="INBOX",
              raw_folder=tmp_path / "raw", now=NOON)  # fmt: skip

    names = [message_id(raw) for raw in contents(sqlite_store, tmp_path / "raw")]
    assert sorted(names) == sorted(sent)


def test_idle_wakes_when_something_comes(dovecot: DovecotBox) -> None:
    stop = threading.Event()
    with ImapMailbox(dovecot.account()) as mailbox:
        mailbox.open()
        timer = threading.Timer(0.3, dovecot.put, [letter("hello")])
        timer.start()
        begun = time.monotonic()
        woke = mailbox.wait(stop)
        timer.join()

    assert woke
    assert time.monotonic() - begun < 10


def wait_for_first_rows(store: Store, child: subprocess.Popen[bytes], round_: int) -> None:
    """Let the child come into the middle of its work, not only through its imports."""
    until = time.monotonic() + 15
    before = count(store)
    while time.monotonic() < until and count(store) == before:
        assert child.poll() is None, "the fetching process ended by itself"
        time.sleep(0.01)
    assert count(store) > before or round_ > 3


def count(store: Store) -> int:
    with store.read() as connection:
        query = sa.select(sa.func.count()).select_from(tables.inbound)
        return int(connection.execute(query).scalar_one())


def contents(store: Store, folder: Path) -> list[bytes]:
    with store.read() as connection:
        rows = connection.execute(sa.select(tables.inbound.c.raw, tables.inbound.c.raw_path))
        return [raw if raw is not None else (folder / path).read_bytes() for raw, path in rows]


def message_id(raw: bytes) -> str:
    [line] = [line for line in raw.splitlines() if line.lower().startswith(b"message-id:")]
    return line.split(b":", 1)[1].strip().decode()
