"""What is kept as plain text is still a sentence, and other people's words are left alone."""

from __future__ import annotations

import pytest

from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.store import said

LOST = Sentence("{place} does not answer: {why}", place="mx.example:993", why="timed out")


def german(pattern: str) -> str:
    return {"{place} does not answer: {why}": "{place} antwortet nicht: {why}"}.get(
        pattern, pattern
    )


def test_a_sentence_is_told_as_it_was_and_in_another_language() -> None:
    told = said.tell(said.keep(LOST, 1_000))

    assert told == LOST
    assert told.said(german) == "mx.example:993 antwortet nicht: timed out"


def test_a_row_of_sentences_is_told_each_in_another_language() -> None:
    told = said.tell(said.keep(Sentences("touches 3", LOST, between=", "), 1_000))

    assert told.said(german) == "touches 3, mx.example:993 antwortet nicht: timed out"


def test_what_is_too_long_is_kept_as_english_text() -> None:
    assert said.keep(LOST, 20) == str(LOST)[:20]


@pytest.mark.parametrize(
    "text",
    ["", "no", '{"say": ', '{"say": "{x}", "with": []}', '{"row": 3}', '{"say": 1, "with": 2}'],
)
def test_words_of_others_are_told_as_they_are(text: str) -> None:
    assert said.tell(said.keep(text, 1_000)) == text


def test_a_server_cannot_give_us_a_sentence_to_put_together() -> None:
    forged = '{"say": "{x:>99}", "with": {"x": ""}}'

    assert said.tell(said.keep(forged, 1_000)) == forged
    assert said.tell(said.keep(forged, 30)) == forged[1:31]
