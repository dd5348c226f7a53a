from __future__ import annotations

import json

import pytest

from crm_mailer.app import App
from crm_mailer.store import memberships
from tests.cli.conftest import Run
from tests.segmenting.people import add_buyer


@pytest.fixture
def anna(app: App) -> int:
    return add_buyer(app.store, 5, 10, name="Anna", email="Anna@example.com",
                     email_key="anna@example.com", phone="+7 912 555 01 23")  # fmt: skip


def data(output: str) -> object:
    return json.loads(output)["data"]


def test_a_run_says_who_came_in(run: Run, anna: int) -> None:
    result = run("segment", "run")

    assert result.exit_code == 0
    assert "growing" in result.output
    assert "1 scored" in result.output


def test_members_are_listed_after_a_run(run: Run, anna: int) -> None:
    run("segment", "run")

    result = run("segment", "list", "--json")

    sizes = {one["id"]: one["members"] for one in data(result.stdout)}  # type: ignore[attr-defined]
    assert sizes["growing"] == 1
    assert sizes["no-order"] == 0


def test_a_segment_shows_its_rule_and_some_members(run: Run, anna: int) -> None:
    run("segment", "run")

    result = run("segment", "show", "growing")

    assert "rfm_segment = potential_loyalist" in result.stdout
    assert "Anna@example.com" in result.stdout


def test_the_sql_is_shown_when_asked_for(run: Run, anna: int) -> None:
    assert run("segment", "show", "growing", "--sql").stdout.startswith("SELECT customers.id")


def test_a_count_needs_no_run_before(run: Run, anna: int) -> None:
    assert run("segment", "count", "no-order").stdout.strip() == "1"


def test_an_explanation_says_what_is_missing(run: Run, anna: int) -> None:
    result = run("segment", "explain", "no-order", "--customer", "ANNA@example.com")

    assert "Anna is in no-order" in result.stdout
    run("segment", "run")
    result = run("segment", "explain", "no-order", "--customer", str(anna))
    assert "✗ order_count = 0   (known: 2)" in result.stdout


def test_a_typo_in_a_file_throws_nobody_out_of_a_segment(run: Run, app: App, anna: int) -> None:
    run("segment", "run")
    file = app.home / "campaigns" / "segments" / "growing.yaml"
    file.write_text(file.read_text().replace("rfm_segment", "rfm_sgment"))

    result = run("segment", "run")

    assert "some files have errors" in result.output
    assert "growing" in {stay.segment for stay in stays(app, anna) if stay.until is None}


def stays(app: App, customer_id: int) -> list[memberships.Stay]:
    with app.store.read() as connection:
        return memberships.list_stays(connection, customer_id)


def test_an_unknown_segment_is_answered_with_a_near_one(run: Run) -> None:
    result = run("segment", "show", "chempions")

    assert result.exit_code == 2
    assert "chempions" in str(result.exception)
    assert getattr(result.exception, "hint", "") == "did you mean `champions`?"
