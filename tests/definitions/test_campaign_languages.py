"""What is missing in a language is named: templates, and the campaign's own texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions import library as definitions
from crm_mailer.definitions.campaign_reader import Known, read_campaign
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.template_index import index
from crm_mailer.model.shop import Shop
from crm_mailer.store.bundled import bundled

SHOP = Shop(
    name="Lotus",
    postal_address="1 Lake Road",
    sender="hello@shop.example",
    languages=("en", "ru", "es"),
)
KNOWN = Known(shop=SHOP, templates={"care/a": ("en", "ru"), "care/b": ("en", "ru", "es", "de")})


def problems(tmp_path: Path, steps: str, vars: str) -> list[Problem]:
    path = tmp_path / "sale.yaml"
    path.write_text(
        "id: sale\nname: Sale\nmode: live\nanchor: {order: arrived}\naudience: {r: 5}\n"
        f"steps: [{steps}]\nvars:\n{vars}",
        encoding="utf-8",
    )
    found: list[Problem] = []
    assert read_campaign(path, KNOWN, found, "sale.yaml") is not None
    return found


A, B = (f"{{id: {name}, template: care/{name}, after: 1d}}" for name in "ab")


def test_a_template_that_is_not_there_in_a_language_is_named(tmp_path: Path) -> None:
    [found] = problems(tmp_path, A, "  size: 5\n")

    assert (found.code, found.is_error) == ("CRM123", False)
    assert found.message == "`care/a` is not there in es"
    assert found.source[found.column - 1 :].startswith("care/a")


@pytest.mark.parametrize(
    ("steps", "vars", "message"),
    [
        (B, "  head: {en: a, ru: b}\n", "`head` has a text for some languages, and none for es"),
        (B, "  head: {de: a}\n", "`head` has a text for some languages, and none for en, ru, es"),
        (
            B,
            "  rows:\n    - {title: {en: a, ru: b, es: c}}\n    - {title: {en: a, es: c}}\n",
            "`rows` has a text for some languages, and none for ru",
        ),
    ],
)
def test_a_text_that_is_not_there_in_a_language_is_named(
    tmp_path: Path, steps: str, vars: str, message: str
) -> None:
    [found] = problems(tmp_path, steps, vars)

    assert (found.code, found.is_error, found.message) == ("CRM136", False, message)
    assert found.line >= 7


@pytest.mark.parametrize(
    "vars",
    [
        "  head: one for all\n",
        "  head: {en: a, ru: b, es: c}\n",
        "  head: {en: a, ru: b, es: ''}\n",
    ],
)
def test_texts_that_are_complete_are_no_finding(tmp_path: Path, vars: str) -> None:
    assert problems(tmp_path, B, vars) == []


def test_a_language_beyond_those_of_the_shop_is_asked_for_nowhere(tmp_path: Path) -> None:
    """`care/b` is there in German, which the shop does not list: no text has to be."""
    assert problems(tmp_path, B, "  head: {en: a, ru: b, es: c}\n") == []


def test_one_translation_less_in_the_library_is_one_finding() -> None:
    templates = {name: set(files) for name, files in index(bundled("templates")).items()}
    before = definitions.load(bundled("campaigns"), templates).problems
    templates["during_sale/shipped"].discard("ru")

    after = definitions.load(bundled("campaigns"), templates).problems

    new = [one for one in after if one not in before]
    assert [(one.code, one.message) for one in new] == [
        ("CRM123", "`during_sale/shipped` is not there in ru")
    ]
