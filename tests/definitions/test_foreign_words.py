from __future__ import annotations

import re
from pathlib import Path

import pydantic
import pytest

from crm_mailer.definitions.files import parse_yaml, validate
from crm_mailer.definitions.foreign_words import in_words
from crm_mailer.definitions.schema import SHAPES
from crm_mailer.i18n import say
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.sentence import Sentence

#: What stands in Chinese findings as it stands in the file.
KEPT = re.compile(r"`[^`]*`|'[^']*'|CRM[0-9]+|YAML")


def told(text: str, kind: str = "") -> list[str]:
    """The findings about a file, in Chinese."""
    try:
        node = parse_yaml(text, "x.yaml")
        if kind:
            validate(node, SHAPES[kind])
    except DefinitionError as error:
        return [say(part, "zh_CN") for one in error.problems for part in (one.message, one.help)]
    return []


@pytest.mark.parametrize(
    "text",
    [
        "name: Sale: today", "name: x\n  mode: live", 'name: "x', "name: [a", "name: x\n\tmode: x",
        "- a\nb: c", 'name: "\\q"', "%YAML 2.0\n---\na: b", "name: |x\n  y", "name: {a: b",
        "name: !foo!x y", "name\nx: y", 'a: "\\xZZ"', "foo: @x", "a: {b: c, ,}", "- - a\n - b",
        "%TAG ! a\n%TAG ! b\n---\na: b", "a: 'x\n---\n'", "a: | 0\n x", "? [a]\n: b", "%YAML x",
        "a: b\na: c", "<<: a", "a: &x 1", "a: *x", "a: !!int 1", "a: b\n---\nc: d", "a: 'x\n... x",
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_in_chinese(text: str) -> None:
    found = told(text)
    assert found
    assert [one for one in found if re.search("[a-z]{3}", KEPT.sub("", one))] == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("shop", "name: x\ncountry: china\ncurrency: dollar\ncap: {count: 0, days: many}"),
        ("shop", "name: ''\nhealth: {days: 0, dispute_rate: {warn: .nan}}\nlanguages: en"),
        ("shop", "name: x\ntopics: {a: {}}\ncases: {warn_at: 120, calendar: {days_off: [x]}}"),
        ("campaign", "name: x\nanchor: {date: 2026-11-20 10:00}\nsteps: []\nparallel: maybe"),
        ("campaign", "name: x\nanchor: {date: tomorrow}\nsteps: [{template: [a]}]\nvars: [a]"),
        ("rfm", "profiles: {a: {usd: [1.234, x, [1], 4], orders: [0, 1.5, 1, 1]}}"),
    ],
)
def test_what_pydantic_complains_of_is_told_in_chinese(kind: str, text: str) -> None:
    found = told(text, kind)
    assert found
    plain = [re.sub("`[^`]*`|例如.*|可用：.*|true 或 false|a, b", "", one) for one in found]
    assert [one for one in plain if re.search("[a-z]{2}", one)] == []


@pytest.mark.parametrize(
    "expression", ["a(b", "a)", "[a", "*a", "a**", "a{3,1}", "\\", "\\q", "[z-a]", "(?q)"]
)
def test_what_is_no_regular_expression_is_told_in_chinese(expression: str) -> None:
    with pytest.raises(re.error) as caught:
        re.compile(expression)
    told_so = say(in_words(caught.value), "zh_CN")
    assert str(in_words(caught.value)) == str(caught.value)
    assert not re.search("[a-z]{2}", told_so)


def test_what_we_do_not_know_is_told_as_it_stands() -> None:
    assert in_words(ValueError("a {new} complaint\n of theirs")) == "a {new} complaint of theirs"


def test_every_pattern_of_a_shape_says_how_it_is_written() -> None:
    class Shape(pydantic.BaseModel):
        country: str = pydantic.Field(pattern="^[A-Z]{2}$")

    with pytest.raises(DefinitionError) as caught:
        validate(parse_yaml("country: china", "x.yaml"), Shape)
    assert caught.value.problems[0].help == "two capital letters such as CN"


def test_why_a_file_cannot_be_opened_is_told_in_chinese(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "none").open()
    told = Sentence("{why}", why=caught.value.strerror)
    assert say(told, "zh_CN") == "没有这个文件或文件夹"
