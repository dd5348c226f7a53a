from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from crm_mailer.app import App, segments
from crm_mailer.app.segments import Count
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import suppressions
from tests.cli.conftest import Run
from tests.segmenting.people import add_buyer, add_customer, add_order

RULE = "id: russians\nname: Russians\nrule:\n  country: RU\n"


@pytest.fixture
def people(app: App) -> None:
    add_buyer(app.store, 5, 10, name="=Anna", email="Anna@example.com", country="RU",
              email_key="anna@example.com", phone="+7 912 555 01 23", gender="female")  # fmt: skip
    add_customer(app.store, country="BY", email_key="boris@example.com", gender="male")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "draft.yaml"
    path.write_text(RULE, encoding="utf-8")
    return path


def data(output: str) -> Any:
    return json.loads(output)["data"]


@pytest.mark.usefixtures("people")
def test_a_file_is_counted_before_it_is_a_segment(run: Run, file: Path) -> None:
    result = run("segment", "count", str(file), "--json")

    assert data(result.stdout) == {
        "segment": "russians", "customers": 1, "of": 2, "warning": "",
    }  # fmt: skip


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("country: US", "the rule holds for nobody"),
        ("country: {known: true}", "the rule holds for every customer there is"),
    ],
)
def test_a_rule_for_nobody_or_everybody_is_told(run: Run, file: Path, rule: str, told: str) -> None:
    file.write_text(f"id: odd\nname: Odd\nrule:\n  {rule}\n", encoding="utf-8")

    assert told in run("segment", "count", str(file)).stderr


@pytest.mark.usefixtures("people")
def test_a_file_is_shown_and_explained_as_a_segment_is(run: Run, file: Path) -> None:
    shown = run("segment", "show", str(file)).stdout
    explained = run("segment", "explain", str(file), "--customer", "anna@example.com").stdout

    assert "country = RU" in shown
    assert "1 member" in shown
    assert "is in russians" in explained


def test_a_fault_in_a_file_is_told_with_its_place(run: Run, file: Path) -> None:
    file.write_text(RULE.replace("country", "contry"), encoding="utf-8")

    result = run("segment", "count", str(file))

    assert result.exit_code == 78
    assert f"{file}:4:3" in str(result.exception)
    assert "did you mean `country`?" in str(result.exception)


def test_a_ring_with_a_segment_that_is_there_is_told(run: Run, app: App, file: Path) -> None:
    there = app.home / "campaigns" / "segments" / "growing.yaml"
    there.write_text("id: growing\nname: G\nrule: {segment: vip}\n")
    file.write_text("id: vip\nname: V\nrule: {segment: growing}\n")

    assert "in a ring: " in str(run("segment", "count", str(file)).exception)


def test_a_file_that_is_not_there_is_told(run: Run) -> None:
    result = run("segment", "count", "none.yaml")

    assert (result.exit_code, str(result.exception)) == (2, "there is no file none.yaml")


@pytest.mark.usefixtures("people")
def test_a_count_follows_the_file_while_it_is_edited(app: App, file: Path) -> None:
    edits = iter(["country: [RU, BY]", "contry: RU", "", "country: BY"])

    def wait() -> bool:
        edit = next(edits, None)
        if edit:
            file.write_text(RULE.replace("country: RU", f"{edit}  # {len(edit)}"))
        return edit is not None

    told = [
        one.customers if isinstance(one, Count) else type(one)
        for one in segments.watch(app, str(file), wait)
    ]

    assert told == [1, 2, DefinitionError, 1]


@pytest.mark.usefixtures("people")
def test_an_export_is_csv_without_phone_and_formulas(run: Run, app: App, file: Path) -> None:
    with app.store.write() as connection:
        why = SuppressionReason.UNSUBSCRIBED
        suppressions.add(connection, "anna@example.com", why, source="test", at=app.clock.now())
    [row] = csv.DictReader(io.StringIO(run("segment", "export", str(file)).stdout))

    assert (row["email"], row["name"]) == ("Anna@example.com", "'=Anna")
    assert (row["is_suppressed"], row["is_flagged"]) == ("yes", "no")
    assert not {"phone", "street"} & set(row)


@pytest.mark.usefixtures("people")
def test_an_export_goes_to_a_new_file_unless_forced(run: Run, file: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"

    first = run("segment", "export", str(file), "--to", str(target))
    second = run("segment", "export", str(file), "--to", str(target))
    third = run("segment", "export", str(file), "--to", str(target), "--force")

    assert [one.exit_code for one in (first, second, third)] == [0, 73, 0]
    assert "1 customer written" in first.stderr
    assert target.read_bytes().startswith(b"\xef\xbb\xbfid,email,")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft.yaml", "out.csv", "shop"]


@pytest.mark.usefixtures("people")
def test_a_list_becomes_a_segment(run: Run, app: App, tmp_path: Path) -> None:
    listed = tmp_path / "fair.csv"
    listed.write_text("email\nANNA@example.com\nnobody@example.com\n")

    made = run("segment", "import", str(listed), "--id", "fair", "--name", 'The "fair"')
    run("segment", "run")

    assert "2 entries, 1 of them are customers" in made.stderr
    shown = data(run("segment", "show", "fair", "--json").stdout)
    assert (shown["name"], shown["members"]) == ('The "fair"', 1)
    assert run("check").exit_code == 0


@pytest.mark.parametrize(
    ("id_", "told"),
    [("Fair 1", "is no id of a segment"), ("vip", "there is a segment `vip` already")],
)
def test_a_list_needs_a_new_id(run: Run, file: Path, id_: str, told: str) -> None:
    result = run("segment", "import", str(file), "--id", id_)

    assert told in str(result.exception)


@pytest.mark.usefixtures("people")
def test_a_report_tells_of_each_field(run: Run) -> None:
    result = run("segment", "report", "--by", "country", "--by", "gender")

    assert "BY" in result.stdout
    assert "50.0%" in result.stdout
    assert "female" in result.stdout


@pytest.mark.usefixtures("people")
def test_a_report_of_a_segment_can_be_crossed(run: Run, file: Path) -> None:
    result = run("segment", "report", str(file), "--by", "gender", "--across", "country", "--json")

    [found] = data(result.stdout)
    assert (found["segment"], found["customers"]) == ("russians", 1)
    assert found["shares"] == [
        {"value": "female", "across": "RU", "customers": 1, "spent_usd_cents": 0}
    ]


@pytest.mark.usefixtures("people")
def test_a_report_can_be_a_workbook(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "who.xlsx"

    run("segment", "report", "--by", "gender", "--by", "country", "--xlsx", str(target))

    book = CalamineWorkbook.from_path(str(target))
    assert book.sheet_names == ["gender", "country"]
    rows = book.get_sheet_by_name("country").to_python()
    assert rows[:3] == [
        ["country", "customers", "share", "spent, USD"],
        ["BY", 1.0, 0.5, 0.0],
        ["RU", 1.0, 0.5, 0.0],
    ]


def test_a_report_by_what_is_not_known_names_a_near_field(run: Run) -> None:
    result = run("segment", "report", "--by", "contry")

    assert result.exit_code == 2
    assert getattr(result.exception, "hint", "") == "did you mean `country`?"


def test_a_report_by_what_is_like_nothing_names_all_fields(run: Run) -> None:
    result = run("segment", "report", "--by", "agee")

    hint = getattr(result.exception, "hint", "")
    assert hint.startswith("known: ")
    assert "age_band" in hint


def test_a_list_without_addresses_or_numbers_makes_no_segment(
    run: Run, shop_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("name,city\nAnna,Paris\n", encoding="utf-8")

    result = run("segment", "import", str(tmp_path / "list.csv"), "--id", "fair")

    assert result.exit_code == 2
    assert "nobody is on the list" in str(result.exception)
    assert "`email`" in getattr(result.exception, "hint", "")
    assert not list((shop_home / "campaigns" / "segments").glob("fair*"))


@pytest.mark.usefixtures("people")
def test_a_list_of_segments_marks_those_with_nobody_in_them(run: Run) -> None:
    run("segment", "run")

    listed = run("segment", "list").stdout.splitlines()
    lines = {line.split()[0]: line.rstrip() for line in listed}

    assert lines["lost"].endswith("nobody")
    assert not lines["growing"].endswith("nobody")


def test_who_grew_into_a_key_customer_is_told_after_a_run(run: Run, app: App) -> None:
    customer = add_buyer(app.store, 5, usd_cents=1000, name="Anna")
    run("segment", "run")
    add_order(app.store, customer, usd_cents=200_000, changed_at=datetime.now(UTC))

    result = run("segment", "run")

    assert "1 customer grew into a key customer" in result.stderr
    assert "open a direct channel" in run("case", "tasks").stdout
