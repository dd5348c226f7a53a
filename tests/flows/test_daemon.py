"""The daemon as an operator starts it: a process of its own, real servers, real signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm_mailer.home import make_home
from crm_mailer.store.engine import Store
from tests.flows.conftest import BROKEN, SmallShop, answer, order
from tests.servers.smtp_faults import Fault, FaultServer, fault_server

ANNA = "anna@example.com"
#: Generous: the machine may be busy.
PATIENCE = 40.0


class Running:
    """A daemon in a process of its own; its log goes to a file."""

    def __init__(self, shop: SmallShop, home: Path | None = None, **more: str) -> None:
        self.log_file = shop.home / f"daemon-{time.monotonic_ns()}.log"
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "crm_mailer", "--home", str(home or shop.home), "run"],
                env={**os.environ, **shop.settings, **more},
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8")

    def lines(self, *words: str) -> list[str]:
        return [line for line in self.log.splitlines() if all(word in line for word in words)]

    def waits_for(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"the daemon ended by itself: {self.log}"
            assert time.monotonic() < until, f"waited in vain: {self.log}"
            time.sleep(0.05)

    def ends(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


Start = Callable[..., Running]


@pytest.fixture
def start(shop: SmallShop) -> Iterator[Start]:
    """Starts daemons of the shop by the machine's own clock; none is left over."""
    shop.has_own_clock = False
    started: list[Running] = []

    def start_one(home: Path | None = None, **more: str) -> Running:
        started.append(Running(shop, home, **more))
        return started[-1]

    yield start_one
    for one in started:
        one.process.kill()
        one.process.wait(PATIENCE)


def due(number: str, address: str = ANNA) -> dict[str, str]:
    """An unpaid order whose first reminder is due."""
    placed = datetime.now(UTC) - timedelta(minutes=31)
    return order(number, address, state="placed", placed_at=f"{placed:%FT%TZ}")


def unpaid_orders(shop: SmallShop, count: int) -> None:
    """So many customers are to be reminded now."""
    shop.goes_live("payment-reminder")
    shop.imports(*(due(f"A{number}", f"c{number}@example.com") for number in range(count)))
    shop.run("apply")



def fates(shop: SmallShop, *states: str) -> int:
    """How many mails ended so."""
    counted = shop.told("outbox", "audit")["states"]
    return sum(counted.get(state, 0) for state in states)


def recipients(server: FaultServer) -> list[bytes]:
    return [re.findall(rb"^To: .*<(.*)>", mail, re.MULTILINE)[0] for mail in server.box]


def smtp(server: FaultServer) -> dict[str, str]:
    return {"CRM_MAILER_SMTP_PORT": str(server.port), "CRM_MAILER_SMTP_CONNECTIONS": "2"}


def test_a_due_mail_leaves_its_answer_becomes_a_case_and_sigterm_ends_it(
    shop: SmallShop, start: Start
) -> None:
    shop.goes_live("payment-reminder")
    shop.imports(due("A1"))
    daemon = start()
    daemon.waits_for(lambda: shop.sink.letters)
    [reminder] = shop.mails_to(ANNA)
    shop.box.put(answer(reminder, BROKEN, sender=ANNA))
    daemon.waits_for(lambda: shop.told("case", "list"))
    status = shop.told("status")
    begun = time.monotonic()

    code = daemon.ends()

    assert (code, time.monotonic() - begun < 5) == (0, True)
    assert f"pid {daemon.process.pid} on " in status["daemon"]
    assert not shop.told("status")["daemon"]
    assert daemon.log.splitlines()[-1].startswith("action=stopped")
    assert not [line for line in daemon.log.splitlines() if not line.startswith("action=")]
    assert not daemon.lines("level=error")


def test_sigterm_lets_the_mails_in_flight_finish_and_leaves_none_in_doubt(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 12)
    with fault_server({"DOT": Fault(wait=0.7, accept=True)}) as server:
        daemon = start(**smtp(server))
        daemon.waits_for(lambda: server.box)
        code = daemon.ends()

    states = shop.told("outbox", "audit")["states"]
    assert code == 0
    assert states == {"accepted": len(server.box), "planned": 24 - len(server.box)}


def test_a_second_daemon_is_refused_and_told_who_was_first(shop: SmallShop, start: Start) -> None:
    first = start()
    first.waits_for(lambda: first.lines("action=started"))
    other_home = shop.home.parent / "copy"
    make_home(other_home)

    second = start()
    elsewhere = start(other_home, CRM_MAILER_DATABASE=f"sqlite:///{shop.home}/crm-mailer.db")

    for one in (second, elsewhere):
        assert one.process.wait(PATIENCE) == 75
        assert f"pid {first.process.pid} on" in " ".join(one.log.split())
    assert first.process.poll() is None


def test_killed_and_started_again_it_sends_nothing_twice(shop: SmallShop, start: Start) -> None:
    unpaid_orders(shop, 30)
    with fault_server({"DOT": Fault(wait=0.05, accept=True)}) as server:
        daemon = start(**smtp(server))
        daemon.waits_for(lambda: len(server.box) >= 5)
        daemon.ends(signal.SIGKILL)
        again = start(**smtp(server))
        again.waits_for(lambda: fates(shop, "accepted", "in_doubt") == 30)
        named = shop.told("status")["daemon"]
        again.ends()

    assert len(recipients(server)) == len(set(recipients(server))) >= 28
    assert fates(shop, "in_doubt") <= 4
    assert f"pid {again.process.pid} on" in named


def test_files_that_break_while_it_runs_stop_nothing_and_change_no_mail(
    shop: SmallShop, start: Start
) -> None:
    shop.goes_live("payment-reminder")
    campaigns = shop.home / "campaigns"
    campaign = campaigns / "lifecycle" / "payment-reminder.yaml"
    campaign.write_text(campaign.read_text().replace("mode: live", "mode: manual"))
    shop.imports(due("A1"))
    shop.run("apply")
    daemon = start()
    daemon.waits_for(lambda: daemon.lines("action=started"))

    for path in (campaign, campaigns / "shop.yaml", campaigns / "curves.yaml"):
        path.write_text("id: [half-writ")
    daemon.waits_for(lambda: daemon.lines("action=files", "problems="))
    assert "2 mails" in shop.run("outbox", "release", "payment-reminder").stderr
    daemon.waits_for(lambda: shop.sink.letters)

    [reminder] = shop.mails_to(ANNA)
    assert reminder["From"] == "Lotus Shop <orders@mail.lotus-shop.example>"
    assert "payment-reminder" in reminder["Feedback-ID"]
    assert "campaigns/" in daemon.lines("action=files", "problems=")[0]


def test_started_with_a_broken_shop_file_it_sends_nothing_and_loses_nothing(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 1)
    path = shop.home / "campaigns" / "shop.yaml"
    right = path.read_text(encoding="utf-8")
    path.write_text("name: [half-writ", encoding="utf-8")
    daemon = start()
    daemon.waits_for(lambda: daemon.lines("action=send", "nothing is sent"))

    path.write_text(right, encoding="utf-8")

    daemon.waits_for(lambda: shop.sink.letters)
    assert len(daemon.lines("action=send", "nothing is sent")) == 1


def test_a_wrong_mailbox_password_is_told_in_one_line_and_sending_goes_on(
    shop: SmallShop, start: Start
) -> None:
    shop.goes_live("payment-reminder")
    shop.imports(due("A1"))

    daemon = start(CRM_MAILER_IMAP_PASSWORD="wrong")
    daemon.waits_for(lambda: shop.sink.letters and daemon.lines("action=listen"))
    time.sleep(3)

    [line] = daemon.lines("action=listen")
    assert "refuses the login of care" in line
    assert "app password" in line
    assert "refuses the login" in shop.told("status")["figures"]["mailbox_trouble"]


def test_a_mail_server_that_is_down_is_told_once_and_used_when_it_is_back(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 1)
    with fault_server() as gone:
        daemon = start(**smtp(gone))
    daemon.waits_for(lambda: daemon.lines("action=send", "cannot be reached"))
    assert daemon.process.poll() is None
    assert len(daemon.lines("action=send")) == 1


def test_the_mailbox_is_read_again_after_a_fault_of_ours(shop: SmallShop, start: Start) -> None:
    (shop.home / "inbound").write_text("in the way of the folder for large mails")
    daemon = start()
    shop.box.put(b"From: anna@example.com\r\nSubject: Hi\r\n\r\n" + b"A photo.\r\n" * 9_000)
    daemon.waits_for(lambda: daemon.lines("action=listen", "level=error"))

    (shop.home / "inbound").unlink()

    daemon.waits_for(lambda: shop.told("inbox", "list"))
    assert daemon.process.poll() is None


@pytest.mark.postgres
def test_two_daemons_on_postgresql_share_the_work_and_double_none(
    shop: SmallShop, start: Start, postgres_store: Store
) -> None:
    url = postgres_store.url.render_as_string(hide_password=False)
    shop.more["CRM_MAILER_DATABASE"] = url
    unpaid_orders(shop, 40)
    with fault_server({"DOT": Fault(wait=0.1, accept=True)}) as server:
        first, second = start(**smtp(server)), start(**smtp(server))
        first.waits_for(lambda: fates(shop, "accepted") == 40)
        codes = [first.ends(), second.ends()]

    leading = [bool(one.lines("action=started", "leads=true")) for one in (first, second)]
    assert len(recipients(server)) == len(set(recipients(server))) == 40
    assert sorted(leading) == [False, True]
    assert codes == [0, 0]
