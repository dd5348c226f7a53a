from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App
from crm_mailer.store.tables import orders, suppressions
from tests.cli.conftest import Run

ORDERS = "order_number,placed_at,email,amount\nA1,2026-10-01,anna@example.com,20\nA2,soon,,5\n"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS, encoding="utf-8")
    return path


def count(app: App, table: sa.Table) -> int:
    with app.store.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_import_orders_says_what_went_in_and_what_did_not(run: Run, app: App, export: Path) -> None:
    result = run("import", "orders", str(export))

    assert result.exit_code == 0
    assert count(app, orders) == 1
    assert "1 new, 1 left out" in result.output
    assert "placed_at" in result.output
    assert "`soon` is no date" in result.output


def test_strict_leaves_with_65_when_a_row_was_left_out(run: Run, export: Path) -> None:
    assert run("import", "orders", str(export), "--strict").exit_code == 65


def test_a_dry_run_shows_rows_and_writes_nothing(run: Run, app: App, export: Path) -> None:
    result = run("import", "orders", str(export), "--dry-run")

    assert count(app, orders) == 0
    assert "First rows as they were read" in result.output
    assert "Nothing was written" in result.output


def test_a_report_for_scripts(run: Run, export: Path) -> None:
    result = run("import", "orders", str(export), "--json")

    report = json.loads(result.stdout)["data"]
    assert report["counts"]["orders_new"] == 1
    assert report["problems"][0]["row"] == 3


def test_a_file_that_cannot_be_read_leaves_with_65(run: Run, tmp_path: Path) -> None:
    assert run("import", "orders", str(tmp_path / "nowhere.csv")).exit_code == 65


def test_a_misspelt_map_is_guessed(run: Run, export: Path) -> None:
    result = run("import", "orders", str(export), "--map", "shopfy")

    assert result.exit_code == 2
    assert getattr(result.exception, "hint", "") == "did you mean `shopify`?"


def test_a_map_of_the_shop_is_used(run: Run, app: App, tmp_path: Path, shop_home: Path) -> None:
    (shop_home / "maps").mkdir()
    (shop_home / "maps" / "kasse.yaml").write_text(
        "name: kasse\nplatform: laden\ncolumns: {order_number: Bon, placed_at: Tag, email: Post}\n",
        encoding="utf-8",
    )
    export = tmp_path / "kasse.csv"
    export.write_text("Bon;Tag;Post\n7;01.10.2026;anna@example.com\n", encoding="utf-8")

    run("import", "orders", str(export))

    with app.store.read() as connection:
        row = connection.execute(sa.select(orders.c.platform, orders.c.number)).one()
    assert tuple(row) == ("laden", "7")


def test_orders_without_an_address_are_counted(run: Run, tmp_path: Path) -> None:
    export = tmp_path / "orders.csv"
    export.write_text("order_number,placed_at,buyer_id\nA1,2026-10-01,b7\n", encoding="utf-8")

    result = run("import", "orders", str(export))

    assert "1 order has no mail address" in result.output


def test_customers_suppressions_and_reviews_have_their_commands(
    run: Run, app: App, tmp_path: Path, export: Path
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("email,name,stars,order number\nanna@example.com,Anna,5,A1\n")
    run("import", "orders", str(export))

    codes = [
        run("import", verb, str(people)).exit_code
        for verb in ("customers", "suppressions", "reviews")
    ]

    assert codes == [0, 0, 0]
    assert count(app, suppressions) == 1


def test_maps_are_listed_with_their_sources(run: Run) -> None:
    result = run("import", "maps", "--json")

    listed = {one["name"]: one["confidence"] for one in json.loads(result.stdout)["data"]}
    assert listed["shopify"] == "high"
    assert listed["dhgate"] == "low"
