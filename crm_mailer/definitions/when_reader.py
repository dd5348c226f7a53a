"""Reads when a campaign starts by the calendar, and the hour at which its mails leave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BeforeValidator, Field, WithJsonSchema

from crm_mailer.definitions.files import Fault, Node, Strict
from crm_mailer.definitions.problems import Problem, Severity, did_you_mean
from crm_mailer.definitions.written import TIME_SCHEMA, shown, spelled, time_of_day
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    FestivalAnchor,
    FirstOrderAnchor,
    MonthlyAnchor,
    Stream,
)
from crm_mailer.model.festivals import Festival
from crm_mailer.model.send_window import SendWindow
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop
from crm_mailer.model.windows import is_quiet

#: What stands in place of a time of day for "when this customer answers and buys".
BEST: Literal["best"] = "best"
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_SPREAD = timedelta(hours=6)
FARTHEST = 60

_PLACE = re.compile(r"[A-Z]{2}(-.{1,40})?")
_SHIFT = re.compile(r"([+-]?)\s*([0-9]{1,3})\s*d")
_NAMED = re.compile(r"(?P<name>\S+)(?:\s+(?P<shift>[+-]\s*[0-9]{1,3}\s*d))?")


def days_before(text: Any) -> int:
    """How many days before the day `-3d` means: 3; `2d` is two days after it, -2.

    Raises:
        Fault: it is no number of days, or more than 60.
    """
    match = _SHIFT.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise Fault(
            "CRM110",
            Sentence("`{shown}` is no number of days", shown=shown(text)),
            "write 0d, -3d (before) or 1d",
        )
    number = int(match[2])
    if number > FARTHEST:
        raise Fault(
            "CRM110",
            Sentence("`{text}` is more than {farthest} days away", text=text, farthest=FARTHEST),
        )
    return number if match[1] == "-" else -number


class BirthdayShape(Strict):
    """`birthday: -3d`, or `birthday: {days_before: 3}`."""

    days_before: Annotated[int, Field(ge=-FARTHEST, le=FARTHEST)] = 0

    @pydantic.model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"days_before": days_before(value)} if isinstance(value, str) else value


class FestivalRef(Strict):
    """`festival: black-friday - 7d`, or `festival: {name: black-friday, days_before: 7}`."""

    name: str
    days_before: Annotated[int, Field(ge=-FARTHEST, le=FARTHEST)] = 0

    @pydantic.model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        match = _NAMED.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            return {"name": value} if isinstance(value, str) else value
        shift = match["shift"]
        return {"name": match["name"], "days_before": days_before(shift) if shift else 0}


class WindowShape(Strict):
    """`window: {from: 9, until: 18, days: [mon, tue, wed, thu, fri]}`, local to the customer."""

    from_: Annotated[int, Field(alias="from", ge=0, le=23)] = 0
    until: Annotated[int, Field(ge=0, le=24)] = 24
    days: tuple[Weekday, ...] = WEEKDAYS


class CalendarAnchorShape(Strict):
    """The anchors that are days of a calendar, one's own or everybody's."""

    birthday: BirthdayShape | None = None
    festival: FestivalRef | None = None
    monthly: Annotated[int, Field(ge=1, le=31)] | None = None
    anniversary: Literal["first_order"] | None = None


def calendar_anchor(shape: CalendarAnchorShape, festivals: Mapping[str, Festival]) -> Anchor | None:
    """The anchor that the shape names; None where it is none of these."""
    if shape.birthday is not None:
        return BirthdayAnchor(days_before=shape.birthday.days_before)
    if shape.festival is not None:
        name, before = shape.festival.name, shape.festival.days_before
        return FestivalAnchor(festival=festivals[name], days_before=before)
    if shape.monthly is not None:
        return MonthlyAnchor(day=shape.monthly)
    return FirstOrderAnchor(is_yearly=True) if shape.anniversary is not None else None


def anchor_faults(
    node: Node, shape: CalendarAnchorShape, festivals: Mapping[str, Festival]
) -> Iterator[Problem]:
    """A festival that no calendar knows."""
    named = shape.festival
    if named is not None and named.name not in festivals:
        help_ = did_you_mean(named.name, festivals)
        message = Sentence("no festival `{name}`", name=named.name)
        yield node.problem("CRM161", message, "anchor", "festival", "name", help=help_)


def hour(text: Any) -> tuple[int, int] | Literal["best"]:
    """A time of day, or the word `best`.

    Raises:
        Fault: neither.
    """
    if isinstance(text, str) and text.strip() == BEST:
        return BEST
    try:
        return time_of_day(text)
    except Fault as fault:
        raise Fault(fault.code, str(fault), Sentence("{help}, or best", help=fault.help)) from None


def place(text: Any) -> str:
    """A country, or a country and a province: `RU`, `US-HI`, `US-Hawaii`.

    Raises:
        Fault: it does not begin with the two letters of a country.
    """
    if isinstance(text, str) and _PLACE.fullmatch(text.strip()):
        return text.strip()
    raise Fault(
        "CRM107",
        Sentence("`{shown}` is no country or province", shown=shown(text)),
        "such as RU or US-HI",
    )


def leap_day(text: Any) -> tuple[int, int]:
    """When those born on 29 February celebrate in other years: `02-28` or `03-01`.

    Raises:
        Fault: another day.
    """
    days = {"02-28": (2, 28), "03-01": (3, 1)}
    if isinstance(text, str) and text.strip() in days:
        return days[text.strip()]
    raise Fault(
        "CRM107",
        Sentence("`{shown}` is no such day", shown=shown(text)),
        "02-28 or 03-01",
    )


Place = Annotated[
    str,
    BeforeValidator(place),
    WithJsonSchema({"type": "string", "pattern": r"^\s*[A-Z]{2}(-.+)?$"}),
]
LeapDay = Annotated[
    tuple[int, int], BeforeValidator(leap_day), WithJsonSchema({"enum": ["02-28", "03-01"]})
]
Hour = Annotated[
    tuple[int, int] | Literal["best"],
    BeforeValidator(hour),
    WithJsonSchema({"anyOf": [TIME_SCHEMA, {"const": BEST}]}),
]


def spread_faults(
    node: Node, spread: timedelta, valid_for: timedelta, send_at: object, shop: Shop
) -> Iterator[Problem]:
    """A spread that would carry mails into the night, or beyond their time."""
    if spread > LONGEST_SPREAD:
        message = Sentence(
            "{span} is more than {most}", span=spelled(spread), most=spelled(LONGEST_SPREAD)
        )
        yield node.problem("CRM162", message, "spread", help="such as `spread: 1h`")
    elif spread >= valid_for:
        message = Sentence(
            "mails are valid for {span}: some would be late when they are due",
            span=spelled(valid_for),
        )
        yield node.problem("CRM162", message, "spread")
    elif spread and isinstance(send_at, tuple) and _is_cut_off(send_at, spread, shop):
        message = Sentence(
            "the quiet hours from {hour} on begin before all mails have left", hour=shop.quiet_from
        )
        help_ = "the others would leave on the next morning: begin earlier, or spread less"
        yield node.problem("CRM162", message, "spread", help=help_, severity=Severity.WARNING)


def window_of(shape: WindowShape | None) -> SendWindow | None:
    """The window that the shape describes."""
    if shape is None:
        return None
    return SendWindow(
        opens=shape.from_,
        closes=shape.until,
        weekdays=frozenset(WEEKDAYS.index(day) for day in shape.days),
    )


def window_faults(
    node: Node, shape: WindowShape | None, send_at: object, stream: Stream, shop: Shop
) -> Iterator[Problem]:
    """A window that never opens, or that the campaign's own time lies outside of."""
    if send_at == BEST and stream is Stream.TRANSACTIONAL:
        message = "order mail does not wait for a better hour: `best` is for marketing"
        yield node.problem("CRM163", message, "send_at", severity=Severity.WARNING)
    window = window_of(shape)
    if window is None:
        return
    if not window.weekdays:
        yield node.problem("CRM163", "`days` is empty: it never opens", "window", "days")
        return
    if stream is Stream.TRANSACTIONAL:
        message = "order mail leaves at once: it has no window"
        yield node.problem("CRM163", message, "window", help="leave `window` out")
        return
    loud = (
        hour
        for hour in range(24)
        if not is_quiet(hour, quiet_from=shop.quiet_from, quiet_until=shop.quiet_until)
    )
    if not any(window.has_hour(hour) for hour in loud):
        message = Sentence(
            "the shop is quiet from {start} until {end}: it never opens",
            start=shop.quiet_from,
            end=shop.quiet_until,
        )
        yield node.problem("CRM163", message, "window")
    elif isinstance(send_at, tuple) and not window.has_hour(send_at[0]):
        at = "{:02d}:{:02d}".format(*send_at)
        message = Sentence(
            "`send_at` is {at}, outside the window: mails wait until it opens", at=at
        )
        yield node.problem("CRM163", message, "window", severity=Severity.WARNING)


def _is_cut_off(send_at: tuple[int, int], spread: timedelta, shop: Shop) -> bool:
    start, end = send_at[0] * 60 + send_at[1], send_at[0] * 60 + send_at[1] + spread.seconds // 60
    return any(
        is_quiet(minute // 60 % 24, quiet_from=shop.quiet_from, quiet_until=shop.quiet_until)
        for minute in range(start, end)
    )
