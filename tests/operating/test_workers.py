"""The team of sending processes, and one worker by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from crm_mailer import workers
from crm_mailer.app import App, operating
from crm_mailer.daemon import Daemon
from crm_mailer.model.errors import CrmMailerError, StoreError
from crm_mailer.settings import read_settings
from crm_mailer.store.engine import Store
from crm_mailer.workers import Team, Worker, memory
from tests.conftest import StandingClock

PATIENCE = 40.0


class Seconds:
    """A clock of seconds that moves only when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def app(home: Path, clock: StandingClock) -> Iterator[App]:
    app = App(home, read_settings(home, {"CRM_MAILER_WORKERS": "2"}), clock)
    yield app
    app.close()


def until_dead(team: Team) -> None:
    """The one process has ended by itself; the team does not know yet."""
    [member] = team._members.values()
    member.process.wait(PATIENCE)


def test_a_worker_that_dies_is_started_again_later_each_time(tmp_path: Path) -> None:
    clock, rests = Seconds(), []
    team = Team(tmp_path / "no shop", 1, clock=clock)
    for rest in (1.0, 2.0):
        team.look_after()
        until_dead(team)
        with capture_logs() as told:
            team.look_after()
        rests.append((told[0]["exit_code"], told[0]["starts_again"]))
        team.look_after()
        assert not team.pids, "it rests"
        clock.now += rest

    team.look_after()
    clock.now += 3_600
    until_dead(team)
    with capture_logs() as told:
        team.look_after()

    assert rests == [(2, "in 1 s"), (2, "in 2 s")]
    assert told[0]["starts_again"] == "in 1 s", "it had lived long"


def test_a_worker_that_does_not_end_is_killed_and_named(home: Path) -> None:
    team = Team(home, 2)
    team.look_after()
    os.kill(team.pids[1], signal.SIGSTOP)

    team.dismiss()
    late = team.wait(0.5)

    assert 2 in late
    assert team.pids == []


def test_a_worker_that_holds_much_memory_is_told_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MUCH_MEMORY", 1)
    team = Team(home, 1)
    team.look_after()

    with capture_logs() as told:
        team.look_after()
        team.look_after()

    assert [one["event"] for one in told] == ["worker is heavy"]
    assert told[0]["pid"] == team.pids[0]
    team.dismiss()
    team.wait(PATIENCE)


def test_no_workers_are_no_work(home: Path) -> None:
    team = Team(home, 0)

    team.look_after()
    team.dismiss()

    assert (team.pids, team.wait(0)) == ([], [])


def test_a_daemon_with_workers_does_not_send_by_itself(app: App, home: Path) -> None:
    alone = App(home, read_settings(home, {}), app.clock)

    assert "send" not in Daemon(app)._works()
    assert "send" in Daemon(alone)._works()
    alone.close()


def test_status_names_the_workers_that_were_heard_of_lately(app: App, clock: StandingClock) -> None:
    first, second = (Worker(app, number=number, owner=f"w{number}") for number in (1, 2))
    first._beat()
    clock.forward(seconds=workers.LEASE_SECONDS - 1)
    second._beat()
    both = operating.status(app).workers
    clock.forward(seconds=2)

    alive = operating.status(app).workers

    assert [told.split()[:2] for told in both] == [["pid", str(os.getpid())]] * 2
    assert len(alive) == 1
    second._end()
    assert operating.status(app).workers == []


def test_a_worker_that_hangs_is_told_but_not_one_that_has_just_begun(app: App) -> None:
    seconds = Seconds()
    team = Team(app.home, 1, clock=seconds)
    team.look_after()
    os.kill(team.pids[0], signal.SIGSTOP)
    at_first = team.listen(app)
    seconds.now += workers.LEASE_SECONDS + 1

    with pytest.raises(CrmMailerError, match=r"worker 1 .* has not been heard of") as told:
        team.listen(app)

    assert (at_first, "SIGKILL" in told.value.hint) == ("", True)
    Worker(app)._beat()
    assert team.listen(app) == ""
    team.dismiss()
    team.wait(0)


def test_a_worker_is_not_blamed_for_a_database_that_did_not_answer(
    app: App, tmp_path: Path
) -> None:
    seconds = Seconds()
    team = Team(app.home, 1, clock=seconds)
    team.look_after()
    seconds.now += 3 * workers.LEASE_SECONDS
    nowhere = {"CRM_MAILER_DATABASE": f"sqlite:///{tmp_path}"}
    away = App(app.home, read_settings(app.home, nowhere), app.clock)

    with pytest.raises(StoreError):
        team.listen(away)
    seconds.now += workers.LEASE_SECONDS - 1
    at_first = team.listen(app)
    seconds.now += 2

    assert at_first == ""
    with pytest.raises(CrmMailerError, match="has not been heard of"):
        team.listen(app)
    team.dismiss()
    team.wait(0)


def test_files_that_changed_end_the_round_but_not_the_worker(app: App) -> None:
    worker = Worker(app)
    app.reload_if_changed()
    before = worker._should_stop()
    file = app.home / "campaigns" / "shop.yaml"
    os.utime(file, (time.time() + 5, time.time() + 5))

    worker._is_stale = app.has_changed_files()

    assert (before, worker._should_stop(), worker._why) == (False, True, "")
    assert app.reload_if_changed()
    assert not app.has_changed_files()


def test_memory_of_a_process_is_known_and_of_none_is_nothing() -> None:
    assert memory(os.getpid()) > 10 << 20
    assert memory(2**22 + 1) == 0


@pytest.mark.postgres
def test_a_database_that_only_lets_us_read_does_not_end_the_watch(
    home: Path, postgres_store: Store, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_store.url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    place = url.render_as_string(hide_password=False)
    standby = App(home, read_settings(home, {"CRM_MAILER_DATABASE": place}), clock)
    worker = Worker(standby)
    with capture_logs() as told:
        worker._beat()
        with monkeypatch.context() as broken:
            broken.setattr(type(standby), "store", property(lambda _app: 1 // 0))
            worker._beat()
    standby.close()
    assert [one["log_level"] for one in told] == ["warning", "error"]
    assert "only lets us read" in told[0]["error"]


def test_nothing_ends_the_watch_of_a_worker(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def fails(_app: App) -> bool:
        looks.append(1)
        if len(looks) > 2:
            raise SystemExit  # the end of the test
        raise ValueError("a file that nobody understands")

    monkeypatch.setattr(type(app), "has_changed_files", fails)
    monkeypatch.setattr(workers, "WATCH_SECONDS", 0.01)
    with pytest.raises(SystemExit):
        Worker(app)._watch()
    assert len(looks) == 3
