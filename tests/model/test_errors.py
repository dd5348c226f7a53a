from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from crm_mailer.model.errors import CrmMailerError, NotFound, StoreBusy
from crm_mailer.model.sentence import Sentence

CHINESE = {
    "there is no case {number}": "没有个案 {number}",
    "look at {name}": "请查看 {name}",
    "The database is locked by another program": "数据库被其他程序锁定",
}


def translated(text: str) -> str:
    return CHINESE.get(text, text)


def in_chinese(error: CrmMailerError) -> str:
    said = str(error)
    assert isinstance(said, Sentence)
    return said.said(translated)


@pytest.fixture
def error() -> NotFound:
    return NotFound(
        Sentence("there is no case {number}", number=7), hint=Sentence("look at {name}", name="x")
    )


def test_what_an_error_says_is_a_sentence(error: NotFound) -> None:
    assert str(error) == "there is no case 7"
    assert f"{error}" == "there is no case 7"
    assert in_chinese(error) == "没有个案 7"
    assert error.hint.said(translated) == "请查看 x"


def test_plain_words_become_sentences() -> None:
    error = CrmMailerError("all {odd} is lost", hint="run {}")

    assert type(str(error)) is Sentence
    assert in_chinese(error) == "all {odd} is lost"
    assert error.hint.said(translated) == "run {}"
    assert CrmMailerError("x").hint == ""


def test_an_error_without_words_says_what_its_kind_is() -> None:
    assert str(StoreBusy()) == "The database is locked by another program"
    assert in_chinese(StoreBusy()) == "数据库被其他程序锁定"


def test_a_hint_may_come_later(error: NotFound) -> None:
    error.hint = "try again"
    assert type(error.hint) is Sentence
    assert error.hint == "try again"

    error.hint = Sentence("look at {name}", name="y")
    assert error.hint.said(translated) == "请查看 y"


def test_an_error_as_a_part_of_a_sentence_is_not_kept(error: NotFound) -> None:
    said = Sentence("nothing sent: {why}", why=error)

    assert said == "nothing sent: there is no case 7"
    assert said.parts["why"] is str(error)
    assert said.said(translated) == "nothing sent: 没有个案 7"


@pytest.mark.parametrize(
    "twin",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_a_copy_says_the_same(error: NotFound, twin: Callable[[NotFound], NotFound]) -> None:
    found = twin(error)

    assert type(found) is NotFound
    assert (str(found), found.hint) == (str(error), error.hint)
    assert in_chinese(found) == "没有个案 7"
    assert found.hint.said(translated) == "请查看 x"
