"""Verb of the calendar of campaigns: what is planned for the coming month, and what is to be
expected beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from crm_mailer.app import campaign_looks, remembered, segments, when
from crm_mailer.app.remembered import Told
from crm_mailer.app.when import FestivalDay
from crm_mailer.app.wiring import App
from crm_mailer.model import birthday
from crm_mailer.model.campaign import BirthdayAnchor, Campaign, Mode, Stream
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.model.segment import EVERYBODY
from crm_mailer.store import campaign_figures, selection, touches
from crm_mailer.store.homes import of_all
from crm_mailer.store.look import Look

DAYS = 31
#: The pace of campaigns that events start is that of so many days.
PAST = timedelta(days=28)
#: It is not worked out more often.
SELDOM = timedelta(minutes=10)
#: The usual part of an audience that is mailed is learnt from so many mails, or more.
ENOUGH = 100
DAY = timedelta(days=1)
A_WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """One campaign's mails of one day."""

    campaign: str
    #: Planned: they wait for their time.
    planned: int
    #: To be expected beside them; `basis` says by what: "day" (its audience on its day),
    #: "birthdays", "pace" (what left on such weekdays lately), or nothing.
    expected: int
    basis: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarDay:
    """One day of the shop's calendar."""

    day: date
    festivals: tuple[FestivalDay, ...]
    volumes: tuple[Volume, ...]
    #: Customers whose birthday it is.
    birthdays: int

    @property
    def planned(self) -> int:
        """Mails that wait for this day."""
        return sum(one.planned for one in self.volumes)

    @property
    def expected(self) -> int:
        """Mails that are to be expected beside them."""
        return sum(one.expected for one in self.volumes)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthAhead:
    """The coming month; `volumes` is None while it is worked out for the first time."""

    days: tuple[CalendarDay, ...]
    counted_at: datetime | None
    is_counting: bool
    #: Campaigns that are drafts and have a day in the month: day -> ids.
    drafts: Mapping[date, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Forecast:
    volumes: Mapping[date, tuple[Volume, ...]]
    birthdays: Mapping[date, int]


def month(app: App) -> MonthAhead:
    """The month from today on, as it was worked out last."""
    today = local_day(app.clock.now(), app.zone)
    told: Told[_Forecast] = remembered.of(app).ask(
        ("calendar", today), partial(_forecast, app, today), keep=SELDOM, is_slow=True
    )
    festivals: dict[date, list[FestivalDay]] = {}
    for one in when.festival_days(app, since=today):
        festivals.setdefault(one.day, []).append(one)
    found = told.value or _Forecast({}, {})
    return MonthAhead(
        days=tuple(
            CalendarDay(
                day=day,
                festivals=tuple(festivals.get(day, ())),
                volumes=found.volumes.get(day, ()),
                birthdays=found.birthdays.get(day, 0),
            )
            for day in (today + DAY * number for number in range(DAYS))
        ),
        counted_at=told.at,
        is_counting=told.value is None,
        drafts=_drafts(app, today),
    )


def _drafts(app: App, today: date) -> dict[date, tuple[str, ...]]:
    found: dict[date, tuple[str, ...]] = {}
    for one in app.definitions.campaigns.values():
        day = campaign_looks.next_day(one, today)
        if one.mode is Mode.DRAFT and day is not None and day < today + DAY * DAYS:
            found[day] = (*found.get(day, ()), one.id)
    return found


# ------------------------------------------------------------------ working it out


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What a forecast is made of."""

    today: date
    planned: Mapping[str, Mapping[date, int]]
    left: Mapping[str, Mapping[date, int]]
    born: Mapping[tuple[int, int], int]
    leap_day: tuple[int, int]
    #: The part of marketing mails that were sent, of those that were thought of.
    usual: float
    everybody: int


def _forecast(app: App, today: date) -> _Forecast:
    known = _load(app, today)
    volumes: dict[date, list[Volume]] = {}
    for campaign in app.definitions.campaigns.values():
        if campaign.mode is Mode.DRAFT:
            continue
        expected, basis = _expected(app, campaign, known)
        planned = known.planned.get(campaign.id, {})
        for day in sorted({*planned, *expected}):
            waits = planned.get(day, 0)
            more = max(0, expected.get(day, 0) - waits)
            if waits or more:
                volumes.setdefault(day, []).append(
                    Volume(campaign=campaign.id, planned=waits, expected=more, basis=basis)
                )
    days = [today + DAY * number for number in range(DAYS)]
    return _Forecast(
        volumes={day: _largest_first(found) for day, found in volumes.items()},
        birthdays={day: _born(known, day) for day in days},
    )


def _largest_first(volumes: list[Volume]) -> tuple[Volume, ...]:
    return tuple(sorted(volumes, key=lambda one: (-one.planned - one.expected, one.campaign)))


def _load(app: App, today: date) -> _Known:
    now = app.clock.now()
    begin = at_local(today, 0, 0, app.zone)
    with app.store.read() as connection:
        states = touches.counts_by_campaign(connection)
        planned = campaign_figures.planned_by_day(connection, now, begin + DAY * DAYS, app.zone)
        left = campaign_figures.left_by_day(
            connection, begin - PAST, now + timedelta(seconds=1), app.zone
        )
        born = campaign_figures.birthdays_by_day(connection)
    marketing = [
        states.get(one.id, {})
        for one in app.definitions.campaigns.values()
        if one.stream is Stream.MARKETING
    ]
    sent = sum(one.get("accepted", 0) for one in marketing)
    asked = sent + sum(one.get("skipped", 0) + one.get("refused", 0) for one in marketing)
    return _Known(
        today=today,
        planned=planned,
        left=left,
        born=born,
        leap_day=app.shop_or_default.leap_day,
        usual=sent / asked if asked >= ENOUGH else 1.0,
        everybody=segments.everybody(app),
    )


def _expected(app: App, campaign: Campaign, known: _Known) -> tuple[dict[date, int], str]:
    """Mails by day, of all that it will have, and what that is based on."""
    if isinstance(campaign.anchor, BirthdayAnchor):
        return _by_birthdays(app, campaign, known), "birthdays"
    if (day := campaign_looks.next_day(campaign, known.today)) is not None:
        return _by_day(app, campaign, known, day), "day"
    return _by_pace(campaign, known), "pace"


def _by_day(app: App, campaign: Campaign, known: _Known, day: date) -> dict[date, int]:
    mails = round(_audience(app, campaign, known) * _part(campaign, known))
    return {
        falls: mails
        for step in campaign.steps
        if (falls := day + timedelta(days=step.offset.days)) < known.today + DAY * DAYS
    }


def _by_birthdays(app: App, campaign: Campaign, known: _Known) -> dict[date, int]:
    assert isinstance(campaign.anchor, BirthdayAnchor)
    part = _part(campaign, known)
    if known.everybody:
        part *= _audience(app, campaign, known) / known.everybody
    ahead = timedelta(days=campaign.anchor.days_before)
    found: dict[date, int] = {}
    for step in campaign.steps:
        for number in range(DAYS):
            day = known.today + DAY * number
            mails = _born(known, day + ahead - timedelta(days=step.offset.days)) * part
            found[day] = found.get(day, 0) + round(mails)
    return found


def _by_pace(campaign: Campaign, known: _Known) -> dict[date, int]:
    """As many as left on the same weekdays lately, on the average."""
    left = known.left.get(campaign.id, {})
    weeks = PAST.days / A_WEEK
    by_weekday = [0.0] * A_WEEK
    for day, mails in left.items():
        if day < known.today:
            by_weekday[day.weekday()] += mails / weeks
    days = (known.today + DAY * number for number in range(DAYS))
    usual = {day: round(by_weekday[day.weekday()]) for day in days}
    usual[known.today] = max(0, usual[known.today] - left.get(known.today, 0))
    return usual


def _born(known: _Known, day: date) -> int:
    pairs = birthday.celebrated_on(day, stand_in=known.leap_day)
    return sum(known.born.get(pair, 0) for pair in pairs)


def _audience(app: App, campaign: Campaign, known: _Known) -> int:
    if campaign.audience == EVERYBODY:
        return known.everybody
    look = Look.of(
        app.shop_or_default, app.clock.now(), of_all(app.store), segments=segments.edited(app)
    )
    with app.store.read() as connection:
        return selection.count(connection, campaign.audience, look)


def _part(campaign: Campaign, known: _Known) -> float:
    """The part of an audience that gets the mail: some are held out, some may not be mailed."""
    return (1 - campaign.hold_out / 100) * known.usual
