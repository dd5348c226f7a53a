"""Days, amounts and country names as the reader writes them (CLDR, through Babel), remembered."""

from __future__ import annotations

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


@lru_cache(maxsize=1024)
def locale_for(code: str, country: str) -> Locale:
    """The conventions of a language in a country; where it has none there, the language's."""
    for name in (f"{language.base(code)}-{country}" if country else "", code, language.base(code)):
        try:
            return Locale.parse(name.replace("_", "-"), sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(FALLBACK)


@lru_cache(maxsize=8192)
def _written_day(day: date, locale: Locale) -> str:
    return _plain_blanks(format_date(day, "long", locale=locale))


def day(at: datetime | None, locale: Locale, place: ZoneInfo) -> str:
    """The day of an instant in the reader's zone, such as "2 November 2026"; empty for None."""
    return "" if at is None else _written_day(moment.local_day(at, place), locale)


@lru_cache(maxsize=65_536)
def amount(minor: int, currency: str, locale: Locale) -> str:
    """An amount such as "US$12.50" or "12,50 €".

    The currency's own symbol stands alone only where the reader cannot mistake it.
    """
    value = Decimal(minor).scaleb(-exponent(currency))
    return _plain_blanks(format_currency(value, currency, locale=locale, currency_digits=True))


@lru_cache(maxsize=4096)
def country_name(country: str, locale: Locale) -> str:
    """The country's name in the reader's language; its code where there is none."""
    return str(locale.territories.get(country.upper(), country)) if country else ""


def _plain_blanks(text: str) -> str:
    """The narrow blank of CLDR is missing in many fonts of mail programs; the wide one is not."""
    return text.replace("\u202f", "\u00a0")
