"""The days that a report is about, as the shop counts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence

#: Days that a report looks back where nobody says more.
USUAL_DAYS = 90
#: Fifty years: longer is a slip of the pen, and each month is a row.
LONGEST_DAYS = 18_300
#: Keeps the first month's arithmetic within what a computer calls a date.
FIRST_YEAR, LAST_YEAR = 1970, 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days from `first` to `last`, both included, in the zone `place`."""

    first: date
    last: date
    place: ZoneInfo

    @property
    def since(self) -> datetime:
        """The instant at which it begins."""
        return datetime.combine(self.first, time(), self.place)

    @property
    def before(self) -> datetime:
        """The instant at which it is over."""
        return datetime.combine(self.last + timedelta(days=1), time(), self.place)

    @property
    def days(self) -> int:
        """Its length."""
        return (self.last - self.first).days + 1

    def previous(self) -> Period:
        """As many days, right before."""
        last = self.first - timedelta(days=1)
        return Period(first=last - timedelta(days=self.days - 1), last=last, place=self.place)

    def months(self) -> list[tuple[str, datetime]]:
        """Each month that it touches, such as `2026-11`, and the instant at which it begins."""
        found = []
        year, month = self.first.year, self.first.month
        while (year, month) <= (self.last.year, self.last.month):
            found.append((f"{year}-{month:02}", datetime(year, month, 1, tzinfo=self.place)))
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        return found


def period(first: date | None, last: date | None, *, now: datetime, place: ZoneInfo,
           usual_days: int = USUAL_DAYS) -> Period:  # fmt: skip
    """The period between two days; what is left out is today, and `usual_days` in all.

    Raises:
        NotPossible: it ends before it begins, or is longer than fifty years.
    """
    end = last or max(now.astimezone(place).date(), first or date.min)
    begin = first or date.fromordinal(max(end.toordinal() - usual_days + 1, 1))
    if begin > end:
        raise NotPossible(
            Sentence("the period ends on {end} before it begins on {begin}", end=end, begin=begin),
            hint="the day of --from comes before the day of --until",
        )
    if begin.year < FIRST_YEAR or end.year > LAST_YEAR or (end - begin).days >= LONGEST_DAYS:
        raise NotPossible(
            Sentence("no report goes from {begin} to {end}", begin=begin, end=end),
            hint="ask for fifty years at most, such as --from 2026-01-01 --until 2026-12-31",
        )
    return Period(first=begin, last=end, place=place)
