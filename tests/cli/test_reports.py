from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from crm_mailer.app import App
from crm_mailer.app import cases as verbs
from crm_mailer.store.tables import feedback
from tests.cli.conftest import Run
from tests.conftest import NOON
from tests.learning.shop import SmallShop
from tests.reporting.months import Shop

REPORTS = ("complaints", "reviews", "health", "agents", "response-times", "recovery")
DAY = ("--until", "2026-11-02")


@pytest.fixture(autouse=True)
def _same_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MAILER_CLOCK", NOON.isoformat().replace("+00:00", "Z"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def shop(app: App) -> SmallShop:
    """A Russian customer whose reply to a win-back mail became a case."""
    shop = SmallShop(app.store)
    shop.wrote("complaint", "nr.in_transit", own_text="посылка не пришла, верните деньги")
    shop.wrote("praise", own_text="спасибо!")
    verbs.learn(app)
    return shop


def sheets(path: Path) -> dict[str, list[list[Any]]]:
    book = CalamineWorkbook.from_path(str(path))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


@pytest.mark.parametrize("name", [*REPORTS, "worklist"])
def test_a_new_shop_has_every_report_in_every_form(run: Run, name: str, tmp_path: Path) -> None:
    shown = run("report", name)
    told = run("report", name, "--json")
    written = run("report", name, "--xlsx", str(tmp_path / "a.xlsx"))

    assert (shown.exit_code, told.exit_code, written.exit_code) == (0, 0, 0)
    assert json.loads(told.stdout)["data"]
    assert sheets(tmp_path / "a.xlsx")
    assert "written:" in written.stderr


def test_a_complaint_is_in_the_workbook_with_its_very_words(
    shop: SmallShop, run: Run, tmp_path: Path
) -> None:
    run("report", "complaints", *DAY, "--xlsx", str(tmp_path / "a.xlsx"))

    found = sheets(tmp_path / "a.xlsx")

    assert list(found) == [
        "Overview", "By reason", "By product", "By country", "By campaign", "By month",
        "By channel", "By agent", "Complaints",
    ]  # fmt: skip
    assert found["By reason"][1][:3] == ["not received, still in transit", "nr.in_transit", 1]
    [line] = found["Complaints"][1:]
    assert line[0] == datetime.fromisoformat("2026-11-02T20:00")
    assert line[2] == "посылка не пришла, верните деньги"
    assert (line[5], line[12]) == ("Anna Petrova", 1)


def test_headings_are_chinese_where_the_reader_is(
    shop: SmallShop, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")

    run("report", "complaints", *DAY, "--xlsx", str(tmp_path / "a.xlsx"))

    found = sheets(tmp_path / "a.xlsx")
    assert list(found)[:3] == ["总览", "按原因", "按商品"]
    assert found["按原因"][0][:3] == ["原因", "代码", "投诉"]


def test_a_hostile_complaint_is_shown_and_cannot_reckon(
    app: App, shop: SmallShop, run: Run, tmp_path: Path
) -> None:
    words = '=HYPERLINK("http://evil.example","\x1b[31mclick")'
    shop.add(feedback, kind="complaint", channel="email", reason="=1+1", text=words,
             campaign="+1", product="@x", at=NOON)  # fmt: skip

    shown = run("report", "complaints", *DAY)
    run("report", "complaints", *DAY, "--xlsx", str(tmp_path / "a.xlsx"))

    assert "\x1b[31m" not in shown.stdout
    rows = sheets(tmp_path / "a.xlsx")["Complaints"]
    assert any(str(row[2]).startswith("=HYPERLINK(") for row in rows)
    assert any(row[1] == "=1+1" for row in rows)


def test_the_terminal_shows_counts_and_the_newest_words(shop: SmallShop, run: Run) -> None:
    shown = run("report", "complaints", *DAY).stdout

    assert "not received, still in transit" in shown
    assert "посылка не пришла, верните деньги" in shown
    assert "2026-08-05 to 2026-11-02, Asia/Shanghai" in shown


def test_a_report_for_scripts_has_its_period_and_figures(shop: SmallShop, run: Run) -> None:
    data = json.loads(run("report", "complaints", *DAY, "--limit", "1", "--json").stdout)["data"]

    assert data["period"] == {
        "first": "2026-08-05", "last": "2026-11-02", "place": "Asia/Shanghai",
    }  # fmt: skip
    assert (data["totals"]["complaints"], data["totals"]["praise"]) == (1, 1)
    assert [one["text"] for one in data["newest"]] == ["посылка не пришла, верните деньги"]


def test_health_tells_formula_numerator_and_denominator(app: App, run: Run) -> None:
    bad = Shop(app.store).order("1", placed_at=NOON - timedelta(days=9))
    Shop(app.store).reached(bad, "disputed")

    shown = run("report", "health", *DAY).stdout
    data = json.loads(run("report", "health", *DAY, "--json").stdout)["data"]["measures"]

    rate = next(one for one in data if one["figure"] == "dispute_rate")
    assert (rate["numerator"], rate["denominator"], rate["grade"]) == (1, 1, "too_few")
    assert rate["formula"] == "paid orders with a dispute ÷ paid orders"
    assert "1 / 1" in shown
    assert "100.00%" in shown


def test_a_shop_sets_its_own_limits(app: App, run: Run) -> None:
    for number in range(2):
        order = Shop(app.store).order(f"{number}", placed_at=NOON - timedelta(days=3))
    Shop(app.store).reached(order, "disputed")
    with (run.home / "campaigns" / "shop.yaml").open("a") as file:
        file.write("\nhealth: {days: 5, too_few: 1, dispute_rate: {warn: 40, bad: 60}}\n")

    data = json.loads(run("report", "health", *DAY, "--json").stdout)["data"]

    rate = next(one for one in data["measures"] if one["figure"] == "dispute_rate")
    assert (rate["grade"], rate["limit"]) == ("warn", {"warn": 40.0, "bad": 60.0})
    assert data["period"]["first"] == "2026-10-29"


def test_a_worklist_says_what_to_do(app: App, run: Run) -> None:
    late = NOON - timedelta(days=2)
    Shop(app.store).order("AE-9", state="paid", promised_ship_at=late)

    counts = run("report", "worklist").stdout
    rows = run("report", "worklist", "late").stdout
    data = json.loads(run("report", "worklist", "late", "--json").stdout)["data"]

    assert "orders past the promised day, not shipped" in counts
    assert "AE-9" in rows
    assert "ship it today" in " ".join(rows.split())
    assert (data["name"], data["count"], data["rows"][0]["reasons"]) == ("late", 1, ["late"])


def test_a_long_worklist_says_how_much_is_not_shown(app: App, run: Run) -> None:
    for number in range(3):
        Shop(app.store).order(f"{number}", state="out_of_stock")

    assert "the first 2 of 3" in run("report", "worklist", "out-of-stock", "--limit", "2").stderr


def test_all_worklists_are_one_workbook(app: App, run: Run, tmp_path: Path) -> None:
    Shop(app.store).order("=1+1", state="out_of_stock")

    run("report", "worklist", "--xlsx", str(tmp_path / "a.xlsx"))

    found = sheets(tmp_path / "a.xlsx")
    assert list(found)[:2] == ["Today", "cases"]
    assert found["out-of-stock"][1][0] == "=1+1"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("worklist", "lat"), 2, "there is no worklist 'lat'"),
        (("complaints", "--from", "2026-05-02", "--until", "2026-05-01"), 2, "before it begins"),
        (("complaints", "--from", "yesterday"), 2, "is no day"),
        (("health", "--from", "0001-01-01"), 2, "no report goes from"),
        (("reviews", "--xlsx", "reviews.csv"), 2, "is no name of an Excel file"),
        (("agents", "--xlsx", "no/such/folder/a.xlsx"), 73, "there is no folder"),
        (("worklist", "late", "--limit", "0"), 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_done_is_said(
    app: App, run: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    assert app.store

    done = run("report", *arguments)

    assert done.exit_code == code
    assert message in f"{done.exception} {done.stderr}"


def test_a_workbook_is_replaced_only_with_force(app: App, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text("mine")

    refused = run("report", "agents", "--xlsx", str(path))
    kept = path.read_text()
    done = run("report", "agents", "--xlsx", str(path), "--force")

    assert (refused.exit_code, kept, done.exit_code) == (73, "mine", 0)
    assert "--force" in refused.exception.hint  # type: ignore[union-attr]
