"""In which language a customer gets a mail, and what is said when it is not their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from crm_mailer.model import language
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop

#: What a test's subject begins with, by language; English for the rest.
TEST_MARKS = {
    "en": "[Test] ",
    "ru": "[Тест] ",
    "es": "[Prueba] ",
    "pt": "[Teste] ",
    "zh": "[测试] ",
    "ar": "[اختبار] ",
}


NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The language of a mail and the one that was wanted."""

    code: str
    wanted: str

    @property
    def is_fallback(self) -> bool:
        """Whether the reader gets another language, or another script, than their own."""
        return language.is_other(self.code, self.wanted)


def wanted(own: str, country: str, shop: Shop) -> str:
    """The customer's own language; else their country's; else the shop's first."""
    return language.wanted(own, country, shop.languages[0] if shop.languages else "en")


def choose(
    own: str,
    country: str,
    shop: Shop,
    available: Collection[str],
    vars: Mapping[str, Any] = NOTHING,
) -> Choice | None:
    """The language of a mail; None when the template has none that the shop falls back to.

    Args:
        own: the customer's language as far as it is known.
        country: the customer's country, or an empty text.
        shop: which languages it lists, and which it falls back to.
        available: the template's languages.
        vars: the campaign's own values.
    """
    want = wanted(own, country, shop)
    code = language.choose(want, whole(available, vars, shop), shop.fallback, country)
    if code is None:
        code = language.choose(want, available, shop.fallback, country)
    return None if code is None else Choice(code=code, wanted=want)


def whole(available: Collection[str], vars: Mapping[str, Any], shop: Shop) -> tuple[str, ...]:
    """The languages of a template in which a campaign's mail is of one piece.

    A template may be there in more languages than the shop lists. One of those is taken only where
    the campaign's own texts are there in it too: half a mail in Chinese and half in English helps
    nobody. For the languages that the shop lists, `check` asks for what is missing.
    """
    return tuple(
        code
        for code in available
        if code in shop.languages or not any(language.lacks(one, code) for one in vars.values())
    )


def chain(code: str, shop: Shop) -> tuple[str, ...]:
    """Languages to try for a text that stands beside a mail in `code`."""
    return (code, language.base(code), *shop.fallback)


def test_mark(code: str) -> str:
    """What tells whoever reads a language that the mail is a test."""
    return TEST_MARKS.get(language.base(code), TEST_MARKS["en"])


def fallback_note(choice: Choice, available: Collection[str]) -> str:
    """Why a reader gets another language than their own; empty where they do not."""
    if not choice.is_fallback:
        return ""
    if any(not language.is_other(code, choice.wanted) for code in available):
        return Sentence(
            "the customer reads {wanted}; the template is written in it, the campaign's own texts "
            "are not: {taken} was taken",
            wanted=choice.wanted,
            taken=choice.code,
        )
    return Sentence(
        "the customer reads {wanted}, the template has {languages}: {taken} was taken",
        wanted=choice.wanted,
        languages=", ".join(available),
        taken=choice.code,
    )
