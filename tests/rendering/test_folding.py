from __future__ import annotations

from typing import Any

import jinja2
import pytest

from crm_mailer.rendering import engine, folding, quoted
from crm_mailer.rendering.context import CustomerFields, Record, ShopFields, StepFields, localised
from tests.rendering.test_quoted import decoded

VARS = {
    "intro": "Tea & <cups>",
    "count": 3,
    "flag": True,
    "none": None,
    "empty": [],
    "deep": {"a1": {"b1": "B"}},
    "rows": [{"title": "Pot é", "tags": ["x", "y"]}, {"title": "Cup=1", "tags": []}],
    "words": ["one", "two\nlines", "tri\r\nple"],
}
KNOWN: dict[str, Any] = {
    "shop": ShopFields(name="Lo<t>us", url="https://shop.example/?a=1&b=2"),
    "vars": localised(VARS, ()),
}
MORE: dict[str, Any] = {
    "customer": CustomerFields(given_name="Anna <&> Ж", city=".dots"),
    "step": StepFields(number=2, of=5),
    "greeting": "Dear Anna,",
}
TEMPLATES = [
    "plain é text",
    "{{ shop.name }} {{ vars.intro }} {{ customer.given_name }}",
    "{{ shop['name'] }}{{ vars['intro'] }}{{ vars.deep.a1.b1 }}{{ vars.deep['a1']['b1'] }}",
    "{% if shop.url %}<a href='{{ shop.url }}'>{% endif %}",
    "{% if shop.phone %}tel{% else %}no{% endif %}",
    "{% if vars.empty %}some{% else %}none{% endif %}{% if not vars.rows %}x{% endif %}",
    "{% if vars.count > 2 and vars.flag %}yes{% elif vars.count %}maybe{% else %}no{% endif %}",
    "{% if customer.city %}c{% elif shop.name %}s{% endif %}",
    "{% if shop.name and customer.name %}b{% endif %}",
    "{% for r in vars.rows %}{{ r.title }}, {% for t in r.tags %}{{ t }}{% endfor %};{% endfor %}",
    "{% for r in vars.rows %}{{ loop.index }}{{ r.title }}{{ ',' if not loop.last }}{% endfor %}",
    "{% for r in vars.rows %}{% set t = r.title %}{{ t }}{% endfor %}",
    "{% for r in vars.empty %}x{% else %}nothing{% endfor %}",
    "{% for r in vars.rows if r.tags %}{{ r.title }}{% endfor %}",
    "{% for r in vars.rows %}{{ customer.given_name }}{{ r.title }}"
    "{% for r in range(2) %}{{ r }}{% endfor %}{{ r.title }}{% endfor %}",
    "{% for shop in vars.rows %}{{ shop.title }}{% endfor %}",
    "{% set vars = 'own' %}{{ vars }}",
    "{% set shop %}<i>{{ vars.intro }}</i>{% endset %}{{ shop }}",
    "{% set note %}a & {{ customer.given_name }} = é{% endset %}[{{ note }}]{{ note|length }}",
    "{% with vars = 'w' %}{{ vars }}{% endwith %}{{ vars.intro }}",
    "{{ vars.intro|upper }} {{ vars.missing|default('d') }} {{ vars.rows|length }}",
    "{{ vars.count + 1 }} {{ vars.count * 2 }} {{ -vars.count }}",
    "{{ vars.rows[1].title }} {{ vars.rows[0]['title'] }} {{ vars.intro[0:3] }}",
    "{{ vars.count ~ vars.intro ~ '<b>' }} {{ (vars.intro|e) ~ '<' }}",
    "{% for w in vars.words %}{{ (w|e) ~ '<' }}{% endfor %}{{ vars.none }}|{{ vars.flag }}",
    "{{ vars.intro if vars.flag else 'x' }} {{ customer.city if step.of > 1 }}",
    "{% for w in vars.words %}{{ w }}. {% endfor %}{{ '{' }}{{ '<' }}{{ 3 }}",
    "{% for w in vars.words|sort %}{{ w }}{% endfor %}{{ vars.words|join(', ') }}",
    "{% for r in vars.rows %}{% if loop.first %}{{ r.title }}{% endif %}{% endfor %}",
    "{% for a in vars.words %}{% for b in vars.words %}{{ a }}{{ b }}{% endfor %}{% endfor %}",
    "{% for a in range(3) %}{{ a }}{{ vars.intro }}{% endfor %}",
    "{% for r in vars.rows %}{% if r.image|default('') %}i{% endif %}{{ r.title }}{% endfor %}",
    "{% for r in vars.rows %}{{ r.tags|length }}{{ r.image is defined }}{% endfor %}",
    "{{ vars.intro is defined }} {{ vars.missing is defined }} {{ 'a' in vars.words }}",
    ".{{ customer.city }}\n.{{ vars.intro }}\nFrom {{ greeting }}\n \n{{ vars.none }}",
    "<p title='{{ vars.words[1] }}'>",
]  # fmt: skip
each_template = pytest.mark.parametrize("text", TEMPLATES)


@each_template
@pytest.mark.parametrize("environment", [engine.HTML, engine.TEXT], ids=["html", "text"])
def test_a_folded_template_says_the_same(text: str, environment: engine.Sandbox) -> None:
    plain = engine.render(environment.from_string(text), {**KNOWN, **MORE})

    folded = folding.folded(environment, text, KNOWN)

    assert engine.render(folded, {**KNOWN, **MORE}) == plain


@each_template
@pytest.mark.parametrize("known", [{}, KNOWN], ids=["nothing", "all"])
def test_the_encoded_template_says_the_same(text: str, known: dict[str, Any]) -> None:
    plain = engine.render(engine.HTML.from_string(text), {**KNOWN, **MORE})

    wire = engine.render(folding.folded(engine.WIRE, text, known), {**KNOWN, **MORE})

    said = plain.replace("\r\n", "\n").replace("\r", "\n")
    assert decoded("".join(quoted.close([wire]))).removesuffix("\n") == said.removesuffix("\n")


def test_what_is_the_same_in_every_mail_is_not_asked_for_again() -> None:
    text = (
        "{{ shop.name }}{% for r in vars.rows %}{{ r.title }}{% endfor %}{{ customer.given_name }}"
    )

    template = folding.folded(engine.TEXT, text, KNOWN)
    parts = list(template.root_render_func(template.new_context(MORE)))

    assert parts == ["Lo<t>usPot éCup=1", "Anna <&> Ж"]


def test_a_field_that_is_not_there_is_still_an_error_at_its_line() -> None:
    template = folding.folded(engine.WIRE, "{{ shop.name }}\n\n{{ vars.missing }}", KNOWN)

    with pytest.raises(jinja2.UndefinedError, match="missing") as caught:
        engine.render(template, {**KNOWN, **MORE})

    assert engine.line_of(caught.value, template) == 3


def test_what_the_customer_brings_into_a_loop_fails_at_its_line_too() -> None:
    text = "{% for r in vars.rows %}\n{{ r.title }}\n{{ customer.nothing }}\n{% endfor %}"
    template = folding.folded(engine.WIRE, text, KNOWN)

    with pytest.raises(jinja2.UndefinedError, match="nothing") as caught:
        engine.render(template, {**KNOWN, **MORE})

    assert engine.line_of(caught.value, template) == 3


def test_a_long_loop_is_left_as_it_is() -> None:
    known = {"vars": Record({"rows": tuple(range(90))})}
    text = "{% for r in vars.rows %}{% for s in vars.rows %}{{ r }}{{ s }},{% endfor %}{% endfor %}"

    template = folding.folded(engine.TEXT, text, known)

    plain = engine.render(engine.TEXT.from_string(text), known)
    assert engine.render(template, known) == plain


@pytest.mark.parametrize("environment", [engine.HTML, engine.WIRE], ids=["plain", "wire"])
def test_a_mail_that_grows_without_end_is_stopped(environment: engine.Sandbox) -> None:
    text = "{% for a in range(99) %}{% for b in range(99) %}{{ greeting }}{% endfor %}{% endfor %}"
    template = environment.from_string(text)

    with pytest.raises(engine.TooLarge):
        engine.render(template, {"greeting": "x" * 300})
