"""What a stop or a fault means for mails that are on the way at that moment."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from crm_mailer.delivering import deliver, outcomes
from crm_mailer.delivering.port import STOPPED, Source
from crm_mailer.delivering.routing import Outlet, Ways
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.store import cancelling
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import touches
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, plan, states
from tests.delivering.test_deliver import by_smtp
from tests.delivering.test_stops import FINE, to
from tests.servers.smtp_faults import CHUNKED, Fault, fault_server, in_turn

#: Mails of the busy account.
FAST = 8_000
NO_ROOM = Outcome(kind=OutcomeKind.DEFERRED, phase=Phase.BANNER, code=421, blame=Blame.SITE)
DEAD = Outcome(
    kind=OutcomeKind.REFUSED, phase=Phase.RCPT, code=550, status="5.1.1", blame=Blame.RECIPIENT
)


class FourLines:
    """The fourth connection is refused, the third meets a dead address, two are in the middle."""

    width = 4

    async def fly(self, source: Source) -> None:
        """All four at once."""
        await asyncio.gather(*(self._line(source, number) for number in range(4)))

    async def _line(self, source: Source, number: int) -> None:
        while (flight := await source.next()) is not None:
            await asyncio.sleep((0.2, 0.2, 0.1, 0.05)[number])
            if number >= 2:
                source.landed(flight, NO_ROOM if number == 3 else DEAD)
            elif source.before_dot(flight):
                source.landed(flight, FINE)
            else:
                source.landed(flight, outcomes.ours(Phase.BODY, STOPPED))


class OneByOne:
    """Takes so long for each mail."""

    width = 1

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.taken: list[float] = []

    async def fly(self, source: Source) -> None:
        """One after the other."""
        while (flight := await source.next()) is not None:
            if not source.before_dot(flight):
                source.landed(flight, outcomes.ours(Phase.BODY, STOPPED))
                continue
            self.taken.append(time.monotonic())
            await asyncio.sleep(self.seconds)
            source.landed(flight, FINE)


def test_a_connection_too_many_stops_none_of_those_that_stand(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(sqlite_store, 4, clock.now())
    ways = Ways(outlets=[Outlet(name="main", transport=FourLines())])

    report = deliver(sqlite_store, PlainRenderer(), ways, clock=clock, owner="tester",
                     journal_folder=tmp_path / "journal")  # fmt: skip

    assert report.outcomes == {"refused": 1, "accepted": 2}


def test_a_stop_of_ours_is_no_fault_of_the_account(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    plan(sqlite_store, 5, clock.now())
    enough = Fault(say=b"421 4.3.2 enough here\r\n", cut="close", wait=0.3)
    with fault_server({"MAIL": in_turn(None, enough)}, extensions=CHUNKED) as server:
        report = deliver(
            sqlite_store, PlainRenderer(), by_smtp(server, connections=1, bdat=True), clock=clock,
            owner="tester", journal_folder=tmp_path / "journal",
            should_stop=lambda: server.verbs.count("MAIL") >= 2,
        )  # fmt: skip

    assert (report.faults, report.outcomes) == ({}, {"accepted": 1})
    assert states(sqlite_store)["planned"] == 4


def test_a_slow_account_hears_of_a_cancel_while_another_is_busy(
    sqlite_store: Store, clock: StandingClock, tmp_path: Path
) -> None:
    to(sqlite_store, "gmail", plan(sqlite_store, 150, clock.now(), campaign="slow"))
    to(sqlite_store, "qq", plan(sqlite_store, FAST, clock.now(), campaign="fast"))
    slow, fast = OneByOne(0.1), OneByOne(0.0)
    ways = Ways(
        outlets=[
            Outlet(name="slow", transport=slow, rank=0, providers=frozenset(["gmail"])),
            Outlet(name="fast", transport=fast, rank=1, providers=frozenset(["qq"])),
        ]
    )
    at: list[float] = []

    def cancels() -> None:
        while len(slow.taken) < 5:
            time.sleep(0.02)
        with sqlite_store.write() as connection:
            cancelling.mark(connection, [touches.c.campaign == "slow"])
        at.append(time.monotonic())

    thread = threading.Thread(target=cancels)
    thread.start()
    report = deliver(sqlite_store, PlainRenderer(), ways, clock=clock, owner="tester",
                     journal_folder=tmp_path / "journal")  # fmt: skip
    thread.join()

    # it asks every half second, and one or two are in the air
    assert len([one for one in slow.taken if one > at[0]]) < 25
    assert report.outcomes["accepted"] < FAST + 50
    assert report.skipped["cancelled"] > 100
