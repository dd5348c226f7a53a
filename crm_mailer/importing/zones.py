"""The time zone in which a country's customers most likely live."""

from __future__ import annotations

from functools import cache
from importlib import resources

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
#: Regions of wide countries whose clocks are far from the country's own.
REGIONS = {
    ("US", "CA"): "America/Los_Angeles", ("US", "WA"): "America/Los_Angeles",
    ("US", "OR"): "America/Los_Angeles", ("US", "NV"): "America/Los_Angeles",
    ("US", "NY"): "America/New_York", ("US", "NJ"): "America/New_York",
    ("US", "FL"): "America/New_York", ("US", "MA"): "America/New_York",
    ("US", "PA"): "America/New_York", ("US", "HI"): "Pacific/Honolulu",
    ("US", "AK"): "America/Anchorage", ("US", "CO"): "America/Denver",
    ("US", "AZ"): "America/Phoenix", ("CA", "BC"): "America/Vancouver",
    ("CA", "AB"): "America/Edmonton", ("AU", "WA"): "Australia/Perth",
    ("AU", "QLD"): "Australia/Brisbane", ("AU", "SA"): "Australia/Adelaide",
}  # fmt: skip


def zone_of(country: str, region: str = "") -> str:
    """A zone's name for a country code and, where it matters, a region's code; empty if unknown."""
    near = REGIONS.get((country, region.strip().upper()))
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
