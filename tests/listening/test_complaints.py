from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from crm_mailer.listening.complaints import understand
from crm_mailer.model.reply import Intent, Severity
from crm_mailer.model.words import Words

LABELLED: list[dict[str, Any]] = YAML(typ="safe").load(
    Path(__file__).with_name("labelled_complaints.yaml")
)


def test_complaints_are_found_and_others_left_alone(words: Words) -> None:
    pairs = [(one["intent"] == "complaint", told(one, words)) for one in LABELLED]

    recall = sum(is_one and says for is_one, says in pairs) / sum(is_one for is_one, _ in pairs)
    right = sum(is_one and says for is_one, says in pairs) / sum(says for _, says in pairs)

    assert recall >= 0.9
    assert right >= 0.95


def test_reasons_and_languages_are_right(words: Words) -> None:
    wrong = []
    for one in LABELLED:
        said = understand(one["text"], words)
        if one["intent"] == "complaint" and not set(one["reasons"]) & set(said.reasons):
            wrong.append(one["text"])
        if said.language and said.language != one["lang"]:
            wrong.append(one["text"])

    assert len(wrong) <= 4


@pytest.mark.parametrize(
    "text",
    [
        "It is not broken, all is well.", "No problem at all, thanks!",
        "Всё хорошо, ничего не сломалось", "没有问题，没有破损，很满意", "No está roto, todo bien",
        "What happens if it arrives damaged?", "Where can I find the tracking number?",
        "Could you tell me if my order was lost?",
    ],
)  # fmt: skip
def test_what_is_denied_or_only_supposed_is_no_complaint(words: Words, text: str) -> None:
    assert understand(text, words).intent is not Intent.COMPLAINT


def test_politeness_does_not_hide_a_complaint(words: Words) -> None:
    said = understand("Thanks so much for your help, but the parcel never arrived. Thanks", words)

    assert said.intent is Intent.COMPLAINT
    assert said.reasons[0] == "nr.in_transit"


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("Still no parcel. I will open a dispute with PayPal.", Severity.P1),
        ("The charger caught fire!", Severity.P1),
        ("The cup arrived broken.", Severity.P2),
        ("I am very disappointed with you.", Severity.P3),
        ("Please delete all my personal data.", Severity.P1),
    ],
)
def test_the_worst_reason_gives_the_severity(words: Words, text: str, severity: Severity) -> None:
    assert understand(text, words).severity is severity


def test_every_flag_shows_the_words_it_came_from(words: Words) -> None:
    text = "Hello, the vase came BROKEN, I want a refund"

    said = understand(text, words)

    shown = [word for one in said.evidence for word in one.words.split(", ")]
    assert all(word.casefold() in text.casefold() for word in shown)
    assert said.score == sum(one.weight for one in said.evidence)


def test_a_short_text_is_read_in_the_customers_language(words: Words) -> None:
    assert understand("Ok", words, customer_language="pt").language == "pt"


def told(one: dict[str, Any], words: Words) -> bool:
    return understand(one["text"], words).intent is Intent.COMPLAINT
