"""Days, amounts and country names as the reader writes them (CLDR, through Babel), remembered."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency

from crm_mailer.model import language, moment
from crm_mailer.model.money import exponent

FALLBACK = "en"
#: A currency's letters right before the number: UTS 35 wants a blank there, which Babel leaves out.
CODE_BEFORE = re.compile(r"([^\W\d_])(?=\d)")


@lru_cache(maxsize=1024)
def locale_for(code: str, country: str) -> Locale:
    """The conventions of a language in a country; where it has none there, the language's.

    A mail in simplified characters has simplified names of countries in Taiwan too.
    """
    own = code.replace("_", "-")
    base = language.base(code)
    if base == "zh":
        base = f"zh-{'Hant' if language.is_other(code, base) else 'Hans'}"
    for name in (f"{base}-{country}" if country else "", own, base):
        try:
            return Locale.parse(name, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(FALLBACK)


@lru_cache(maxsize=8192)
def _written_day(day: date, locale: Locale) -> str:
    written = format_date(day, "long", locale=locale)
    if day.day == 1 and locale.language == "fr":
        written = written.replace("1", "1er", 1)  # CLDR writes the first as any other day
    return _plain_blanks(written)


def day(at: datetime | None, locale: Locale, place: ZoneInfo) -> str:
    """The day of an instant in the reader's zone, such as "2 November 2026"; empty for None."""
    return "" if at is None else _written_day(moment.local_day(at, place), locale)


def stated_day(at: datetime | None, locale: Locale, place: ZoneInfo, home: ZoneInfo) -> str:
    """The same of a fact of an order, of which perhaps only the day is known.

    Args:
        at: the fact.
        locale: the reader's conventions.
        place: the reader's zone.
        home: the shop's zone, in which a day without an hour was read.
    """
    return "" if at is None else _written_day(moment.stated_day(at, place, home), locale)


@lru_cache(maxsize=65_536)
def amount(minor: int, currency: str, locale: Locale) -> str:
    """An amount such as "US$12.50" or "12,50 €".

    The currency's own symbol stands alone only where the reader cannot mistake it.
    """
    value = Decimal(minor).scaleb(-exponent(currency))
    written = format_currency(value, currency, locale=locale, currency_digits=True)
    return CODE_BEFORE.sub("\\1\u00a0", _plain_blanks(written))


@lru_cache(maxsize=4096)
def country_name(country: str, locale: Locale) -> str:
    """The country's name in the reader's language; its code where there is none."""
    return str(locale.territories.get(country.upper(), country)) if country else ""


def _plain_blanks(text: str) -> str:
    """The narrow blank of CLDR is missing in many fonts of mail programs; the wide one is not."""
    return text.replace("\u202f", "\u00a0")
