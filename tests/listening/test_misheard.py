from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.listening import signs
from crm_mailer.listening.complaints import understand
from crm_mailer.listening.signs import Table
from crm_mailer.model.reply import Intent, Severity
from crm_mailer.model.words import Lexicon, Sign, Words

LINES = Path(__file__).with_name("misheard_mails.txt").read_text(encoding="utf-8").splitlines()
MAILS = [line.split(" | ", 1) for line in LINES if not line.startswith("#")]


@pytest.mark.parametrize(("what", "text"), MAILS)
def test_what_was_once_misheard_is_heard(words: Words, what: str, text: str) -> None:
    said = understand(text, words)

    is_complaint = said.intent is Intent.COMPLAINT
    if what == "no":
        assert not is_complaint, said.evidence
    elif what == "not P1":
        assert said.severity is not Severity.P1, said.evidence
    elif what == "change":
        assert said.intent is Intent.QUESTION
        assert {"ask.change_order", "ask.cancel"} & set(said.reasons)
    elif what == "complaint":
        assert is_complaint
    else:
        assert is_complaint
        assert set(what.split(",")) & set(said.reasons), said.evidence


def test_a_list_of_feelings_with_a_not_in_it_is_undone_word_by_word() -> None:
    cross = Sign(code="displeasure", phrase="(not happy|disappointed)")
    table = Table(Lexicon(language="en", signs=(cross,), negators=("never", "not")))

    assert list(table.find("we are not happy", {}))
    assert list(table.find("we are disappointed", {}))
    assert not list(table.find("we were never disappointed", {}))
    assert list(table.find("we are not only disappointed", {}))


def test_a_phrase_that_is_taken_away_is_not_found_by_a_language_akin(words: Words) -> None:
    said = understand("Je suis allergique au latex, de quoi sont faits les gants ?", words)

    assert "safety" not in said.reasons
    assert any(table.has_exception("je suis allergique au latex") for table in signs.tables(words))
