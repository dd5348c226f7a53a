from __future__ import annotations

from typing import Any

import pytest
from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError

from crm_mailer.rendering import engine
from crm_mailer.rendering.context import CustomerFields, ItemFields, OrderFields, localised

VALUES: dict[str, Any] = {
    "customer": CustomerFields(given_name="Anna"),
    "order": OrderFields(items=(ItemFields(title="Lamp", quantity=2),)),
    "vars": localised({"v": {"products": [{"title": "A"}, {"title": "B"}], "items": 3}}, ())["v"],
    "number": 7,
}


def text(source: str) -> str:
    return engine.render(engine.TEXT.from_string(source), VALUES)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ customer.given_name|upper }}", "ANNA"),
        ("{{ customer['given_name'] }}", "Anna"),
        ("{% for i in order.items %}{{ i.title }} x{{ i.quantity }}{% endfor %}", "Lamp x2"),
        ("{% for p in vars.products %}{{ loop.index }}{{ p.title }}{% endfor %}", "1A2B"),
        ("{{ vars.items }}", "3"),
        ("{{ vars.none|default('x') }}", "x"),
        ("{{ number * 2 }} {{ number % 4 }}", "14 3"),
        ("{{ loop is defined }}", "False"),
        ("{% for n in range(3) %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"),
        ("{{ customer.city or 'nowhere' }}", "nowhere"),
    ],
)
def test_what_templates_need_works(source: str, expected: str) -> None:
    assert text(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ customer.__class__ }}",
        "{{ customer['__class__'] }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ customer.given_name.format }}",
        "{{ 'x'.join(['a']) }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ vars._values }}",
        "{{ self.__init__ }}",
        "{{ cycler }}",
        "{{ lipsum() }}",
        "{{ number.real }}",
        "{{ order.items.count }}",
        "{{ missing }}",
        "{{ customer.missing.more }}",
        "{% for n in range(2) %}{{ loop.__class__ }}{% endfor %}",
    ],
)
def test_nothing_else_is_in_reach(source: str) -> None:
    with pytest.raises(UndefinedError):
        text(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'x' * 1000000000 }}",
        "{{ 9 ** 999999 }}",
        "{{ '%s' % 'x' }}",
        "{% for n in range(1000000000) %}{% endfor %}",
        "{{ [1]|batch(1000000000, 'x')|list }}",
        "{{ [1] * 1000000000 }}",
    ],
)
def test_bombs_do_not_go_off(source: str) -> None:
    with pytest.raises(SecurityError):
        text(source)


def test_a_mail_of_many_megabytes_is_stopped() -> None:
    loop = "{% for a in range(100) %}" * 3 + "x" * 100 + "{% endfor %}" * 3

    with pytest.raises(engine.TooLarge):
        text(loop)


def test_html_is_escaped_and_text_is_not() -> None:
    values = {"customer": CustomerFields(name='<b>"&')}

    html = engine.render(engine.HTML.from_string("{{ customer.name }}"), values)
    plain = engine.render(engine.TEXT.from_string("{{ customer.name|e }}"), values)

    assert (html, plain) == ("&lt;b&gt;&#34;&amp;", '<b>"&')


def test_loops_inside_loops_inside_loops_inside_loops_are_refused() -> None:
    loop = "{% for a in range(9) %}" * 4 + "{% endfor %}" * 4

    assert engine.refused(engine.HTML.parse(loop)) == [(1, "loops are nested deeper than 3")]


def test_a_mapping_of_languages_is_the_readers_text() -> None:
    vars = {"title": {"en": "Hi", "ru": "Привет"}, "rows": [{"name": {"en": "A"}}], "nil": None}

    found = localised(vars, ("ru", "en"))

    assert (found["title"], found["rows"][0]["name"], found["nil"]) == ("Привет", "A", "")
