from __future__ import annotations

import pytest

from crm_mailer.model.recalled import recalled
from crm_mailer.model.sentence import Sentence

PATTERNS = ("it ends with {code}", "{one} and {other}", "[all] of (it)")


@pytest.mark.parametrize(
    ("text", "pattern", "parts"),
    [
        ("it ends with 3", "it ends with {code}", {"code": "3"}),
        ("a and b and c", "{one} and {other}", {"one": "a", "other": "b and c"}),
        ("two\nlines and {more}", "{one} and {other}", {"one": "two\nlines", "other": "{more}"}),
        ("[all] of (it)", "[all] of (it)", {}),
        ("something {else}", "something {else}", {}),
        ("", "", {}),
    ],
)
def test_text_is_the_sentence_that_it_was(text: str, pattern: str, parts: dict[str, str]) -> None:
    found = recalled(text, PATTERNS)
    assert found == text
    assert (found.pattern, found.parts) == (pattern, parts)
    assert found.said(lambda one: one) == text


def test_a_sentence_that_has_its_parts_keeps_them() -> None:
    told = Sentence("{number} files ({why})", number=3, why="no")

    assert recalled(told, PATTERNS) is told
