from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.delivering.answers import MAX_TEXT, Answer, AnswerParser, clean

STREAM = b"220 hello\r\n250-first\r\n250-second 2.1.0\n250 last\r\n550 5.1.1 no\r\n250\r\n"


def test_several_answers_in_one_packet_are_told_apart() -> None:
    found = AnswerParser().feed(STREAM)

    assert [one.code for one in found] == [220, 250, 550, 250]
    assert found[1].lines == ("first", "second 2.1.0", "last")
    assert (found[2].status, found[2].text) == ("5.1.1", "no")


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_where_the_packets_are_cut_does_not_matter(cuts: list[int]) -> None:
    parser, found, edges = AnswerParser(), list[Answer](), [0, *sorted(cuts), len(STREAM)]
    for begin, end in pairwise(edges):
        found += parser.feed(STREAM[begin:end])

    assert found == AnswerParser().feed(STREAM)


@given(st.binary(max_size=3000))
@settings(max_examples=200)
def test_any_bytes_are_survived_and_shown_clean(data: bytes) -> None:
    found = AnswerParser().feed(data + b"\r\n")

    assert all(one.text.isprintable() for one in found)


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n",
        b"25 short\r\n",
        b"250+odd\r\n",
        b"250-a\r\n251 b\r\n",
        b"099 low\r\n",
        b"250 " + b"x" * 5000,
        b"250-x\r\n" * 101,
        b"\r\n",
    ],
)
def test_what_is_no_answer_breaks_the_conversation(data: bytes) -> None:
    parser = AnswerParser()

    found = parser.feed(data)

    assert (found[-1].code, parser.is_broken) == (0, True)
    assert parser.feed(b"250 fine\r\n") == []


def test_control_and_direction_characters_never_reach_a_terminal() -> None:
    assert clean(b"a\x1b[31mb\x00c\xe2\x80\xaed\xff e" + b"f" * 5000)[:14] == "a [31mb c d\ufffd e"
    assert len(clean("f" * 5000)) == MAX_TEXT


def test_the_status_is_taken_out_of_the_words() -> None:
    [answer] = AnswerParser().feed(b"550-5.7.1 one\r\n550 5.7.1 two\r\n")

    assert (answer.status, answer.text) == ("5.7.1", "one two")
