"""Verbs of the page that lists campaigns: how each stands, and what came of it lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath

from crm_mailer.app import planning, remembered, segments
from crm_mailer.app.remembered import Told
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import Problem
from crm_mailer.model import festivals
from crm_mailer.model.campaign import (
    Campaign,
    DateAnchor,
    FestivalAnchor,
    Mode,
    MonthlyAnchor,
)
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.touch import TEST_CAMPAIGN
from crm_mailer.store import campaign_figures, pauses, results, selection, touches
from crm_mailer.store.homes import of_all
from crm_mailer.store.look import Look
from crm_mailer.store.pauses import Pause

#: Days of the line that shows how many mails left lately.
LATELY = 14
A_YEAR = timedelta(days=366)
#: Audiences and orders are counted at most so often.
SELDOM = timedelta(minutes=2)
#: What is not a campaign's own file below `campaigns`.
_OTHERS = frozenset({"shop", "curves", "calendar", "rfm", "benefits"})
#: States of mails that wait for their time.
WAITING = ("planned", "deferred", "held", "claimed")


class Standing(StrEnum):
    """How a campaign stands, the one that wants a look first."""

    BROKEN = "broken"
    PAUSED = "paused"
    SENDING = "sending"
    #: It plans and sends as events or days come.
    RUNNING = "running"
    #: It plans, and a person lets its mails go.
    MANUAL = "manual"
    DRAFT = "draft"
    #: Its day is over.
    FINISHED = "finished"
    #: It has mails and no file.
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault in a campaign's file."""

    place: str
    message: str
    help: str
    is_error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One campaign in the list."""

    id: str
    name: str
    kind: str
    stream: str
    mode: str
    standing: Standing
    anchor: str
    path: str
    steps: int
    #: Why it is paused, and by whom ("person", "breaker").
    pause: Pause | None = None
    findings: tuple[Finding, ...] = ()
    #: The next day that it is for; None where events start it.
    next_on: date | None = None
    #: When its next mail is due.
    next_at: datetime | None = None
    #: None: not counted yet.
    audience: int | None = None
    states: Mapping[str, int] = field(default_factory=dict)
    #: What came back: kind -> number.
    echoes: Mapping[str, int] = field(default_factory=dict)
    #: Orders that followed its mails as the last marketing mail before them, and what they brought.
    orders: int | None = None
    usd_cents: int | None = None
    #: Mails that left on each of the last days, today last.
    lately: tuple[int, ...] = ()

    @property
    def waiting(self) -> int:
        """Mails that wait."""
        return sum(self.states.get(state, 0) for state in WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """All campaigns; `counted_at` is when the oldest of the figures was counted."""

    rows: tuple[Row, ...]
    counted_at: datetime | None
    is_counting: bool
    first_day: date


@dataclass(frozen=True, slots=True)
class _Counted:
    states: Mapping[str, Mapping[str, int]]
    next_at: Mapping[str, datetime]
    echoes: Mapping[str, Mapping[str, int]]
    lately: Mapping[str, Mapping[date, int]]


def shelf(app: App) -> Shelf:
    """All campaigns as they stand now; long counts are told as they were counted last."""
    memory = remembered.of(app)
    counted = memory.ask("campaigns", lambda: _count(app))
    audiences = memory.ask("audiences", lambda: _audiences(app), keep=SELDOM, is_slow=True)
    orders = memory.ask("orders", lambda: _orders(app), keep=SELDOM, is_slow=True)
    with app.store.read() as connection:
        stopped = {one.scope: one for one in pauses.list_(connection)}
    today = local_day(app.clock.now(), app.zone)
    rows = [
        _row(app, one, counted.value, stopped, today, audiences, orders)
        for one in app.definitions.campaigns.values()
    ]
    told = {one.id for one in rows}
    rows += _without_file(app, counted.value, told)
    figures = (counted, audiences, orders)
    return Shelf(
        rows=tuple(rows),
        counted_at=min((one.at for one in figures if one.at is not None), default=None),
        is_counting=any(one.value is None for one in figures),
        first_day=today - timedelta(days=LATELY - 1),
    )


def next_day(campaign: Campaign, today: date) -> date | None:
    """The next day that the campaign's anchor falls on; None where events start it, or never."""
    match campaign.anchor:
        case DateAnchor(day=day):
            return day if day >= today else None
        case FestivalAnchor(festival=festival, days_before=ahead):
            shift = timedelta(days=ahead)
            days = festivals.occurrences(festival, today + shift, today + shift + A_YEAR)
            return days[0].day - shift if days else None
        case MonthlyAnchor(day=number):
            found = festivals.days_of_month(number, today, today + timedelta(days=62))
            return found[0] if found else None
        case _:
            return None


def standing(
    app: App,
    campaign: Campaign,
    states: Mapping[str, int],
    *,
    is_paused: bool,
    is_broken: bool,
    next_at: datetime | None,
) -> Standing:
    """How the campaign stands.

    Args:
        app: the shop.
        campaign: as it was last readable.
        states: its mails by state.
        is_paused: somebody or a breaker has stopped it.
        is_broken: its file is wrong now.
        next_at: when its next mail is due.
    """
    if is_broken:
        return Standing.BROKEN
    if is_paused:
        return Standing.PAUSED
    is_waiting = any(states.get(state) for state in WAITING)
    if campaign.mode is Mode.DRAFT:
        return Standing.DRAFT
    if states.get("claimed") or (next_at is not None and next_at <= app.clock.now()):
        return Standing.SENDING
    if not is_waiting and is_over(app, campaign):
        return Standing.FINISHED
    return Standing.MANUAL if campaign.mode is Mode.MANUAL else Standing.RUNNING


def is_over(app: App, campaign: Campaign) -> bool:
    """Whether a campaign that is for one day has had it, with all its steps."""
    if not isinstance(campaign.anchor, DateAnchor):
        return False
    last = max((step.offset for step in campaign.steps), default=timedelta(0))
    day = campaign.anchor.day + timedelta(days=2)  # until the day ends everywhere
    end = at_local(day, 0, 0, app.zone) + last + campaign.valid_for
    return app.clock.now() >= end


def findings_of(app: App, path: str) -> tuple[Finding, ...]:
    """What is wrong with a campaign's file."""
    return tuple(_finding(one) for one in app.definitions.problems if one.file == path)


# ------------------------------------------------------------------ counting


def _count(app: App) -> _Counted:
    now = app.clock.now()
    first = local_day(now, app.zone) - timedelta(days=LATELY - 1)
    with app.store.read() as connection:
        return _Counted(
            states=touches.counts_by_campaign(connection),
            next_at=campaign_figures.waiting(connection),
            echoes=campaign_figures.echoes(connection),
            lately=campaign_figures.left_by_day(
                connection,
                at_local(first, 0, 0, app.zone),
                now + timedelta(seconds=1),
                app.zone,
            ),
        )


def _audiences(app: App) -> dict[str, int]:
    """Campaign -> customers that its rule holds for now; equal rules are counted once."""
    look = Look.of(
        app.shop_or_default, app.clock.now(), of_all(app.store), segments=segments.edited(app)
    )
    everybody = segments.everybody(app)
    counted: dict[Rule, int] = {EVERYBODY: everybody}
    found = {}
    for one in app.definitions.campaigns.values():
        if one.audience not in counted:
            with app.store.read() as connection:
                counted[one.audience] = selection.count(connection, one.audience, look)
        found[one.id] = counted[one.audience]
    return found


def _orders(app: App) -> dict[str, tuple[int, int]]:
    """Campaign -> orders and US cents that followed its mails."""
    found = {}
    for one in app.definitions.campaigns.values():
        goal = one.goal or planning.USUAL_GOAL
        with app.store.read() as connection:
            money = results.last_touch(connection, one.id, within=goal.within)
        found[one.id] = sum(row.orders for row in money), sum(row.usd_cents for row in money)
    return found


# ------------------------------------------------------------------ rows


def _row(
    app: App,
    one: Campaign,
    counted: _Counted | None,
    stopped: Mapping[str, Pause],
    today: date,
    audiences: Told[dict[str, int]],
    orders: Told[dict[str, tuple[int, int]]],
) -> Row:
    line = planning.line_of(one)
    findings = findings_of(app, one.path)
    pause = stopped.get(pauses.CAMPAIGN + one.id)
    states = counted.states.get(one.id, {}) if counted else {}
    next_at = counted.next_at.get(one.id) if counted else None
    brought = (orders.value or {}).get(one.id)
    return Row(
        id=one.id,
        name=one.name,
        kind=one.kind,
        stream=one.stream,
        mode=one.mode,
        standing=standing(
            app,
            one,
            states,
            is_paused=pause is not None,
            is_broken=any(finding.is_error for finding in findings),
            next_at=next_at,
        ),
        anchor=line.anchor,
        path=one.path,
        steps=line.steps,
        pause=pause,
        findings=findings,
        next_on=next_day(one, today),
        next_at=next_at,
        audience=(audiences.value or {}).get(one.id),
        states=states,
        echoes=counted.echoes.get(one.id, {}) if counted else {},
        orders=brought[0] if brought else None,
        usd_cents=brought[1] if brought else None,
        lately=_lately(counted, one.id, today),
    )


def _lately(counted: _Counted | None, campaign: str, today: date) -> tuple[int, ...]:
    days = counted.lately.get(campaign, {}) if counted else {}
    return tuple(days.get(today - timedelta(days=back), 0) for back in range(LATELY - 1, -1, -1))


def _without_file(app: App, counted: _Counted | None, told: set[str]) -> list[Row]:
    """Files that cannot be read at all, and campaigns of which only mails are left."""
    found: dict[str, Row] = {}
    for problem in app.definitions.errors:
        path = PurePosixPath(problem.file)
        if path.stem in told or path.stem in _OTHERS or "segments" in path.parts:
            continue
        if path.parts[:1] == ("campaigns",) and path.suffix == ".yaml":
            found[path.stem] = _bare(app, path.stem, Standing.BROKEN, counted, str(path))
    for campaign in counted.states if counted else ():
        if campaign not in told and campaign not in found and campaign != TEST_CAMPAIGN:
            found[campaign] = _bare(app, campaign, Standing.GONE, counted)
    return list(found.values())


def _bare(app: App, id_: str, stands: Standing, counted: _Counted | None, path: str = "") -> Row:
    today = local_day(app.clock.now(), app.zone)
    return Row(
        id=id_,
        name="",
        kind="",
        stream="",
        mode="",
        standing=stands,
        anchor="",
        path=path,
        steps=0,
        findings=findings_of(app, path) if path else (),
        next_at=counted.next_at.get(id_) if counted else None,
        states=counted.states.get(id_, {}) if counted else {},
        echoes=counted.echoes.get(id_, {}) if counted else {},
        lately=_lately(counted, id_, today),
    )


def _finding(problem: Problem) -> Finding:
    return Finding(
        place=problem.place,
        message=problem.message,
        help=problem.help,
        is_error=problem.is_error,
    )
