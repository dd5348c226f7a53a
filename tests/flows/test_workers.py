"""Sending processes as the daemon starts them: real servers, real signals."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from tests.flows.conftest import SmallShop, Start
from tests.flows.running import PATIENCE, Running
from tests.flows.test_daemon import recipients, smtp, unpaid_orders
from tests.servers.smtp_faults import HANG, Fault, fault_server

#: Python that a worker runs first.
SHORT_CLAIMS = (
    "from datetime import timedelta; from crm_mailer.delivering import Pace, deliver; "
    "deliver.__kwdefaults__['pace'] = Pace(claim_for=timedelta(seconds=2))"
)
SHORT_DRAIN = "import crm_mailer.workers as w; w.DRAIN_SECONDS = 1.0"

StartWorker = Callable[..., Running]


@pytest.fixture
def start_worker(shop: SmallShop) -> Iterator[StartWorker]:
    """Starts workers without a daemon; none is left over."""
    shop.has_own_clock = False
    started: list[Running] = []

    def start_one(before: str = "", *words: str, **more: str) -> Running:
        one = Running(shop.home, shop.settings | more, before, "worker", *words)
        started.append(one)
        return one

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait(PATIENCE)


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def rows(shop: SmallShop, query: str) -> list[tuple[str, int]]:
    """What the database says, without the time that a command takes to start."""
    with closing(sqlite3.connect(shop.home / "crm-mailer.db")) as raw:
        return list(raw.execute(query))


def fates(shop: SmallShop, *states: str) -> int:
    """How many mails are in these states."""
    counted = dict(rows(shop, "SELECT state, count(*) FROM touches GROUP BY 1"))
    return sum(counted.get(state, 0) for state in states)


def workers(shop: SmallShop) -> list[int]:
    """The workers that said that they are alive."""
    query = "SELECT name, pid FROM leases WHERE name LIKE 'worker:%' AND owner <> ''"
    return [pid for _name, pid in sorted(rows(shop, query))]


def test_a_daemons_workers_finish_what_is_in_flight_and_end_with_it(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 30)
    with fault_server({"DOT": Fault(wait=0.3, accept=True)}) as server:
        daemon = start(CRM_MAILER_WORKERS="2", **smtp(server))
        daemon.waits_for(lambda: len(server.box) > 1 and len(workers(shop)) == 2)
        pids, told = workers(shop), shop.told("status")["workers"]
        code = daemon.ends()

    states = shop.told("outbox", "audit")["states"]
    assert (code, len(server.box) < 30) == (0, True)
    assert states == {"accepted": len(server.box), "planned": 60 - len(server.box)}
    assert list((shop.home / "journal").glob("*.flight")) == []
    assert [int(one.split()[1]) for one in told] == pids
    assert [is_alive(pid) for pid in pids] == [False, False]
    assert (workers(shop), daemon.lines("level=error")) == ([], [])
    assert daemon.log.splitlines()[-1].startswith("action=stopped")


def test_a_worker_that_is_killed_is_replaced_and_nothing_goes_twice(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 40)
    with fault_server({"DOT": Fault(wait=0.1, accept=True)}) as server:
        daemon = start(CRM_MAILER_WORKERS="2", **smtp(server))
        daemon.waits_for(lambda: len(server.box) > 4 and len(workers(shop)) == 2)
        killed = workers(shop)[0]
        os.kill(killed, signal.SIGKILL)
        daemon.waits_for(lambda: fates(shop, "accepted", "in_doubt") == 40)
        daemon.waits_for(lambda: killed not in workers(shop) and len(workers(shop)) == 2)
        code = daemon.ends()

    assert len(recipients(server)) == len(set(recipients(server))) >= 38
    assert fates(shop, "in_doubt") <= 2 * 2
    assert (code, len(daemon.lines('action="worker died"', "exit_code=-9"))) == (0, 1)


def test_workers_whose_daemon_was_killed_finish_and_end(shop: SmallShop, start: Start) -> None:
    unpaid_orders(shop, 20)
    with fault_server({"DOT": Fault(wait=0.3, accept=True)}) as server:
        daemon = start(CRM_MAILER_WORKERS="2", **smtp(server))
        daemon.waits_for(lambda: server.box and len(workers(shop)) == 2)
        pids = workers(shop)
        daemon.ends(signal.SIGKILL)
        until = time.monotonic() + PATIENCE
        while any(map(is_alive, pids)) and time.monotonic() < until:
            time.sleep(0.05)

    assert [is_alive(pid) for pid in pids] == [False, False]
    assert fates(shop, "accepted") == len(server.box) < 20
    assert fates(shop, "in_doubt", "claimed") == 0


def test_a_second_signal_cuts_a_worker_off(shop: SmallShop, start_worker: StartWorker) -> None:
    unpaid_orders(shop, 5)
    with fault_server({"DOT": HANG}) as server:
        worker = start_worker(**smtp(server))
        worker.waits_for(lambda: server.verbs.count("DATA") == 2)
        worker.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)

        code = worker.ends(signal.SIGTERM)

    assert code == -signal.SIGTERM
    shop.run("send")
    assert (fates(shop, "in_doubt"), len(shop.sink.letters)) == (2, 3)


def test_a_worker_whose_server_hangs_waits_for_a_while_only(
    shop: SmallShop, start_worker: StartWorker
) -> None:
    unpaid_orders(shop, 5)
    with fault_server({"DOT": HANG}) as server:
        worker = start_worker(SHORT_DRAIN, **smtp(server))
        worker.waits_for(lambda: server.verbs.count("DATA") == 2)
        code = worker.ends()

    assert (code, len(worker.lines('action="cut off"'))) == (75, 1)
    shop.run("send")
    assert (fates(shop, "in_doubt"), len(shop.sink.letters)) == (2, 3)


def test_a_worker_that_was_stopped_past_its_claims_sends_no_further_dot(
    shop: SmallShop, start_worker: StartWorker
) -> None:
    unpaid_orders(shop, 12)
    with fault_server({"DATA": Fault(wait=0.5, is_aside=True)}) as server:
        sleeper = start_worker(SHORT_CLAIMS, "--number", "1", **smtp(server))
        sleeper.waits_for(lambda: server.verbs.count("DATA") == 2)
        sleeper.process.send_signal(signal.SIGSTOP)
        other = start_worker("", "--number", "2", **smtp(server))
        other.waits_for(lambda: other.lines('action="worker started"'))
        time.sleep(3.5)
        begun, alone = server.verbs.count("DATA"), len(server.box)
        sleeper.process.send_signal(signal.SIGCONT)
        other.waits_for(lambda: len(server.box) == 12)
        codes = [sleeper.ends(), other.ends()]

    assert (begun, alone, codes) == (2, 0, [0, 0])
    assert len(set(recipients(server))) == 12
    assert server.verbs.count("DATA") >= 12 + 2, "the two that were open had to begin again"
    assert fates(shop, "accepted") == 12


def test_a_campaign_that_changes_is_read_by_a_worker_that_runs(
    shop: SmallShop, start_worker: StartWorker
) -> None:
    soon = "import crm_mailer.workers as w; w.FILES_SECONDS = 0.2"
    shop.has_own_clock = False
    worker = start_worker(soon)
    worker.waits_for(lambda: worker.lines("worker started"))
    template = shop.home / "templates"
    [reminder] = template.rglob("payment-reminder.en.mjml")
    text = reminder.read_text(encoding="utf-8")
    title = text[text.index("<mj-title>") : text.index("</mj-title>")]
    time.sleep(0.5)
    reminder.write_text(text.replace(title, "<mj-title>Your new words"), encoding="utf-8")

    unpaid_orders(shop, 1)

    worker.waits_for(lambda: shop.sink.letters)
    assert shop.mails_to("c0@example.com")[0]["Subject"] == "Your new words"


def test_one_round_reports_and_ends(shop: SmallShop) -> None:
    shop.has_own_clock = False
    unpaid_orders(shop, 3)

    done = subprocess.run(
        [sys.executable, "-m", "crm_mailer", "--home", str(shop.home), "worker", "--once"],
        env={**os.environ, **shop.settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )

    assert json.loads(done.stdout)["data"]["outcomes"] == {"accepted": 3}
