"""Made-up people for the real invoices of the demo: the same number is always the same person."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from crm_mailer.demo import sections
from crm_mailer.model.customer import Gender

#: Percent of people by language, whatever country the data gives.
LANGUAGES = {"en": 55, "ru": 12, "es": 10, "de": 7, "fr": 7, "pt": 5, "zh": 4}
#: The data's country names that a language of ours is at home in.
COUNTRIES = {
    "United Kingdom": "GB", "Channel Islands": "GB", "EIRE": "IE", "USA": "US", "Australia": "AU",
    "Canada": "CA", "Spain": "ES", "Portugal": "PT", "Brazil": "BR", "France": "FR",
    "Belgium": "BE", "Germany": "DE", "Austria": "AT", "Switzerland": "CH", "Singapore": "SG",
}  # fmt: skip
COUNTRY_NAMES = {
    "GB": "United Kingdom", "US": "United States", "IE": "Ireland", "AU": "Australia",
    "CA": "Canada", "RU": "Россия", "BY": "Беларусь", "KZ": "Казахстан", "ES": "España",
    "MX": "México", "AR": "Argentina", "CL": "Chile", "CO": "Colombia", "BR": "Brasil",
    "PT": "Portugal", "FR": "France", "BE": "Belgique", "DE": "Deutschland", "AT": "Österreich",
    "CH": "Schweiz", "CN": "中国", "SG": "新加坡", "TW": "台湾",
}  # fmt: skip
FREE_HOSTS = ("example.com", "example.org", "example.net")
RELAY_HOST = "marketplace.amazon.co.uk"
#: How a company of a country calls itself in its domain.
_COMPANY_WORDS = {
    "en": ("trading", "gifts", "stores"), "ru": ("ooo", "torg", "podarki"),
    "es": ("comercial", "regalos"), "pt": ("loja", "presentes"), "fr": ("ets", "cadeaux"),
    "de": ("firma", "geschenke", "handel"), "zh": ("maoyi", "shangmao"),
}  # fmt: skip
_CYRILLIC = dict(zip(
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch  y  e yu ya".split(" "),
    strict=True,
))  # fmt: skip
_PLAIN = {"ß": "ss", "ø": "o", "ı": "i"}

# Shares, in percent.
_KNOWN_BIRTHDAY, _KNOWN_YEAR, _KNOWN_GENDER, _KNOWN_PATRONYMIC = 70, 80, 85, 60
_INSTITUTION, _RELAY, _COMPANY, _ROLE = 12, 1, 6, 1
_LEAP_DAY_ONE_IN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Birthday:
    """A day; the year may be unknown."""

    year: int | None
    month: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer as a shop's file would give one. Empty text means unknown."""

    number: str
    language: str
    name: str
    given_name: str
    family_name: str
    patronymic: str
    gender: Gender | None
    email: str
    phone: str
    country: str
    country_name: str
    region: str
    city: str
    postcode: str
    street: str
    time_zone: str
    birthday: Birthday | None
    has_consent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    full: str
    given: str
    family: str
    patronymic: str
    latin_given: str
    latin_family: str


def person(customer_number: str, country: str, seed: int) -> Person:
    """The made-up person behind a customer number.

    Args:
        customer_number: as in the invoices; it makes the mail address unique.
        country: the data's country; honoured where the drawn language is spoken there.
        seed: another seed makes other people.
    """
    rng = random.Random(f"person:{seed}:{customer_number}")
    language = _weighted(rng, LANGUAGES)
    gender = rng.choice((Gender.FEMALE, Gender.FEMALE, Gender.MALE))
    name = _name(rng, language, gender)
    code = _country(rng, language, country)
    place = rng.choice(sections.lines(f"names/{language}.txt")[f"cities.{code}"]).split("|")
    city, region, postcode, time_zone, phone = place
    return Person(
        number=customer_number,
        language=language,
        name=name.full,
        given_name=name.given,
        family_name=name.family,
        patronymic=name.patronymic,
        gender=gender if _happens(rng, _KNOWN_GENDER) else None,
        email=_address(rng, language, name, customer_number),
        phone=_filled(rng, phone),
        country=code,
        country_name=COUNTRY_NAMES[code],
        region=region,
        city=city,
        postcode=_filled(rng, postcode),
        street=_street(rng, language),
        time_zone=time_zone,
        birthday=_birthday(rng),
    )


def latin(text: str) -> str:
    """`text` as it may stand in a mail address: a to z only."""
    lower = "".join(_CYRILLIC.get(c, _PLAIN.get(c, c)) for c in text.lower())
    bare = unicodedata.normalize("NFKD", lower)
    return "".join(c for c in bare if "a" <= c <= "z")


def _name(rng: random.Random, language: str, gender: Gender) -> _Name:
    words = sections.words(f"names/{language}.txt")
    given = rng.choice(words[gender.value])
    if language == "zh":
        return _chinese(given, rng.choice(words["family"]))
    if language == "ru":
        return _russian(rng, gender, given, rng.choice(words["family"]))
    family = rng.choice(words["family"])
    latin_family = latin(family)
    if language in ("es", "pt") and _happens(rng, 60):
        family += " " + rng.choice(words["family"])
    return _Name(
        full=f"{given} {family}",
        given=given,
        family=family,
        patronymic="",
        latin_given=latin(given),
        latin_family=latin_family,
    )


def _chinese(given: str, family: str) -> _Name:
    given, _, latin_given = given.partition("|")
    family, _, latin_family = family.partition("|")
    return _Name(
        full=family + given,
        given=given,
        family=family,
        patronymic="",
        latin_given=latin_given,
        latin_family=latin_family,
    )


def _russian(rng: random.Random, gender: Gender, given: str, family: str) -> _Name:
    form = 0 if gender is Gender.MALE else 1
    own_family = family.split("|")[form]
    father = rng.choice(sections.words("names/ru.txt")["fathers"]).split("|")[form]
    patronymic = father if _happens(rng, _KNOWN_PATRONYMIC) else ""
    return _Name(
        full=" ".join(part for part in (given, patronymic, own_family) if part),
        given=given,
        family=own_family,
        patronymic=patronymic,
        latin_given=latin(given),
        latin_family=latin(own_family),
    )


def _country(rng: random.Random, language: str, told: str) -> str:
    listed = (line.split() for line in sections.lines(f"names/{language}.txt")["countries"])
    known = {code: int(weight) for code, weight in listed}
    drawn = _weighted(rng, known)
    own = COUNTRIES.get(told, "")
    return own if own in known else drawn


def _address(rng: random.Random, language: str, name: _Name, number: str) -> str:
    given, family = name.latin_given, name.latin_family
    lot = rng.randrange(100)
    if lot < _RELAY:
        token = "".join(rng.choice("bcdfghjklmnpqrstvwxz0123456789") for _ in range(9))
        return f"{token}{number}@{RELAY_HOST}"
    if lot < _RELAY + _COMPANY + _ROLE:
        word = rng.choice(_COMPANY_WORDS[language])
        local = f"{given}.{family}" if lot < _RELAY + _COMPANY else "info"
        return f"{local}@{word}-{family}-{number}.example"
    local = rng.choice((f"{given}.{family}", f"{given[0]}.{family}", f"{family}.{given}",
                        f"{given}_{family}", given))  # fmt: skip
    return f"{local}{rng.choice(('', '.', '_'))}{number}@{rng.choice(FREE_HOSTS)}"


def _street(rng: random.Random, language: str) -> str:
    lists = sections.lines(f"names/{language}.txt")
    kind = "places" if _happens(rng, _INSTITUTION) else "streets"
    return _filled(rng, rng.choice(lists[kind]))


def _birthday(rng: random.Random) -> Birthday | None:
    if not _happens(rng, _KNOWN_BIRTHDAY):
        return None
    day = date.fromordinal(
        rng.randint(date(1940, 1, 1).toordinal(), date(1993, 12, 31).toordinal())
    )
    if rng.randrange(_LEAP_DAY_ONE_IN) == 0:
        day = date(rng.randrange(1944, 1993, 4), 2, 29)
    return Birthday(
        year=day.year if _happens(rng, _KNOWN_YEAR) else None, month=day.month, day=day.day
    )


_BLANK = re.compile(r"\{n\}|\{f\}|\{dd\}|\{d\}|#")


def _filled(rng: random.Random, pattern: str) -> str:
    """{n} is a house number, {f} a flat, {d} and # one digit, {dd} two."""

    def value(blank: re.Match[str]) -> str:
        match blank[0]:
            case "{n}":
                return str(rng.randint(1, 148))
            case "{f}":
                return str(rng.randint(2, 96))
            case "{dd}":
                return f"{rng.randrange(100):02}"
            case "{d}":
                return str(rng.randint(1, 9))
            case _:
                return str(rng.randrange(10))

    return _BLANK.sub(value, pattern)


def _happens(rng: random.Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def _weighted(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]
