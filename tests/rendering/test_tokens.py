from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateSyntaxError
from jinja2.lexer import Token

from crm_mailer.rendering import engine, masking, sources, tokens
from crm_mailer.store.bundled import bundled

LEXER = engine.HTML.lexer
TEMPLATES = bundled("templates")
#: What texts are made of that are easy to get wrong.
SCRAPS = [
    "text", " ", "\n", "\r\n", "{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "'", '"', "\\", "-",
    "{{ a }}", "{{\na.b|upper }}", "{% if x == '1' %}", "{%- endif %}", "{{ '}}' }}", "{# no #}",
    "{% raw %}", "{% endraw %}", "{{ {'a': 1} }}", "{{ (a }}", "{{ 1_000.5 }}", "{{ é }}",
    "{{ ? }}", '{% set a = "\\n" %}', "%", "#", "{{+ a }}", "{{ a -}}",
]  # fmt: skip


def by_jinja(text: str) -> list[Token] | str:
    try:
        return list(LEXER.wrap(LEXER.tokeniter(text, None)))
    except TemplateSyntaxError as error:
        return str(error)


@given(st.lists(st.sampled_from(SCRAPS), max_size=8).map("".join))
@settings(max_examples=400, deadline=None)
def test_they_are_those_of_jinja_or_left_to_it(text: str) -> None:
    found = tokens.known(LEXER, text)

    assert found is None or list(found) == by_jinja(text)


@given(st.lists(st.sampled_from(SCRAPS), max_size=8).map("".join))
@settings(max_examples=400, deadline=None)
def test_pieces_are_the_text_and_its_tags(text: str) -> None:
    found = tokens.pieces(text)
    if found is None:
        return

    assert "".join(value for _kind, value in found) == text
    wanted: list[tuple[str, str]] = []
    for _line, kind, value in masking.LEXER.lex(text.replace("\r\n", "\n")):
        if kind == "data" or kind.endswith(("_begin", "_end")):
            wanted.append((kind, value))
    assert [(kind, value.replace("\r\n", "\n")) for kind, value in found if kind] == wanted


@pytest.mark.parametrize("name", ["during_sale/shipped.en", "growth/win-back-1.ru"])
def test_what_ships_is_never_left_to_jinja(name: str) -> None:
    text = sources.read(TEMPLATES / f"{name}.mjml", TEMPLATES).text

    found = tokens.known(LEXER, text)

    assert found is not None
    assert list(found) == by_jinja(text)
    assert tokens.pieces(text) is not None


@pytest.mark.parametrize(
    "text", ["{# a #}", "{{ a -}}", "{% raw %}{{ a }}{% endraw %}", "{{ '}}' }}", "{{ ? }}", "{{ a"]
)
def test_what_is_not_plain_is_left_to_jinja(text: str) -> None:
    assert tokens.known(LEXER, text) is None
    assert tokens.pieces(text) is None


def test_a_fault_is_still_told_at_its_line() -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        engine.HTML.parse("one {{ a }}\ntwo\n{{ b ? }}\n")

    assert caught.value.lineno == 3
