from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import pytest

from crm_mailer.model.sentence import Sentence, Sentences, either, pack, unpack

CHINESE = {
    ", ": "，",
    "placed": "已下单",
    "({why})": "（{why}）",
    "{who} bought {ago}": "{who}于{ago}购买",
    "{days} days ago": "{days} 天前",
    "today": "今天",
    "{before} or {name}": "{before} 或 {name}",
    "Permission denied": "权限不足",
}


def translated(text: str) -> str:
    return CHINESE.get(text, text)


def test_a_sentence_is_plain_text_to_programs() -> None:
    found = Sentence("{who} bought {ago}", who="Anna", ago=Sentence("{days} days ago", days=3))

    assert found == "Anna bought 3 days ago"
    assert json.dumps(found) == '"Anna bought 3 days ago"'


def test_a_sentence_is_said_in_another_language_with_all_its_parts() -> None:
    found = Sentence("{who} bought {ago}", who="Anna", ago=Sentence("{days} days ago", days=3))

    assert found.said(translated) == "Anna于3 天前购买"


def test_what_comes_from_outside_is_never_a_pattern() -> None:
    found = Sentence("{who} bought {ago}", who="{ago} {0}", ago=Sentence("today"))

    assert found == "{ago} {0} bought today"
    assert found.said(translated) == "{ago} {0}于今天购买"
    assert Sentence("50 % {off}").said(translated) == "50 % {off}"


def test_a_pattern_without_parts_may_hold_braces() -> None:
    found = Sentence("write {name} or {}")

    assert found == "write {name} or {}"
    assert found.said(lambda _text: "请写 {name} 或 {}") == "请写 {name} 或 {}"


def test_an_error_as_a_part_says_its_words_and_is_not_kept() -> None:
    found = Sentence("no plan: {why}", why=ValueError(Sentence("{days} days ago", days=3)))

    assert found == "no plan: 3 days ago"
    assert type(found.parts["why"]) is Sentence
    assert found.said(translated) == "no plan: 3 天前"
    assert Sentence("no plan: {why}", why=OSError("full")).parts == {"why": "full"}


def test_what_the_system_says_is_translated_where_it_is_a_whole_part() -> None:
    found = Sentence("{file}: {why}", file="Permission denied.txt", why="Permission denied")

    assert found == "Permission denied.txt: Permission denied"
    assert found.said(translated) == "Permission denied.txt: 权限不足"
    assert Sentences("a", "Permission denied").said(translated) == "a 权限不足"


def test_names_of_which_each_would_do() -> None:
    assert either(["a"]) == "a"
    assert either(["a", "b", "c"]) == "a or b or c"
    assert either(["a", "b", "c"]).said(translated) == "a 或 b 或 c"


@pytest.mark.parametrize(
    "twin",
    [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(
            Sentence("{who} bought {ago}", who="{x}", ago=Sentence("{days} days ago", days=3)),
            id="sentence",
        ),
        pytest.param(Sentence("50 % {off}"), id="braces"),
        pytest.param(Sentences("{x}", Sentence("today"), between="; "), id="row"),
    ],
)
def test_a_copy_is_made_of_the_same(said: Sentence, twin: Callable[[Sentence], Sentence]) -> None:
    found = twin(said)

    assert found == said
    assert type(found) is type(said)
    assert (found.pattern, found.parts) == (said.pattern, said.parts)
    assert found.said(translated) == said.said(translated)


def test_sentences_in_a_row_are_said_each_for_itself() -> None:
    found = Sentences("Lamp {1}", "", Sentence("today"), between=": ")

    assert found == "Lamp {1}: today"
    assert found.said(translated) == "Lamp {1}: 今天"
    assert Sentences() == ""
    assert Sentences().said(translated) == ""


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(
            Sentence("{who} bought {ago}", who="Anna", ago=Sentence("{days} days ago", days=3)),
            id="sentence",
        ),
        pytest.param(
            Sentences(Sentence("today"), "Anna", Sentence("{share:.1%}", share=0.5), between="; "),
            id="row",
        ),
        pytest.param(Sentence("write {name} or {}"), id="braces"),
        pytest.param(Sentence("{why}", why=ValueError("{odd}")), id="error"),
        pytest.param("plain {text}", id="text"),
    ],
)
def test_a_sentence_that_was_kept_as_json_is_what_it_was(said: str) -> None:
    kept = unpack(json.loads(json.dumps(pack(said), sort_keys=True)))

    assert kept == said
    assert type(kept) is type(said)
    if isinstance(said, Sentence) and isinstance(kept, Sentence):
        assert kept.said(translated) == said.said(translated)


@pytest.mark.parametrize("file", [None, "/nowhere", b"/nowhere"])
def test_what_a_system_says_of_a_file_is_translated_and_the_file_is_not(
    file: str | bytes | None,
) -> None:
    error = FileNotFoundError(2, "No such file or directory", *([] if file is None else [file]))
    said = Sentence("it cannot be read: {why}", why=error)
    assert said == f"it cannot be read: {error}"
    assert "NO SUCH FILE" in said.said(_loud)
    alone = Sentence("it cannot be read: {why}", why=error.strerror)
    assert alone.said(_loud) == "it cannot be read: NO SUCH FILE OR DIRECTORY"


def test_an_error_that_no_system_made_says_what_it_says() -> None:
    for error in (OSError("no such thing"), OSError(1, "odd"), OSError(2, "a", "b", 0, "c")):
        assert Sentence("{why}", why=error) == str(error)


class _Odd(OSError):
    def __str__(self) -> str:
        return "no way there"


def test_an_error_that_does_not_say_what_the_system_says_is_left_alone() -> None:
    assert Sentence("{why}", why=_Odd(111, "Connection refused")) == "no way there"


def _loud(text: str) -> str:
    return text if "{" in text else text.upper()


def test_a_row_has_blanks_only_where_its_language_has_them() -> None:
    row = Sentences(Sentence("placed"), Sentence("today"), "A 1", Sentence("({why})", why="x"))

    assert row.said(lambda text: text) == "placed today A 1 (x)"
    assert row.said(translated) == "已下单今天 A 1（x）"


def test_what_stands_between_sentences_is_said_too() -> None:
    row = Sentences(Sentence("placed"), Sentence("today"), between=", ")

    assert row.said(lambda text: text) == "placed, today"
    assert row.said(translated) == "已下单，今天"
