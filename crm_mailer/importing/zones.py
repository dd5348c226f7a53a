"""The time zone in which a country's customers most likely live."""

from __future__ import annotations

from functools import cache
from importlib import resources

from crm_mailer.model import provinces

#: Where the first zone of the table is not where most people live.
MOST_PEOPLE = {
    "RU": "Europe/Moscow", "AU": "Australia/Sydney", "BR": "America/Sao_Paulo",
    "CA": "America/Toronto", "US": "America/Chicago", "UA": "Europe/Kyiv",
    "UZ": "Asia/Tashkent", "MX": "America/Mexico_City", "ID": "Asia/Jakarta",
    "KZ": "Asia/Almaty", "CN": "Asia/Shanghai", "ES": "Europe/Madrid", "PT": "Europe/Lisbon",
    "CL": "America/Santiago", "AR": "America/Argentina/Buenos_Aires", "NZ": "Pacific/Auckland",
    "DE": "Europe/Berlin", "MY": "Asia/Kuala_Lumpur", "MN": "Asia/Ulaanbaatar",
    "CD": "Africa/Kinshasa", "EC": "America/Guayaquil", "CY": "Asia/Nicosia",
    "GL": "America/Nuuk", "PF": "Pacific/Tahiti", "PG": "Pacific/Port_Moresby",
}  # fmt: skip


def zone_of(country: str, region: str = "") -> str:
    """A zone's name for a country code and, where it matters, a province; empty if unknown."""
    near = provinces.zone_of(country, region)
    return near or MOST_PEOPLE.get(country) or _first_zones().get(country, "")


@cache
def _first_zones() -> dict[str, str]:
    text = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            country, _place, name = line.split("\t")[:3]
            found.setdefault(country, name)
    return found
