from __future__ import annotations

import pytest

from crm_mailer.app.letter_marks import Piece, marked, pieces
from crm_mailer.model.reply import Evidence


def sign(words: str, code: str = "nad.damaged") -> Evidence:
    return Evidence(code=code, weight=3.0, words=words)


def told(found: tuple[Piece, ...]) -> list[tuple[bool, str]]:
    return [(one.is_quoted, "".join(run.text for run in one.runs)) for one in found]


@pytest.mark.parametrize(
    ("full", "own", "expected"),
    [
        ("It is broken.\n\n> Your order\n> left", "It is broken.",
         [(False, "It is broken."), (True, "> Your order\n> left")]),
        ("> Is it there?\n\nNo!\n\n> And now?\n\nStill no.", "No!\n\nStill no.",
         [(True, "> Is it there?"), (False, "No!"), (True, "> And now?"), (False, "Still no.")]),
        ("Hello", "Hello", [(False, "Hello")]),
        ("On Monday Bob wrote:\n> x", "", [(False, "On Monday Bob wrote:\n> x")]),
        ("", "", []),
        ("Something else", "words that are not in it",
         [(False, "words that are not in it"), (True, "Something else")]),
        ("Mine, told at length. From: shop\n> x", "Mine, told at length.",
         [(False, "Mine, told at length. From: shop"), (True, "> x")]),
    ],
    ids=["below", "between", "alone", "all-quoted", "empty", "torn", "shared-line"],
)  # fmt: skip
def test_a_letter_is_told_apart(full: str, own: str, expected: list[tuple[bool, str]]) -> None:
    assert told(pieces(full, own, ())) == expected


def test_words_are_marked_across_lines_and_within_each_other() -> None:
    evidence = [sign("came in\npieces"), sign("pieces", "nad.quality"), sign("", "likeness")]
    runs = marked("The mug came in  pieces!", evidence)

    assert [(run.text, run.marks) for run in runs] == [
        ("The mug ", ()), ("came in  ", (1,)), ("pieces", (1, 2)), ("!", ()),
    ]  # fmt: skip


def test_words_that_overlap_are_cut_where_they_do() -> None:
    runs = marked("abcdef", [sign("abcd"), sign("cdef")])
    assert [(run.text, run.marks) for run in runs] == [("ab", (1,)), ("cd", (1, 2)), ("ef", (2,))]


def test_signs_of_patterns_are_only_words() -> None:
    runs = marked("is it (broken]? [yes", [sign("(broken]?")])
    assert [run.text for run in runs if run.marks] == ["(broken]?"]


def test_a_quoted_part_is_not_marked() -> None:
    found = pieces("broken\n> broken", "broken", [sign("broken")])
    assert [[run.marks for run in one.runs] for one in found] == [[(1,)], [()]]
