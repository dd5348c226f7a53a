"""Several hosts on one PostgreSQL database: roles, leases, a host that freezes, one that dies."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from crm_mailer.store import leases
from crm_mailer.store.engine import Store
from tests.flows.conftest import SmallShop, due
from tests.flows.running import PATIENCE, Running
from tests.flows.test_daemon import ANNA, recipients, smtp, unpaid_orders
from tests.servers.smtp_faults import Fault, fault_server

pytestmark = pytest.mark.postgres

#: Python that a daemon runs first: its leases and claims end soon.
HASTY = (
    "from datetime import timedelta; from crm_mailer.delivering import Pace, deliver; "
    "import crm_mailer.daemon as d; d.LEASE_SECONDS = 4; d.TICKS['lease'] = 1; "
    "import crm_mailer.store.engine as e; e.SLEEP = 4; "
    "deliver.__kwdefaults__['pace'] = Pace(claim_for=timedelta(seconds=4))"
)

#: Starts a daemon on a host of that name: a folder of its own, with the shop's files and key.
StartHost = Callable[..., Running]


@pytest.fixture
def start_host(shop: SmallShop, postgres_store: Store) -> Iterator[StartHost]:
    shop.has_own_clock = False
    shop.more["CRM_MAILER_DATABASE"] = postgres_store.url.render_as_string(hide_password=False)
    started: list[Running] = []

    def start_one(name: str, roles: str, **more: str) -> Running:
        home = shop.home.parent / name
        if not home.exists():
            shutil.copytree(shop.home, home)
        started.append(Running(home, shop.settings | more, HASTY, "run", "--roles", roles))
        return started[-1]

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait(PATIENCE)


def fates(store: Store) -> dict[str, int]:
    """Mails by their state."""
    with store.read() as connection:
        rows = connection.execute(sa.text("SELECT state, count(*) FROM touches GROUP BY 1"))
        return {row[0]: row[1] for row in rows}


def planner(store: Store) -> tuple[int, int]:
    """The process that plans, and how often that passed to another; zeros where none does."""
    with store.read() as connection:
        found = leases.find(connection, leases.PLANNER, None)
    return (found.pid, found.epoch) if found else (0, 0)


def test_one_host_plans_what_another_sends_and_a_third_takes_over_from_one_that_died(
    postgres_store: Store, shop: SmallShop, start_host: StartHost
) -> None:
    shop.goes_live("payment-reminder")
    shop.imports(due("A1", ANNA))
    sender, head = start_host("sending", "send"), start_host("planning", "plan,listen")
    sender.waits_for(lambda: shop.mails_to(ANNA))
    head.waits_for(lambda: head.lines("took mailbox:imap, planner, segmenter"))
    fleet = shop.told("status")["fleet"]

    head.ends(signal.SIGKILL)
    spare = start_host("spare", "plan,listen")
    spare.waits_for(lambda: spare.lines("took mailbox:imap, planner, segmenter"))
    owner = planner(postgres_store)
    codes = [sender.ends(), spare.ends()]
    left = shop.told("status")["fleet"]["processes"]

    told = {(one["pid"], *one["roles"]) for one in fleet["processes"]}
    assert told == {(sender.process.pid, "send"), (head.process.pid, "plan", "listen")}
    held = {one["name"]: one["pid"] for one in fleet["tenures"] if one["is_held"]}
    assert held == dict.fromkeys(("mailbox:imap", "planner", "segmenter"), head.process.pid)
    assert (owner, codes) == ((spare.process.pid, 2), [0, 0])
    assert [(one["pid"], one["is_alive"]) for one in left] == [(head.process.pid, False)]


def test_a_host_that_was_frozen_past_its_leases_sends_nothing_twice_and_loses_nothing(
    postgres_store: Store, shop: SmallShop, start_host: StartHost
) -> None:
    unpaid_orders(shop, 12)
    with fault_server({"DATA": Fault(wait=0.5, is_aside=True)}) as server:
        sleeper = start_host("frozen", "plan,send", **smtp(server))
        sleeper.waits_for(lambda: server.verbs.count("DATA") == 2)
        sleeper.process.send_signal(signal.SIGSTOP)
        other = start_host("awake", "plan,send", **smtp(server))
        other.waits_for(lambda: planner(postgres_store)[0] == other.process.pid)
        other.waits_for(lambda: fates(postgres_store).get("in_doubt") == 12)
        alone = len(server.box)

        sleeper.process.send_signal(signal.SIGCONT)
        other.waits_for(lambda: fates(postgres_store).get("accepted") == 12)
        sleeper.waits_for(lambda: sleeper.lines("action=lease", "lost planner"))
        codes = [sleeper.ends(), other.ends()]

    assert (alone, codes) == (0, [0, 0])
    assert len(recipients(server)) == len(set(recipients(server))) == 12
    assert not fates(postgres_store).get("in_doubt")
