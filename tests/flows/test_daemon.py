"""The daemon as an operator starts it: a process of its own, real servers, real signals."""

from __future__ import annotations

import re
import signal
import time

import pytest

from crm_mailer.home import make_home
from crm_mailer.store.engine import Store
from tests.flows.conftest import BROKEN, SmallShop, Start, answer, due
from tests.flows.running import PATIENCE
from tests.servers.smtp_faults import HANG, Fault, FaultServer, fault_server, reply

ANNA = "anna@example.com"


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
    shop.imports(due("A1", ANNA))
    daemon = start()
    daemon.waits_for(lambda: shop.sink.letters and shop.has_met("imap"))
    [reminder] = shop.mails_to(ANNA)
    shop.box.put(answer(reminder, BROKEN, sender=ANNA))
    daemon.waits_for(lambda: shop.told("case", "list"))
    status = shop.told("status")

    code = daemon.ends()

    assert code == 0
    assert not daemon.lines("cut off")
    assert f"pid {daemon.process.pid} on " in status["daemon"]
    assert not shop.told("status")["daemon"]
    assert daemon.log.splitlines()[-1].startswith("action=stopped")
    assert not [line for line in daemon.log.splitlines() if not line.startswith("action=")]
    assert not daemon.lines("level=error")


def test_sigterm_lets_the_mails_in_flight_finish_and_leaves_none_in_doubt(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 12)
    with fault_server({"DOT": Fault(wait=1.5, accept=True)}) as server:
        daemon = start(**smtp(server))
        daemon.waits_for(lambda: server.box)
        code = daemon.ends()

    states = shop.told("outbox", "audit")["states"]
    assert (code, len(server.box) < 12) == (0, True)
    assert states == {"accepted": len(server.box), "planned": 24 - len(server.box)}


def test_a_server_that_hangs_holds_up_the_end_for_a_while_only(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 5)
    with fault_server({"DOT": HANG}) as server:
        daemon = start(
            before="import crm_mailer.daemon as d; d.DRAIN_SECONDS = 1.0", **smtp(server)
        )
        daemon.waits_for(lambda: server.verbs.count("DATA") == 2)
        code = daemon.ends()
    again = start()
    again.waits_for(lambda: len(shop.sink.letters) == 3)

    assert code == 75
    assert daemon.lines('action="cut off"', "send")
    assert again.lines("action=started", "in_doubt=2")
    assert fates(shop, "in_doubt") == 2


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
    shop.imports(due("A1", ANNA))
    shop.run("apply")
    daemon = start()
    daemon.waits_for(lambda: daemon.lines("action=started"))

    for path in (campaign, campaigns / "shop.yaml", campaigns / "curves.yaml"):
        path.write_text("id: [half-writ")
    daemon.waits_for(lambda: daemon.lines("action=files", "problems="))
    assert shop.run("campaign", "release", "payment-reminder").exit_code == 0
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
    shop.imports(due("A1", ANNA))

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


def test_a_daemon_that_is_started_again_lets_an_account_rest_on(
    shop: SmallShop, start: Start
) -> None:
    unpaid_orders(shop, 1)
    refuses = {"AUTH": lambda: reply("535 5.7.8 wrong password")}
    with fault_server(refuses, extensions=("AUTH PLAIN",)) as server:
        login = {**smtp(server), "CRM_MAILER_SMTP_USERNAME": "u", "CRM_MAILER_SMTP_PASSWORD": "x"}
        daemon = start(**login)
        daemon.waits_for(lambda: shop.told("status")["resting"])
        daemon.ends()
        again = start(**login)
        again.waits_for(lambda: again.lines("action=started"))
        time.sleep(3)  # longer than a round of sending waits for the next
        tried = server.verbs.count("AUTH")
        shop.more |= login
        resumed = shop.run("resume", "--account", "smtp")
        again.waits_for(lambda: server.verbs.count("AUTH") > 1)

    assert tried == 1
    assert "it is tried at once" in resumed.output


def test_the_mailbox_is_read_again_after_a_fault_of_ours(shop: SmallShop, start: Start) -> None:
    (shop.home / "inbound").write_text("in the way of the folder for large mails")
    daemon = start()
    daemon.waits_for(lambda: shop.has_met("imap"))
    shop.box.put(b"From: anna@example.com\r\nSubject: Hi\r\n\r\n" + b"A photo.\r\n" * 9_000)
    daemon.waits_for(lambda: daemon.lines("action=listen", "level=error"))

    (shop.home / "inbound").unlink()

    daemon.waits_for(lambda: shop.told("inbox", "list"))
    assert daemon.process.poll() is None


@pytest.mark.postgres
def test_on_postgresql_a_second_daemon_takes_over_what_a_killed_one_had_begun(
    postgres_store: Store, shop: SmallShop, start: Start
) -> None:
    url = postgres_store.url.render_as_string(hide_password=False)
    shop.more["CRM_MAILER_DATABASE"] = url
    unpaid_orders(shop, 40)
    with fault_server({"DOT": Fault(wait=0.2, accept=True)}) as server:
        first = start(**smtp(server))
        first.waits_for(lambda: len(server.box) >= 3)
        second = start(**smtp(server))
        second.waits_for(lambda: second.lines("action=started"))
        first.ends(signal.SIGKILL)
        second.waits_for(lambda: fates(shop, "accepted", "in_doubt") == 40)
        code = second.ends()

    assert len(recipients(server)) == len(set(recipients(server))) >= 38
    assert len(first.lines("leads=yes")) == len(second.lines("leads=no")) == 1
    assert code == 0
