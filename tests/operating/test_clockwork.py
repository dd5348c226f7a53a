from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from structlog.testing import capture_logs

from crm_mailer.app import App
from crm_mailer.daemon import LEASE_SECONDS, Daemon, Drift, Every, tick_now
from crm_mailer.model.errors import ServiceDown
from crm_mailer.settings import read_settings
from crm_mailer.store.engine import Store
from tests.conftest import NOON, StandingClock


@pytest.fixture
def daemon(home: Path, clock: StandingClock) -> Iterator[Daemon]:
    app = App(home, read_settings(home, {}), clock)
    yield Daemon(app)
    app.close()


def test_a_clock_that_was_set_forward_for_years_makes_one_tick() -> None:
    trigger, before = Every(2), NOON - timedelta(days=20_000)

    assert trigger.get_next_fire_time(None, NOON) == NOON
    assert trigger.get_next_fire_time(before, NOON) == NOON + timedelta(seconds=2)


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


@pytest.mark.postgres
def test_one_of_two_daemons_plans_and_the_other_takes_over_when_it_is_gone(
    home: Path, postgres_store: Store, clock: StandingClock
) -> None:
    url = postgres_store.url.render_as_string(hide_password=False)
    settings = read_settings(home, {"CRM_MAILER_DATABASE": url})
    apps = [App(home, settings, clock) for _ in range(2)]
    first, second = (Daemon(app, owner=f"d{number}") for number, app in enumerate(apps))
    first.renew()
    second.renew()
    before = (first.leads, second.leads)
    with capture_logs() as did:
        second.tick("plan", lambda: "planned 1")
        second.tick("send", lambda: "accepted 1")

    clock.forward(seconds=LEASE_SECONDS + 1)
    told = [second.renew(), first.renew()]

    assert (before, [one["did"] for one in did]) == ((True, False), ["accepted 1"])
    assert (first.leads, second.leads) == (False, True)
    assert told == ["plans and listens from now on", "another daemon plans now"]
    for app in apps:
        app.close()


def test_a_daemon_that_cannot_renew_its_lease_stops_planning_in_time(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.app.store.is_sqlite = False
    daemon.renew()
    led = daemon.leads
    later = time.monotonic() + LEASE_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)

    assert (led, daemon.leads) == (True, False)


def test_on_sqlite_a_killed_daemons_lease_is_no_hindrance(
    daemon: Daemon, clock: StandingClock
) -> None:
    Daemon(daemon.app, owner="killed").renew()
    clock.forward(seconds=1)

    daemon.renew()

    with daemon.app.store.read() as connection:
        row = connection.exec_driver_sql("SELECT owner, epoch FROM leases").one()
    assert tuple(row) == (daemon.owner, 2)
