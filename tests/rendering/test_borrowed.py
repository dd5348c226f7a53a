"""What Jinja, Python and older looks said is said in the reader's language."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jinja2 import TemplateSyntaxError

from crm_mailer.definitions.problems import Problem
from crm_mailer.i18n import say
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import borrowed, engine
from crm_mailer.rendering.check_memory import Findings


@pytest.mark.parametrize(
    ("template", "english", "chinese"),
    [
        (
            "{{ a b }}",
            "Jinja: expected token 'end of print statement', got 'b'",
            "Jinja：此处应为“字段标记的结尾”，却是“b”",
        ),
        (
            "{% if a %}",
            "Jinja: Unexpected end of template. Jinja was looking for the following tags: 'elif' or"
            " 'else' or 'endif'. The innermost block that needs to be closed is 'if'.",
            "Jinja：模板意外结束。此处 Jinja 等待的语句是：'elif' or 'else' or 'endif'。"
            "最内层尚未结束的语句是“if”。",
        ),
        ("{{ a. }}", "Jinja: expected name or number", "Jinja：此处应为名称或数字"),
    ],
)
def test_what_jinja_says_keeps_its_words_and_has_chinese_ones(
    template: str, english: str, chinese: str
) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        engine.TEXT.parse(template)
    told = borrowed.syntax(caught.value)
    assert told == english
    assert say(told, "zh_CN") == chinese


@pytest.mark.parametrize(
    ("template", "chinese"),
    [
        ("{{ 1 / 0 }}", "除数为零"),
        ("{{ 'a' < 5 }}", "“<” 不能比较“str”和“int”"),
        ("{{ nothing }}", "这里没有 `nothing`"),
        ("{{ 2 ** 3 * 'a' }}", "`**` 只能用于普通数字"),
    ],
)
def test_what_fails_in_a_mail_has_chinese_words(template: str, chinese: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        engine.render(engine.TEXT.from_string(template), {})
    assert say(borrowed.failure(caught.value), "zh_CN") == chinese


def test_what_nobody_knows_stays_as_it_is() -> None:
    assert borrowed.said("something {odd}") == "something {odd}"
    assert borrowed.failure(KeyError()) == "KeyError"


def test_a_finding_that_is_remembered_is_still_a_sentence(tmp_path: Path) -> None:
    found = Problem(
        code="CRM240",
        file="a.mjml",
        message=Sentence("there is no field `{name}`", name="x"),
        help=Sentence("write {field}", field="{{ y }}"),
    )
    before = Findings(tmp_path / "memory")
    before.keep("key", [found])
    before.save()
    [kept] = Findings(tmp_path / "memory").get("key") or []
    assert kept == found
    assert (say(kept.message, "zh_CN"), say(kept.help, "zh_CN")) == (
        "没有字段 `x`",
        "请写 {{ y }}",
    )


def test_a_memory_of_plain_words_is_read_as_it_was(tmp_path: Path) -> None:
    row = {**Problem(code="CRM240", file="a.mjml", message="old {words}").as_json(), "source": ""}
    (tmp_path / "memory").write_text(json.dumps({"key": [row]}))
    [kept] = Findings(tmp_path / "memory").get("key") or []
    assert say(kept.message, "zh_CN") == "old {words}"
