"""Two hosts share two mailboxes of one shop; one of them dies while it reads."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.store import leases
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.flows.running import PATIENCE, Running
from tests.flows.test_many_hosts import HASTY
from tests.listening.conftest import letter
from tests.servers.imap_box import DOVECOT, HOST, PASSWORD, USER, Box, DovecotBox, dovecot_box
from tests.small_shop import copy_home

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.servers,
    pytest.mark.skipif(DOVECOT is None, reason="Dovecot is not installed"),
]
SECOND = "returns"
#: A server and two daemons share the machine with other tests.
PATIENT = 2 * PATIENCE


@pytest.fixture
def dovecot() -> Iterator[DovecotBox]:
    with dovecot_box() as running:
        users = running.folder / "users"
        users.write_text(f"{users.read_text()}{SECOND}:{{PLAIN}}{PASSWORD}\n")
        yield running


@pytest.fixture
def hosts(
    starter_home: Path, tmp_path: Path, dovecot: DovecotBox, postgres_store: Store
) -> Iterator[list[Running]]:
    """Two daemons that listen, with a folder each."""
    url = postgres_store.url.render_as_string(hide_password=False)
    home = copy_home(starter_home, tmp_path / "one")
    boxes = "".join(
        f'[mailboxes.{name}]\nhost = "{HOST}"\nport = {dovecot.port}\nusername = "{name}"\n'
        f'password = "{PASSWORD}"\ntls = "none"\nfirst_contact = "all"\nmove_done_to = "Done"\n'
        for name in (USER, SECOND)
    )
    (home / "crm-mailer.toml").write_text(f'database = "{url}"\n{boxes}')
    shutil.copytree(home, tmp_path / "two")
    settings = {"CRM_MAILER_ENV": "test"}
    started = [
        Running(tmp_path / name, settings, HASTY, "run", "--roles", "listen")
        for name in ("one", "two")
    ]
    yield started
    for one in started:
        one.process.kill()
        one.process.wait(PATIENCE)


def readers(store: Store) -> dict[str, int]:
    """Which process reads which mailbox."""
    with store.read() as connection:
        held = leases.list_in_force(connection, leases.MAILBOX, None)
    return {one.name.removeprefix(leases.MAILBOX): one.pid for one in held}


def understood(store: Store) -> list[str]:
    """Who wrote, of each mail that was read to its end."""
    is_done = sa.and_(t.inbound.c.id == t.replies.c.inbound_id, t.inbound.c.state == "done")
    query = sa.select(t.replies.c.sender).join(t.inbound, is_done)
    with store.read() as connection:
        return sorted(connection.scalars(query))


def fetched(store: Store) -> int:
    with store.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(t.inbound)) or 0


def test_a_listener_that_dies_leaves_its_mailbox_to_the_other_and_nothing_is_lost(
    postgres_store: Store, dovecot: DovecotBox, hosts: list[Running]
) -> None:
    boxes = {name: Box(dovecot.port, name) for name in (USER, SECOND)}
    by_pid = {one.process.pid: one for one in hosts}
    hosts[0].waits_for(lambda: set(readers(postgres_store).values()) == set(by_pid), PATIENT)

    senders = {name: [f"{name}{n}@example.com" for n in range(24)] for name in boxes}
    for name, box in boxes.items():
        box.put(*(_mail(sender) for sender in senders[name][:12]))
    hosts[0].waits_for(lambda: understood(postgres_store), PATIENT)
    before = readers(postgres_store)
    by_pid.pop(before[SECOND]).ends(signal.SIGKILL)
    [left] = by_pid.values()
    for name, box in boxes.items():
        box.put(*(_mail(sender) for sender in senders[name][12:]))
    every = sorted(senders[USER] + senders[SECOND])
    left.waits_for(lambda: len(understood(postgres_store)) >= len(every), PATIENT)
    after = readers(postgres_store)
    code = left.ends()

    assert sorted(before) == sorted(after) == [USER, SECOND]
    assert set(after.values()) == {left.process.pid}
    assert understood(postgres_store) == every
    assert fetched(postgres_store) == len(every)
    assert (code, left.lines("Traceback")) == (0, [])


def _mail(sender: str) -> bytes:
    text = "The teapot arrived broken and the lid is missing. I want a refund."
    return letter(text, sender=sender, Message_ID=f"<{sender}>")
