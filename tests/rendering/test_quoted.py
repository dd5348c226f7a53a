from __future__ import annotations

import quopri

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from crm_mailer.rendering import quoted

LETTERS = st.sampled_from("\n\r\t =._-From,Жé中👩\x00\x7f<&")
TEXT = st.text(LETTERS | st.characters(exclude_categories=["Cs"]), max_size=200)
ODD = ["", ".", "..\n.", "From me\nFrom you", " ", "a \nb\t", "=", "=\n=", "é" * 60, "x" * 500,
       "From " + "é" * 40, "." + "ж" * 40, "x" * 71 + " ", "x" * 72 + " ", "\n", "\n\n", "\r",
       "a\r\nb"]  # fmt: skip


def normal(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decoded(wire: str) -> str:
    return quopri.decodestring(wire.replace("\r\n", "\n").encode("ascii")).decode("utf-8")


def check_rows(wire: str) -> None:
    assert "\n" not in wire.replace("\r\n", "")
    for row in wire.split("\r\n"):
        assert len(row) <= 76
        assert not row.endswith((" ", "\t"))
        assert not row.startswith((".", "From "))


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_pieces_put_together_say_what_the_texts_said(texts: list[str]) -> None:
    wire = "".join(quoted.close(list(map(quoted.piece, texts))))

    check_rows(wire)
    assert not wire.endswith("=\r\n")
    said = "".join(map(normal, texts))
    assert decoded(wire).removesuffix("\n") == said.removesuffix("\n")


@pytest.mark.parametrize("first", ODD)
@pytest.mark.parametrize("second", ODD)
def test_odd_pieces_stand_beside_each_other(first: str, second: str) -> None:
    wire = "".join(quoted.close([quoted.piece(first), quoted.piece(second)]))

    check_rows(wire)
    said = normal(first) + normal(second)
    assert decoded(wire).removesuffix("\n") == said.removesuffix("\n")


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_a_line_comes_back_as_it_was(text: str) -> None:
    line = normal(text).partition("\n")[0]

    wire = quoted.line(line)

    check_rows(wire)
    assert decoded(wire) == line


def test_most_text_stands_as_it_is() -> None:
    assert quoted.line("Dear Anna, your parcel is here.") == "Dear Anna, your parcel is here."
    assert quoted.piece("Anna") == "Anna=\r\n"
    assert quoted.piece("") == ""


@settings(max_examples=2_000, deadline=None)
@given(TEXT, st.sampled_from(["", " ", "\t", ".", "=", "é.", "é" * 12 + " "]))
@example("é" + "x" * 69, ".")  # a lone dot in a row that the standard library begins
@example("é.", "\0")
def test_signs_are_the_same_however_they_are_made(text: str, end: str) -> None:
    said = text + end

    assert quoted.signs_of(said) == "".join(map(quoted.sign, said.encode()))


@settings(max_examples=500, deadline=None)
@given(st.text("a.F ?/%-=&<é", min_size=60, max_size=160))
@example("a" * 72)
@example("a" * 73)
@example("a" * 144)
@example("a" * 145)
@example("a" * 72 + ".b")
@example("a" * 72 + "From b")
@example("a" * 71 + " b ")
def test_a_value_is_the_same_whether_it_takes_a_short_way_or_not(text: str) -> None:
    assert quoted.html(text) == quoted.piece(str(escape(text)))
