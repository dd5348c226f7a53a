from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


def set_mode(home: Path, mode: str) -> None:
    path = home / "campaigns" / "lifecycle" / "shipped.yaml"
    path.write_text(path.read_text().replace("mode: draft", f"mode: {mode}"))


@pytest.fixture(autouse=True)
def _known(known_home: Path) -> None:
    """What has not changed is not looked at again."""


def test_check_finds_no_fault_in_the_starter_set(run: Run) -> None:
    result = run("check")

    assert result.exit_code == 0
    assert "[CRM" not in result.stdout


def test_check_shows_each_fault_with_a_caret_and_leaves_with_1(run: Run, shop_home: Path) -> None:
    set_mode(shop_home, "lvie")

    result = run("check")

    assert result.exit_code == 1
    assert "campaigns/lifecycle/shipped.yaml:" in result.output
    assert "^^^^" in result.output
    assert "did you mean `live`?" in result.output


def test_check_speaks_json(run: Run, shop_home: Path) -> None:
    set_mode(shop_home, "lvie")

    result = run("check", "--json")

    found = json.loads(result.stdout)["data"]
    assert (found[0]["code"], found[0]["severity"]) == ("CRM107", "error")


def test_advice_alone_is_no_failure(run: Run, shop_home: Path) -> None:
    path = shop_home / "templates" / "growth" / "win-back-1.en.mjml"
    path.write_text(path.read_text().replace("No hurry and no tricks.", "Act now, click here."))
    text = path.read_text().replace("It has been a while</h1>", "Act now</h1>")
    path.write_text(text)

    result = run("check")

    assert result.exit_code == 0
    assert "advice[CRM252]: `Act now` is what spam says" in result.stdout
    assert "1 piece of advice" in result.output


@pytest.mark.parametrize("code", ["CRM113", "crm202"])
def test_a_code_is_explained(run: Run, code: str) -> None:
    said = run("check", "--explain", code).stdout

    assert said.startswith(f"{code.upper()} (error): ")
    assert "What to do: " in said
    assert "Example: " in said


def test_an_unknown_code_is_a_usage_error(run: Run) -> None:
    assert run("check", "--explain", "CRM999").exit_code == 2


def test_schemas_are_printed_or_written(run: Run, tmp_path: Path) -> None:
    printed = json.loads(run("check", "--schema").stdout)["data"]

    run("check", "--schema", str(tmp_path / "schemas"))

    written = {path.name.split(".")[0] for path in (tmp_path / "schemas").iterdir()}
    assert written == set(printed)
    assert "campaign" in written


def test_a_folder_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    result = run("check", "--schema", str(tmp_path / "file" / "schemas"))

    assert result.exit_code == 73
    assert "cannot write in" in str(result.exception)
