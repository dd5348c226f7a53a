"""Which language a customer reads, and which one to fall back to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

#: The language that most mail to a country should be in, where it is not English.
BY_COUNTRY = {
    **dict.fromkeys("RU BY KZ KG UA MD AM UZ TJ".split(), "ru"),
    **dict.fromkeys("ES MX AR CL CO PE VE EC GT CU BO DO HN PY SV NI CR PA UY".split(), "es"),
    **dict.fromkeys("PT BR AO MZ".split(), "pt"),
    **dict.fromkeys("FR BE LU MC SN CI".split(), "fr"),
    **dict.fromkeys("DE AT CH LI".split(), "de"),
    **dict.fromkeys("CN HK MO TW SG".split(), "zh"),
    **dict.fromkeys("SA AE EG KW QA OM BH JO".split(), "ar"),
    "IT": "it", "PL": "pl", "JP": "ja", "KR": "ko", "NL": "nl", "TR": "tr",
}  # fmt: skip
#: Where Chinese is written in traditional characters.
TRADITIONAL = frozenset({"TW", "HK", "MO"})
RIGHT_TO_LEFT = {"ar", "he", "fa", "ur"}
#: Languages whose codes make a mapping of a campaign a choice of texts rather than a record.
CODES = frozenset("en ru es pt fr de zh ar it pl ja ko nl tr uk cs sv da fi el he hu ro bg".split())

#: All languages with a code of two letters (ISO 639-1).
TWO_LETTERS = frozenset((
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu "
    "cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi "
    "ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks "
    "ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl "
    "nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk "
    "sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz "
    "ve vi vo wa wo xh yi yo za zh zu"
).split())  # fmt: skip


def base(code: str) -> str:
    """`pt_BR` and `pt-br` are `pt`."""
    return code.replace("_", "-").partition("-")[0].lower()


def guess(country: str | None, default: str) -> str:
    """The language for a customer who told none."""
    return BY_COUNTRY.get((country or "").upper(), default)


def wanted(own: str, country: str | None, default: str) -> str:
    """What a customer reads: what is known of them, else what their country reads.

    `zh` alone says nothing about the script; there the country tells: `zh-Hant` in Taiwan, Hong
    Kong and Macao.
    """
    code = own or guess(country, default)
    return "zh-Hant" if _written(code) == "zh" and country in TRADITIONAL else code


def choose(
    wanted: str, available: Collection[str], fallback: Sequence[str], country: str = ""
) -> str | None:
    """The best of `available` for a reader of `wanted`; None when even the chain has none.

    For `es-MX` that is es-MX, es, any other Spanish, then the chain. A reader of `es` in `country`
    MX gets es-MX where there is one. Chinese in the reader's script goes before the other script.
    """
    files = {_written(code): code for code in sorted(available)}
    return next(
        (
            files[code]
            for want, place in ((wanted, country), *((one, "") for one in fallback))
            for code in _nearest(_written(want), place.lower(), files)
        ),
        None,
    )


def is_other(code: str, wanted: str) -> bool:
    """Whether a text in `code` is in another language, or script, than `wanted`."""
    return _script(_written(code)) != _script(_written(wanted))


def has_texts(value: Any) -> bool:
    """Whether a value of a campaign is one text in several languages."""
    return (
        isinstance(value, Mapping) and bool(value) and all(base(str(key)) in CODES for key in value)
    )


def lacks(value: Any, code: str) -> bool:
    """Whether a value of a campaign holds, at any depth, a text by language that `code` has not."""
    if has_texts(value):
        return all(is_other(str(one), code) for one in value)
    if isinstance(value, Mapping):
        return any(lacks(one, code) for one in value.values())
    return isinstance(value, list | tuple) and any(lacks(one, code) for one in value)


def _nearest(want: str, country: str, files: Collection[str]) -> list[str]:
    """Those of `files` in the language of `want`, the nearest first."""
    has_country = any(len(part) == 2 for part in want.split("-")[1:])
    places = [f"{want}-{country}", f"{base(want)}-{country}"] if country and not has_country else []
    tries = [*places, want, _script(want), base(want)]

    def distance(code: str) -> tuple[bool, int]:
        place = tries.index(code) if code in tries else len(tries)
        return _script(code) != _script(want), place

    return sorted((code for code in files if base(code) == base(want)), key=distance)


def _script(code: str) -> str:
    """The language, with Chinese parted into `zh-hans` and `zh-hant`."""
    if base(code) != "zh":
        return base(code)
    parts = set(code.upper().split("-"))
    return "zh-hant" if parts & {"HANT", *TRADITIONAL} else "zh-hans"


def _written(code: str) -> str:
    """One way of writing for `pt_BR`, `pt-BR` and `pt-br`."""
    return code.replace("_", "-").lower()
