from __future__ import annotations

import quopri
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.rendering import assembly, engine, folding, plain, quoted, straight
from crm_mailer.rendering.context import CustomerFields, ShopFields
from crm_mailer.rendering.straight import Form, Letter

KNOWN: dict[str, Any] = {"shop": ShopFields(name="Lotus & Co", url="https://shop.example")}
HTML = (
    "<p>{{ greeting }}</p>\n<p class=x>{{ shop.name }} writes to {{ customer.given_name }}"
    " in {{ customer.city }}, {{ now_year }}: {{ shop.phone or shop.name }}</p>\n. dot\n"
)
TEXT = (
    "{{ greeting }}\n\n\n\n{{ shop.name }} writes to {{ customer.given_name }}\n{{ customer.city }}"
)


def form(text: str, environment: engine.Sandbox) -> Form | None:
    return straight.form(folding.tree(environment, text, KNOWN), environment)


def values(greeting: str, given_name: str, city: str) -> dict[str, Any]:
    customer = CustomerFields(given_name=given_name, city=city)
    return {**KNOWN, "greeting": greeting, "customer": customer, "now_year": 2026}


def decoded(wire: str) -> bytes:
    return quopri.decodestring("".join(quoted.close([wire])).encode("ascii"))


def by_jinja(environment: engine.Sandbox, text: str, given: dict[str, Any]) -> str:
    return engine.render(folding.folded(environment, text, KNOWN), given)


@given(st.text(max_size=90), st.text(max_size=30), st.text(max_size=90))
@settings(max_examples=150, deadline=None)
def test_a_form_says_what_jinja_says(greeting: str, given_name: str, city: str) -> None:
    found, given = form(HTML, engine.WIRE), values(greeting, given_name, city)

    assert found is not None
    filled = found.fill(given, engine.WIRE.quote)
    assert filled is not None
    assert decoded(filled) == decoded(by_jinja(engine.WIRE, HTML, given))


@given(st.text(max_size=90), st.text(max_size=30), st.text(max_size=90))
@settings(max_examples=150, deadline=None)
def test_a_text_that_is_laid_out_beforehand_is_the_same_text(
    greeting: str, given_name: str, city: str
) -> None:
    letter, given = straight.letter(form(TEXT, engine.TEXT)), values(greeting, given_name, city)
    assert letter is not None

    wire = letter.fill(given)

    text = plain.tidy_rendered(by_jinja(engine.TEXT, TEXT, given))
    assert wire is None or "".join(wire) == assembly.encoded(text, is_base64=False)


def test_lines_without_a_field_are_encoded_beforehand() -> None:
    letter = straight.letter(form("one\ntwo = 2\n{{ greeting }} three\nfour", engine.TEXT))

    assert letter is not None
    kinds = [line if isinstance(line, str) else "form" for line in letter.lines]
    assert kinds == ["one\r\ntwo =3D 2\r\n", "form", "four\r\n"]
    filled = letter.fill(values("Hello", "", ""))
    assert filled is not None
    assert "".join(filled) == "one\r\ntwo =3D 2\r\nHello three\r\nfour\r\n"


@pytest.mark.parametrize("greeting", ["", " ", "one\ntwo", "blank ", "\r", "\x01"])
def test_a_value_that_would_change_the_layout_is_left_to_jinja(greeting: str) -> None:
    letter = straight.letter(form("{{ greeting }}\n\nend", engine.TEXT))

    assert isinstance(letter, Letter)
    assert letter.fill(values(greeting, "", "")) is None


@pytest.mark.parametrize(
    "text",
    [
        "{% if customer.city %}x{% endif %}",
        "{% for one in order.items %}{{ one.title }}{% endfor %}",
        "{{ customer.city|upper }}",
        "{% set a = greeting %}{{ a }}",
        "{{ customer.nothing }}",
        "{{ nobody }}",
        "{{ customer }}",
    ],
)
def test_what_is_more_than_text_and_fields_is_no_form(text: str) -> None:
    assert form(text, engine.WIRE) is None


def test_a_record_that_is_missing_is_left_to_jinja_which_says_so() -> None:
    found = form("{{ order.number }}", engine.TEXT)

    assert found is not None
    assert found.fill(values("", "", ""), str) is None


def test_a_form_beyond_the_limit_is_left_to_jinja() -> None:
    found = form("{{ greeting }}", engine.WIRE)

    assert found is not None
    long = values("x" * (engine.MAX_OUTPUT + 1), "", "")
    assert found.fill(long, quoted.piece) is None
