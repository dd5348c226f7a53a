"""The two-letter code of a country, from its code or its name in the languages of exports."""

from __future__ import annotations

from functools import cache

from babel import Locale
from babel.core import get_global

LANGUAGES = ("en", "ru", "es", "zh", "pt", "fr", "de")
#: Names that exports use and the tables of locale data do not.
ALSO = {
    "UK": "GB", "EL": "GR", "EIRE": "IE", "RSA": "ZA", "ENGLAND": "GB", "SCOTLAND": "GB",
    "WALES": "GB", "GREAT BRITAIN": "GB", "NORTHERN IRELAND": "GB", "USA": "US", "U.S.A.": "US",
    "UNITED STATES OF AMERICA": "US", "RUSSIAN FEDERATION": "RU", "РФ": "RU",
    "РОССИЙСКАЯ ФЕДЕРАЦИЯ": "RU", "KOREA": "KR", "REPUBLIC OF KOREA": "KR", "SOUTH KOREA": "KR",
    "CZECH REPUBLIC": "CZ", "MACEDONIA": "MK", "VIET NAM": "VN", "MOLDOVA, REPUBLIC OF": "MD",
    "TURKEY": "TR", "IVORY COAST": "CI", "HONG KONG": "HK", "MACAU": "MO", "TAIWAN": "TW",
    "CHINA (MAINLAND)": "CN", "MAINLAND CHINA": "CN", "俄罗斯联邦": "RU", "英国": "GB",
    "中国大陆": "CN", "香港": "HK", "澳门": "MO", "台湾": "TW", "BRASIL": "BR", "HOLLAND": "NL",
    "THE NETHERLANDS": "NL", "BOLIVIA, PLURINATIONAL STATE OF": "BO", "BYELORUSSIA": "BY",
}  # fmt: skip


@cache
def code(text: str) -> str:
    """The ISO 3166 code, such as `RU`; empty where the name is not known."""
    name = " ".join(text.split()).upper().strip(" .")
    if not name:
        return ""
    if name in ALSO:
        return ALSO[name]
    if len(name) == 2 and name in _codes():
        return name
    return _names().get(name, "")


@cache
def _codes() -> frozenset[str]:
    return frozenset(
        key for key in map(str, Locale("en").territories) if len(key) == 2 and key.isalpha()
    )


@cache
def _names() -> dict[str, str]:
    found: dict[str, str] = {}
    for alias, targets in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and targets[0] in _codes():
            found[alias] = targets[0]
    for language in LANGUAGES:
        for key, name in Locale(language).territories.items():
            if key in _codes():
                found.setdefault(str(name).upper(), str(key))
    return found
