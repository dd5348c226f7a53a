"""The whole listening killed again and again while mail comes and the mailbox is replaced."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, listening, mailboxes
from crm_mailer.home import make_home
from crm_mailer.settings import read_settings
from crm_mailer.store import tables
from tests.listening.conftest import letter
from tests.servers.imap_box import DOVECOT, HOST, PASSWORD, USER, DovecotBox, dovecot_box

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(DOVECOT is None, reason="Dovecot is not installed"),
]

KILLS = 20
RESETS = {6, 13}
#: What is read from files once; each line on standard input then starts a listener of its own.
NURSERY = """
import os, signal, sys, threading
from crm_mailer.app import listening, open_app
from crm_mailer import logs
from crm_mailer.listening import understand_text
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
logs.set_up("error")
first = open_app(sys.argv[1])
understand_text("My lamp arrived broken.", first.words)
first.shop
for _line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        app = open_app(sys.argv[1])
        app.__dict__.update(words=first.words, definitions=first.definitions)
        listening.watch(app, threading.Event(), app.settings.mailboxes[0])
    print(pid, flush=True)
"""


class Customers:
    """They write without a pause: to each mail a name, every tenth is large, every fifth a wish."""

    def __init__(self, box: DovecotBox) -> None:
        self.box = box
        self.sent: list[str] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._write)

    def __enter__(self) -> Customers:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop.set()
        self.thread.join()

    def _write(self) -> None:
        while not self.stop.wait(0.05):
            number = len(self.sent)
            name = f"{number}@example.com"
            body = "unsubscribe" if number % 5 == 0 else f"My lamp {number} arrived broken.\n"
            body += "x\n" * 45_000 if number % 10 == 3 else ""
            mail = letter(
                body, sender=name, subject="unsubscribe" if number % 5 == 0 else "Hello",
                Message_ID=f"<{name}>",
            )  # fmt: skip
            self.box.deliver(mail)
            self.sent.append(name)


@pytest.fixture
def dovecot() -> Iterator[DovecotBox]:
    with dovecot_box() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, dovecot: DovecotBox) -> Iterator[App]:
    home = tmp_path / "shop"
    make_home(home)
    (home / "crm-mailer.toml").write_text(
        f'[imap]\nhost = "{HOST}"\nport = {dovecot.port}\nusername = "{USER}"\n'
        f'password = "{PASSWORD}"\ntls = "none"\nfirst_contact = "all"\n'
        'move_done_to = "Done"\n'
    )
    app = App(home, read_settings(home, {}))
    app.store  # noqa: B018 -- makes the database
    yield app
    app.close()


@pytest.fixture
def nursery(shop: App) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(shop.home)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.timeout(300)
def test_nothing_is_lost_and_nothing_handled_twice_over_20_kills_and_2_resets(
    shop: App, dovecot: DovecotBox, nursery: subprocess.Popen[str]
) -> None:
    chance = random.Random(11)
    with Customers(dovecot) as customers:
        for round_ in range(KILLS):
            child = born(nursery)
            wait_for_progress(shop, child)
            if round_ in RESETS:
                dovecot.replace()
            time.sleep(chance.uniform(0, 0.3))
            os.kill(child, signal.SIGKILL)
            wait_for_death(child)
    for _ in range(2):
        mailboxes.fetch(shop)
        listening.understand(shop)

    handled = Counter(replies(shop))
    assert len(customers.sent) > 100
    assert {name for name in customers.sent if handled[name] != 1} == set()
    assert sorted(stopped(shop)) == sorted(customers.sent[::5])
    [compared] = mailboxes.reconcile(shop)
    assert compared.found is not None
    assert compared.found.missing == []
    mailboxes.move_done(shop, shop.settings.mailboxes[0])
    assert names_in(dovecot, "INBOX") == set()
    assert names_in(dovecot, "Done") == set(customers.sent)


def born(nursery: subprocess.Popen[str]) -> int:
    """A new listener; its process id."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write("one\n")
    nursery.stdin.flush()
    return int(nursery.stdout.readline())


def wait_for_progress(shop: App, child: int) -> None:
    """Let the child come into the middle of its work, not only through its beginning."""
    before, until = count(shop), time.monotonic() + 60
    while count(shop) == before and time.monotonic() < until:
        os.kill(child, 0)  # it must not have ended by itself
        time.sleep(0.02)
    assert count(shop) > before


def wait_for_death(child: int) -> None:
    with suppress(ProcessLookupError):
        while True:
            os.kill(child, 0)
            time.sleep(0.005)


def names_in(dovecot: DovecotBox, folder: str) -> set[str]:
    with dovecot.client() as client:
        client.select_folder(folder, readonly=True)
        uids = client.search("ALL")
        found = client.fetch(uids, ["ENVELOPE"]) if uids else {}
    return {one[b"ENVELOPE"].message_id.decode().strip("<>") for one in found.values()}


def count(shop: App) -> int:
    with shop.store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(tables.replies)) or 0


def replies(shop: App) -> list[str]:
    """The names of mails that were handled, once for each time that had an effect."""
    with shop.store.read() as connection:
        rows = tables.replies.c
        query = sa.select(rows.message_id).where(~rows.is_copy)
        return list(connection.execute(query).scalars())


def stopped(shop: App) -> list[str]:
    with shop.store.read() as connection:
        rows = tables.suppressions.c
        return list(connection.execute(sa.select(rows.address_key)).scalars())
