"""How people write durations, times of day, ids and addresses in a file, as types for its shape."""

from __future__ import annotations

import difflib
import re
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, WithJsonSchema

from crm_mailer.definitions.files import Fault
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model.sentence import Sentence

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DURATION = re.compile(r"([0-9]{1,5})\s*([mhdw])")
TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
#: The shop's own addresses: plain ones, which every mail server takes.
MAIL = re.compile(
    r"(?=[^@]{1,64}@)[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@[a-z0-9-]+(\.[a-z0-9-]+)+",
    re.IGNORECASE | re.ASCII,
)
HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE | re.ASCII)
URL = re.compile(r"https?://[^\s/@]+(/\S*)?", re.IGNORECASE)
COUNTRY = re.compile(r"[A-Z]{2}")
COLOR = re.compile(r"#[0-9a-fA-F]{6}")
#: Ten years: longer is surely a slip of the pen.
LONGEST = timedelta(days=3653)


def duration(text: Any) -> timedelta:
    """`5m`, `12h`, `4d` and `2w` as a duration.

    Raises:
        Fault: it is none, or longer than ten years.
    """
    match = DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise Fault(
            "CRM110",
            Sentence("`{shown}` is no duration", shown=shown(text)),
            "write 30m, 12h, 4d or 2w",
        )
    span = timedelta(**{UNITS[match[2]]: int(match[1])})
    if span > LONGEST:
        raise Fault("CRM110", Sentence("`{text}` is longer than ten years", text=text))
    return span


def spelled(span: timedelta) -> str:
    """A duration as it is written: the largest unit that divides it."""
    minutes = int(span.total_seconds()) // 60
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes and minutes % size == 0:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def time_of_day(text: Any) -> tuple[int, int]:
    """`10:00` as hour and minute."""
    match = TIME.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise Fault(
            "CRM111",
            Sentence("`{shown}` is no time of day", shown=shown(text)),
            'write "10:00", 24 hours',
        )
    return int(match[1]), int(match[2])


def slug(text: Any) -> str:
    """An id: lower-case letters, digits and hyphens."""
    if not isinstance(text, str) or not SLUG.fullmatch(text) or len(text) > 60:
        said = text if isinstance(text, str) else ""
        near = re.sub(r"[^a-z0-9]+", "-", said.lower()).strip("-")
        hint = Sentence("such as `{id}`", id=near or "win-back")
        raise Fault("CRM117", "an id has lower-case letters, digits and hyphens only", hint)
    return text


def language(text: Any) -> str:
    """A language code."""
    if not isinstance(text, str) or not LANGUAGE.fullmatch(text):
        raise Fault(
            "CRM125",
            Sentence("`{shown}` is no language code", shown=shown(text)),
            "such as en, ru, es",
        )
    return text


def time_zone(text: Any) -> str:
    """A zone of the IANA list."""
    try:
        return ZoneInfo(text).key
    except (ValueError, OSError, KeyError, TypeError):
        raise Fault(
            "CRM124", Sentence("`{shown}` is no time zone", shown=shown(text)), _zone_hint(text)
        ) from None


def _zone_hint(text: Any) -> str:
    """The zone that was surely meant, such as Asia/Shanghai for Asia/Shanghay or for Shanghai."""
    names = available_timezones() - {"localtime", "Factory"}
    word = shown(text).strip().casefold().replace(" ", "_")
    by_city = {name.rpartition("/")[2].casefold(): name for name in sorted(names)}
    cities = difflib.get_close_matches(word, by_city, n=1, cutoff=0.75)
    if cities and "/" not in word:
        return Sentence("did you mean `{name}`?", name=by_city[cities[0]])
    near = did_you_mean(shown(text), names)
    is_near = near.startswith("did")
    return near if is_near else Sentence("such as Asia/Shanghai, Europe/Moscow, UTC")


def _pattern(pattern: re.Pattern[str], code: str, said: Sentence, hint: str) -> BeforeValidator:
    """A text that must look like this, or be empty; else `said` of what is `{shown}`."""

    def check(text: Any) -> str:
        if text is None or text == "":
            return ""
        if not isinstance(text, str) or not pattern.fullmatch(text.strip()):
            raise Fault(code, Sentence(said.pattern, shown=shown(text)), hint)
        return text.strip()

    return BeforeValidator(check)


def _optional(text: Any) -> Any:
    return "" if text is None else text


def shown(value: Any) -> str:
    """A value as a message names it: what was written, where that is a text."""
    return value if isinstance(value, str) else Sentence("this")


def _as_text(pattern: str = "", **more: Any) -> WithJsonSchema:
    """What an editor is told: any scalar is a text here, an empty one too; a text looks so."""
    schema: dict[str, Any] = {"type": ["string", "number", "boolean", "null"], **more}
    if pattern:
        schema["pattern"] = f"^\\s*({pattern})?\\s*$"
    return WithJsonSchema(schema)


DURATION_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": f"^\\s*{DURATION.pattern}\\s*$", "examples": ["4d", "12h"]}
)
TIME_SCHEMA = {"type": "string", "pattern": f"^\\s*(?:{TIME.pattern})\\s*$", "examples": ["10:00"]}

Duration = Annotated[timedelta, BeforeValidator(duration), DURATION_SCHEMA]
TimeOfDay = Annotated[tuple[int, int], BeforeValidator(time_of_day), WithJsonSchema(TIME_SCHEMA)]
Slug = Annotated[
    str,
    BeforeValidator(slug),
    WithJsonSchema(
        {"type": ["string", "number", "boolean"], "pattern": f"^{SLUG.pattern}$", "maxLength": 60}
    ),
]
Language = Annotated[
    str,
    BeforeValidator(language),
    WithJsonSchema({"type": "string", "pattern": f"^{LANGUAGE.pattern}$"}),
]
TimeZone = Annotated[str, BeforeValidator(time_zone), WithJsonSchema({"type": "string"})]
#: A key with nothing after it is an empty text.
Text = Annotated[str, BeforeValidator(_optional), _as_text()]
MailAddress = Annotated[
    str,
    _pattern(
        MAIL,
        "CRM129",
        Sentence("`{shown}` is no mail address"),
        Sentence("such as hello@shop.com"),
    ),
    _as_text(r"[^@\s]+@[^@\s]+\.[^@\s]+"),
]
Host = Annotated[
    str,
    _pattern(
        HOST, "CRM107", Sentence("`{shown}` is no domain"), Sentence("such as bounce.shop.com")
    ),
    _as_text(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"),
]
Url = Annotated[
    str,
    _pattern(
        URL, "CRM107", Sentence("`{shown}` is no web address"), Sentence("begin with https://")
    ),
    _as_text("[Hh][Tt][Tt][Pp][Ss]?://.*", examples=["https://shop.example"]),
]
Country = Annotated[
    str,
    _pattern(
        COUNTRY,
        "CRM107",
        Sentence("`{shown}` is no country"),
        Sentence("two capital letters such as CN"),
    ),
    _as_text(COUNTRY.pattern),
]
Color = Annotated[
    str,
    _pattern(
        COLOR, "CRM107", Sentence("`{shown}` is no colour"), Sentence('write "#0b6e6e" in quotes')
    ),
    _as_text(COLOR.pattern),
]
