"""The day on which somebody who is away says to be back, in the languages of our customers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from babel.dates import get_day_names, get_month_names

from crm_mailer.listening.phrases import fold

_LANGUAGES = ("en", "ru", "es", "pt", "fr", "de", "it", "nl", "pl", "tr", "ar", "sv", "da", "fi")
_MORE = (*_LANGUAGES, "uk", "cs", "hu", "ro", "el", "he", "id", "vi")
#: Where the day is looked for.
LENGTH = 2_000
#: Nobody says today that they are back later than this.
AHEAD = timedelta(days=183)
#: A weekday is meant within a week.
WEEK = 7

#: What stands before the last day of an absence or the first day after it.
_UNTIL = (
    r"until(?: and including)?|till|through|thru|to|back(?: in the office)?(?: on| from)?|"
    r"return(?:ing|s)?(?: to (?:the )?(?:office|work))?(?: on)?|again(?: on| from)?|"
    r"до|по|вернусь|выйду(?: на работу)?|вернемся|буду(?: на месте)?|"
    r"hasta(?: el)?(?: dia)?|vuelvo(?: el)?|regreso(?: el)?|regresare(?: el)?|volvere(?: el)?|al|"
    r"ate(?: o dia| dia| ao dia)?|volto(?: em| dia| no dia| a)?|retorno(?: em| dia)?|regresso(?: a|"
    r" em)?|"
    r"jusqu'au|jusqu'a|jusqu’au|au|retour(?: le)?|des le|"
    r"bis(?: zum| einschlie\w+| inkl\.?| einschl\.?)?|ab(?: dem)?|wieder(?: am| ab)?|"
    r"zuruck(?: am)?|"
    r"fino al(?:l')?|fino a|rientro(?: il)?|dal|rientrero(?: il)?|"
    r"tot(?: en met)?|t/m|vanaf|terug(?: op)?|weer(?: op)?|"
    r"do(?: dnia)?|wracam|wroce|od dnia|"
    r"kadar|حتى|الى|في|يوم|till och med|t\.o\.m\.?|til(?: og med)?|tillbaka(?: den)?|"
    r"tilbage(?: den)?|"
    r"asti|saakka|az|"
    r"至|到|直到|于|截止|-|–|—|~|〜"
)
_FILL = r"\W{0,3}(?:(?:the|el|le|la|il|den|dem|der|dia|de|on)\s+)?(?:[^\W\d]{2,12}[,.]?\s+)?"


def return_on(text: str, today: date) -> date | None:
    """The last day named after "until" and the like, else the last day named at all.

    Only days from today to half a year ahead count; a date that can be read in two ways is the
    nearer one.
    """
    folded = fold(text[:LENGTH])
    days = list(_days(folded, today))
    marked = [day for day, is_marked in days if is_marked]
    marked += _weekdays(folded, today) if not marked else []
    return max(marked or (day for day, _ in days), default=None)


def names_a_day(folded: str) -> bool:
    """Whether a folded text names any day."""
    return any(pattern.search(folded) for pattern in (*_patterns(), _month_pattern()))


def _days(folded: str, today: date) -> Iterator[tuple[date, bool]]:
    for pattern in _patterns():
        for match in pattern.finditer(folded):
            day = _nearest(match.groupdict(), today)
            if day is not None:
                before = folded[max(0, match.start() - 40) : match.start()]
                after = folded[match.end() : match.end() + 12]
                yield day, bool(_before().search(before) or _AFTER.match(after))


def _nearest(told: dict[str, str | None], today: date) -> date | None:
    year = int(told["y"] or 0) or None
    if year is not None and year < 100:
        year += 2000
    if told.get("n"):
        pairs = [(_months()[told["n"] or ""], int(told["d"] or 0))]
    else:
        first, second = int(told["m"] or 0), int(told["d"] or 0)
        pairs = [(first, second)]
        if told.get("s") == "/":  # 8/12 is the eighth of December or the twelfth of August
            pairs.append((second, first))
    found = [day for month, number in pairs if (day := _day(year, month, number, today))]
    return min(found, default=None)


def _day(year: int | None, month: int, number: int, today: date) -> date | None:
    for candidate in (year,) if year else (today.year, today.year + 1):
        try:
            day = date(candidate, month, number)
        except ValueError:
            continue
        if today <= day <= today + AHEAD:
            return day
    return None


def _weekdays(folded: str, today: date) -> list[date]:
    found = []
    for match in _weekday_pattern().finditer(folded):
        ahead = (_weekday_names()[match["w"]] - today.weekday()) % WEEK or WEEK
        found.append(today + timedelta(days=ahead))
    if _TOMORROW.search(folded):
        found.append(today + timedelta(days=1))
    return found


_TOMORROW = re.compile(
    r"(?:back|return|until|till|вернусь|буду|regreso|vuelvo|volto|de retour|wieder|zuruck|rientro|"
    r"terug|"
    r"wroce)\W{1,3}(?:\w+\W{1,3}){0,3}?(?:tomorrow|завтра|manana|amanha|demain|morgen|domani|"
    r"jutro)\b"
)
#: What stands behind such a day instead.
_AFTER = re.compile(
    r"\s*(?:\(.\)|（.）)?\s*(?:まで|から|に復|까지|부터|에 복귀|'?[aeyı]+ kadar|tarihine|tarihinde|"
    r"asti|saakka|-ig\b|回来|返回|回到|上班|恢复)"
)


@lru_cache(maxsize=1)
def _before() -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{_UNTIL}){_FILL}$")


@lru_cache(maxsize=1)
def _months() -> dict[str, int]:
    names: dict[str, int] = {}
    for language in _MORE:
        for context in ("format", "stand-alone"):
            for width in ("abbreviated", "wide"):
                found = get_month_names(width, context, locale=language)
                for number, name in found.items():
                    plain = fold(name).strip(".")
                    if not plain[:1].isdigit():
                        names.setdefault(plain, number)
    names.update({"sept": 9, "мая": 5, "mrt": 3, "agosto": 8, "авг": 8})
    return names


@lru_cache(maxsize=1)
def _weekday_names() -> dict[str, int]:
    names: dict[str, int] = {}
    for language in _LANGUAGES:
        for context in ("format", "stand-alone"):
            for number, name in get_day_names("wide", context, locale=language).items():
                names.setdefault(fold(name), number)
    genitive = "понедельника вторника среды четверга пятницы субботы воскресенья".split()
    names.update({name: number for number, name in enumerate(genitive)})
    for number, (chinese, japanese) in enumerate(
        zip("一二三四五六日", "月火水木金土日", strict=True)
    ):
        names |= {f"周{chinese}": number, f"星期{chinese}": number, f"{japanese}曜日": number}
    return names


@lru_cache(maxsize=1)
def _weekday_pattern() -> re.Pattern[str]:
    names = "|".join(sorted(map(re.escape, _weekday_names()), key=len, reverse=True))
    return re.compile(
        rf"(?<!\w)(?:{_UNTIL})\W{{0,3}}(?:(?:next|the|el|le|lundi|on|nachsten|kommenden|следующего|"
        rf"следующий|proximo|proxima|prochain|下)\s?)?(?P<w>{names})"
    )


@lru_cache(maxsize=1)
def _month_pattern() -> re.Pattern[str]:
    """A month with its year, or until a month."""
    months = "|".join(sorted(map(re.escape, _months()), key=len, reverse=True))
    return re.compile(rf"\b(?:{months})\.? 20\d\d\b")


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], ...]:
    months = "|".join(sorted(map(re.escape, _months()), key=len, reverse=True))
    year = r"(?:,?\s*(?:de\s+|del\s+)?(?P<y>20\d\d))?(?!\d)"
    return (
        re.compile(r"(?<![\d.])(?P<y>20\d\d)[-./](?P<m>\d{1,2})[-./](?P<d>\d{1,2})(?![\d])"),
        re.compile(
            r"(?<![\d./:-])(?P<d>\d{1,2})(?P<s>[./-])\s?(?P<m>\d{1,2})(?:(?P=s)\s?(?P<y>20\d\d|"
            r"\d\d))?"
            r"(?![\d:/%-])(?!\s?(?:uhr|h\b|час|usd|eur|[$€%]))"
        ),
        re.compile(
            rf"(?<![\d])(?P<d>\d{{1,2}})\s?(?:st|nd|rd|th|er|ro|\.|º|ª|o)?\s+(?:of\s+|de\s+|di\s+)?"
            rf"(?P<n>{months})\b\.?{year}"
        ),
        re.compile(rf"\b(?P<n>{months})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?\b{year}"),
        re.compile(r"(?:(?P<y>20\d\d)\s?[年년]\s?)?(?P<m>\d{1,2})\s?[月월]\s?(?P<d>\d{1,2})"),
    )
