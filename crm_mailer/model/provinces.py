"""The zones of provinces whose clocks differ from those of their country's main zone."""

from __future__ import annotations

import re
from functools import lru_cache

#: Country -> zone -> provinces as addresses name them: a code and names of one province, English
#: and native ones, parted by `/`.
_TABLE: dict[str, dict[str, str]] = {
    "US": {
        "America/New_York": "CT Connecticut/Conn, DE Delaware/Del, DC Washington D.C./Washington "
        "DC/District of Columbia, FL Florida/Fla, GA Georgia, IN Indiana/Ind, KY Kentucky, ME "
        "Maine, MD Maryland, MA Massachusetts/Mass, MI Michigan/Mich, NH New Hampshire, NJ New "
        "Jersey, NY New York, NC North Carolina, OH Ohio, PA Pennsylvania/Penn/Penna, RI Rhode "
        "Island, SC South Carolina, VT Vermont, VA Virginia, WV West Virginia/WVa",
        "America/Chicago": "AL Alabama/Ala, AR Arkansas/Ark, IL Illinois/Ill, IA Iowa, KS "
        "Kansas/Kan/Kans, LA Louisiana, MN Minnesota/Minn, MS Mississippi/Miss, MO Missouri, NE "
        "Nebraska/Neb/Nebr, ND North Dakota, OK Oklahoma/Okla, SD South Dakota, TN "
        "Tennessee/Tenn, TX Texas/Tex, WI Wisconsin/Wis/Wisc",
        "America/Denver": "CO Colorado/Colo, MT Montana/Mont, NM New Mexico, UT Utah, WY "
        "Wyoming/Wyo",
        "America/Boise": "ID Idaho",
        "America/Phoenix": "AZ Arizona/Ariz",
        "America/Los_Angeles": "CA California/Calif/Cal, NV Nevada/Nev, OR Oregon/Ore/Oreg, WA "
        "Washington/Wash",
        "America/Anchorage": "AK Alaska",
        "Pacific/Honolulu": "HI Hawaii",
        "America/Puerto_Rico": "PR Puerto Rico",
        "Pacific/Guam": "GU Guam",
    },
    "CA": {
        "America/Toronto": "ON Ontario, QC Quebec/Québec",
        "America/Halifax": "NS Nova Scotia, NB New Brunswick, PE Prince Edward Island",
        "America/St_Johns": "NL Newfoundland and Labrador/Newfoundland",
        "America/Winnipeg": "MB Manitoba",
        "America/Regina": "SK Saskatchewan",
        "America/Edmonton": "AB Alberta, NT Northwest Territories",
        "America/Vancouver": "BC British Columbia",
        "America/Whitehorse": "YT Yukon",
    },
    "AU": {
        "Australia/Sydney": "NSW New South Wales, ACT Australian Capital Territory",
        "Australia/Melbourne": "VIC Victoria",
        "Australia/Hobart": "TAS Tasmania",
        "Australia/Brisbane": "QLD Queensland",
        "Australia/Adelaide": "SA South Australia",
        "Australia/Darwin": "NT Northern Territory",
        "Australia/Perth": "WA Western Australia",
    },
    "BR": {
        "America/Manaus": "AM Amazonas, RR Roraima, RO Rondônia/Rondonia",
        "America/Cuiaba": "MT Mato Grosso",
        "America/Campo_Grande": "MS Mato Grosso do Sul",
        "America/Rio_Branco": "AC Acre",
    },
    "MX": {
        "America/Tijuana": "BC Baja California",
        "America/Mazatlan": "BCS Baja California Sur, SIN Sinaloa, NAY Nayarit",
        "America/Hermosillo": "SON Sonora",
        "America/Cancun": "ROO Quintana Roo",
    },
    "RU": {
        "Europe/Kaliningrad": "KGD Kaliningrad/Калининград/Калининградская",
        "Europe/Samara": "SAM Samara/Самара/Самарская, UD Udmurtia/Удмуртия/Удмуртская",
        "Europe/Astrakhan": "AST Astrakhan/Астрахань/Астраханская",
        "Europe/Saratov": "SAR Saratov/Саратов/Саратовская",
        "Europe/Ulyanovsk": "ULY Ulyanovsk/Ульяновск/Ульяновская",
        "Asia/Yekaterinburg": "SVE Sverdlovsk/Свердловская, CHE "
        "Chelyabinsk/Челябинск/Челябинская, BA Bashkortostan/Башкортостан, PER "
        "Perm/Пермь/Пермский, TYU Tyumen/Тюмень/Тюменская, ORE Orenburg/Оренбургская, KGN "
        "Kurgan/Курганская, KHM Khanty-Mansi/Ханты-Мансийский, YAN "
        "Yamalo-Nenets/Ямало-Ненецкий/Yamalo-Nenetsky",
        "Asia/Omsk": "OMS Omsk/Омск/Омская",
        "Asia/Novosibirsk": "NVS Novosibirsk/Новосибирск/Новосибирская",
        "Asia/Barnaul": "ALT Altai/Алтайский/Алтай",
        "Asia/Tomsk": "TOM Tomsk/Томск/Томская",
        "Asia/Novokuznetsk": "KEM Kemerovo/Кемерово/Кемеровская",
        "Asia/Krasnoyarsk": "KYA Krasnoyarsk/Красноярск/Красноярский, KK "
        "Khakassia/Хакасия/Khakasia, TY Tuva/Тыва",
        "Asia/Irkutsk": "IRK Irkutsk/Иркутск/Иркутская, BU Buryatia/Бурятия",
        "Asia/Chita": "ZAB Zabaykalsky/Забайкальский/Zabaikalsky",
        "Asia/Yakutsk": "SA Yakutia/Sakha/Якутия/Саха, AMU Amur/Амурская",
        "Asia/Vladivostok": "PRI Primorsky/Приморский, KHA Khabarovsk/Хабаровск/Хабаровский, YEV "
        "Еврейская/Jewish/Evreysky/Yevreysky",
        "Asia/Magadan": "MAG Magadan/Магадан/Магаданская",
        "Asia/Sakhalin": "SAK Sakhalin/Сахалин/Сахалинская",
        "Asia/Kamchatka": "KAM Kamchatka/Камчатка/Камчатский/Kamchatsky, CHU "
        "Chukotka/Чукотский/Chukotsky",
    },
    "KZ": {
        "Asia/Almaty": "Almaty/Алматы",
    },
    "ID": {
        "Asia/Pontianak": "KB West Kalimantan/Kalimantan Barat",
        "Asia/Makassar": "BA Bali, SN South Sulawesi/Sulawesi Selatan, NB West Nusa Tenggara, NT "
        "East Nusa Tenggara, KI East Kalimantan/Kalimantan Timur, KS South Kalimantan/Kalimantan "
        "Selatan, SA North Sulawesi/Sulawesi Utara",
        "Asia/Jayapura": "PA Papua, MA Maluku, PB West Papua",
    },
    "ES": {
        "Atlantic/Canary": "CN Canarias/Canary Islands, Las Palmas, Santa Cruz de Tenerife",
    },
    "PT": {
        "Atlantic/Azores": "Açores/Azores",
        "Atlantic/Madeira": "Madeira",
    },
    "CL": {
        "America/Punta_Arenas": "MA Magallanes",
        "Pacific/Easter": "Isla de Pascua/Rapa Nui",
    },
    "EC": {
        "Pacific/Galapagos": "W Galápagos/Galapagos",
    },
    "NZ": {
        "Pacific/Chatham": "CIT Chatham Islands",
    },
    "MN": {
        "Asia/Hovd": "Khovd/Hovd, Bayan-Ölgii, Uvs",
    },
}
#: What stands beside a province's name in addresses.
_BESIDE = frozenset(
    "область обл край республика автономный автономная округ ао oblast obl krai kray region "
    "republic respublika autonomous avtonomnyy okrug ao state province of the".split()
)
#: Between the parts of an address; a postal code at its end tells nothing here.
_PARTS = re.compile(r"[()\[\],/]|\s-\s|\s\d[\d-]*\s*$")
_MARKS = re.compile(r"[.'`\u2019\u02b9]")
#: Russian provinces are named by an adjective, which is written in Latin letters in many ways.
_ADJECTIVE = re.compile(
    r"(?:sk|ск)(?:aya|aja|aia|a|iy|ij|ii|yi|yy|yj|y|i|oy|oi|oj|ая|ий|ой|ый)?(?=-|$)"
)
_LAST_VOWELS = re.compile(r"(?<=\w\w)[aeiouyаеёийоуыьюя]+$")


def _names(province: str) -> list[str]:
    """All names of a province of the table; the first one is the one it is known by."""
    code, _, names = province.partition(" ")
    found = [code, *names.split("/")] if names and code.isupper() else province.split("/")
    return [name.casefold() for name in found]


def _stem(name: str) -> str:
    """What the ways to write a Russian province have in common: Sverdlovsk, Sverdlovskaya."""
    return _LAST_VOWELS.sub("", _ADJECTIVE.sub("", _MARKS.sub("", name)))


#: Country and name -> the name that the province is known by, and its zone.
NAMES = {
    (country, name): (_names(province)[0], zone)
    for country, zones in _TABLE.items()
    for zone, listed in zones.items()
    for province in listed.split(", ")
    for name in _names(province)
}
#: The same by stems, codes left aside.
_STEMS = {
    _stem(name): found for (country, name), found in NAMES.items() if country == "RU" and name[3:]
}


def zones() -> frozenset[str]:
    """Every zone of the table."""
    return frozenset(zone for _, zone in NAMES.values())


def names_of(country: str) -> list[str]:
    """The provinces of a country that the table has: codes, and names such as Hawaii."""
    listed = _TABLE.get(country, {}).values()
    entries = [entry for line in listed for entry in line.split(", ")]
    names = [entry.partition(" ") for entry in entries]
    return [part for code, _, rest in names for part in (code, rest.partition("/")[0]) if part]


def is_known(country: str, region: str) -> bool:
    """Whether the table has the province."""
    return _known(country.upper(), region) is not None


def plain(region: str) -> str:
    """A province's name without capitals and without words such as `oblast`."""
    words = _MARKS.sub(" ", region.replace(",", " ").casefold()).split()
    if not words:
        return region.strip().casefold()
    return " ".join(word for word in words if word not in _BESIDE) or region.strip().casefold()


def zone_of(country: str, region: str) -> str:
    """The zone of a province; empty where it is the country's own, or unknown."""
    found = _known(country.upper(), region)
    return found[1] if found is not None else ""


@lru_cache(maxsize=4_096)
def one_name(country: str, region: str) -> str:
    """A name that is the same however the province is written: by its code, by any of its names."""
    country = country.upper()
    found = _known(country, region)
    if found is not None:
        return found[0]
    name = plain(region.strip().casefold().removeprefix(f"{country.casefold()}-"))
    return _stem(name) if country == "RU" else name


@lru_cache(maxsize=4_096)
def _known(country: str, region: str) -> tuple[str, str] | None:
    """A province of the table: the name it is known by, and its zone.

    Marketplaces write provinces in many ways: `CA`, `US-CA`, `Calif.`, `Sverdlovskaya oblast`,
    `Republic of Sakha (Yakutia)`, `Washington, DC`. Where several parts name a province the last
    one counts: what stands before it is a town, such as California in Maryland.
    """
    if not region:
        return None
    for part in (region, *reversed(_PARTS.split(region))):
        name = part.strip().casefold().removeprefix(f"{country.casefold()}-")
        together = _MARKS.sub("", name)
        for one in (name, " ".join(name.replace(",", " ").split()), together, plain(name),
                    _words(together)):  # fmt: skip
            found = NAMES.get((country, one))
            if found is None and country == "RU":
                found = _STEMS.get(_stem(one))
            if found is not None:
                return found
    return None


def _words(name: str) -> str:
    return " ".join(word for word in name.replace(",", " ").split() if word not in _BESIDE)
