"""Whoever asks for marks or segments before they were worked out is told so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.app import App
from crm_mailer.store.tables import import_runs
from tests.cli.conftest import Run
from tests.segmenting.people import add_buyer, add_customer

ASKED = [
    ("customer", "explain", "anna@example.com"),
    ("segment", "list"),
    ("segment", "count", "champions"),
    ("segment", "show", "champions"),
    ("segment", "explain", "champions", "--customer", "anna@example.com"),
    ("rfm",),
    ("rfm", "--customer", "anna@example.com"),
    ("plan",),
    ("status",),
]
NOT_YET = "marks are not worked out yet"


@pytest.fixture
def anna(app: App) -> int:
    return add_buyer(app.store, 10, email="anna@example.com", email_key="anna@example.com")


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("command", ASKED, ids=" ".join)
def test_before_the_first_run_it_is_said(run: Run, anna: int, command: tuple[str, ...]) -> None:
    result = run(*command)

    assert NOT_YET in plain(result.output)
    assert "has no paid order" not in plain(result.output)
    assert "no customer has a paid order" not in plain(result.output)


@pytest.mark.parametrize("command", ASKED, ids=" ".join)
def test_after_a_run_nothing_is_said(run: Run, anna: int, command: tuple[str, ...]) -> None:
    run("segment", "run")

    assert "marks are" not in plain(run(*command).output)


def test_a_shop_without_orders_has_nothing_to_work_out(run: Run, app: App) -> None:
    add_customer(app.store)

    assert "marks are" not in plain(run("segment", "list").output)


def test_a_run_before_the_first_orders_worked_nothing_out(run: Run, app: App) -> None:
    run("segment", "run")
    add_buyer(app.store, 10)

    assert NOT_YET in plain(run("rfm").output)


def test_marks_that_are_a_day_behind_of_the_orders_are_named(run: Run, app: App, anna: int) -> None:
    run("segment", "run")
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    with app.store.write() as connection:
        connection.execute(
            sa.insert(import_runs).values(kind="orders", at=at, counts={}, file_name="o.csv")
        )

    told = plain(run("rfm").output)

    assert f"orders were imported on {at.astimezone(app.zone):%Y-%m-%d %H:%M}" in told
    assert json.loads(run("status", "--json").stdout)["data"]["marks"].startswith("marks are of")


def test_a_customer_who_paid_is_not_said_to_have_no_paid_order(run: Run, anna: int) -> None:
    assert "Paid orders, and no score yet" in plain(run("customer", "show", str(anna)).output)
    run("segment", "run")
    assert "no score" not in plain(run("customer", "show", str(anna)).output)


def test_a_customer_who_never_paid_has_none(run: Run, app: App) -> None:
    number = add_customer(app.store)
    assert "No paid order, so no score" in plain(run("customer", "show", str(number)).output)
