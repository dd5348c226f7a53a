"""Plans and rehearsals at another moment than now: what they tell belongs to that moment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm_mailer.app import App
from tests.cli.conftest import Run
from tests.planning.people import customer, touches

SALE = """id: sale
name: Sale
mode: live
anchor: {date: 2026-11-28}
audience: {country: GB}
send_at: "10:00"
valid_for: 6h
steps:
  - {id: announce, template: growth/new-arrivals}
  - id: again
    template: growth/new-arrivals
    wait: 4d
    if: {all: [{r: {at_least: 4}}, {any: [{country: GB}, {country: US}]}]}
    unless: {tag: vip}
vars:
  headline: {en: News}
  intro: {en: Hello}
  products: []
"""
#: Ten in London is over since nine hours, and so is the time in which the mail made sense.
EVENING = "2026-11-28T19:00:00Z"


@pytest.fixture
def sale(shop_home: Path, app: App) -> Path:
    path = shop_home / "campaigns" / "edm" / "sale.yaml"
    path.write_text(SALE, encoding="utf-8")
    customer(app.store, "anna", country="GB", time_zone="Europe/London")
    return path


def simulated(run: Run, *days: str) -> dict[str, int]:
    """Day -> mails."""
    found = json.loads(run("simulate", *days, "--json").stdout)["data"]
    return {day: sum(counts.values()) for day, counts in found["days"].items()}


@pytest.mark.usefixtures("sale")
def test_a_rehearsal_does_not_begin_in_the_past(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", EVENING)

    assert simulated(run, "--to", "2026-11-29") == {}


@pytest.mark.usefixtures("sale")
def test_days_before_a_rehearsal_are_lived_through(
    run: Run, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", "2026-11-26T12:00:00Z")
    days = ("--from", "2026-11-29", "--to", "2026-11-30")

    first, second = (json.loads(run("simulate", *days, "--json").stdout) for _ in range(2))

    assert (first["data"]["mails"], first["data"]["days"]) == (0, {})
    assert first["data"]["left_out"] == {}
    assert first == second
    assert simulated(run, "--to", "2026-11-30") == {"2026-11-28": 1}
    assert touches(app.store, "id") == []


@pytest.mark.usefixtures("sale")
def test_a_plan_of_another_day_tells_why_by_that_day(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", "2026-11-01T12:00:00Z")

    early, later = run("apply", "sale"), run("plan", "sale", "--on", "2027-02-01")

    assert "it is planned from" in early.stderr
    assert "its day, 2026-11-28, is over" in later.stdout


def test_a_plan_of_an_empty_audience_does_not_blame_the_calendar(
    run: Run, sale: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", "2026-11-01T12:00:00Z")
    sale.write_text(
        SALE.replace("country: GB}\nsend_at", "country: JP}\nsend_at"), encoding="utf-8"
    )

    assert "nobody is in its audience at this moment" in run("plan", "sale").stdout


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "(r >= 4, (at least one of these: country = GB, country = US)), not: tag = vip"),
        (
            "zh_CN",
            "(r >= 4，(以下至少满足一项：country = GB，country = US))，以下不满足：tag = vip",
        ),
    ],
)
@pytest.mark.usefixtures("sale")
def test_a_condition_is_told_in_one_line_in_the_readers_language(
    run: Run, monkeypatch: pytest.MonkeyPatch, language: str, told: str
) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", language)
    monkeypatch.setenv("COLUMNS", "300")

    assert told in run("campaign", "show", "sale").stdout
