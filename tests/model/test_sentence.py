from __future__ import annotations

import json

import pytest

from crm_mailer.model.sentence import Sentence, Sentences, pack, unpack

CHINESE = {
    "{who} bought {ago}": "{who}于{ago}购买",
    "{days} days ago": "{days} 天前",
    "today": "今天",
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


def _loud(text: str) -> str:
    return text if "{" in text else text.upper()
