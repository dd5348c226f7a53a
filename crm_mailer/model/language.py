"""Which language a customer reads, and which one to fall back to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

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
RIGHT_TO_LEFT = {"ar", "he", "fa", "ur"}


def base(code: str) -> str:
    """`pt_BR` and `pt-br` are `pt`."""
    return code.replace("_", "-").partition("-")[0].lower()


def guess(country: str | None, default: str) -> str:
    """The language for a customer who told none."""
    return BY_COUNTRY.get((country or "").upper(), default)


def choose(wanted: str, available: Collection[str], fallback: Sequence[str]) -> str | None:
    """The best of `available` for a reader of `wanted`: itself, its base, then the chain."""
    for code in (wanted, base(wanted), *fallback):
        if code in available:
            return code
    return None
