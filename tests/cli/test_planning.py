from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crm_mailer.app import App
from tests.cli.conftest import Run
from tests.planning.people import customer, order, touches

SHIPPED = Path("campaigns") / "lifecycle" / "shipped.yaml"


@pytest.fixture
def anna_is_sent_a_parcel(app: App) -> None:
    """One order, shipped an hour ago."""
    now = datetime.now(UTC).replace(microsecond=0)
    order(app.store, customer(app.store, country="RU"), shipped=now - timedelta(hours=1))


def set_mode(home: Path, mode: str) -> None:
    text = (home / SHIPPED).read_text(encoding="utf-8")
    (home / SHIPPED).write_text(text.replace("mode: draft", f"mode: {mode}"), encoding="utf-8")


@pytest.mark.usefixtures("anna_is_sent_a_parcel")
def test_the_plan_of_a_draft_says_that_nothing_would_be_saved(run: Run, app: App) -> None:
    result = run("plan", "shipped", "--exit-code")

    assert result.exit_code == 10
    assert "mode is draft: nothing would be saved" in result.stdout
    assert "anna@example.com" in result.stdout
    assert "= 1 mail to 1 customer" in result.stdout
    assert touches(app.store, "id") == []


@pytest.mark.usefixtures("anna_is_sent_a_parcel")
def test_apply_saves_what_is_live(run: Run, app: App, shop_home: Path) -> None:
    set_mode(shop_home, "live")

    result = run("apply", "--json")

    assert touches(app.store, "campaign", "state") == [("shipped", "planned")]
    assert json.loads(result.stdout)["data"]["is_saved"] is True


@pytest.mark.usefixtures("anna_is_sent_a_parcel")
def test_manual_mails_wait_for_release(run: Run, app: App, shop_home: Path) -> None:
    set_mode(shop_home, "manual")
    run("apply")
    held = touches(app.store, "state")

    result = run("campaign", "release", "shipped")

    assert held == [("held",)]
    assert "1 mail of shipped" in result.stderr
    assert touches(app.store, "state") == [("planned",)]


def test_a_plan_for_an_unknown_campaign_offers_the_nearest(run: Run) -> None:
    assert run("plan", "win-bak").exit_code == 2


def test_a_day_that_is_none_is_a_usage_error(run: Run) -> None:
    assert run("plan", "--on", "2026-02-30").exit_code == 2


def test_a_curve_is_drawn_with_its_dates(run: Run) -> None:
    result = run("curve", "show", "textbook5", "--anchor", "2026-11-20")

    assert "1d" in result.stdout
    assert "2026-12-05 10:00 CST" in result.stdout
    assert result.stdout.count("o") > 5


def test_curves_and_campaigns_are_listed(run: Run) -> None:
    curves = json.loads(run("curve", "list", "--json").stdout)["data"]
    campaigns = json.loads(run("campaign", "list", "--json").stdout)["data"]

    assert "textbook8" in {one["name"] for one in curves}
    assert {"shipped", "birthday"} <= {one["id"] for one in campaigns}


def test_a_campaign_is_shown_with_its_steps(run: Run) -> None:
    result = run("campaign", "show", "payment-reminder")

    assert "during_sale/payment-reminder" in result.stdout
    assert "the order is paid" in result.stdout
