from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from structlog.testing import capture_logs

from crm_mailer.app import App, clocks, operating, rounds
from crm_mailer.app.ears import Ear, Ears
from crm_mailer.app.holding import LEASE_SECONDS, Changed, fair_share
from crm_mailer.daemon import Daemon, Drift, Every, tick_now
from crm_mailer.delivering.air import awake
from crm_mailer.model.duty import Duty, parse
from crm_mailer.model.errors import (
    CrmMailerError,
    FetchBroken,
    LeaseLost,
    ServiceDown,
    SettingsError,
)
from crm_mailer.settings import ImapSettings, read_settings
from crm_mailer.store import facts, leases
from crm_mailer.store.engine import Store
from crm_mailer.workers import Team
from tests.conftest import NOON, StandingClock

ALL = "plan,send,listen"


@pytest.fixture
def daemon(home: Path, clock: StandingClock) -> Iterator[Daemon]:
    app = App(home, read_settings(home, {}), clock)
    yield Daemon(app)
    app.close()


def test_a_clock_that_was_set_forward_for_years_makes_one_tick() -> None:
    trigger, before = Every(2), NOON - timedelta(days=20_000)

    assert trigger.get_next_fire_time(None, NOON) == NOON
    assert trigger.get_next_fire_time(before, NOON) == NOON + timedelta(seconds=2)


def test_a_look_at_everybody_that_lasts_long_comes_less_often(daemon: Daemon) -> None:
    done: list[str] = []

    def long_work() -> str:
        done.append("looked")
        time.sleep(0.05)
        return ""

    daemon.renew()
    for name in ("segment", "segment", "learn", "learn"):
        daemon.tick(name, long_work)

    assert len(done) == 3, "of its twentieth part of the time nothing was left"


def test_a_jump_of_the_clock_is_told_from_time_that_goes_by() -> None:
    drift = Drift(1_000.0, 50.0)

    assert drift.jump(1_002.0, 52.0) == 0
    assert drift.jump(404.0, 54.0) == -600
    assert drift.jump(406.0, 56.0) == 0


def test_after_a_clock_was_set_back_every_job_ticks_at_once() -> None:
    ticked = threading.Event()
    scheduler = BackgroundScheduler(timezone="UTC")
    far = datetime.now(UTC) + timedelta(days=365)
    scheduler.add_job(ticked.set, Every(2), id="plan", next_run_time=far)
    scheduler.start()

    tick_now(scheduler)

    try:
        assert ticked.wait(10)
    finally:
        scheduler.shutdown()


def test_a_trouble_is_told_once_while_it_lasts_and_its_end_too(daemon: Daemon) -> None:
    def fail() -> str:
        raise ServiceDown("the server is down", hint="start it")

    with capture_logs() as told:
        for _ in range(50):
            daemon.tick("plan", fail)
        daemon.tick("plan", lambda: "")
        daemon.tick("plan", lambda: "planned 3")

    assert [(one["log_level"], one.get("error"), one.get("again")) for one in told] == [
        ("error", "the server is down", None),
        ("info", None, "well"),
        ("info", None, None),
    ]
    assert (told[0]["hint"], told[1]["times"]) == ("start it", 50)


def test_a_fault_of_ours_is_told_with_its_traceback_and_the_next_tick_comes(
    daemon: Daemon,
) -> None:
    with capture_logs() as told:
        daemon.tick("learn", lambda: str(1 // 0))
        daemon.tick("learn", lambda: "feedback 1")

    assert told[0]["error"].startswith("ZeroDivisionError")
    assert told[0]["exc_info"] is True
    assert told[-1]["did"] == "feedback 1"


def test_a_server_that_rests_is_not_called_well(daemon: Daemon) -> None:
    def fail() -> str:
        raise ServiceDown("the server is down")

    with capture_logs() as told:
        daemon.tick("send", fail)
        daemon.tick("send", lambda: "")
        daemon.tick("send", lambda: "accepted 1")

    assert [one.get("again", one.get("did", "fails")) for one in told] == [
        "fails",
        "well",
        "accepted 1",
    ]


def daemons(home: Path, store: Store, clock: StandingClock, **owners: str) -> list[Daemon]:
    """Daemons of one shop; `owners` are their names with their roles."""
    url = store.url.render_as_string(hide_password=False)
    settings = read_settings(home, {"CRM_MAILER_DATABASE": url})
    return [
        Daemon(App(home, settings, clock), roles=parse(roles), owner=name)
        for name, roles in owners.items()
    ]


@pytest.mark.postgres
def test_one_of_two_daemons_plans_and_the_other_takes_over_when_it_is_gone(
    home: Path, postgres_store: Store, clock: StandingClock
) -> None:
    first, second = both = daemons(home, postgres_store, clock, d0=ALL, d1=ALL)
    came = [first.renew(), second.renew()]
    before = [one._holding.holds("planner") for one in both]
    with capture_logs() as did:
        second.tick("plan", lambda: "planned 1")
        second.tick("send", lambda: "accepted 1")

    clock.forward(seconds=LEASE_SECONDS + 1)
    told = [second.renew(), first.renew()]

    assert (came, before) == (["took planner, segmenter", ""], [True, False])
    assert [one["did"] for one in did] == ["accepted 1"]
    assert [one._holding.holds("planner") for one in both] == [False, True]
    assert told == ["took planner, segmenter", "lost planner, segmenter"]
    for one in both:
        one.app.close()


@pytest.mark.postgres
def test_what_a_daemon_writes_after_it_lost_its_lease_is_undone(
    home: Path, postgres_store: Store, clock: StandingClock
) -> None:
    first, second = both = daemons(home, postgres_store, clock, d0=ALL, d1=ALL)
    first.renew()
    frozen = first._under("planner")

    def writes(meanwhile: Callable[[], object]) -> None:
        with frozen.store.write() as connection:
            facts.put(connection, "plan", "of the first", NOON)
            meanwhile()

    clock.forward(seconds=LEASE_SECONDS + 1)
    with pytest.raises(LeaseLost):
        writes(second.renew)
    with pytest.raises(LeaseLost):
        writes(lambda: pytest.fail("a turn that begins too late has nothing to say"))

    with second._under("planner").store.write() as connection:
        facts.put(connection, "plan", "of the second", NOON)
    clock.forward(seconds=LEASE_SECONDS + 1)
    first.renew()

    with postgres_store.read() as connection:
        assert facts.find(connection, "plan") == "of the second"
    assert not frozen.is_in_time, "a lease that came back is another one"
    assert first._under("planner").is_in_time
    for one in both:
        one.app.close()


@pytest.mark.postgres
def test_a_daemon_without_the_role_leaves_the_lease_to_others(
    home: Path, postgres_store: Store, clock: StandingClock
) -> None:
    sender, planner = both = daemons(home, postgres_store, clock, d0="send", d1="plan,listen")

    came = [one.renew() for one in both]
    found = operating.status(sender.app).fleet

    assert came == ["", "took planner, segmenter"]
    assert [(one.kind, one.roles) for one in found.processes] == [
        ("daemon", ("send",)),
        ("daemon", ("plan", "listen")),
    ]
    assert "send" not in planner._works()
    assert "send" in sender._works()
    assert not {"plan", "segment", "understand", "learn"} & set(sender._works())
    assert found.missing == []
    planner._release()
    assert operating.status(sender.app).fleet.missing == [Duty.PLAN]
    for one in both:
        one.app.close()


def test_a_daemon_that_cannot_renew_its_lease_stops_planning_in_time(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.renew()
    daemon.app.store.is_sqlite = False
    led = daemon._holding.holds("planner")
    monkeypatch.setattr(daemon._holding, "steady", lambda: awake() + LEASE_SECONDS + 1)

    assert (led, daemon._holding.holds("planner")) == (True, False)


def test_on_sqlite_a_killed_daemons_leases_are_no_hindrance(
    daemon: Daemon, clock: StandingClock
) -> None:
    Daemon(daemon.app, owner="killed").renew()
    clock.forward(seconds=1)

    daemon._holding.sweep()
    daemon.renew()

    found = operating.status(daemon.app).fleet
    assert [one.pid for one in found.processes] == [os.getpid()]
    with daemon.app.store.read() as connection:
        lease = leases.find(connection, leases.PLANNER, clock.now())
    assert lease is not None
    assert (lease.owner, lease.epoch) == (daemon.owner, 2)


@pytest.mark.parametrize(
    ("boxes", "listeners", "share"),
    [(1, 1, 1), (1, 2, 1), (2, 2, 1), (3, 2, 2), (5, 2, 3), (0, 3, 0), (4, 0, 4)],
)
def test_mailboxes_are_shared_evenly(boxes: int, listeners: int, share: int) -> None:
    assert fair_share(boxes, listeners) == share


@pytest.mark.postgres
def test_two_daemons_share_the_mailboxes_and_one_that_dies_leaves_its_own_to_the_other(
    home: Path, postgres_store: Store, clock: StandingClock
) -> None:
    both = daemons(home, postgres_store, clock, d0=ALL, d1=ALL)
    boxes = [f"mailbox:{name}" for name in ("one", "two", "three")]
    steady = [100.0]

    def renews(place: int) -> Changed:
        daemon = both[place]
        daemon._holding.steady = lambda: steady[0]
        me = leases.Holder(owner=daemon.owner, roles=ALL)
        return daemon._holding.renew(me, daemon._presence, [], boxes)

    first, second = renews(0), renews(1)
    alone = (first.came, second.came)
    again = renews(0)
    both[0]._holding.let_go(*again.surplus)
    taken = renews(1).came
    steady[0] += LEASE_SECONDS + 1
    clock.forward(seconds=LEASE_SECONDS + 1)
    left = renews(1)

    assert alone == (tuple(sorted(boxes)), ())
    assert again.surplus == taken == ("mailbox:three",)
    assert left.surplus == ()
    assert {*left.came, *taken} == {*boxes}
    for one in both:
        one.app.close()


@pytest.mark.postgres
def test_a_mailbox_that_one_host_cannot_reach_is_read_by_another_if_there_is_one(
    home: Path, postgres_store: Store, clock: StandingClock
) -> None:
    both = daemons(home, postgres_store, clock, d0=ALL, d1=ALL)
    boxes, steady = ["mailbox:one", "mailbox:two"], [100.0]

    def renews(place: int, avoided: tuple[str, ...] = ()) -> Changed:
        daemon = both[place]
        daemon._holding.steady = lambda: steady[0]
        me = leases.Holder(owner=daemon.owner, roles=ALL)
        return daemon._holding.renew(me, daemon._presence, [], boxes, avoided=avoided)

    alone = renews(0, ("mailbox:one",))
    renews(1)
    given = renews(0, ("mailbox:one",)).surplus
    both[0]._holding.let_go(*given)
    back = renews(0, ("mailbox:one",)).came
    for _ in range(2):  # nobody comes: at last we try again, and stay at it
        steady[0] += LEASE_SECONDS * 1.6
        tried = renews(0, ("mailbox:one",))
    both[0]._holding.let_go("mailbox:one")
    other = renews(1)

    assert alone.surplus == ()
    assert (given, back) == (("mailbox:one",), ())
    assert (tried.came, tried.surplus) == (("mailbox:one",), ())
    assert (other.came, other.surplus) == (("mailbox:one",), ())
    for one in both:
        one.app.close()


def test_looks_in_vain_make_a_host_leave_a_mailbox_to_others(daemon: Daemon) -> None:
    ear = Ear(daemon.app, ImapSettings(name="box"), daemon._holding, daemon.stop, daemon.log)
    daemon._ears._ears.append(ear)
    down = ServiceDown("no way to the server")

    def looks(*found: CrmMailerError | None) -> bool:
        for one in found:
            ear.looked(one)
        return bool(daemon._ears.avoided)

    assert not looks(down, down, None, down, down)
    assert not looks(FetchBroken("one mail"))
    assert looks(down)
    assert not looks(None)


@pytest.mark.postgres
def test_a_clock_that_differs_from_the_databases_is_put_right_told_and_at_last_refused(
    home: Path, postgres_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_store.url.render_as_string(hide_password=False)
    app = App(home, read_settings(home, {"CRM_MAILER_DATABASE": url}))
    late = Daemon(app)
    monkeypatch.setattr(clocks, "wall", lambda: time.time() - 30)
    with capture_logs() as told:
        late.renew()
    rounds.send(app)
    off = abs((app.clock.now() - datetime.now(UTC)).total_seconds())
    shown = operating.status(app).fleet

    monkeypatch.setattr(clocks, "wall", lambda: time.time() + 120)
    monkeypatch.setattr(clocks, "FRESH", 0.0)
    with pytest.raises(SettingsError, match="120 s ahead of the database's: nothing is sent"):
        rounds.send(app)

    assert "more than 5 s behind" in told[0]["error"]
    assert off < 5
    assert [round(ms / 1000) for ms in (shown.clock_ms, shown.processes[0].clock_ms)] == [-30, -30]
    app.close()


@pytest.mark.postgres
def test_without_the_lease_nothing_is_written_under_it(
    home: Path, postgres_store: Store, clock: StandingClock
) -> None:
    [daemon] = daemons(home, postgres_store, clock, d0=ALL)
    late = daemon._under("planner")  # it went between the look and this
    with pytest.raises(LeaseLost), late.store.write():
        pytest.fail("others plan now")
    daemon.app.close()


def test_what_fails_in_the_main_thread_does_not_end_it(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_surplus: object = ()) -> None:
        raise OSError(11, "no more processes")

    monkeypatch.setattr(Team, "look_after", fails)
    monkeypatch.setattr(Ears, "tend", fails)
    monkeypatch.setattr("crm_mailer.daemon.LOOK_SECONDS", 0.01)
    timer = threading.Timer(0.3, lambda: daemon._ends.put("over"))
    timer.start()
    with capture_logs() as told:
        assert daemon._look_after(BackgroundScheduler()) == "over"
    timer.join()
    assert {one["event"] for one in told} == {"look after workers", "look after listen"}
