"""Where a test of arms is decided, the plan and the campaign's page say so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm_mailer.app import App
from crm_mailer.planning import trials
from crm_mailer.store import facts
from tests.cli.conftest import Run
from tests.planning.people import customer

SALE = """\
id: sale
name: Sale
mode: live
anchor: {monthly: 31}
steps:
  - id: one
    template: care/welcome
    after: 0d
    test:
      winner: orders
      arms:
        - {id: a}
        - {id: b, subject: {en: SUBJECT}}
"""


@pytest.fixture
def sale(app: App, shop_home: Path) -> App:
    path = shop_home / "campaigns" / "edm" / "sale.yaml"
    path.write_text(SALE.replace("SUBJECT", "Good news"), encoding="utf-8")
    customer(app.store)
    campaign = app.definitions.campaigns["sale"]
    name = f"winner:sale:one:{trials.test_of(campaign.steps[0])}"
    with app.store.write() as connection:
        facts.put(connection, name, "b", app.clock.now())
    return app


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("command", [("plan", "sale"), ("campaign", "show", "sale")])
def test_it_is_said_which_arm_won(run: Run, sale: App, command: tuple[str, ...]) -> None:
    said = plain(run(*command).stdout)

    assert "the test of one is decided: everybody who comes now gets b" in said


def test_programs_can_read_it(run: Run, sale: App) -> None:
    found = json.loads(run("campaign", "show", "sale", "--json").stdout)["data"]

    (planned,) = json.loads(run("plan", "sale", "--json").stdout)["data"]["campaigns"]

    assert (found["winners"], found["earlier_winners"]) == ({"one": "b"}, {})
    assert planned["winners"] == {"one": "b"}


def test_a_test_that_was_written_anew_is_open(run: Run, sale: App, shop_home: Path) -> None:
    path = shop_home / "campaigns" / "edm" / "sale.yaml"
    path.write_text(SALE.replace("SUBJECT", "Other news"), encoding="utf-8")

    result = run("campaign", "show", "sale")

    assert "is decided" not in plain(result.output)
    assert "an earlier test of one, with other arms, was won by b" in plain(result.output)
