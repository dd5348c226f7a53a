"""What is about servers that the settings name no more, and about a folder of another database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_mailer.app import App, alerting, operating, pausing, today, witnessing
from crm_mailer.delivering import witness
from crm_mailer.delivering.witness import Mark
from crm_mailer.settings import read_settings
from crm_mailer.store import alerts, witnesses
from crm_mailer.store.engine import Store
from tests.conftest import StandingClock


@pytest.fixture
def app(home: Path, clock: StandingClock) -> Iterator[App]:
    app = App(home, read_settings(home, {"CRM_MAILER_SMTP_HOST": "mx.example"}), clock)
    yield app
    app.close()


def causes(app: App) -> set[str]:
    with app.store.read() as connection:
        return {one.cause for one in alerts.list_open(connection)}


def test_what_a_server_suffered_that_is_no_more_is_over(app: App, clock: StandingClock) -> None:
    here, gone = "account:smtp/auth", {"account:old/auth", "mailbox:old/login"}
    kept = {here, "campaign:old/bounces"}
    with app.store.write() as connection:
        for cause in kept | gone:
            alerts.raise_(connection, cause, "is bad", now=app.clock.now())

    clock.forward(hours=24)
    alerting.tend(app)
    within_a_day = causes(app)
    clock.forward(seconds=1)
    alerting.tend(app)

    assert (within_a_day, causes(app)) == (kept | gone, kept)


def test_a_process_with_other_settings_leaves_the_alerts_of_the_others(
    app: App, home: Path, clock: StandingClock
) -> None:
    cause, other = "account:smtp/auth", App(home, read_settings(home, {}), clock)
    for _hour in range(3):
        with app.store.write() as connection:
            alerts.raise_(connection, cause, "is bad", now=clock.now())
        clock.forward(hours=20)
        alerting.tend(other)

    shown = [operating.status(other).alerts, pausing.list_alerts(other), alerting.list_open(other)]
    shown.append(today.today(other).trouble.alerts)
    other.close()

    assert [[one.cause for one in places] for places in shown] == [[cause]] * 4
    assert causes(app) == {cause}


@pytest.mark.postgres
def test_a_folder_of_another_database_is_told_apart_from_a_copy(
    postgres_store: Store, home: Path, clock: StandingClock
) -> None:
    url = postgres_store.url.render_as_string(hide_password=False)
    app = App(home, read_settings(home, {"CRM_MAILER_DATABASE": url}), clock)
    with app.store.write() as connection:
        witnesses.make_name(connection, clock.now())
        witnesses.meet(connection, "others", "other-host", clock.now())
    app.journal_folder.mkdir(exist_ok=True)
    mark = Mark(database="another", folder="mine", number=3, at=clock.now())
    witness.write(app.journal_folder, mark, is_anew=True)

    state, told = operating.status(app), witnessing.why_not(app)
    app.close()

    assert told == (witness.FOREIGN, witness.FOREIGN_HINT)
    assert state.restored == witness.FOREIGN
    assert state.next_step != "crm-mailer db reconcile"
