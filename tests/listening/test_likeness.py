from __future__ import annotations

import math

import pytest

from crm_mailer.listening import likeness, teaching
from crm_mailer.listening.complaints import understand
from crm_mailer.listening.likeness import Model
from crm_mailer.listening.teaching import Read
from crm_mailer.model.reply import REASONS, Evidence, Intent, Severity
from crm_mailer.model.words import Words

FOLDER = likeness.WEIGHTS.parent
LANGUAGES = ["de", "en", "es", "fr", "pt", "ru", "zh"]
#: Taught nothing: rules alone.
NOTHING = Model(bias=0.0, weights={}, counts={}, totals={}, languages=frozenset())


@pytest.fixture(scope="module")
def known(words: Words) -> list[Read]:
    return [teaching.read(lesson, words) for lesson in teaching.lessons(FOLDER)]


def test_the_weights_that_ship_are_those_of_the_lessons(known: list[Read]) -> None:
    made = likeness.parse(teaching.teach(known))
    shipped = likeness.shipped()

    # after a change of lessons or word files: python benchmarks/inbox_lessons.py
    assert made.weights.keys() == shipped.weights.keys()
    assert made.counts == shipped.counts
    assert math.isclose(made.bias, shipped.bias, abs_tol=0.05)
    assert all(
        math.isclose(made.weights[gram], shipped.weights[gram], abs_tol=0.05)
        for gram in made.weights
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_lessons_have_complaints_and_others_with_known_codes(language: str) -> None:
    lessons = [one for one in teaching.lessons(FOLDER) if one.language == language]
    others = {"confirm", "praise", "suggestion", "other.n"}
    strange = {
        one.code
        for one in lessons
        if one.code not in {*REASONS, *others} and not one.code.startswith(("ask.", "objection."))
    }

    assert not strange
    assert sum(one.is_complaint for one in lessons) > 150
    assert sum(not one.is_complaint for one in lessons) > 150


def test_lessons_teach_what_the_rules_do_not_see(words: Words) -> None:
    text = "It was meant for her birthday. Her birthday was in May."

    alone = understand(text, words, model=NOTHING)
    taught = understand(text, words)

    assert alone.intent is not Intent.COMPLAINT
    assert taught.intent is Intent.COMPLAINT
    told = next(one for one in taught.evidence if one.code == "likeness")
    assert told.weight > 0
    assert all(word in text.casefold() for word in told.words.split(", "))


def test_a_sure_rule_wins_over_likeness(words: Words) -> None:
    text = "Thanks so much for your help, but the parcel never arrived. Thanks"
    against = Model(
        bias=-2.0,
        weights=dict.fromkeys(likeness.grams(text), -5.0),
        counts={},
        totals={},
        languages=frozenset({"en"}),
    )

    said = understand(text, words, model=against)

    assert said.intent is Intent.COMPLAINT
    assert said.reasons[0] == "nr.in_transit"


def test_a_question_that_only_resembles_a_complaint_is_none(words: Words) -> None:
    text = "Do you ship to Norway, and how long does it usually take?"
    eager = Model(
        bias=9.0,
        weights=dict.fromkeys(likeness.grams(text), 5.0),
        counts={},
        totals={},
        languages=frozenset({"en"}),
    )

    assert understand(text, words, model=eager).intent is Intent.QUESTION


def test_likeness_is_silent_where_no_lesson_was_given(words: Words) -> None:
    model = likeness.shipped()

    assert likeness.of("Paczka nie dotarła", (), "pl", model) is None
    assert likeness.of("zxq wvut plorf grumbix", (), "en", model) is None


def test_a_grave_reason_needs_more_than_a_guess(words: Words) -> None:
    said = understand("I've had quite enough of this nonsense from you lot.", words)

    assert said.severity is not Severity.P1


def test_the_sum_is_the_sum_of_what_is_shown(words: Words) -> None:
    text = "It was meant for her birthday. Her birthday was in May."

    with_it, without = understand(text, words), understand(text, words, model=NOTHING)
    told = sum(one.weight for one in with_it.evidence if one.code == "likeness")

    assert told
    assert math.isclose(with_it.score, without.score + told)


def test_words_of_a_reason_inside_those_of_another_are_no_reason(words: Words) -> None:
    said = understand("No funciona el código de rastreo que me mandaron.", words)

    assert said.reasons[0] == "nr.no_tracking"
    assert "nad.quality" not in said.reasons


def test_signs_of_rules_are_grams_too() -> None:
    evidence = [
        Evidence(code="nad.damaged", weight=3.0, words="broken"),
        Evidence(code="clue.proof", weight=1.0, words="photo"),
        Evidence(code="thanks", weight=-0.5, words="thanks"),
    ]

    assert likeness.signs_of(evidence) == ["=nad.damaged!", "=clue.proof~", "=thanks-"]


@pytest.mark.parametrize(
    "text", ["", "   ", "？", "\x00" * 50, "a" * 100_000, "好" * 5_000, "1 2 3", "=\t#languages"]
)
def test_odd_texts_are_survived(words: Words, text: str) -> None:
    understand(text, words)
