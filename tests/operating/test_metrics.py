"""What monitoring programs are told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from crm_mailer.app import App
from crm_mailer.app.holding import LEASE_SECONDS
from crm_mailer.app.metrics import Monitor
from crm_mailer.daemon import Daemon
from crm_mailer.model.duty import Duty
from crm_mailer.settings import read_settings
from crm_mailer.store import monitoring
from crm_mailer.store.engine import Store
from crm_mailer.web import serving, vitals
from tests.conftest import NOON, StandingClock

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = re.compile(r"crm_mailer_[a-z_]+")


@pytest.fixture
def app(home: Path) -> Iterator[App]:
    found = App(home, read_settings(home, {}), StandingClock())
    assert found.store
    yield found
    found.close()


@pytest.fixture
def answers(app: App) -> Iterator[HTTPConnection]:
    door = serving.open_port(0, usual=vitals.USUAL_PORT)
    running = serving.start(vitals.application(app), door)
    line = HTTPConnection("127.0.0.1", door.getsockname()[1], timeout=20)
    yield line
    line.close()
    assert running.stop()


def ask(line: HTTPConnection, path: str) -> tuple[int, str]:
    line.request("GET", path)
    answer = line.getresponse()
    return answer.status, answer.read().decode()


def test_what_is_told_can_be_read_by_prometheus(answers: HTTPConnection) -> None:
    status, text = ask(answers, "/metrics")
    found = {family.name: family for family in text_string_to_metric_families(text)}
    assert status == 200
    assert found["crm_mailer_mails"].type == "counter"
    assert found["crm_mailer_daemon_up"].samples[0].value == 0


def test_who_works_is_told_by_role_and_by_lease(app: App, answers: HTTPConnection) -> None:
    Daemon(app, roles=(Duty.PLAN, Duty.SEND)).renew()

    _status, text = ask(answers, "/metrics")

    families = {family.name: family for family in text_string_to_metric_families(text)}
    told = {
        (name.removeprefix("crm_mailer_"), *sample.labels.values()): sample.value
        for name, family in families.items()
        for sample in family.samples
    }
    assert [told["daemons", role.value] for role in Duty] == [1, 1, 0, 0]
    assert told["lease_seconds", "planner"] == LEASE_SECONDS
    assert told["lease_epoch", "planner"] == 1
    assert (told["clock_off_seconds",], told["plan_age_seconds",]) == (0, 0)


def test_a_process_that_lives_and_can_work_says_so(answers: HTTPConnection) -> None:
    assert ask(answers, "/healthz") == (200, "ok\n")
    assert ask(answers, "/readyz") == (200, "ok\n")


def test_a_database_of_another_schema_is_not_ready(answers: HTTPConnection, app: App) -> None:
    with app.store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    app.store.close()
    del app.__dict__["store"]
    status, why = ask(answers, "/readyz")
    assert (status, "db upgrade" in why) == (503, True), why
    assert ask(answers, "/healthz")[0] == 200


def test_rules_and_dashboard_name_figures_that_there_are(app: App) -> None:
    told = set(NAME.findall(Monitor(app).text().decode()))
    for path in ("deploy/prometheus-alerts.yml", "deploy/grafana-dashboard.json",
                 "docs/monitoring.md"):  # fmt: skip
        named = set(NAME.findall((ROOT / path).read_text(encoding="utf-8")))
        assert named
        assert named <= told, path
    json.loads((ROOT / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))


def test_the_pulse_of_an_empty_shop(store: Store) -> None:
    with store.read() as connection:
        found = monitoring.pulse(connection, NOON)
    assert (found.oldest_due_at, found.inbound_waiting) == (None, 0)
    assert found.database_bytes > 0
