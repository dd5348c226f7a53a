"""Which of a template's languages a customer gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from crm_mailer.model import language


@pytest.mark.parametrize(
    ("wanted", "country", "files", "fallback", "chosen"),
    [
        ("ru", "RU", ["en", "ru"], ["en"], "ru"),
        ("fr", "FR", ["en", "ru"], ["en"], "en"),
        ("fr", "FR", ["de", "ru"], ["en", "de"], "de"),
        ("fr", "FR", ["ru"], ["en"], None),
        ("fr", "FR", [], ["en"], None),
        # a country's own way of writing
        ("pt-BR", "BR", ["en", "pt"], ["en"], "pt"),
        ("pt-BR", "BR", ["en", "pt", "pt-BR"], ["en"], "pt-BR"),
        ("pt_br", "", ["en", "pt-BR"], ["en"], "pt-BR"),
        ("pt-BR", "", ["en", "pt_BR"], ["en"], "pt_BR"),
        ("pt-PT", "PT", ["en", "pt-BR"], ["en"], "pt-BR"),
        ("pt", "PT", ["pt", "pt-PT"], ["en"], "pt-PT"),
        ("pt", "AO", ["pt", "pt-PT"], ["en"], "pt"),
        ("pt-BR", "PT", ["pt", "pt-PT", "pt-BR"], ["en"], "pt-BR"),
        ("es-MX", "MX", ["en", "es"], ["en"], "es"),
        ("es", "MX", ["es", "es-MX"], ["en"], "es-MX"),
        # Chinese in the reader's script first, then in the other one, then the chain
        ("zh", "CN", ["en", "zh"], ["en"], "zh"),
        ("zh", "CN", ["zh-Hans", "zh-Hant"], ["en"], "zh-Hans"),
        ("zh-Hant", "HK", ["zh", "zh-Hant"], ["en"], "zh-Hant"),
        ("zh-TW", "TW", ["zh", "zh-Hant"], ["en"], "zh-Hant"),
        ("zh-TW", "TW", ["zh", "zh-TW", "zh-Hant"], ["en"], "zh-TW"),
        ("zh-TW", "TW", ["en", "zh"], ["en"], "zh"),
        ("zh-CN", "CN", ["en", "zh-TW"], ["en"], "zh-TW"),
        ("zh-Hans", "HK", ["zh", "zh-HK"], ["en"], "zh"),
        # the chain is looked through as closely
        ("ja", "JP", ["ru", "en-GB"], ["en"], "en-GB"),
    ],
)
def test_the_nearest_language_is_chosen(
    wanted: str, country: str, files: list[str], fallback: Sequence[str], chosen: str | None
) -> None:
    assert language.choose(wanted, files, fallback, country) == chosen
    assert language.choose(wanted, files[::-1], fallback, country) == chosen


@pytest.mark.parametrize(
    ("own", "country", "wanted"),
    [
        ("", "RU", "ru"),
        ("", "BR", "pt"),
        ("", "US", "es"),  # the shop's first
        ("", None, "es"),
        ("", "CN", "zh"),
        ("", "TW", "zh-Hant"),
        ("zh", "HK", "zh-Hant"),
        ("zh", "SG", "zh"),
        ("zh-Hans", "TW", "zh-Hans"),
        ("en", "RU", "en"),
    ],
)
def test_what_a_customer_reads_comes_from_them_or_from_their_country(
    own: str, country: str | None, wanted: str
) -> None:
    assert language.wanted(own, country, "es") == wanted


@pytest.mark.parametrize(
    ("code", "wanted", "is_other"),
    [
        ("en", "ru", True),
        ("es", "es-MX", False),
        ("pt_BR", "pt-PT", False),
        ("zh", "zh-CN", False),
        ("zh", "zh-TW", True),
        ("zh-HK", "zh-Hant", False),
    ],
)
def test_another_script_is_another_language(code: str, wanted: str, is_other: bool) -> None:
    assert language.is_other(code, wanted) is is_other


@pytest.mark.parametrize(
    ("value", "lacks"),
    [
        ("one text for all", False),
        (10, False),
        ({}, False),
        ({"en": "Sale", "ru": "Скидки"}, False),
        ({"en": "Sale"}, True),
        ({"pt-BR": "x", "ru-RU": "y"}, False),
        ({"title": {"en": "Sale"}}, True),
        ({"title": {"ru": "Скидки"}, "price": 5}, False),
        ([{"title": {"ru": "Чайник"}}, {"title": {"en": "Lamp"}}], True),
        ({"id": 5, "en": "no choice of texts"}, False),
    ],
)
def test_a_missing_text_is_found_at_any_depth(value: Any, lacks: bool) -> None:
    assert language.lacks(value, "ru") is lacks
