from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.learning import calendars, clocks
from crm_mailer.learning.clocks import Reading
from crm_mailer.model.business_calendar import BusinessCalendar, OfficeHours
from crm_mailer.model.case import OURS, THANKS, Arbitration, Case, CaseState
from crm_mailer.model.case import CaseEvent as Event
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.reply import Severity
from crm_mailer.model.shop import Shop
from crm_mailer.model.sla import (
    DEFAULT_LEVELS,
    DEFAULT_TARGETS,
    CaseRules,
    ClockName,
    Level,
    ServiceLevels,
)

HOUR = timedelta(hours=1)
#: A Monday without holidays, noon in Shanghai.
NOW = datetime(2026, 11, 2, 4, 0, tzinfo=UTC)
CASE = Case(
    id=7,
    customer_id=1,
    state=CaseState.OPEN,
    reason="nad.quality",
    severity=Severity.P2,
    opened_at=NOW,
    due_at=NOW,
)
SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = BusinessCalendar(place=SHANGHAI)


def log(*acts: tuple[float, Did] | tuple[float, Did, str]) -> list[Event]:
    """Acts as (hours after NOW, kind, ref)."""
    return [
        Event(kind=act[1], at=NOW + act[0] * HOUR, ref=act[2] if len(act) > 2 else "", case_id=7)
        for act in acts
    ]


def read(
    clock: ClockName,
    events: list[Event],
    *,
    after: float,
    case: Case = CASE,
    levels: ServiceLevels = DEFAULT_LEVELS,
) -> Reading | None:
    found = clocks.readings(case, events, levels, NOW + after * HOUR)
    return next((one for one in found if one.clock is clock), None)


def local(moment: datetime | None) -> str:
    assert moment is not None
    return moment.astimezone(SHANGHAI).strftime("%a %H:%M")


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).astimezone(UTC)


# ------------------------------------------------------------------ the office's calendar


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-02 10:00", 2, "Mon 12:00"),
        ("2026-11-02 17:00", 2, "Tue 10:00"),
        ("2026-11-02 20:00", 8, "Tue 17:00"),
        ("2026-11-02 03:00", 1, "Mon 10:00"),
        ("2026-11-06 17:00", 8, "Mon 16:00"),
        ("2026-11-07 12:00", 1, "Mon 10:00"),
        ("2026-11-02 09:00", 9, "Mon 18:00"),
        ("2026-11-02 09:00", 24, "Wed 15:00"),
    ],
)
def test_time_passes_only_while_the_office_is_open(start: str, hours: int, due: str) -> None:
    assert local(OFFICE.add(shanghai(start), hours * HOUR)) == due


def test_national_day_and_the_sunday_worked_for_it_are_known() -> None:
    levels = calendars.levels_of(Shop(name="x"), NOW)

    due = levels.calendar.add(shanghai("2026-09-30 17:30"), HOUR)

    assert due == shanghai("2026-10-08 09:30")
    assert levels.calendar.is_working_day(shanghai("2026-10-10 12:00").date())


def test_a_shops_own_days_beat_the_countrys() -> None:
    saturday, monday = shanghai("2026-11-07 12:00").date(), shanghai("2026-11-09 12:00").date()
    hours = OfficeHours(days_off=frozenset({monday}), days_on=frozenset({saturday}))

    levels = calendars.levels_of(Shop(name="x", cases=CaseRules(hours=hours)), NOW)

    assert levels.calendar.is_working_day(saturday)
    assert not levels.calendar.is_working_day(monday)


def test_a_country_without_known_holidays_has_none() -> None:
    levels = calendars.levels_of(Shop(name="x", country="QQ"), NOW)

    assert levels.calendar.days_off == frozenset()


def test_a_clock_change_costs_no_office_hour() -> None:
    berlin = BusinessCalendar(place=ZoneInfo("Europe/Berlin"))
    friday = datetime(2026, 10, 23, 14, 0, tzinfo=UTC)

    assert berlin.add(friday, 9 * HOUR) == datetime(2026, 10, 26, 15, 0, tzinfo=UTC)


@given(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    st.integers(1, 500 * 60),
)
def test_what_is_added_is_what_lies_between(start: datetime, minutes: int) -> None:
    span = timedelta(minutes=minutes)

    assert OFFICE.between(start, OFFICE.add(start, span)) == span


@given(
    st.lists(
        st.integers(0, 90 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)),
        min_size=3,
        max_size=3,
    )
)
def test_time_between_adds_up(moments: list[datetime]) -> None:
    first, second, third = sorted(moments)

    whole = OFFICE.between(first, third)

    assert OFFICE.between(first, second) + OFFICE.between(second, third) == whole


def test_an_office_that_never_opens_counts_every_hour() -> None:
    closed = BusinessCalendar(place=SHANGHAI, weekdays=frozenset())

    assert closed.add(NOW, HOUR) == NOW + HOUR


# ------------------------------------------------------------------ the three clocks


def test_the_first_answer_is_due_from_the_first_words() -> None:
    opened = log((1, Did.OPENED))[0]
    wrote_earlier = [replace(opened, said_at=NOW)]

    reading = read(ClockName.FIRST_RESPONSE, wrote_earlier, after=2)

    assert reading is not None
    assert (reading.since, reading.due_at, reading.left) == (NOW, NOW + 8 * HOUR, 6 * HOUR)


def test_an_answer_ends_the_first_clock_for_good() -> None:
    events = log((0, Did.OPENED), (3, Did.ANSWERED), (5, Did.REPLY))

    reading = read(ClockName.FIRST_RESPONSE, events, after=99)

    assert reading is not None
    assert reading.stopped_at == NOW + 3 * HOUR
    assert not reading.is_late


def test_an_answer_that_came_too_late_stays_late() -> None:
    reading = read(ClockName.FIRST_RESPONSE, log((0, Did.OPENED), (9, Did.ANSWERED)), after=10)

    assert reading is not None
    assert (reading.is_late, reading.is_running) == (True, False)


def test_a_later_letter_starts_the_clock_of_updates() -> None:
    events = log((0, Did.OPENED), (3, Did.ANSWERED), (30, Did.REPLY), (31, Did.REPLY))

    reading = read(ClockName.UPDATE, events, after=32)

    assert reading is not None
    assert (reading.since, reading.due_at) == (NOW + 30 * HOUR, NOW + 54 * HOUR)


def test_thanks_start_no_clock() -> None:
    events = log((0, Did.OPENED), (3, Did.ANSWERED), (30, Did.REPLY, THANKS))

    reading = read(ClockName.UPDATE, events, after=32)

    assert reading is None


def test_an_answer_that_promises_another_keeps_the_turn() -> None:
    events = log((0, Did.OPENED), (3, Did.ANSWERED, OURS))

    update = read(ClockName.UPDATE, events, after=4)
    solution = read(ClockName.SOLUTION, events, after=4)

    assert update is not None
    assert update.due_at == NOW + 27 * HOUR
    assert solution is not None
    assert solution.due_at == NOW + 72 * HOUR


def test_the_time_that_the_customer_takes_is_subtracted() -> None:
    events = log((0, Did.OPENED), (2, Did.ANSWERED), (52, Did.REPLY))

    reading = read(ClockName.SOLUTION, events, after=53)

    assert reading is not None
    assert reading.due_at == NOW + (72 + 50) * HOUR
    assert reading.left == 69 * HOUR


def test_the_solution_stands_still_while_the_customer_has_the_turn() -> None:
    reading = read(ClockName.SOLUTION, log((0, Did.OPENED), (2, Did.ANSWERED)), after=1000)

    assert reading is not None
    assert (reading.is_paused, reading.is_running, reading.left) == (True, False, 70 * HOUR)


def test_the_pause_is_subtracted_in_office_hours() -> None:
    levels = ServiceLevels(calendar=OFFICE)
    events = log((0, Did.OPENED), (1, Did.ANSWERED), (24, Did.REPLY))

    reading = read(ClockName.SOLUTION, events, after=24, levels=levels)

    assert reading is not None
    assert reading.left == 71 * HOUR
    assert OFFICE.between(NOW + 24 * HOUR, reading.due_at or NOW) == 71 * HOUR


def test_a_solution_ends_every_clock() -> None:
    done = replace(CASE, state=CaseState.RESOLVED)

    found = clocks.readings(done, log((0, Did.OPENED), (1, Did.RESOLVED)), DEFAULT_LEVELS, NOW)

    assert [one.is_running for one in found] == [False, False]


def test_a_case_that_is_taken_up_again_has_its_time_anew() -> None:
    events = log((0, Did.OPENED), (1, Did.ANSWERED), (2, Did.RESOLVED), (100, Did.REOPENED))

    solution = read(ClockName.SOLUTION, events, after=101)
    update = read(ClockName.UPDATE, events, after=101)

    assert solution is not None
    assert solution.due_at == NOW + 172 * HOUR
    assert update is not None
    assert update.due_at == NOW + 124 * HOUR


def test_a_case_that_got_worse_is_due_sooner_and_never_later() -> None:
    events = log((0, Did.OPENED, "P3"), (1, Did.RAISED, "P1"))

    reading = read(
        ClockName.FIRST_RESPONSE, events, after=1, case=replace(CASE, severity=Severity.P1)
    )

    assert reading is not None
    assert reading.due_at == NOW + 3 * HOUR


def test_a_case_raised_shortly_before_it_was_due_keeps_its_old_time() -> None:
    events = log((0, Did.OPENED, "P2"), (7.5, Did.RAISED, "P1"))

    reading = read(
        ClockName.FIRST_RESPONSE, events, after=7.5, case=replace(CASE, severity=Severity.P1)
    )

    assert reading is not None
    assert reading.due_at == NOW + 8 * HOUR


def test_a_correction_makes_the_earlier_promise_undone() -> None:
    events = log((0, Did.OPENED, "P1"), (1, Did.CORRECTED, "P3"))

    reading = read(
        ClockName.FIRST_RESPONSE, events, after=1, case=replace(CASE, severity=Severity.P3)
    )

    assert reading is not None
    assert reading.due_at == NOW + 24 * HOUR


def test_an_arbitration_is_as_urgent_as_p1() -> None:
    events = log((0, Did.OPENED, "P3"), (5, Did.ARBITRATION))
    case = replace(CASE, severity=Severity.P3, arbitration=Arbitration.OPENED)

    reading = read(ClockName.FIRST_RESPONSE, events, after=5, case=case)

    assert reading is not None
    assert reading.due_at == NOW + 7 * HOUR


def test_p1_may_be_counted_round_the_clock_and_the_rest_by_the_office() -> None:
    targets = dict(DEFAULT_TARGETS)
    targets[Severity.P1] = replace(targets[Severity.P1], is_always=True)
    levels = ServiceLevels(targets=targets, calendar=OFFICE)
    night = [Event(kind=Did.OPENED, at=shanghai("2026-11-02 22:00"))]

    due = {
        severity: clocks.nearest(
            clocks.readings(replace(CASE, severity=severity), night, levels, night[0].at)
        )
        for severity in (Severity.P1, Severity.P2)
    }

    assert due[Severity.P1] == shanghai("2026-11-03 00:00")
    assert due[Severity.P2] == shanghai("2026-11-03 17:00")


def test_the_marketplaces_deadline_is_by_the_wall_and_never_stands_still() -> None:
    case = replace(CASE, state=CaseState.WAITING_CUSTOMER, deadline_at=NOW + 120 * HOUR)
    events = log((0, Did.OPENED), (1, Did.ANSWERED), (20, Did.DEADLINE))

    reading = read(
        ClockName.DEADLINE, events, after=21, case=case, levels=ServiceLevels(calendar=OFFICE)
    )

    assert reading is not None
    assert (reading.left, reading.warn_at) == (99 * HOUR, NOW + 95 * HOUR)
    assert clocks.nearest([reading]) == NOW + 120 * HOUR


def test_a_merged_cases_unanswered_words_count_for_the_one_that_goes_on() -> None:
    earlier = Event(kind=Did.OPENED, at=NOW - 5 * HOUR, case_id=3)

    reading = read(ClockName.FIRST_RESPONSE, [earlier, *log((0, Did.OPENED))], after=0)

    assert reading is not None
    assert reading.due_at == NOW + 3 * HOUR


def test_a_merged_case_that_was_over_changes_no_clock() -> None:
    old = [
        Event(kind=Did.OPENED, at=NOW - 500 * HOUR, case_id=3),
        Event(kind=Did.CLOSED, at=NOW - 400 * HOUR, case_id=3),
    ]

    reading = read(ClockName.FIRST_RESPONSE, [*old, *log((0, Did.OPENED))], after=0)

    assert reading is not None
    assert reading.due_at == NOW + 8 * HOUR


# ------------------------------------------------------------------ who is told when


@pytest.mark.parametrize(
    ("hours", "levels"),
    [(5.9, []), (6.1, [Level.WARN]), (7.9, [Level.WARN]), (8, [Level.BREACH])],
)
def test_a_warning_comes_at_three_quarters_and_a_breach_at_the_end(
    hours: float, levels: list[Level]
) -> None:
    now = NOW + hours * HOUR
    found = clocks.readings(CASE, log((0, Did.OPENED)), DEFAULT_LEVELS, now)

    assert [level for _reading, level in clocks.reached(found, now)] == levels


def test_the_next_thing_to_tell_is_known_ahead() -> None:
    found = clocks.readings(CASE, log((0, Did.OPENED)), DEFAULT_LEVELS, NOW)
    warned = (ClockName.FIRST_RESPONSE, Level.WARN, NOW)
    late = (ClockName.FIRST_RESPONSE, Level.BREACH, NOW)

    assert clocks.tell_at(found, []) == NOW + 6 * HOUR
    assert clocks.tell_at(found, [warned]) == NOW + 8 * HOUR
    assert clocks.tell_at(found, [warned, late]) == NOW + 54 * HOUR


def test_rules_that_say_the_same_have_one_fingerprint() -> None:
    rules = CaseRules(warn_at=50)
    shops = [Shop(name="x"), Shop(name="y"), Shop(name="x", cases=rules)]

    first, same, other = [calendars.fingerprint(calendars.levels_of(shop, NOW)) for shop in shops]

    assert first == same != other
