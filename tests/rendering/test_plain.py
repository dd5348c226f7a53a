from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.rendering import plain
from crm_mailer.rendering.context import ItemFields, OrderFields, ShopFields
from crm_mailer.rendering.library import TemplateLibrary
from tests.rendering.conftest import Write

Render = Callable[..., str]


@pytest.fixture
def render(templates: Path, write: Write) -> Render:
    def render_it(content: str, **values: Any) -> str:
        write("a/b.en.mjml", content)
        template = TemplateLibrary(templates).get("a/b", "en")
        values = {"shop": ShopFields(name="Lotus", url="https://s.example/?a=1&b=2"), **values}
        return plain.tidy_rendered(template.text.render({**values, "subject": "S"}))

    return render_it


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<mj-text><p>One.</p><p>Two&nbsp;&amp; three.</p></mj-text>", "One.\n\nTwo & three.\n"),
        ('<mj-button href="https://go.example">Go</mj-button>', "Go: https://go.example\n"),
        ('<mj-text><a href="https://go.example">https://go.example</a></mj-text>',
         "https://go.example\n"),
        ('<mj-text>Mail <a href="mailto:a@b.example">a@b.example</a>!</mj-text>',
         "Mail a@b.example!\n"),
        ('<mj-button href="{{ shop.url }}">Shop</mj-button>', "Shop: https://s.example/?a=1&b=2\n"),
        ('<mj-image href="https://go.example" src="x.png" alt="Logo" />',
         "Logo: https://go.example\n"),
        ('<mj-image src="x.png" alt="Ornament" /><mj-text>x</mj-text>', "x\n"),
        ("<mj-text>a<br />b<ul><li>c</li><li>d</li></ul></mj-text>", "a\nb\n\n- c\n- d\n"),
        ("<mj-text>{{ '{{ x }}' }} &#123;&#123; y }}</mj-text>", "{{ x }} {{ y }}\n"),
        ("<mj-text>{{ shop.name }}{% if shop.url %}<br />{{ shop.url }}{% endif %}</mj-text>",
         "Lotus\nhttps://s.example/?a=1&b=2\n"),
    ],
)  # fmt: skip
def test_html_reads_well_as_text(render: Render, content: str, expected: str) -> None:
    assert render(content) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", "Go: https://go.example\n\nReady? https://go.example\n\nTotal: 9\n"),
        ("fr-CA", "Go\xa0: https://go.example\n\nReady? https://go.example\n\n"
                  "Total\xa0: 9\n"),
        ("zh-TW", "Go：https://go.example\n\nReady? https://go.example\n\nTotal：9\n"),
    ],
)  # fmt: skip
def test_a_label_has_the_colon_of_its_language(
    templates: Path, write: Write, code: str, expected: str
) -> None:
    write(
        f"a/b.{code}.mjml",
        '<mj-button href="https://go.example">Go</mj-button>'
        '<mj-button href="https://go.example">Ready?</mj-button>'
        '<mj-table><tr><th scope="row">Total</th><td>9</td></tr></mj-table>',
    )
    template = TemplateLibrary(templates).get("a/b", code)

    assert plain.tidy_rendered(template.text.render({})) == expected


def test_a_no_break_space_stays_where_french_writes_it(render: Render) -> None:
    assert render("<mj-text>Vous cherchez&nbsp;? &nbsp; Oui&nbsp;!</mj-text>") == (
        "Vous cherchez\xa0? Oui\xa0!\n"
    )


def test_the_preheader_is_not_repeated(templates: Path, write: Write, render: Render) -> None:
    write("a/b.en.mjml", "<mj-text>x</mj-text>", head="<mj-preview>hidden {{ y }}</mj-preview>")
    template = TemplateLibrary(templates).get("a/b", "en")

    assert template.text.render({}) == "x"


def test_an_order_table_becomes_lines(render: Render) -> None:
    order = OrderFields(
        amount="$9.00",
        items=(ItemFields(title="Lamp", price="$5.00"), ItemFields(title="Cup", price="$4.00")),
    )

    text = render(
        "<mj-table><tr><th>Item</th><th>Price</th></tr>\n"
        "{% for i in order.items %}\n<tr>\n<td>{{ i.title }}</td><td>{{ i.price }}</td>\n</tr>\n"
        '{% endfor %}\n<tr><th scope="row">Total</th><td>{{ order.amount }}</td></tr></mj-table>',
        order=order,
    )

    assert text == "Item | Price\nLamp | $5.00\nCup | $4.00\nTotal: $9.00\n"


@pytest.mark.parametrize("url", ["", "https://t.example"])
def test_what_is_decided_against_leaves_no_desert(render: Render, url: str) -> None:
    text = render(
        "<mj-text><p>a</p></mj-text>\n{% if order.tracking_url %}\n<mj-text><p>b</p></mj-text>\n"
        "{% endif %}\n<mj-text><p>c</p></mj-text>",
        order=OrderFields(tracking_url=url),
    )

    assert text == ("a\n\nb\n\nc\n" if url else "a\n\nc\n")


def test_statements_in_attributes_and_styles_do_no_harm(render: Render) -> None:
    text = render(
        '<mj-text color="{% if shop.name %}red{% else %}blue{% endif %}">x</mj-text>'
        '<mj-button href="{% if shop.url %}{{ shop.url }}{% else %}https://x.example{% endif %}">'
        "Go</mj-button>"
    )

    assert text == "x\n\nGo: https://s.example/?a=1&b=2\n"


def test_a_value_set_in_the_head_is_known_in_the_text(templates: Path, write: Write) -> None:
    head = "<mj-raw>{% set who = shop.name %}</mj-raw>"
    write("a/b.en.mjml", "<mj-text>{{ who }}</mj-text>", head=head)
    template = TemplateLibrary(templates).get("a/b", "en")

    assert template.text.render({"shop": ShopFields(name="Lotus")}) == "Lotus"
