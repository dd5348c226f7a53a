"""A segment's file was edited: who gets a mail follows from the new rule, at once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, planning, segmenting
from crm_mailer.store import tables as t
from tests.cli.conftest import Run
from tests.planning.people import NOON, customer

DAY = (NOON + timedelta(days=1)).date()
NEWS = f"""\
id: news
name: News
anchor: {{date: {DAY}}}
mode: live
stream: marketing
audience: {{segment: outer}}
steps: [{{id: hello, after: 0d, template: growth/win-back-1}}]
"""


@pytest.fixture
def people(app: App, shop_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two in the United States, one in Spain; a campaign to a segment of a segment."""
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOON.isoformat())
    for number, country in enumerate(("US", "US", "ES")):
        customer(app.store, f"c{number}", country=country)
    (shop_home / "campaigns" / "edm" / "news.yaml").write_text(NEWS, encoding="utf-8")
    write(shop_home, "inner", "country: US")
    write(shop_home, "outer", "segment: inner")


def write(home: Path, id_: str, rule: str) -> None:
    path = home / "campaigns" / "segments" / f"{id_}.yaml"
    path.write_text(f"id: {id_}\nname: {id_}\nrule:\n  {rule}\n", encoding="utf-8")


def planned(app: App) -> list[str]:
    """To whom the mails of the campaign go."""
    query = (
        sa.select(t.customers.c.country)
        .join(t.touches, t.touches.c.customer_id == t.customers.c.id)
        .where(t.touches.c.campaign == "news", t.touches.c.state == "planned")
    )
    with app.store.read() as connection:
        return sorted(connection.scalars(query))


def previewed(run: Run) -> int:
    told = json.loads(run("plan", "news", "--json").stdout)["data"]["campaigns"]
    return int(told[0]["planned"])


@pytest.mark.usefixtures("people")
def test_an_edited_part_of_a_segment_changes_whom_a_plan_names_and_a_mail_reaches(
    run: Run, app: App, shop_home: Path
) -> None:
    run("segment", "run")
    write(shop_home, "inner", "country: ES")

    assert previewed(run) == 1
    assert planned(app) == []
    run("apply")

    assert planned(app) == ["ES"]


@pytest.mark.usefixtures("people")
def test_a_segment_that_was_never_worked_out_is_not_empty(run: Run, app: App) -> None:
    assert previewed(run) == 2
    run("apply")

    assert planned(app) == ["US", "US"]


@pytest.mark.usefixtures("people")
def test_a_tick_of_the_daemon_follows_an_edit_too(app: App, shop_home: Path) -> None:
    segmenting.run(app)
    write(shop_home, "inner", "country: ES")
    app.reload()

    planning.apply(app)

    assert planned(app) == ["ES"]


@pytest.mark.usefixtures("people")
def test_what_was_not_edited_is_not_worked_out_again(app: App, shop_home: Path) -> None:
    segmenting.run(app)
    customer(app.store, "late", country="US")

    planning.apply(app)

    assert planned(app) == ["US", "US"]  # who came since is found by the next run


@pytest.mark.usefixtures("people")
def test_a_segment_is_shown_with_the_members_of_its_rule_as_it_is(
    run: Run, shop_home: Path
) -> None:
    run("segment", "run")
    write(shop_home, "inner", "country: ES")

    shown = json.loads(run("segment", "show", "outer", "--json").stdout)["data"]
    listed = json.loads(run("segment", "list", "--json").stdout)["data"]

    assert shown["members"] == 1
    assert {one["id"]: one["members"] for one in listed}["inner"] == 1
