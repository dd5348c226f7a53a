from __future__ import annotations

import time

import pytest

from crm_mailer.listening import signs
from crm_mailer.listening.complaints import understand
from crm_mailer.listening.phrases import compile_phrase, fold
from crm_mailer.listening.signs import Table
from crm_mailer.model.reply import Intent
from crm_mailer.model.words import Lexicon, Sign, Words
from tests.listening.test_complaints_at_large import mails


@pytest.mark.parametrize("language", ["en", "ru", "es", "pt", "fr", "de", "zh", "it", "pl", "ar"])
def test_the_index_never_hides_a_phrase(words: Words, language: str) -> None:
    table = next(one for one in signs.tables(words) if one.language == language)
    hidden = []
    for mail in [one for one in mails() if one.language == language][::7]:
        folded = fold(mail.text)
        found = {one.sign.code for one in table.find(folded, {})}
        for rule in table.rules:
            match = rule.phrase.pattern.search(folded)
            if match and rule.sign.code not in found and not rule.is_fact:
                hidden.append((rule.sign.phrase, mail.text))

    assert not hidden


def test_a_removed_phrase_undoes_only_what_it_touches() -> None:
    smell = Sign(code="nad.quality", phrase="smells (like|of)")
    spared = Sign(code="nad.quality", phrase="smells of lavender", is_exception=True)
    table = Table(Lexicon(language="en", signs=(smell, spared)))

    assert not list(table.find("it smells of lavender", {}))
    assert list(table.find("it smells of lavender, the other smells of petrol", {}))


@pytest.mark.parametrize(
    "bait",
    [
        "not " * 5_000, "-" * 20_000, "'-" * 10_000, "waiting " * 2_500 + "x", "没" * 20_000,
        "paid for two " * 1_500, "a" * 20_000, "(" * 20_000, "нет не " * 3_000,
    ],
)  # fmt: skip
def test_no_text_takes_long(words: Words, bait: str) -> None:
    before = time.process_time()

    signs.find(fold(bait[:20_000]), signs.tables(words))

    assert time.process_time() - before < 5


def test_four_dots_reach_over_the_end_of_a_sentence() -> None:
    phrase = compile_phrase("ordered .... nothing")

    assert phrase.find(fold("I ordered in May. Since then: nothing"))
    assert not phrase.find(fold("I ordered " + "and waited " * 20 + "nothing"))


def test_the_first_phrase_of_the_file_speaks_for_its_code() -> None:
    phrases = ["the cup", "cup broke", "(broke|broken)", "cup"]
    first = Table(
        Lexicon(language="en", signs=tuple(Sign(code="safety", phrase=p) for p in phrases))
    )

    (found,) = first.find("the cup broke", {})

    assert found.sign.phrase == "the cup"


@pytest.mark.parametrize(
    ("text", "is_complaint"),
    [
        ("Does the lid come off after a week?", False),
        ("The lid came off after a week.", True),
        ("Bevor ich bestelle: Ist bei euch schon mal etwas zerbrochen?", False),
        ("Die Tasse war zerbrochen.", True),
        ("У вас ремешок не рвётся через неделю?", False),
        ("Ремешок порвался через неделю.", True),
    ],
)
def test_what_is_only_asked_about_is_no_complaint(
    words: Words, text: str, is_complaint: bool
) -> None:
    assert (understand(text, words).intent is Intent.COMPLAINT) is is_complaint


@pytest.mark.parametrize(
    ("text", "is_complaint"),
    [
        ("My neighbour bought a pump at another shop and it broke after a day.", False),
        ("I clicked the wrong colour, sorry.", False),
        ("Six weeks. I could have walked to your warehouse.", True),
        ("Six weeks ago I moved. Thanks!", False),
    ],
)
def test_what_happened_elsewhere_or_by_their_own_slip_is_no_complaint(
    words: Words, text: str, is_complaint: bool
) -> None:
    assert (understand(text, words).intent is Intent.COMPLAINT) is is_complaint
