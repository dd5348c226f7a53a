from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from crm_mailer.definitions import codes
from crm_mailer.i18n import say
from crm_mailer.model.errors import NotFound
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


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")


#: How a code is explained in Chinese: code, severity, title, why, remedy, example.
EXPLAINED = re.compile(
    r"(CRM\d{3})（(错误|警告|建议)）：(.+)\n\n(.+)\n\n处理办法：(.+)\n示例：    (.+)\n"
)
HAN = re.compile("[\u4e00-\u9fff]")


@pytest.mark.usefixtures("chinese")
def test_every_code_is_explained_in_chinese(run: Run) -> None:
    for code, one in codes.registry().items():
        found = EXPLAINED.fullmatch(said := run("check", "--explain", code).stdout)

        assert found, said
        assert found[1] == code
        assert all(HAN.search(text) for text in found.groups()[2:5]), said
        assert found[6] == one.example or (one.in_words and HAN.search(found[6])), said


def test_an_unknown_code_is_a_usage_error(run: Run) -> None:
    assert run("check", "--explain", "CRM999").exit_code == 2


@pytest.mark.usefixtures("chinese")
def test_an_unknown_code_is_refused_in_chinese(run: Run) -> None:
    error = run("check", "--explain", "CRM998").exception

    assert isinstance(error, NotFound)
    assert say(str(error)) == "没有错误代码 `CRM998`"
    assert say(error.hint).startswith("是不是想写 `CRM")


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
