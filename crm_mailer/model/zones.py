"""Where a customer's clock hangs: as the shop says, as is kept with them, as in their country."""

from __future__ import annotations

from functools import lru_cache
from zoneinfo import ZoneInfo

from crm_mailer.model import provinces
from crm_mailer.model.moment import zone

#: The zone in which most people of a country live (IANA names).
BY_COUNTRY = {
    "AE": "Asia/Dubai", "AM": "Asia/Yerevan", "AR": "America/Argentina/Buenos_Aires",
    "AT": "Europe/Vienna", "AU": "Australia/Sydney", "AZ": "Asia/Baku", "BE": "Europe/Brussels",
    "BG": "Europe/Sofia", "BH": "Asia/Bahrain", "BO": "America/La_Paz", "BR": "America/Sao_Paulo",
    "BY": "Europe/Minsk", "CA": "America/Toronto", "CH": "Europe/Zurich", "CL": "America/Santiago",
    "CN": "Asia/Shanghai", "CO": "America/Bogota", "CR": "America/Costa_Rica",
    "CU": "America/Havana", "CY": "Asia/Nicosia", "CZ": "Europe/Prague", "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen", "DO": "America/Santo_Domingo", "EC": "America/Guayaquil",
    "EE": "Europe/Tallinn", "EG": "Africa/Cairo", "ES": "Europe/Madrid", "FI": "Europe/Helsinki",
    "FR": "Europe/Paris", "GB": "Europe/London", "GE": "Asia/Tbilisi", "GR": "Europe/Athens",
    "GT": "America/Guatemala", "HK": "Asia/Hong_Kong", "HR": "Europe/Zagreb",
    "HU": "Europe/Budapest", "ID": "Asia/Jakarta", "IE": "Europe/Dublin", "IL": "Asia/Jerusalem",
    "IN": "Asia/Kolkata", "IS": "Atlantic/Reykjavik", "IT": "Europe/Rome", "JO": "Asia/Amman",
    "JP": "Asia/Tokyo", "KE": "Africa/Nairobi", "KG": "Asia/Bishkek", "KR": "Asia/Seoul",
    "KW": "Asia/Kuwait", "KZ": "Asia/Almaty", "LT": "Europe/Vilnius", "LU": "Europe/Luxembourg",
    "LV": "Europe/Riga", "MA": "Africa/Casablanca", "MD": "Europe/Chisinau", "MT": "Europe/Malta",
    "MX": "America/Mexico_City", "MY": "Asia/Kuala_Lumpur", "NG": "Africa/Lagos",
    "NL": "Europe/Amsterdam", "NO": "Europe/Oslo", "NP": "Asia/Kathmandu",
    "NZ": "Pacific/Auckland", "OM": "Asia/Muscat", "PA": "America/Panama", "PE": "America/Lima",
    "PH": "Asia/Manila", "PK": "Asia/Karachi", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon",
    "PY": "America/Asuncion", "QA": "Asia/Qatar", "RO": "Europe/Bucharest",
    "RS": "Europe/Belgrade", "RU": "Europe/Moscow", "SA": "Asia/Riyadh", "SE": "Europe/Stockholm",
    "SG": "Asia/Singapore", "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
    "TH": "Asia/Bangkok", "TR": "Europe/Istanbul", "TW": "Asia/Taipei", "UA": "Europe/Kyiv",
    "US": "America/New_York", "UY": "America/Montevideo", "UZ": "Asia/Tashkent",
    "VE": "America/Caracas", "VN": "Asia/Ho_Chi_Minh", "WS": "Pacific/Apia",
    "ZA": "Africa/Johannesburg",
}  # fmt: skip


#: What else is a guess from the country alone, as importing makes it.
_GUESSES = {"US": frozenset({"America/Chicago"})}

#: A shop's own table: country ("RU") or country and province ("US-HI") -> zone.
Overrides = tuple[tuple[str, str], ...]


@lru_cache(maxsize=16_384)
def home_zone(
    time_zone: str, country: str, default: str, *, region: str = "", overrides: Overrides = ()
) -> ZoneInfo:
    """The zone of a customer.

    The shop's word on a province comes first, then what is kept with the customer (importing takes
    it from country and province), then the shop's word on the country, then the country's main
    zone. A kept zone that is only the country's main one does not stand against the shop's word.

    Args:
        time_zone: kept with the customer; may be empty.
        country: two capital letters; may be empty.
        default: the shop's own zone, for who lives nobody knows where.
        region: the province as the address has it.
        overrides: the shop's table.
    """
    country = country.upper()
    main = BY_COUNTRY.get(country, default)
    said = _said(country, region, overrides)
    if said is not None and (said[1] or _is_guess(time_zone, country)):
        return zone(said[0], main)
    name = time_zone or provinces.zone_of(country, region) or main
    return zone(name, main)


def _said(country: str, region: str, overrides: Overrides) -> tuple[str, bool] | None:
    """What the table says of a place, and whether it names the province."""
    of_country = None
    for key, name in overrides:
        there, _, province = key.partition("-")
        if there != country:
            continue
        if not province:
            of_country = name, False
        elif region and provinces.plain(province) == provinces.plain(region):
            return name, True
    return of_country


def _is_guess(time_zone: str, country: str) -> bool:
    main = BY_COUNTRY.get(country)
    guesses = _GUESSES.get(country, frozenset())
    return not time_zone or main is None or time_zone == main or time_zone in guesses
