from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from click.testing import CliRunner

from crm_mailer import i18n
from crm_mailer.cli import group
from crm_mailer.home import make_home
from tests.house import messages

CATALOGUES = sorted(i18n.HERE.glob("*.po"))
OURS = "CRM_MAILER_LANGUAGE"
LOCALE = ("LC_ALL", "LC_MESSAGES", "LANG")
HAN = re.compile("[\u4e00-\u9fff]")
#: Asked by each test that needs it: reading the whole program takes seconds.
needed = cache(messages.needed)

every_catalogue = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)


@pytest.fixture
def no_language(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (OURS, *LOCALE):
        monkeypatch.delenv(name, raising=False)
    i18n.prefer("")


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OURS, "zh_CN")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_home(tmp_path / "shop")
    return tmp_path / "shop"


def run(home: Path, *arguments: str) -> str:
    result = CliRunner().invoke(group, ["--home", str(home), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


@every_catalogue
def test_a_catalogue_has_every_text(path: Path) -> None:
    assert needed() - set(i18n.catalogue(path.stem)) == set()


@every_catalogue
def test_a_catalogue_has_no_text_that_is_not_used(path: Path) -> None:
    assert set(i18n.catalogue(path.stem)) - needed() == set()


@every_catalogue
def test_a_catalogue_is_read_as_a_po_library_reads_it(path: Path) -> None:
    with path.open("rb") as file:
        entries = [entry for entry in read_po(file, abort_invalid=True) if entry.id]
    assert {entry.id: entry.string for entry in entries} == i18n.catalogue(path.stem)
    assert [entry.id for entry in entries if entry.fuzzy] == []


@every_catalogue
@pytest.mark.parametrize("kept", [r"\{[^}]*\}", "`[^`]*`"], ids=["placeholders", "commands"])
def test_a_translation_keeps(path: Path, kept: str) -> None:
    texts = i18n.catalogue(path.stem).items()
    changed = [
        text
        for text, translation in texts
        if sorted(re.findall(kept, text)) != sorted(re.findall(kept, translation))
    ]
    assert changed == []


def test_every_text_that_reaches_us_by_a_variable_is_in_a_list() -> None:
    assert messages.variables() == set(messages.VARIABLES)


def test_every_pattern_that_reaches_a_sentence_by_a_variable_is_in_a_list() -> None:
    assert messages.patterns() == set(messages.PATTERNS)


def test_what_errors_say_can_be_translated() -> None:
    """A text that is put together is a Sentence: its pattern is in the catalogue."""
    put_together = (ast.JoinedStr, ast.BinOp)
    found = [
        f"{path.relative_to(messages.ROOT)}:{one.lineno}: {ast.unparse(one)}"
        for path, one in messages.tellings()
        if isinstance(one, put_together) and re.search("[a-z]{2}", _constants(one))
    ]
    assert found == []


def _constants(node: ast.expr) -> str:
    return " ".join(
        str(one.value)
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )


def test_the_lists_say_what_their_modules_say() -> None:
    for module, texts in messages.OF_MODULES.items():
        source = (messages.PACKAGE / module).read_text(encoding="utf-8")
        assert [text for text in texts if f'"{text}"' not in source] == []


@pytest.mark.parametrize(
    "name", ["zh_CN.UTF-8", "zh_CN", "zh-CN", "zh", "zh_SG", "zh_SG.gb2312", "zh-Hans-CN", "ZH_cn"]
)
@pytest.mark.usefixtures("no_language")
def test_every_way_to_write_chinese_finds_the_catalogue(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", name)
    assert i18n.language() == "zh_CN"


@pytest.mark.parametrize("name", ["", "C", "C.UTF-8", "POSIX", "en_GB.UTF-8", "tlh", "../zh_CN"])
@pytest.mark.usefixtures("no_language")
def test_what_we_do_not_speak_is_english(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", name)
    assert i18n.language() == "en"


@pytest.mark.usefixtures("no_language")
def test_our_variable_beats_the_shop_and_the_shop_beats_the_locale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    spoken = [i18n.language()]
    i18n.prefer("en")
    spoken.append(i18n.language())
    monkeypatch.setenv(OURS, "zh")
    spoken.append(i18n.language())
    assert spoken == ["zh_CN", "en", "zh_CN"]


@pytest.mark.usefixtures("no_language")
def test_a_shop_chooses_the_language_in_its_settings(home: Path) -> None:
    with (home / "crm-mailer.toml").open("r+", encoding="utf-8") as file:
        rest = file.read()
        file.seek(0)
        file.write('language = "zh_CN"\n' + rest)
    assert "营销活动" in run(home, "status")
    assert "一屏查看店铺现状" in run(home, "status", "--help")


@pytest.mark.usefixtures("chinese")
def test_a_command_speaks_chinese(home: Path) -> None:
    told = run(home, "status")
    assert "店铺" in told
    assert "customers" not in told


def test_codes_and_json_are_the_same_in_every_language(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = (["campaign", "list"], ["segment", "list"], ["curve", "list"], ["import", "maps"])
    english = [run(home, *command, "--json") for command in commands]
    monkeypatch.setenv(OURS, "zh_CN")
    assert [run(home, *command, "--json") for command in commands] == english
    assert all(json.loads(text)["data"] for text in english)


@pytest.mark.usefixtures("chinese")
def test_the_help_of_every_command_is_chinese() -> None:
    for path in messages.commands():
        help_ = CliRunner().invoke(group, [*path, "--help"]).stdout
        purpose = help_.split("\n\n")[1]
        assert HAN.search(purpose), help_
        assert "显示本帮助" in help_


def test_help_is_english_again_after_it_was_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OURS, "en")
    english = CliRunner().invoke(group, ["case", "list", "--help"]).stdout
    monkeypatch.setenv(OURS, "zh_CN")
    CliRunner().invoke(group, ["case", "list", "--help"])
    monkeypatch.setenv(OURS, "en")
    assert CliRunner().invoke(group, ["case", "list", "--help"]).stdout == english
    assert not HAN.search(english)


def test_an_error_is_told_in_the_language_of_the_locale(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != OURS}
    done = subprocess.run(
        [sys.executable, "-m", "crm_mailer", "--home", str(tmp_path), "status"],
        env=environment | {"LC_ALL": "zh_CN.UTF-8", "PYTHONIOENCODING": "utf-8"},
        cwd=messages.ROOT, capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("错误：")
    assert "  建议：" in done.stderr
