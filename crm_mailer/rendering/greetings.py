"""The first line of a mail, as the reader's culture has it.

A form of address is used only where the facts for it are known: no Estimada without a gender that
the customer told, no patronymic out of thin air, and a neutral line where there is no name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from crm_mailer.model import language
from crm_mailer.model.customer import Customer, Gender
from crm_mailer.rendering import clean

PATRONYMIC = re.compile(r"[А-ЯЁ][а-яё]+(?:ович|евич|ьич|овна|евна|ична|инична)")
#: A Chinese family name: one or two signs. 先生 behind a Latin name would look odd.
CHINESE = re.compile(r"[\u3400-\u9fff]{1,2}")
CHINESE_NAME = re.compile(r"[\u3400-\u9fff·]+")


def greeting(customer: Customer, code: str) -> str:
    """The whole line, such as "Dear Anna," or "Здравствуйте, Анна Петровна!"."""
    form = FORMS.get(language.base(code), _by_name)
    return form(customer, language.base(code))


def _call_name(customer: Customer) -> str:
    """What to call the customer: the given name, else the whole name."""
    return clean.name(customer.given_name) or clean.name(customer.name)


def _full_name(customer: Customer) -> str:
    parts = clean.name(customer.given_name), clean.name(customer.family_name)
    return " ".join(parts) if all(parts) else _call_name(customer)


def _gender(customer: Customer) -> Gender | None:
    """The gender the customer told; a guess does not count."""
    return None if customer.is_gender_guessed else customer.gender


def _by_name(customer: Customer, code: str) -> str:
    named, neutral = PLAIN.get(code, PLAIN["en"])
    name = _call_name(customer)
    return named.format(name) if name else neutral


def _russian(customer: Customer, _code: str) -> str:
    given, patronymic = clean.name(customer.given_name), clean.name(customer.patronymic)
    if not (given and patronymic):
        family = clean.name(customer.family_name)
        given, patronymic = _from_whole_name(clean.name(customer.name), family) or (given, "")
    name = f"{given} {patronymic}".strip() or clean.name(customer.name)
    return f"Здравствуйте, {name}!" if name else "Здравствуйте!"


def _from_whole_name(name: str, family: str) -> tuple[str, str] | None:
    """Given name and patronymic out of "Петрова Анна Сергеевна" or "Анна Сергеевна Петрова".

    A family name may end as a patronymic does: Анна Лукашевич.
    """
    words = name.split()
    for place, word in enumerate(words):
        if place and PATRONYMIC.fullmatch(word) and word != family:
            return words[place - 1], word
    return None


def _spanish(customer: Customer, _code: str) -> str:
    return _gendered(customer, ("Estimada {}:", "Estimado {}:"), "Hola, {}:", "Hola:")


def _portuguese(customer: Customer, _code: str) -> str:
    return _gendered(customer, ("Cara {},", "Caro {},"), "Olá, {}!", "Olá!")


def _french(customer: Customer, _code: str) -> str:
    return _gendered(customer, ("Chère {},", "Cher {},"), "Bonjour {},", "Bonjour,")


def _arabic(customer: Customer, _code: str) -> str:
    return _gendered(customer, ("عزيزتي {}،", "عزيزي {}،"), "مرحبًا {}،", "مرحبًا،")


def _gendered(customer: Customer, known: tuple[str, str], named: str, neutral: str) -> str:
    name, gender = _call_name(customer), _gender(customer)
    if not name:
        return neutral
    if gender is None:
        return named.format(name)
    return known[gender is Gender.MALE].format(name)


def _german(customer: Customer, _code: str) -> str:
    family, gender = clean.name(customer.family_name), _gender(customer)
    if family and gender is not None:
        return f"Sehr geehrte{'r Herr' if gender is Gender.MALE else ' Frau'} {family},"
    name = _full_name(customer)
    return f"Guten Tag {name}," if name else "Guten Tag,"


def _chinese(customer: Customer, _code: str) -> str:
    family, gender = clean.name(customer.family_name), _gender(customer)
    given = clean.name(customer.given_name)
    is_chinese = CHINESE.fullmatch(family) and CHINESE_NAME.fullmatch(given)
    name = family + given if is_chinese else clean.name(customer.name) or _full_name(customer)
    title = "" if gender is None else "先生" if gender is Gender.MALE else "女士"
    if title and CHINESE.fullmatch(family):
        return f"尊敬的{family}{title}，您好："
    if CHINESE_NAME.fullmatch(name):
        return f"尊敬的{name}{title}，您好："
    return f"尊敬的 {name}，您好：" if name else "您好："


#: Language -> with a name, without one.
PLAIN: dict[str, tuple[str, str]] = {
    "en": ("Dear {},", "Hello,"),
    "it": ("Gentile {},", "Buongiorno,"),
    "nl": ("Beste {},", "Beste klant,"),
    "pl": ("Dzień dobry, {}!", "Dzień dobry!"),
    "tr": ("Merhaba {},", "Merhaba,"),
    "ja": ("{} 様", "お客様"),
    "ko": ("{} 님, 안녕하세요.", "안녕하세요."),
}
FORMS: dict[str, Callable[[Customer, str], str]] = {
    "ru": _russian,
    "es": _spanish,
    "pt": _portuguese,
    "fr": _french,
    "ar": _arabic,
    "de": _german,
    "zh": _chinese,
}
