from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.model.customer import Customer, Gender
from crm_mailer.rendering import clean, formats, greetings


def customer(**facts: Any) -> Customer:
    return Customer(id=1, email="a@example.com", **facts)


@pytest.mark.parametrize(
    ("code", "facts", "line"),
    [
        ("en", {"given_name": "Anna"}, "Dear Anna,"),
        ("en", {"name": "ANNA WALKER"}, "Dear Anna Walker,"),
        ("en", {}, "Hello,"),
        ("en", {"name": "Win $1000 http://evil.example"}, "Hello,"),
        ("en", {"name": "Visit evil.com now"}, "Hello,"),
        ("ru", {"given_name": "Анна", "patronymic": "Петровна"}, "Здравствуйте, Анна Петровна!"),
        ("ru", {"name": "Петрова Анна Сергеевна"}, "Здравствуйте, Анна Сергеевна!"),
        ("ru", {"name": "Илья Ильич Обломов"}, "Здравствуйте, Илья Ильич!"),
        ("ru", {"given_name": "Анна"}, "Здравствуйте, Анна!"),
        (
            "ru",
            {"name": "Анна Лукашевич", "given_name": "Анна", "family_name": "Лукашевич"},
            "Здравствуйте, Анна!",
        ),
        ("ru", {}, "Здравствуйте!"),
        ("es", {"given_name": "Ana", "gender": Gender.FEMALE}, "Estimada Ana:"),
        ("es", {"given_name": "Luis", "gender": Gender.MALE}, "Estimado Luis:"),
        ("es", {"given_name": "Ana"}, "Hola, Ana:"),
        (
            "es",
            {"given_name": "Ana", "gender": Gender.FEMALE, "is_gender_guessed": True},
            "Hola, Ana:",
        ),
        ("es", {"gender": Gender.FEMALE}, "Hola:"),
        ("pt", {"given_name": "Ana"}, "Olá, Ana!"),
        ("pt-BR", {"given_name": "Rui", "gender": Gender.MALE}, "Caro Rui,"),
        ("pt", {"given_name": "Ana", "gender": Gender.FEMALE}, "Cara Ana,"),
        ("pt", {}, "Olá!"),
        ("fr", {"given_name": "Anne"}, "Bonjour Anne,"),
        ("fr", {"given_name": "Anne", "gender": Gender.FEMALE}, "Chère Anne,"),
        ("fr", {"given_name": "Paul", "gender": Gender.MALE}, "Cher Paul,"),
        ("fr", {"gender": Gender.MALE}, "Bonjour,"),
        ("de", {"given_name": "Eva", "gender": Gender.FEMALE}, "Guten Tag Eva,"),
        ("de", {"family_name": "Weiß", "gender": Gender.FEMALE}, "Sehr geehrte Frau Weiß,"),
        (
            "de",
            {"family_name": "Weiß", "gender": Gender.MALE, "is_gender_guessed": True},
            "Guten Tag,",
        ),
        ("de", {}, "Guten Tag,"),
        ("de", {"family_name": "Weiß", "gender": Gender.MALE}, "Sehr geehrter Herr Weiß,"),
        ("de", {"given_name": "Eva", "family_name": "Weiß"}, "Guten Tag Eva Weiß,"),
        ("zh", {"family_name": "王", "gender": Gender.MALE}, "尊敬的王先生，您好："),
        ("zh", {"name": "王小明"}, "尊敬的王小明，您好："),
        ("zh", {"family_name": "欧阳", "gender": Gender.FEMALE}, "尊敬的欧阳女士，您好："),
        ("zh", {"name": "王小明", "gender": Gender.MALE}, "尊敬的王小明先生，您好："),
        (
            "zh",
            {"name": "王小明", "gender": Gender.MALE, "is_gender_guessed": True},
            "尊敬的王小明，您好：",
        ),
        ("zh", {"name": "Anna Lee", "gender": Gender.FEMALE}, "尊敬的 Anna Lee，您好："),
        (
            "zh",
            {"name": "小明 王", "given_name": "小明", "family_name": "王"},
            "尊敬的王小明，您好：",
        ),
        ("zh-TW", {"family_name": "陳", "gender": Gender.MALE}, "尊敬的陳先生，您好："),
        ("zh", {}, "您好："),
        ("ar", {"given_name": "أمينة"}, "مرحبًا أمينة،"),
        ("ar", {"given_name": "أمينة", "gender": Gender.FEMALE}, "عزيزتي أمينة،"),
        ("ar", {"given_name": "عمر", "gender": Gender.MALE}, "عزيزي عمر،"),
        ("ar", {}, "مرحبًا،"),
        ("xx", {"given_name": "Anna"}, "Dear Anna,"),
    ],
)
def test_the_greeting_fits_the_culture(code: str, facts: dict[str, Any], line: str) -> None:
    assert greetings.greeting(customer(**facts), code) == line


@pytest.mark.parametrize(
    ("code", "country", "day", "money"),
    [
        ("en", "GB", "2 November 2026", "US$1,234.50"),
        ("en", "US", "November 2, 2026", "$1,234.50"),
        ("ru", "RU", "2 ноября 2026\u00a0г.", "1\u00a0234,50\u00a0$"),
        ("es", "ES", "2 de noviembre de 2026", "1.234,50\u00a0US$"),
        ("es", "MX", "2 de noviembre de 2026", "USD\u00a01,234.50"),
        ("es-MX", "", "2 de noviembre de 2026", "USD\u00a01,234.50"),
        ("pt", "BR", "2 de novembro de 2026", "US$\u00a01.234,50"),
        ("pt", "PT", "2 de novembro de 2026", "1\u00a0234,50\u00a0US$"),
        ("fr", "FR", "2 novembre 2026", "1\u00a0234,50\u00a0$US"),
        ("de", "DE", "2. November 2026", "1.234,50\u00a0$"),
        ("de", "CH", "2. November 2026", "$\u00a01’234.50"),
        ("zh", "CN", "2026年11月2日", "US$1,234.50"),
        ("zh", "TW", "2026年11月2日", "US$1,234.50"),
        ("ar", "SA", "2 نوفمبر 2026", "\u200f1,234.50\u00a0US$"),
        ("en", "XX", "November 2, 2026", "$1,234.50"),
    ],
)
def test_days_and_amounts_are_written_as_the_reader_does(
    code: str, country: str, day: str, money: str
) -> None:
    locale = formats.locale_for(code, country)

    assert formats.day(datetime(2026, 11, 2, 12, tzinfo=UTC), locale, ZoneInfo("UTC")) == day
    assert formats.amount(123_450, "USD", locale) == money


@pytest.mark.parametrize(
    ("code", "country", "name"),
    [
        ("en", "GB", "Germany"),
        ("ru", "RU", "Германия"),
        ("es", "ES", "Alemania"),
        ("pt", "BR", "Alemanha"),
        ("fr", "FR", "Allemagne"),
        ("de", "AT", "Deutschland"),
        ("zh", "CN", "德国"),
        ("zh", "TW", "德国"),  # the mail is in simplified characters, and so is this
        ("zh-TW", "TW", "德國"),
        ("zh-Hant", "US", "德國"),
        ("ar", "AE", "ألمانيا"),
    ],
)
def test_countries_have_their_names_in_the_mails_language(
    code: str, country: str, name: str
) -> None:
    assert formats.country_name("DE", formats.locale_for(code, country)) == name


@pytest.mark.parametrize(
    ("code", "day"),
    [("fr", "1er novembre 2026"), ("pt", "1 de novembro de 2026"), ("de", "1. November 2026")],
)
def test_the_first_of_a_month_is_written_as_people_say_it(code: str, day: str) -> None:
    first = datetime(2026, 11, 1, 12, tzinfo=UTC)

    assert formats.day(first, formats.locale_for(code, ""), ZoneInfo("UTC")) == day


def test_a_day_is_the_readers_day_and_yen_have_no_cents() -> None:
    english = formats.locale_for("en", "")
    late = datetime(2026, 11, 2, 23, tzinfo=UTC)

    assert formats.day(late, english, ZoneInfo("Asia/Tokyo")) == "November 3, 2026"
    assert formats.day(None, english, ZoneInfo("UTC")) == ""
    assert formats.amount(1500, "JPY", english) == "¥1,500"
    assert formats.country_name("DE", formats.locale_for("ru", "")) == "Германия"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nBcc: x@y", "a Bcc: x@y"),
        ("\u202eevil\u202c", "evil"),
        ("a\x00b\ud800", "ab\ufffd"),
        ("  a   b ", "a b"),
        ("e\u0301", "\u00e9"),
        ("a\u2028b\x85c", "a b c"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("bien arriv\u00e9e\u00a0? ", "bien arriv\u00e9e\u00a0?"),
        (" \u00a0a\u2009 \u202f: b\u00a0", "a \u202f: b"),
    ],
)
def test_a_line_from_outside_is_made_safe(text: str, cleaned: str) -> None:
    assert clean.line(text) == cleaned


def test_a_name_has_blanks_of_the_usual_kind_only() -> None:
    assert clean.name("anna\u00a0petrova") == "Anna Petrova"


@pytest.mark.parametrize("text", ["javascript:x", "data:text/html,x", "https://a b", "//x.example"])
def test_only_web_addresses_are_links(text: str) -> None:
    assert clean.url(text) == ""
    assert clean.url("https://t.example/?n=1") == "https://t.example/?n=1"
