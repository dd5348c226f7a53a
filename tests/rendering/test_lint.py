from __future__ import annotations

import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.definitions.problems import Problem
from crm_mailer.model.campaign import (
    Anchor,
    Campaign,
    DateAnchor,
    Kind,
    Mode,
    OrderAnchor,
    Step,
    Stream,
)
from crm_mailer.model.order import OrderState
from crm_mailer.rendering.check_use import TemplateUse, uses
from crm_mailer.rendering.lint import check_templates
from tests.rendering.conftest import PREVIEW, Write

FOOT = '<mj-text>{{ shop.postal_address }} <a href="{{ unsubscribe_url }}">stop</a></mj-text>'


def use(
    *, order: bool = True, vars: dict[str, Any] | None = None, stream: str = "transactional"
) -> dict[str, TemplateUse]:
    return {"a/b": TemplateUse(stream=Stream(stream), has_order=order, vars=vars)}


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def test_a_sound_template_has_no_fault(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-text>{{ greeting }} {{ order.number }}</mj-text>" + FOOT)

    assert check_templates(templates, use(vars={})) == []


@pytest.mark.parametrize(
    ("content", "code", "said", "help"),
    [
        ("<mj-txt>x</mj-txt>", "CRM205", "no MJML tag <mj-txt>", "mj-text"),
        ('<mj-text colour="red">x</mj-text>', "CRM206", "`colour`", "`color`"),
        ('<mj-text {% if step %}color="x"{% endif %}>x</mj-text>', "CRM206", "around", "quotes"),
        ("<mj-section></mj-section>", "CRM208", "may not stand in <mj-column>", "mj-text"),
        ('<mj-image src="x.png" />', "CRM230", "no alt", 'alt=""'),
        ('<mj-text><img src="x.png"></mj-text>', "CRM230", "no alt", ""),
        ('<mj-button href="javascript:x()">x</mj-button>', "CRM232", "javascript:", ""),
        ('<mj-text><a href=" JavaScript:x">x</a></mj-text>', "CRM232", "JavaScript:", ""),
        ("<mj-text><script>x</script></mj-text>", "CRM231", "<script>", ""),
        ('<mj-text><a onclick="x">x</a></mj-text>', "CRM231", "onclick", ""),
        ("<mj-text><a href={{ shop.url }}>x</a></mj-text>", "CRM209", "quotes", ""),
        ("<mj-text>x", "CRM211", "not closed", ""),
        ("<mj-text>{{ customer.frist_name }}</mj-text>", "CRM214", "frist_name", "given_name"),
        ("<mj-text>{{ custommer.name }}</mj-text>", "CRM214", "custommer", "customer"),
        ("<mj-text>{{ greeting.name }}</mj-text>", "CRM214", "greeting.name", "plain text"),
        ("<mj-text>{{ vars.cuppon }}</mj-text>", "CRM214", "vars.cuppon", "coupon"),
        (
            "<mj-text>{% for i in order.items %}{{ i.titel }}{% endfor %}</mj-text>",
            "CRM214",
            "i.titel",
            "title",
        ),
        ("<mj-text>{% import 'x' as y %}</mj-text>", "CRM212", "import", ""),
    ],
)
def test_a_fault_is_told_with_its_remedy(
    templates: Path, write: Write, content: str, code: str, said: str, help: str
) -> None:
    write("a/b.en.mjml", content)

    problems = check_templates(templates, use(vars={"coupon": "X"}))

    found = next(problem for problem in problems if problem.code == code)
    assert said in found.message
    assert help in found.help
    assert found.line == 5


def test_an_unknown_field_is_underlined(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-text>a {{ customer.frist_name|upper }}</mj-text>")

    problem = check_templates(templates, use())[0]

    assert problem.source[problem.column - 1 :][: problem.width] == "frist_name"


@pytest.mark.parametrize(
    ("written", "help"),
    [
        ("FNAME", "write {{ customer.given_name }}"),
        ("first_name", "write {{ customer.given_name }}"),
        ("contact.FIRSTNAME", "did you mean `customer`?"),
        ("subscriber.name", "did you mean `customer`?"),
        ("unsubscribe_link", "write {{ unsubscribe_url }}"),
    ],
)
def test_another_programs_field_is_told_what_it_is_here(
    templates: Path, write: Write, written: str, help: str
) -> None:
    write("a/b.en.mjml", f"<mj-text>Hello {{{{ {written} }}}}</mj-text>")

    [problem] = check_templates(templates, use())

    assert (problem.code, problem.help) == ("CRM214", help)


def test_tags_that_are_nested_too_deep_are_one_mistake(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-wrapper>" * 100)

    assert codes(check_templates(templates, use())) == ["CRM204"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{{ 'a' * 100000000 }}", ["CRM240"]),
        ("{{ order.items[0].title }}", ["CRM240"]),
        ("{{ vars.title }}{{ 'a' * 100000000 }}", []),
        ("{{ benefit.code }}", []),
        ("{{ order.number }} for {{ customer.city }}", []),
    ],
    ids=["bomb", "no items", "values", "benefit", "sound"],
)
def test_a_template_that_no_campaign_uses_is_tried_where_it_needs_none(
    templates: Path, write: Write, content: str, found: list[str]
) -> None:
    write("a/b.en.mjml", f"<mj-text>A word before it: {content}</mj-text>")

    assert codes(check_templates(templates, {})) == found


def test_an_order_is_known_only_where_the_campaign_is_about_one(
    templates: Path, write: Write
) -> None:
    write("a/b.en.mjml", "<mj-text>{{ order.number }}</mj-text>")

    problem = check_templates(templates, use(order=False))[0]

    assert problem.help == "`order` is known only in campaigns anchored at an order"


def test_names_from_loops_and_set_are_known(templates: Path, write: Write) -> None:
    write(
        "a/b.en.mjml",
        "<mj-text>{% set x = order.amount %}{{ x }}{% for p in vars.products %}{{ loop.index }}"
        "{{ p.title }}{% else %}none{% endfor %}{{ vars.more|default('') }}</mj-text>",
    )

    problems = check_templates(templates, use(vars={"products": [{"title": {"en": "A"}}]}))

    assert problems == []


def test_marketing_needs_an_unsubscribe_link_and_an_address(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-text>x</mj-text>")

    assert codes(check_templates(templates, use(stream="marketing"))) == ["CRM234", "CRM235"]


def test_the_link_may_come_from_a_shared_part(templates: Path, write: Write) -> None:
    write("layout/foot.mjml", FOOT)
    write("a/b.en.mjml", '<mj-text>x</mj-text><mj-include path="../layout/foot.mjml"/>')

    assert check_templates(templates, use(stream="marketing", vars={})) == []


def test_a_loop_over_columns_is_refused_and_one_over_sections_is_not(
    templates: Path, write: Write
) -> None:
    row = "<mj-column><mj-text>x</mj-text></mj-column>"
    start, end = "{% for i in order.items %}", "{% endfor %}"
    head = f"<mjml><mj-head><mj-title>t</mj-title>{PREVIEW}</mj-head><mj-body>"
    write("a/b.en.mjml", f"{head}<mj-section>{start}{row}{end}</mj-section></mj-body></mjml>")
    write("a/c.en.mjml", f"{head}{start}<mj-section>{row}</mj-section>{end}</mj-body></mjml>")

    problems = check_templates(templates, {})

    assert [(one.code, one.file) for one in problems] == [("CRM213", "templates/a/b.en.mjml")]


def test_a_template_without_a_subject_is_refused(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mjml><mj-body></mj-body></mjml>")

    assert codes(check_templates(templates, use())) == ["CRM233"]


def test_a_missing_language_is_a_warning(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-text>x</mj-text>")
    wanted = TemplateUse(stream=Stream.TRANSACTIONAL, has_order=True, languages=("en", "ru"))

    problems = check_templates(templates, {"a/b": wanted})

    assert codes(problems) == ["CRM237"]
    assert not problems[0].is_error


def test_a_mail_that_gmail_would_cut_is_a_warning(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", f"<mj-text>{'word ' * 21_000}</mj-text>")

    assert codes(check_templates(templates, use(vars={}))) == ["CRM236"]


def test_a_fault_that_shows_only_for_a_bare_customer_is_found(
    templates: Path, write: Write
) -> None:
    write("a/b.en.mjml", "<mj-text>{{ order.items[0].title }}</mj-text>")

    problem = check_templates(templates, use(vars={}))[0]

    assert (problem.code, problem.line, problem.column) == ("CRM240", 5, 10)


def test_markup_as_deep_as_a_well_never_reaches_the_compiler(templates: Path, write: Write) -> None:
    write("a/b.en.mjml", "<mj-wrapper>" * 3000)

    assert "CRM204" in codes(check_templates(templates, use()))


def test_the_shipped_templates_are_sound_and_checked_quickly() -> None:
    shipped = Path(__file__).resolve().parents[2] / "templates"
    began = time.process_time()

    problems = check_templates(shipped, {})

    assert [problem.as_text() for problem in problems] == []
    assert time.process_time() - began < 20


def test_a_template_of_two_campaigns_must_suit_both() -> None:
    order = OrderAnchor(state=OrderState.ARRIVED)
    about_order = a_campaign(order, Stream.TRANSACTIONAL, {"gift": 1, "code": 2})
    by_date = a_campaign(DateAnchor(day=date(2026, 11, 20)), Stream.MARKETING, {"gift": 3})

    both, alone = uses([about_order, by_date]), uses([about_order])

    assert both == {"a/b": TemplateUse(stream=Stream.MARKETING, has_order=False, vars={"gift": 3})}
    assert alone["a/b"].has_order


def a_campaign(anchor: Anchor, stream: Stream, vars: dict[str, Any]) -> Campaign:
    return Campaign(
        id="c",
        name="C",
        kind=Kind.EDM,
        stream=stream,
        mode=Mode.DRAFT,
        anchor=anchor,
        steps=(Step(id="s", template="a/b", offset=timedelta(0)),),
        vars=vars,
    )
