from __future__ import annotations

import random
import re
from dataclasses import replace

import pytest

from crm_mailer.demo import people, sections, voices
from crm_mailer.demo.people import Person, person
from crm_mailer.model.customer import Gender
from crm_mailer.model.reply import REASONS

COMPLAINTS = (
    "nr.in_transit nr.no_tracking nr.customs nr.marked_delivered nad.quality nad.damaged "
    "nad.description nad.short order.wrong_item order.size pay.refund mail.too_many threat.dispute"
).split()
QUESTIONS = "ask.tracking ask.product ask.invoice ask.change_order".split()
OTHERS = "praise confirm stop ok away".split()
LANGUAGES = sorted(people.LANGUAGES)
ANNA = person("13085", "United Kingdom", 1)


def _speaker(language: str, gender: Gender | None) -> Person:
    return replace(ANNA, language=language, gender=gender)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_everything_in_several_ways(language: str) -> None:
    texts = sections.texts(f"voices/{language}.txt")

    assert set(texts) == {*COMPLAINTS, *QUESTIONS, *OTHERS}
    assert set(COMPLAINTS) < set(REASONS)
    assert all(len(set(variants)) >= 2 for variants in texts.values())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("gender", [Gender.FEMALE, Gender.MALE, None])
def test_somebody_without_an_order_number_can_say_everything(
    language: str, gender: Gender | None
) -> None:
    speaker = _speaker(language, gender)

    for head in sections.texts(f"voices/{language}.txt"):
        assert voices.usable(language, head, speaker, has_order=False, is_tracked=False), head


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_blank_is_left_in_what_is_said(language: str) -> None:
    speaker = _speaker(language, None)
    rng = random.Random(1)

    for head in [*COMPLAINTS, *QUESTIONS, *OTHERS]:
        for _try in range(20):
            _prefix, text = voices.reply_text(
                "", head, language, speaker, "489434", rng, item="Oak board, large", tracking="RB1"
            )
            assert text.strip()
            assert not re.search(r"[{}]|\((f|m)\)", text)


def test_a_woman_does_not_write_as_a_man() -> None:
    said = voices.usable(
        "ru", "nad.quality", _speaker("ru", Gender.FEMALE), has_order=True, is_tracked=True
    )

    assert any("разочарована" in text for text in said)
    assert not any("Включил" in text for text in said)


def test_goods_are_named_without_what_follows_the_comma() -> None:
    said = {
        voices.reply_text(
            "complaint", "nad.damaged", "en", ANNA, "1", random.Random(n), item="Lantern, brass"
        )[1]
        for n in range(20)
    }

    assert any("the Lantern is in pieces" in text for text in said)


def test_the_same_chance_says_the_same() -> None:
    both = [voices.reply_text("praise", "", "en", ANNA, "", random.Random(3)) for _turn in range(2)]

    assert both[0] == both[1]


def test_thanks_are_the_short_ones() -> None:
    _prefix, text = voices.reply_text("thanks", "", "ru", ANNA, "", random.Random(1))

    assert len(text) < 40


def test_there_is_no_voice_for_an_unknown_reason() -> None:
    with pytest.raises(KeyError, match="ugly"):
        voices.reply_text("complaint", "nad.ugly", "en", ANNA, "", random.Random(1))
