from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.rendering.quick_html import PLAIN, QuickParser

SCRAPS = [
    "<p>", "</p>", '<td style="color:red" align="left">', "<br/>", '<img alt="&lt;x" />',
    "<style>", "</style>", "p > a {}", "<!--[if mso]>", "<![endif]-->", "<!-- no -->", "text", "\n",
    "<", ">", '"', "&amp;", "<a href='x'>", "<a href=x>", "<A\nHREF=\"y\"\n>", '<a b="1"c="2">',
    "<a b>", "<!-->", "<!-- a-b -->", "<!-- a -- b -->", "</STYLE >", "</p >", "<p", "&#", "&a",
    '<a b="\n" b="2">', "<ä>", '<a:b c-d="e">', "<!doctype html>", '<a b="1" / >', '<script a="">',
]  # fmt: skip


def heard(kind: type[HTMLParser], text: str, *, with_places: bool) -> list[Any]:
    found: list[Any] = []

    class Ear(kind):  # type: ignore[valid-type,misc]
        def add(self, *said: Any) -> None:
            found.append((*said, self.place()) if with_places else said)

        def place(self) -> int:
            if isinstance(self, QuickParser):
                return int(self.at)
            line, column = self.getpos()
            return int(len("\n".join(text.split("\n")[: line - 1])) + (line > 1) + column)

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.add("start", tag, attrs, self.get_starttag_text())

        def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.add("both", tag, attrs, self.get_starttag_text())

        def handle_endtag(self, tag: str) -> None:
            self.add("end", tag)

        def handle_data(self, data: str) -> None:
            self.add("data", data)

        def handle_comment(self, data: str) -> None:
            self.add("comment", data)

        def handle_decl(self, decl: str) -> None:
            self.add("decl", decl)

    ear = Ear()
    ear.feed(text)
    ear.close()
    return found


@given(st.lists(st.sampled_from(SCRAPS), max_size=10).map("".join))
@settings(max_examples=400, deadline=None)
def test_it_hears_what_pythons_parser_hears(text: str) -> None:
    assert heard(QuickParser, text, with_places=True) == heard(HTMLParser, text, with_places=True)


def test_one_reader_may_change_what_it_was_given() -> None:
    class Greedy(QuickParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            attrs.clear()

    Greedy().feed('<td width="7">')

    assert heard(QuickParser, '<td width="7">', with_places=False)[0][2] == [("width", "7")]


@pytest.mark.parametrize(
    "tag", ["<" + "a " * 50_000, '<a b="' + "c" * 200_000, '<a b="c" ' * 20_000], ids="ABC"
)
def test_a_tag_without_an_end_is_soon_left_to_it(tag: str) -> None:
    began = time.process_time()

    assert PLAIN.match(tag) is None
    assert time.process_time() - began < 1
