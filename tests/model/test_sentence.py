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
