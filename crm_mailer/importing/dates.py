"""Reads the ways in which platforms write a time, in the zone that they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.importing.cells import NOTHING, CellError
from crm_mailer.model.sentence import Sentence

CACHED = 20_000
#: Days that a clock may be behind the shop's: later times are faults.
AHEAD = timedelta(days=400)
FIRST_YEAR = 1990
#: `2026-11-02`, with minutes, with seconds.
ISO_LENGTHS = (10, 16, 19)
MONTHS = {name: place for place, name in enumerate(
    "jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)}  # fmt: skip
ZONES = {"utc": "+00:00", "gmt": "+00:00", "z": "+00:00", "pst": "-08:00", "pdt": "-07:00",
         "est": "-05:00", "edt": "-04:00", "cst": "-06:00", "cet": "+01:00", "cest": "+02:00",
         "msk": "+03:00"}  # fmt: skip
TIME = (
    r"(?:[ T,]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?)?(?:\s*\(?(?P<zone>[+-][0-9]{2}:?[0-9]{2}|[a-z]{1,4})\)?)?\s*"
)
NUMERIC = re.compile(
    r"(?P<a>[0-9]{1,4})(?P<mark>[-/.])(?P<b>[0-9]{1,2})(?P=mark)(?P<c>[0-9]{1,4})" + TIME, re.I
)
MONTH_FIRST = re.compile(
    r"(?:[a-z]{3,9},?\s+)?(?P<month>[a-z]{3,9})\.?[\s-](?P<day>[0-9]{1,2})(?:st|nd|rd|th)?[,\s-]+"
    r"(?P<year>[0-9]{4}|[0-9]{2})" + TIME,
    re.I,
)
DAY_FIRST = re.compile(
    r"(?:[a-z]{3,9},?\s+)?(?P<day>[0-9]{1,2})[\s-](?P<month>[a-z]{3,9})\.?[,\s-]+"
    r"(?P<year>[0-9]{4}|[0-9]{2})" + TIME,
    re.I,
)
CHINESE = re.compile(r"(?P<year>[0-9]{4})年(?P<month>[0-9]{1,2})月(?P<day>[0-9]{1,2})日?" + TIME)
COMPACT = re.compile(r"(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})(?P<clock>[0-9]{6})?")
SERIAL = re.compile(r"[2-7][0-9]{4}(?:\.[0-9]+)?")
ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}.*)?")
SLASHED = re.compile(r"\s*([0-9]{1,2})[-/.]([0-9]{1,2})[-/.][0-9]{2,4}\b")


def day_order(samples: Iterable[str]) -> tuple[str, bool]:
    """Whether dates such as 03/04/2026 put the day or the month first, and whether it is sure."""
    day_first = month_first = ambiguous = 0
    for text in samples:
        found = SLASHED.match(text)
        if found is None:
            continue
        day_first += int(found.group(1)) > 12
        month_first += int(found.group(2)) > 12
        ambiguous += 1
    if month_first > day_first:
        return "mdy", True
    return "dmy", bool(day_first) or not ambiguous


class Dates:
    """Reads the times of one file; the same text is read once."""

    def __init__(self, place: ZoneInfo, order: str, now: datetime) -> None:
        self.place = place
        self.order = order
        self.last = now + AHEAD
        self.cache: dict[str, datetime | None] = {}

    def read(self, text: str) -> datetime | None:
        """The instant in UTC, whole seconds; None for an empty cell.

        Raises:
            CellError: it is no time, or one before 1990 or far ahead.
        """
        if text in self.cache:
            return self.cache[text]
        if len(self.cache) >= CACHED:
            self.cache.clear()
        moment = self.cache[text] = self._read(text)
        return moment

    def _read(self, text: str) -> datetime | None:
        body = text.strip()
        if body[4:5] == "-" and body[7:8] == "-" and len(body) in ISO_LENGTHS:
            try:
                return self._in_utc(datetime.fromisoformat(body), body)
            except ValueError:
                pass
        if body.casefold() in NOTHING or body.startswith("0000-00-00"):
            return None
        try:
            moment = self._parse(body)
        except (ValueError, OverflowError):
            moment = None
        if moment is None:
            raise CellError(
                Sentence("`{text}` is no date", text=body[:40]), "such as 2026-11-02 14:30"
            )
        return self._in_utc(moment, body)

    def _in_utc(self, moment: datetime, body: str) -> datetime:
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.place)
        if not FIRST_YEAR <= moment.year <= self.last.year + 1:
            raise CellError(
                Sentence(
                    "`{text}` is no date of an order: year {year}",
                    text=body[:40],
                    year=moment.year,
                )
            )
        moment = moment.astimezone(UTC)
        if moment.microsecond:
            moment = moment.replace(microsecond=0)
        if moment > self.last:
            raise CellError(Sentence("`{text}` lies far in the future", text=body[:40]))
        return moment

    def _parse(self, body: str) -> datetime | None:
        if ISO.fullmatch(body):
            try:
                return datetime.fromisoformat(body.replace(" +", "+").replace(" -", "-"))
            except ValueError:
                pass
        if found := COMPACT.fullmatch(body):
            clock = found.group("clock") or "000000"
            return datetime.strptime(body[:8] + clock, "%Y%m%d%H%M%S")  # noqa: DTZ007
        if SERIAL.fullmatch(body):
            return datetime(1899, 12, 30) + timedelta(seconds=round(float(body) * 86_400))  # noqa: DTZ001
        return self._by_shape(body)

    def _by_shape(self, body: str) -> datetime | None:
        if found := NUMERIC.fullmatch(body):
            return _moment(found, *self._sorted(found.group("a"), found.group("b"), found["c"]))
        for shape in (MONTH_FIRST, DAY_FIRST):
            if found := shape.fullmatch(body):
                month = MONTHS[found["month"][:3].lower()] if _is_month(found["month"]) else 0
                return _moment(found, _year(found["year"]), month, int(found["day"]))
        if found := CHINESE.fullmatch(body):
            return _moment(found, *(int(found[name]) for name in ("year", "month", "day")))
        return None

    def _sorted(self, a: str, b: str, c: str) -> tuple[int, int, int]:
        """Year, month and day of three numbers."""
        if len(a) > 2:
            return int(a), int(b), int(c)
        first, second = int(a), int(b)
        if self.order == "mdy" and first <= 12:
            return _year(c), first, second
        if self.order == "ymd" and len(c) == 2:
            return _year(a), second, int(c)
        return (_year(c), second, first) if second <= 12 else (_year(c), first, second)


def _is_month(word: str) -> bool:
    return word[:3].lower() in MONTHS


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) > 2 else 2000 + year if year < 70 else 1900 + year


def _moment(found: re.Match[str], year: int, month: int, day: int) -> datetime:
    hour = int(found["hour"] or 0)
    if found["half"]:
        hour = hour % 12 + (12 if found["half"].lower() == "p" else 0)
    clock = f"{hour:02}:{found['minute'] or '00'}:{found['second'] or '00'}"
    zone = (found["zone"] or "").lower()
    if zone and zone[0] not in "+-":
        if zone not in ZONES:
            raise ValueError(zone)
        zone = ZONES[zone]
    return datetime.fromisoformat(f"{date(year, month, day).isoformat()}T{clock}{zone}")
