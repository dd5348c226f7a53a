"""Values that a campaign does not give are told once, at the campaign."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.definitions.files import parse_yaml
from crm_mailer.definitions.template_index import index
from crm_mailer.model.campaign import Campaign, OrderAnchor, Stream
from crm_mailer.model.order import OrderState
from crm_mailer.rendering.check_use import uses
from crm_mailer.rendering.check_values import lacks, problem
from crm_mailer.rendering.lint import check_templates
from tests.rendering.conftest import Write
from tests.rendering.test_lint import a_campaign

FILE = "id: {id}\nsteps:\n  - {{id: one, template: a/b}}\n"


def named(id: str, vars: dict[str, Any]) -> Campaign:
    made = a_campaign(OrderAnchor(state=OrderState.SHIPPED), Stream.TRANSACTIONAL, vars)
    return replace(made, id=id, path=f"{id}.yaml")


def told(templates: Path, *campaigns: Campaign) -> list[str]:
    """All findings, as place and message."""
    found = lacks(campaigns, index(templates))
    own = [
        problem(one, parse_yaml(FILE.format(id=one.campaign), f"{one.campaign}.yaml"))
        for one in found
    ]
    used = uses(campaigns, {(one.campaign, one.template) for one in found})
    every = [*own, *check_templates(templates, used)]
    return [f"{one.place} {one.code} {one.message}" for one in every if one.is_error]


@pytest.fixture
def both(write: Write) -> None:
    for code in ("en", "ru"):
        write(
            f"a/b.{code}.mjml",
            "<mj-text>{{ vars.title }} {{ vars.off }} {{ vars.more|default('') }}"
            "{% if vars.extra is defined %}{{ step.number }}{% endif %}</mj-text>",
        )


@pytest.mark.usefixtures("both")
def test_it_is_one_finding_at_the_campaign_with_all_that_is_missing(templates: Path) -> None:
    assert told(templates, named("sale", {})) == [
        "sale.yaml:3:25 CRM139 "
        "`a/b` shows `vars.off`, `vars.title`: the campaign does not give that"
    ]


@pytest.mark.usefixtures("both")
def test_another_campaign_is_not_to_blame_and_is_shown_as_an_example(templates: Path) -> None:
    good, bad = named("good", {"title": "Tea", "off": "10 %"}), named("bad", {"title": "Tea"})
    [lack] = lacks([good, bad], index(templates))

    assert (lack.campaign, lack.names, lack.example) == ("bad", ("off",), good.path)
    assert len(told(templates, good, bad)) == len(told(templates, bad, good)) == 1
    assert told(templates, good) == []


@pytest.mark.usefixtures("both")
def test_a_slip_in_the_template_is_told_at_the_template(templates: Path) -> None:
    found = told(templates, named("sale", {"titel": "Tea", "off": "10 %"}))

    assert [one.split(":")[0] for one in found] == [
        "templates/a/b.en.mjml",
        "templates/a/b.ru.mjml",
    ]
    assert all("CRM214 there is no field `vars.title`" in one for one in found)


@pytest.mark.usefixtures("both")
def test_what_one_language_alone_shows_is_told_there(templates: Path, write: Write) -> None:
    write("a/b.ru.mjml", "<mj-text>{{ vars.title }} {{ vars.zebra }}</mj-text>")

    [found] = told(templates, named("sale", {"title": "Tea", "off": "10 %"}))

    assert found.startswith("templates/a/b.ru.mjml:5:")
    assert "vars.zebra" in found
