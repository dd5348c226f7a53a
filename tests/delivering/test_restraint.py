"""How little is tried where a server is in trouble: mails in doubt, logins, places of a day."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.delivering import deliver, line
from crm_mailer.delivering.account import Tls
from crm_mailer.delivering.journal import Journal
from crm_mailer.delivering.report import DeliverReport
from crm_mailer.delivering.routing import Lane, Outlet, Ways
from crm_mailer.delivering.sandbox import NullTransport
from crm_mailer.delivering.smtp_transport import SmtpTransport
from crm_mailer.delivering.warming import HeldBack, held_back
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import OutcomeKind, Phase
from crm_mailer.model.errors import CannotWrite
from crm_mailer.store import paces, pauses
from crm_mailer.store.engine import Store
from crm_mailer.store.paces import Pace
from tests.conftest import StandingClock
from tests.delivering.letters import PlainRenderer, account, message, plan, send, send_one, states
from tests.servers.smtp_faults import (
    ACCEPT_DROP,
    PIPELINED,
    Fault,
    FaultServer,
    Script,
    fault_server,
    in_turn,
    reply,
)

MANY = 10
ORDER = Stream.TRANSACTIONAL
LOGIN: dict[str, Any] = {"username": "shop", "password": "s3cret"}

Round = Callable[..., DeliverReport]


@pytest.fixture
def go(sqlite_store: Store, clock: StandingClock, tmp_path: Path) -> Round:
    """One round by a server with many connections."""

    def one(
        server: FaultServer,
        *,
        probing: Collection[str] = (),
        should_stop: Callable[[], bool] = lambda: False,
        warm_since: date | None = None,
        others: Sequence[Outlet] = (),
        **changes: object,
    ) -> DeliverReport:
        way = SmtpTransport(account(server.port, **{"connections": MANY, **changes}))
        main = Outlet(name="main", transport=way, warm_since=warm_since)
        return deliver(
            sqlite_store,
            PlainRenderer(),
            Ways(outlets=[main, *others]),
            clock=clock,
            owner="tester",
            journal_folder=tmp_path / "journal",
            probing=probing,
            should_stop=should_stop,
        )

    return one


# ------------------------------------------------------------------ mails in doubt


def test_of_mails_that_vanish_no_more_are_tried_than_are_on_their_way(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 100, clock.now())
    with fault_server({"DOT": ACCEPT_DROP}, extensions=PIPELINED) as server:
        report = go(server)

    assert report.outcomes["unknown"] <= MANY + 3
    assert report.outcomes["unknown"] == len(server.box) == states(sqlite_store)["in_doubt"]
    assert server.connections <= MANY + 3
    assert report.accounted == report.claimed


def test_a_mail_whose_envelope_has_left_stops_when_others_vanish(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    """The first of each connection ends well, but late: its follower may not leave any more."""
    plan(sqlite_store, 100, clock.now())
    late = Fault(say=b"250 2.0.0 ok\r\n", wait=0.5)
    with fault_server({"DOT": in_turn(*[ACCEPT_DROP] * 3, *[late] * 90)}, extensions=PIPELINED) as (
        server
    ):
        report = go(server)

    assert report.outcomes["unknown"] == 3
    assert report.outcomes.total() <= MANY + 3
    assert report.released == 100 - report.outcomes.total()


def test_an_account_that_has_rested_is_tried_with_one_mail(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 100, clock.now())
    with fault_server({"DOT": ACCEPT_DROP}, extensions=PIPELINED) as server:
        go(server)
        again = go(server, probing=["main"])
        third = go(server, probing=["main"])

    assert [dict(one.outcomes) for one in (again, third)] == [{"unknown": 1}] * 2


def test_a_mail_that_is_refused_for_its_own_sake_does_not_end_the_trial(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 40, clock.now())
    used: list[int] = []

    script: Script = {
        "MAIL": lambda: used.append(server.connections),
        "RCPT": in_turn(*[reply("550 5.1.1 nobody")] * 5),
        "DOT": Fault(say=b"250 2.0.0 ok\r\n", wait=0.02),
    }
    with fault_server(script, extensions=PIPELINED) as server:
        report = go(server, probing=["main"])

    assert dict(report.outcomes) == {"refused": 5, "accepted": 35}
    assert used[:6] == [1] * 6
    assert server.connections == MANY  # its first mail was taken


def test_a_paused_account_sends_nothing_of_what_is_in_the_air(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 100, clock.now())

    def pause() -> Fault | None:
        if not server.box:
            with sqlite_store.write() as connection:
                pauses.pause(connection, "account:main", now=clock.now())
        return Fault(say=b"250 2.0.0 ok\r\n", wait=1.5)

    with fault_server({"DOT": pause}, extensions=PIPELINED) as server:
        report = go(server, connections=2)

    assert dict(report.outcomes) == {"accepted": 2}
    assert report.released == 98


# ------------------------------------------------------------------ logins


def test_a_refused_login_is_tried_once_and_not_on_every_connection(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 100, clock.now())
    script = {"AUTH": Fault(say=b"535 5.7.8 no\r\n", wait=0.1)}
    with fault_server(script, extensions=("AUTH PLAIN",)) as server:
        report = go(server, **LOGIN)

    assert server.verbs.count("AUTH") == server.connections == 1
    assert report.faults["main"].phase is Phase.AUTH
    assert states(sqlite_store) == {"planned": 100}


def test_once_one_is_logged_in_the_others_follow_together(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 100, clock.now())
    moments: list[float] = []

    def heard() -> Fault:
        moments.append(time.monotonic())
        return Fault(wait=0.3)

    script: Script = {"AUTH": heard, "RCPT": Fault(wait=0.1, say=b"250 2.1.5 ok\r\n")}
    with fault_server(script, extensions=("AUTH PLAIN",)) as server:
        report = go(server, **LOGIN)

    assert dict(report.outcomes) == {"accepted": 100}
    assert len(moments) == MANY
    assert moments[1] - moments[0] >= 0.3
    assert moments[-1] - moments[1] < 1.5  # one after the other it would be 2.4


def test_a_password_in_clear_text_goes_to_this_machine_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with fault_server(extensions=("AUTH PLAIN",)) as server:
        here = send_one(server.port, tls=Tls.NONE, **LOGIN)
        monkeypatch.setattr(line.Line, "local_address", lambda _: "[192.0.2.7]")
        there = send_one(server.port, tls=Tls.NONE, **LOGIN)
        monkeypatch.setattr(line.Line, "local_address", lambda _: "[IPv6:::1]")
        here_too = send_one(server.port, tls=Tls.NONE, **LOGIN)

    assert (here.kind, here_too.kind) == (OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED)
    assert (there.phase, "readable" in there.text) == (Phase.AUTH, True)
    assert server.verbs.count("AUTH") == 2


def test_mails_of_one_login_wait_for_it_and_are_all_sent() -> None:
    with fault_server(extensions=("AUTH PLAIN",)) as server:
        way = SmtpTransport(account(server.port, connections=3, **LOGIN))
        found = send(way, *[message(number) for number in range(1, 8)])

    assert [one.kind for one in found] == [OutcomeKind.ACCEPTED] * 7


# ------------------------------------------------------------------ places of a day


def used_today(store: Store) -> int:
    with store.read() as connection:
        return sum(row.used for row in paces.load(connection).values())


def test_a_stop_gives_back_the_places_of_a_day_that_were_not_used(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 45, clock.now())
    script = {"RCPT": Fault(wait=0.05, say=b"250 2.1.5 ok\r\n")}
    with fault_server(script) as server:
        report = go(
            server,
            connections=2,
            warm_since=clock.now().date(),
            should_stop=lambda: len(server.box) >= 6,
        )

    assert 6 <= report.outcomes["accepted"] < 45
    assert used_today(sqlite_store) == report.outcomes["accepted"] == len(server.box)


@pytest.mark.parametrize("scope", ["campaign:spring", "lane:other", "account:main"])
def test_a_pause_gives_them_back_too(
    sqlite_store: Store, clock: StandingClock, go: Round, scope: str
) -> None:
    plan(sqlite_store, 45, clock.now())

    def slowly() -> Fault:
        if len(server.box) == 4:
            with sqlite_store.write() as connection:
                pauses.pause(connection, scope, now=clock.now())
        return Fault(wait=0.05, say=b"250 2.1.5 ok\r\n")

    with fault_server({"RCPT": slowly}) as server:
        report = go(server, connections=1, warm_since=clock.now().date())

    assert 4 <= report.outcomes["accepted"] < 45
    assert used_today(sqlite_store) == report.outcomes["accepted"]


def test_a_server_that_fails_gives_them_back_once(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    plan(sqlite_store, 45, clock.now())
    script = {"MAIL": in_turn(*[None] * 12, *[reply("421 4.3.2 later")] * 9)}
    orders = Outlet(name="orders", transport=NullTransport(), streams=frozenset({ORDER}))
    with fault_server(script) as server:
        report = go(server, connections=1, warm_since=clock.now().date(), others=[orders])

    assert report.outcomes["accepted"] == 12
    assert used_today(sqlite_store) == 12


def test_a_journal_that_cannot_be_written_gives_them_back(
    sqlite_store: Store, clock: StandingClock, go: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(sqlite_store, 45, clock.now())
    real, times = Journal.dot, iter(range(100))

    def dot(self: Journal, *given: object) -> None:
        if next(times) >= 5:
            raise OSError(28, "No space left on device")
        real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "dot", dot)
    with fault_server() as server, pytest.raises(CannotWrite):
        go(server, connections=1, warm_since=clock.now().date())

    assert used_today(sqlite_store) == len(server.box) == 5


def test_what_is_given_back_is_in_the_database_before_a_slow_server_answers(
    sqlite_store: Store, clock: StandingClock, go: Round
) -> None:
    """Whoever loses patience then leaves nothing behind but what is in the air."""
    plan(sqlite_store, 45, clock.now())
    seen: list[tuple[int, int]] = []

    def look() -> Fault:
        return Fault(wait=1.0, say=b"250 2.0.0 ok\r\n")

    def late() -> Fault | None:
        seen.append((used_today(sqlite_store), states(sqlite_store)["claimed"]))
        return None

    script = {"DOT": look, "QUIT": late}
    with fault_server(script) as server:
        go(
            server,
            connections=1,
            warm_since=clock.now().date(),
            should_stop=lambda: "DATA" in server.verbs,
        )

    assert seen == [(1, 1)]


# ------------------------------------------------------------------ what warming up holds back

GMAIL, QQ = Lane("gmail", Stream.MARKETING), Lane("qq", Stream.MARKETING)
ORDERS = Lane("gmail", ORDER)


def test_what_an_account_that_warms_up_holds_back_is_known(clock: StandingClock) -> None:
    now = clock.now()
    today, midnight = now.date(), now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    way = SmtpTransport(account(25))
    first = Outlet(name="first", transport=way, warm_since=today)
    second = Outlet(name="second", transport=way, rank=1)
    rows = {
        "warm:first:gmail": Pace(name="warm:first:gmail", day=today.isoformat(), used=45),
        "warm:first:qq": Pace(name="warm:first:qq", day="2001-01-01", used=50),
    }
    due = {GMAIL: 100, QQ: 60, ORDERS: 500}

    assert held_back(Ways(outlets=[first]), due, rows, now) == [
        HeldBack(account="first", number=95 + 10, until=midnight)
    ]
    assert held_back(Ways(outlets=[first, second]), due, rows, now, {"first"}) == []
    assert held_back(Ways(outlets=[second]), due, rows, now) == []
    assert held_back(Ways(outlets=[first]), {GMAIL: 5}, rows, now) == []
    assert held_back(Ways(outlets=[first]), due, rows, now + timedelta(days=30)) == []
