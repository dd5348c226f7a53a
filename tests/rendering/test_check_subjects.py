"""Texts that a campaign's file writes itself are looked at where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.benefit_reader import read_benefits
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.files import read_yaml
from crm_mailer.definitions.problems import Problem
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import check_subjects

SHOP = Shop(name="Lotus", postal_address="1 Lake Road", sender="hello@shop.example")
TEMPLATES = {"a/b": ("en", "ru"), "a/pt": ("pt_BR",)}
EDM, ORDER = "{date: 2026-11-20}", "{order: shipped}"


def found(
    folder: Path,
    subject: str,
    *,
    anchor: str = EDM,
    vars: str = "{}",
    more: str = "",
    code: str = "en",
) -> list[Problem]:
    """What is wrong with a campaign whose first step has this subject, from line 5 on."""
    path = folder / "sale.yaml"
    path.write_text(
        f"id: sale\nname: Sale\nanchor: {anchor}\nsteps:\n"
        f"  - {{id: one, template: a/b, subject: {{{code}: {subject}}}{more}}}\nvars: {vars}\n",
        encoding="utf-8",
    )
    known = Known(
        shop=SHOP,
        templates=TEMPLATES,
        benefits=read_benefits(folder / "benefits.yaml", []),
    )
    problems: list[Problem] = []
    campaign = read_campaign(path, known, problems, "sale.yaml")
    assert campaign is not None, problems
    return list(check_subjects(campaign, read_yaml(path, "sale.yaml"), TEMPLATES))


@pytest.mark.parametrize(
    ("subject", "more"),
    [
        ("Only words", {}),
        ("'{{ greeting }}, a word'", {}),
        ("'{{ customer.given_name }} {{ vars.off }}'", {"vars": "{off: 10 %}"}),
        ("'Order {{ order.number }}'", {"anchor": ORDER}),
        ("'{% if benefit %}{{ benefit.code }}{% endif %}Hello'", {}),
        ('\'{{ plural(3, one="day", other="days") }}\'', {}),
    ],
    ids=["words", "greeting", "vars", "order", "perhaps-a-benefit", "plural"],
)
def test_a_sound_subject_has_no_fault(tmp_path: Path, subject: str, more: dict[str, str]) -> None:
    assert found(tmp_path, subject, **more) == []


@pytest.mark.parametrize(
    ("subject", "code", "place", "said"),
    [
        ("'Dear {{ customer.frist_name }}'", "CRM214", (5, 62), "`customer.frist_name`"),
        ("'{{ order.number }} is here'", "CRM214", (5, 48), "`order`"),
        ("'{{ vars.discount }} off'", "CRM214", (5, 53), "`vars.discount`"),
        ("'Re {{ subject }}'", "CRM214", (5, 51), "cannot show itself"),
        ("'{% if customer.name %}Hi'", "CRM210", (5, 44), "endif"),
        ("'{{ customer.name | nosuch }}'", "CRM212", (5, 44), "nosuch"),
        ("'{% macro x() %}{% endmacro %}'", "CRM212", (5, 44), "macro"),
        ("'Your code {{ benefit.code }}'", "CRM240", (5, 44), "benefit.code"),
    ],
    ids=["misspelt", "order", "vars", "itself", "unclosed", "filter", "macro", "no-benefit"],
)
def test_a_fault_is_told_where_it_stands(
    tmp_path: Path, subject: str, code: str, place: tuple[int, int], said: str
) -> None:
    [problem] = found(tmp_path, subject)

    assert (problem.code, problem.line, problem.column) == (code, *place)
    assert problem.file == "sale.yaml"
    assert said in problem.message


def test_subjects_of_arms_are_looked_at_too(tmp_path: Path) -> None:
    arms = ", test: {arms: [{id: a, subject: {en: Hi}}, {id: b, subject: {en: '{{ nmae }}'}}]}"

    [problem] = found(tmp_path, "Hello", more=arms)

    assert problem.message == "there is no field `nmae`"
    assert problem.source[problem.column - 1 :].startswith("nmae")


def test_a_field_in_a_folded_text_is_found_on_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "sale.yaml"
    path.write_text(
        "id: sale\nname: Sale\nanchor: {date: 2026-11-20}\nsteps:\n  - id: one\n"
        "    template: a/b\n    subject:\n      en: >-\n        A long word about\n"
        "        {{ customer.nmae }}\n"
    )
    known = Known(shop=SHOP, templates={"a/b": ("en",)})
    campaign = read_campaign(path, known, [], "sale.yaml")
    assert campaign is not None

    [problem] = check_subjects(campaign, read_yaml(path, "sale.yaml"), TEMPLATES)

    assert (problem.line, problem.column) == (10, 21)


@pytest.mark.parametrize(("on_empty", "is_sound"), [("skip", True), ("send_without", False)])
def test_a_code_in_a_subject_must_be_there_for_every_mail(
    tmp_path: Path, on_empty: str, is_sound: bool
) -> None:
    (tmp_path / "benefits.yaml").write_text(
        "benefits:\n  - {id: gift, kind: coupon, title: {en: A gift}, codes: pool, "
        f"valid_for: 30d, on_empty: {on_empty}}}\n"
    )
    problems = found(tmp_path, "'Your code {{ benefit.code }}'", more=", benefit: gift")

    assert [one.code for one in problems] == ([] if is_sound else ["CRM240"])


@pytest.mark.parametrize(
    ("code", "said", "help"),
    [
        ("de", "`a/b` is not written in `de`", "known: en, ru"),
        ("xx", "there is no language `xx`", "known: en, ru"),
        ("eng", "there is no language `eng`", "did you mean `en`?"),
        ("en-GB", "`a/b` is not written in `en-GB`", "write it under `en`"),
    ],
)
def test_a_subject_in_a_language_that_no_mail_leaves_in_is_told(
    tmp_path: Path, code: str, said: str, help: str
) -> None:
    [problem] = found(tmp_path, "Hello", code=code)

    assert (problem.code, problem.line, problem.column) == ("CRM138", 5, 40)
    assert problem.message == f"{said}: nobody gets this subject"
    assert problem.help.startswith(help)
    assert problem.source[problem.column - 1 :][: problem.width] == code
    assert not problem.is_error


def test_an_arms_subject_is_held_against_the_arms_own_template(tmp_path: Path) -> None:
    arms = (
        ", test: {arms: [{id: a, subject: {ru: Привет}}, "
        "{id: b, template: a/pt, subject: {pt_BR: Oi, ru: Привет}}]}"
    )

    [problem] = found(tmp_path, "Hello", more=arms)

    assert problem.message == "`a/pt` is not written in `ru`: nobody gets this subject"
    assert problem.column > arms.index("a/pt")


def test_placeholders_of_other_programs_are_told(tmp_path: Path) -> None:
    [problem] = found(tmp_path, "'{{ greeting }}, *|FNAME|* {{ customer.city }}'")

    assert (problem.code, problem.line, problem.column) == ("CRM216", 5, 61)
    assert problem.source[problem.column - 1 :][: problem.width] == "*|FNAME|*"
    assert problem.help == "write {{ customer.given_name }}"


def test_placeholders_in_the_campaigns_own_values_are_told(tmp_path: Path) -> None:
    vars = "{rows: [{title: {en: 'Tea for %FIRSTNAME%', ru: 'Чай'}}], off: 10%}"

    [problem] = found(tmp_path, "Hello", vars=vars)

    assert (problem.code, problem.line) == ("CRM216", 6)
    assert problem.source[problem.column - 1 :][: problem.width] == "%FIRSTNAME%"


@pytest.mark.parametrize("link", ["javascript:alert(1)", " data:text/html,x", "vbscript:x"])
def test_a_script_in_place_of_a_link_is_told_in_the_campaigns_values(
    tmp_path: Path, link: str
) -> None:
    [problem] = found(tmp_path, "Hello", vars=f"{{products: [{{link: '{link}'}}]}}")

    assert (problem.code, problem.line, problem.is_error) == ("CRM232", 6, True)


def test_words_that_only_begin_like_a_script_are_no_link(tmp_path: Path) -> None:
    vars = "{a: 'JavaScript in a week', b: 'https://x.example', c: 'Data: on tea'}"

    assert found(tmp_path, "Hello", vars=vars) == []
