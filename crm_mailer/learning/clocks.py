"""How much time is left for a case: read from its log by the shop's rules, never counted on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from crm_mailer.model.business_calendar import BusinessCalendar
from crm_mailer.model.case import OURS, THANKS, THREAT, Case
from crm_mailer.model.case import CaseEvent as Event
from crm_mailer.model.case import CaseEventKind as Did
from crm_mailer.model.reply import Severity
from crm_mailer.model.sla import ClockName, Level, ServiceLevels

#: What was told: a clock, a level, and since when that clock ran.
Told = tuple[ClockName, Level, datetime]

_ENDS = (Did.RESOLVED, Did.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One clock of a case as it stands at a moment; `left` is negative when it is too late."""

    clock: ClockName
    since: datetime
    #: None where the time is not used up and the clock stands still.
    due_at: datetime | None
    #: From when on somebody should be warned.
    warn_at: datetime | None
    left: timedelta
    #: When it ended, for good or for this turn.
    stopped_at: datetime | None = None
    #: The customer has the turn.
    is_paused: bool = False

    @property
    def is_running(self) -> bool:
        """Whether time passes now."""
        return self.stopped_at is None and not self.is_paused

    @property
    def is_late(self) -> bool:
        """Whether it ended too late, or is overdue."""
        return self.left < timedelta(0)


@dataclass(slots=True)
class _Span:
    since: datetime
    until: datetime | None = None


@dataclass(slots=True)
class _Turns:
    """Whose turn it was when, as the log tells it."""

    #: In these we owed the customer a word.
    owed: list[_Span] = field(default_factory=list)
    #: In these the clock of the solution ran, since the case was last taken up.
    active: list[_Span] = field(default_factory=list)
    #: The places in `owed` after the first answer are updates.
    answered: int | None = None
    has_ended: bool = False

    def take(self, event: Event) -> None:
        said = event.said_at or event.at
        is_answer_wanted = event.kind is Did.REPLY and event.ref != THANKS
        if is_answer_wanted or event.kind in (Did.OPENED, Did.REOPENED):
            self._ours_since(said)
        elif event.kind is Did.ANSWERED:
            self._answer(event)
        elif event.kind in _ENDS:
            _stop(self.owed, event.at)
            _stop(self.active, event.at)
            self.has_ended = True

    def _ours_since(self, moment: datetime) -> None:
        if self.has_ended:
            self.active.clear()
            self.has_ended = False
        _start(self.owed, moment)
        last = self.active[-1].until if self.active else None
        _start(self.active, max(moment, last) if last else moment)

    def _answer(self, event: Event) -> None:
        _stop(self.owed, event.at)
        if self.answered is None:
            self.answered = len(self.owed)
        if event.ref == OURS:
            _start(self.owed, event.at)
        else:
            _stop(self.active, event.at)


def readings(
    case: Case, events: Sequence[Event], levels: ServiceLevels, now: datetime
) -> tuple[Reading, ...]:
    """The clocks of a case: the first answer, the present turn, the solution, the deadline.

    Args:
        case: the case as it stands.
        events: its log, and the logs of cases merged into it, oldest first.
        levels: the shop's rules.
        now: the present instant.
    """
    counting = _counting(case, events)
    turns = _Turns()
    for event in counting:
        turns.take(event)
    if not turns.owed:
        return ()
    rule = _Rule(case, counting, levels, origin=turns.owed[0].since, now=now)
    places = turns.answered if turns.answered is not None else len(turns.owed)
    found = [rule.read(ClockName.FIRST_RESPONSE, turns.owed[max(0, places - 1) : places])]
    if turns.answered is not None and len(turns.owed) > turns.answered:
        found.append(rule.read(ClockName.UPDATE, turns.owed[-1:]))
    found.append(rule.read(ClockName.SOLUTION, turns.active, is_over=not case.is_under_way))
    found += _deadline(case, events, levels, now)
    return tuple(one for one in found if one is not None)


def nearest(found: Iterable[Reading]) -> datetime | None:
    """When the first of the running clocks runs out; None where none runs."""
    return min((one.due_at for one in found if one.is_running and one.due_at), default=None)


def reached(found: Iterable[Reading], now: datetime) -> list[tuple[Reading, Level]]:
    """Which running clocks are late, and how late."""
    levels = []
    for one in found:
        if one.is_running and one.due_at and now >= one.due_at:
            levels.append((one, Level.BREACH))
        elif one.is_running and one.warn_at and now >= one.warn_at:
            levels.append((one, Level.WARN))
    return levels


def tell_at(found: Iterable[Reading], told: Collection[Told]) -> datetime | None:
    """When there will be something to tell that nobody was told; None where nothing will be."""
    moments = []
    for one in found:
        if not one.is_running or (one.clock, Level.BREACH, one.since) in told:
            continue
        is_warned = (one.clock, Level.WARN, one.since) in told
        moments.append(one.due_at if is_warned else one.warn_at)
    return min((moment for moment in moments if moment is not None), default=None)


def _counting(case: Case, events: Iterable[Event]) -> list[Event]:
    """Those events that clocks are read from: of merged cases only what was still unanswered."""
    own = {0, case.id}
    ended: dict[int, bool] = {}
    events = list(events)
    for event in events:
        if event.kind in (*_ENDS, Did.REOPENED):
            ended[event.case_id] = event.kind in _ENDS
    return [
        event
        for event in events
        if event.case_id in own
        or (not ended.get(event.case_id) and event.kind not in (*_ENDS, Did.REOPENED))
    ]


class _Rule:
    """What a case is owed: by the severity that it has, and by those that it had."""

    def __init__(
        self,
        case: Case,
        events: Iterable[Event],
        levels: ServiceLevels,
        *,
        origin: datetime,
        now: datetime,
    ) -> None:
        self.levels = levels
        self.now = now
        self.owed = _severities(case, events, origin)

    def read(
        self, clock: ClockName, spans: Sequence[_Span], *, is_over: bool = True
    ) -> Reading | None:
        """The clock that ran in these spans; the strictest promise that was made counts."""
        if not spans:
            return None
        reads = [self._read(clock, spans, severity, since) for since, severity in self.owed]
        best = min(reads, key=lambda one: (one.due_at or self.now + one.left, one.left))
        ended = spans[-1].until
        if ended is None:
            return best
        return replace(best, stopped_at=ended) if is_over else replace(best, is_paused=True)

    def _read(
        self, clock: ClockName, spans: Sequence[_Span], severity: Severity, since: datetime
    ) -> Reading:
        target = self.levels.targets[severity].of(clock)
        calendar = self.levels.calendar_of(severity)
        ran = [one for one in spans if one.until is None or one.until > since] or spans[-1:]
        used = _used(ran, since, calendar, self.now)
        warn = target * self.levels.warn_at / 100
        return Reading(
            clock=clock,
            since=spans[0].since,
            due_at=_moment(ran, since, calendar, target),
            warn_at=_moment(ran, since, calendar, warn),
            left=target - used,
        )


def _severities(
    case: Case, events: Iterable[Event], origin: datetime
) -> list[tuple[datetime, Severity]]:
    """Since when which severity was promised; a correction makes what was before undone."""
    found: list[tuple[datetime, Severity]] = []
    serious_since = origin
    for event in events:
        is_threat = event.kind is Did.REPLY and event.ref == THREAT
        if is_threat or event.kind in (Did.ARBITRATION, Did.RAISED):
            serious_since = event.at
        if event.ref not in set(Severity):
            continue
        if event.kind is Did.CORRECTED:
            found = [(origin, Severity(event.ref))]
        elif event.kind in (Did.OPENED, Did.RAISED):
            since = event.said_at or event.at
            found.append((since if found else origin, Severity(event.ref)))
    if not found:
        found = [(origin, case.severity)]
    if case.is_serious and case.severity is not Severity.P1:
        found.append((serious_since, Severity.P1))
    return found


def _used(
    spans: Iterable[_Span], since: datetime, calendar: BusinessCalendar, now: datetime
) -> timedelta:
    used = timedelta(0)
    for one in spans:
        used += calendar.between(max(one.since, since), one.until or now)
    return used


def _moment(
    spans: Iterable[_Span], since: datetime, calendar: BusinessCalendar, target: timedelta
) -> datetime | None:
    """When the clock that runs in these spans has run for `target`; None while it stands before."""
    left = target
    for one in spans:
        start = max(one.since, since)
        if one.until is None:
            return calendar.add(start, left)
        used = calendar.between(start, one.until)
        if used >= left:
            return calendar.add(start, left)
        left -= used
    return None


def _deadline(
    case: Case, events: Iterable[Event], levels: ServiceLevels, now: datetime
) -> list[Reading]:
    if case.deadline_at is None:
        return []
    set_at = [event.at for event in events if event.kind is Did.DEADLINE]
    since = set_at[-1] if set_at else case.opened_at
    window = case.deadline_at - since
    return [
        Reading(
            clock=ClockName.DEADLINE,
            since=since,
            due_at=case.deadline_at,
            warn_at=since + window * levels.warn_at / 100,
            left=case.deadline_at - now,
            stopped_at=None if case.is_under_way else case.closed_at,
        )
    ]


def _start(spans: list[_Span], moment: datetime) -> None:
    if not spans or spans[-1].until is not None:
        spans.append(_Span(moment))


def _stop(spans: list[_Span], moment: datetime) -> None:
    if spans and spans[-1].until is None:
        spans[-1].until = max(moment, spans[-1].since)
