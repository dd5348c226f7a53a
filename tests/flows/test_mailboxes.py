"""The daemon at several mailboxes, one of which cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flows.conftest import SmallShop, Start
from tests.listening.conftest import letter
from tests.servers.imap_box import free_port
from tests.servers.imap_faults import HOST, PASSWORD, USER, BadServer, running


@pytest.fixture
def server() -> Iterator[BadServer]:
    with running(BadServer()) as one:
        yield one


def table(name: str, port: int, password: str = PASSWORD) -> str:
    return (
        f'[mailboxes.{name}]\nhost = "{HOST}"\nport = {port}\nusername = "{USER}"\n'
        f'password = "{password}"\ntls = "none"\nfirst_contact = "all"\nfolder = "{name}"\n'
    )


def test_mailboxes_that_are_down_or_locked_hinder_no_other(
    shop: SmallShop, start: Start, server: BadServer
) -> None:
    server.folders["good"] = server.inbox
    with (shop.home / "crm-mailer.toml").open("a") as file:
        file.write(table("good", server.port) + table("down", free_port()))
        file.write(table("locked", server.port, "wrong"))
    daemon = start()
    daemon.waits_for(lambda: daemon.lines("action=listen", "mailbox=locked", "refuses"))
    daemon.waits_for(lambda: daemon.lines("action=listen", "mailbox=down"))
    daemon.waits_for(lambda: shop.has_met("imap", "good"))
    server.inbox.put(letter("The lamp arrived broken.", sender="anna@example.com"))
    shop.box.put(letter("The pot arrived broken.", sender="boris@example.com"))
    daemon.waits_for(lambda: len(shop.told("inbox", "list")) == 2)

    status = shop.told("status")

    assert {one["name"]: bool(one["trouble"]) for one in status["mailboxes"]} == {
        "imap": False, "good": False, "down": True, "locked": True,
    }  # fmt: skip
    assert [one["cause"] for one in status["alerts"]] == ["mailbox:locked/login"]
    assert daemon.ends() == 0
