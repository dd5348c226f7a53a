from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from crm_mailer.app import App, send_hours
from crm_mailer.store import send_hours as kept
from tests.cli.conftest import Run
from tests.conftest import StandingClock
from tests.planning.people import NOON, customer, order

BEST = """id: best
name: Best
anchor: {monthly: 1}
audience: {country: [DE]}
send_at: best
steps: [{id: s, template: care/birthday}]
"""


def three_evenings(app: App, name: str) -> int:
    person = customer(app.store, name, country="DE", time_zone="Europe/Berlin")
    for number in range(3):
        at = NOON + timedelta(hours=5) - timedelta(days=number + 1)
        order(app.store, person, number=f"{name}-{number}", placed_at=at)
    return person


def test_festivals_are_listed_with_their_days_in_a_country(run: Run) -> None:
    shown = run("campaign", "festivals", "--country", "ru", "--from", "2026-12-01")

    assert "2027-01-07 Thu" in shown.stdout
    assert "christmas" in shown.stdout
    assert "thanksgiving" not in shown.stdout


def test_festivals_are_named_in_the_readers_language(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")
    shown = run("campaign", "festivals", "--country", "ru", "--from", "2026-12-01")

    assert "2027-01-07 周四" in shown.stdout
    assert "圣诞节" in shown.stdout


def test_festivals_for_scripts_name_the_campaigns_that_use_them(run: Run, shop_home: Path) -> None:
    text = BEST.replace("{monthly: 1}", "{festival: cyber-monday}")
    (shop_home / "campaigns" / "edm" / "best.yaml").write_text(text, encoding="utf-8")

    listed = run("campaign", "festivals", "--from", "2026-11-27", "--json")

    days = {one["id"]: one for one in reversed(json.loads(listed.stdout)["data"])}
    assert days["cyber-monday"]["day"] == "2026-11-30"
    assert days["cyber-monday"]["campaigns"] == ["best"]
    assert days["black-friday"]["day"] == "2026-11-27"


def test_a_wrong_day_is_a_usage_error(run: Run) -> None:
    assert run("campaign", "festivals", "--from", "2026-02-30").exit_code == 2


def test_hours_are_learnt_on_request_and_shown(run: Run, app: App) -> None:
    three_evenings(app, "hans")
    assert "nothing is learnt yet" in run("campaign", "hours").output

    shown = run("campaign", "hours", "--learn", "--customer", "hans@example.com")

    assert "hans@example.com: 18:00, seen 3 times" in shown.stdout


def test_hours_for_scripts(run: Run, app: App) -> None:
    three_evenings(app, "hans")

    view = json.loads(run("campaign", "hours", "--learn", "--json").stdout)["data"]

    assert view["customers"] == 1
    assert view["hours"] == {"": 18}
    assert view["counts"][""][18] == 3


@pytest.mark.parametrize("is_wanted", [True, False])
def test_the_night_learns_only_where_a_campaign_asks_for_it(
    app: App, shop_home: Path, is_wanted: bool
) -> None:
    if is_wanted:
        (shop_home / "campaigns" / "edm" / "best.yaml").write_text(BEST, encoding="utf-8")
    three_evenings(app, "hans")

    assert send_hours.learn_if_due(app) == int(is_wanted)


def test_each_night_learns_what_is_new_and_each_week_everything(
    app: App, shop_home: Path, clock: StandingClock
) -> None:
    (shop_home / "campaigns" / "edm" / "best.yaml").write_text(BEST, encoding="utf-8")
    three_evenings(app, "hans")
    first = send_hours.learn_if_due(app)
    again = send_hours.learn_if_due(app)
    three_evenings(app, "ida")
    clock.forward(hours=1)
    too_soon = send_hours.learn_if_due(app)
    clock.forward(days=8)
    weekly = send_hours.learn_if_due(app)
    with app.store.read() as connection:
        known = kept.known(connection)

    assert (first, again, too_soon, weekly) == (1, 0, 0, 2)
    assert known is not None
    assert sum(known.counts[""]) == 6


def test_a_clock_that_was_set_back_does_not_stop_the_learning(
    app: App, shop_home: Path, clock: StandingClock
) -> None:
    (shop_home / "campaigns" / "edm" / "best.yaml").write_text(BEST, encoding="utf-8")
    three_evenings(app, "hans")
    send_hours.learn_if_due(app)
    clock.forward(days=-2)

    assert send_hours.learn_if_due(app) == 0
    with app.store.read() as connection:
        known = kept.known(connection)
    assert known is not None
    assert known.learnt_at == clock.now()
