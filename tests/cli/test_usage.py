from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from crm_mailer.cli import asking, group, usage
from crm_mailer.i18n import say
from crm_mailer.model.sentence import Sentence
from tests.house.messages import commands

HAN = re.compile("[\u4e00-\u9fff]")

#: Texts of click's that no person reads here, by why.
NOT_SHOWN = {
    "we show errors ourselves": {
        "Error: {message}",
        "Try '{command} {option}' for help.",
        "Aborted!",
        "Missing parameter: {param_name}",
    },
    "asking.py asks for yes or no; passwords are asked for twice by ourselves": {
        "Error: invalid input",
        "Error: The two entered values do not match.",
        "Repeat for confirmation",
        "Do you want to continue?",
        "Confirm the action without prompting.",
        "Press any key to continue...",
    },
    "help_page.py writes the help": {
        "Options",
        "Commands",
        "Usage:",
        "Positional arguments",
        "default: {default}",
        "env var: {var}",
        "(dynamic)",
    },
    "the catalogue has it as the help of an option": {
        "Show this message and exit.",
        "Show the version and exit.",
    },
    "the same in every language": {"%(prog)s, version %(version)s"},
    "nothing of ours is deprecated": {
        "deprecated",
        "DeprecationWarning: The command {name!r} is deprecated.{extra_message}",
        "DeprecationWarning: The {param_type} {name!r} is deprecated.{extra_message}",
    },
    "a parameter is an option or an argument": {"Missing parameter", "Missing {param_type}"},
    "a parameter's name is put behind it": {"Missing argument", "Missing option"},
    "paths are named with a capital": {"file", "directory", "path"},
    "faults of a program": {
        "Value must be an iterable.",
        "Invalid start character for option ({option})",
        "Could not determine name for option with declarations {decls!r}",
        "No options defined but a name was passed ({name}). Did you mean to declare an argument "
        "instead? Did you mean to pass '--{name}'?",
        "Arguments take exactly one parameter declaration, got {length}: {decls}.",
        "Name '{name}' defined twice",
        "Boolean option {decl!r} cannot use the same flag for true/false.",
        "Unknown color {colour!r}",
        "Unknown standard stream '{name}'",
        "Choice({choices})",
    },
    "bars of progress are our own": {"d"},
    "the shells that complete words are told by us": {
        "Couldn't detect Bash version, shell completion is not supported.",
        "Shell completion is not supported for Bash versions older than 4.4.",
    },
    "no Windows": {"Windows error: {error}"},
}


def texts_of_click() -> Iterator[str]:
    """What click gives to gettext."""
    for module in pkgutil.iter_modules(click.__path__):
        path = Path(click.__path__[0]) / f"{module.name}.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for one in node.args[: {"_": 1, "ngettext": 2}.get(node.func.id, 0)]:
                    if isinstance(one, ast.Constant):
                        yield str(one.value)


def test_every_text_of_clicks_is_known() -> None:
    """An upgrade of click that says something new is noticed."""
    known = {*usage.TEMPLATES, *usage.FOLLOWED, *(t for group in NOT_SHOWN.values() for t in group)}
    assert set(texts_of_click()) - known == set()


def test_no_template_is_out_of_date() -> None:
    own = {f"Missing {kind} {{param_hint}}." for kind in ("argument", "option", "parameter")}
    shown = {*usage.TEMPLATES, *usage.FOLLOWED}
    assert shown - own - set(texts_of_click()) == set()


def test_click_puts_the_name_behind_what_is_missing() -> None:
    source = inspect.getsource(importlib.import_module("click.exceptions").MissingParameter)
    assert 'f"{missing}{param_hint}.{msg}"' in source


WRONG = {
    "case shwo": "没有命令 'shwo'。是不是想写 'show'？",
    "customer ls": "没有命令 'ls'。",
    "case list --stat open": "没有选项 '--stat'。是不是想写",
    "case show": "缺少参数 'NUMBER'。",
    "case show x": "'NUMBER' 的值无效：'x' 不是有效的编号。",
    "case show 0": "'NUMBER' 的值无效：0 超出范围 x>=1。",
    "case show 1 2": "多了一个参数（2）",
    "case show 1 2 3": "多了几个参数（2 3）",
    "case list --json=1": "选项 '--json' 不带值。",
    "case list --limit": "选项 '--limit' 后面要写一个值。",
    "case list --limit many": "'--limit' 的值无效：'many' 不是有效的整数。",
    "case list --state odd": "'--state' 的值无效：'odd' 不在可选值之中：",
    "case reply 1 --text /nowhere": "'--text' 的值无效：'/nowhere'：没有这个文件或文件夹",
    "segment import /nowhere": "的值无效：文件 '/nowhere' 不存在。",
    "segment import /tmp": "的值无效：文件 '/tmp' 其实是一个文件夹。",
    "studio user add Ann": "缺少选项 '--role'。可选值：\n\t",
    "case unpaid": "缺少参数 'ORDER'。",
}


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "zh_CN")


@pytest.mark.usefixtures("chinese")
@pytest.mark.parametrize(("words", "told"), WRONG.items())
def test_a_wrong_command_is_told_in_chinese(words: str, told: str) -> None:
    error = refused(words)
    assert told in say(usage.said(error))
    assert usage.said(error) == error.format_message()  # the same as ever, in English


@pytest.mark.parametrize("words", WRONG)
def test_in_english_click_is_quoted(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_MAILER_LANGUAGE", "en")
    error = refused(words)
    assert say(usage.said(error)) == error.format_message()


def refused(words: str) -> click.ClickException:
    with pytest.raises(click.ClickException) as caught:
        group.main(words.split(), standalone_mode=False)
    return caught.value


def test_every_type_of_a_number_has_its_word() -> None:
    ours = {"signals", "month", "roles", "date"}  # these say themselves what they miss
    for command in commands().values():
        for one in command.params:
            if isinstance(one.type, click.IntRange | click.FloatRange | type(click.INT)):
                assert one.type.name in {*usage.WORDS, *ours}


def test_what_is_no_text_of_clicks_stays_as_it_is() -> None:
    told = usage.read("what we say ourselves")
    assert told == "what we say ourselves"
    assert not isinstance(told, Sentence)


@pytest.mark.usefixtures("chinese")
def test_a_question_is_asked_again_until_it_is_answered() -> None:
    @click.command()
    def ask() -> None:
        asking.confirm("要继续吗？")
        click.echo("done")

    said = CliRunner().invoke(ask, input="maybe\nY\n")
    assert "请回答 y 或 n" in said.output
    assert said.output.endswith("done\n")
    assert CliRunner().invoke(ask, input="no\n").exit_code == 1
    assert CliRunner().invoke(ask, input="\n").exit_code == 1
