"""What the studio's first page shows: what goes out, what came back, what waits for a person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from weakref import WeakKeyDictionary, proxy

from crm_mailer.app import mailbox_states
from crm_mailer.app.lately import Remembered
from crm_mailer.app.mailbox_states import MailboxState
from crm_mailer.app.wiring import App
from crm_mailer.model.address import OTHER, PROVIDERS
from crm_mailer.model.campaign import Stream
from crm_mailer.store import alerts, benefit_approvals, doubts, health, lanes, pauses, touches
from crm_mailer.store import today as rows
from crm_mailer.store.alerts import Alert
from crm_mailer.store.engine import Connection
from crm_mailer.store.lanes import Rest
from crm_mailer.store.pauses import Pause

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
#: What is due within so long is due soon; how far back and forward the chart goes.
SOON = timedelta(hours=24)
WEEK = timedelta(days=7)
#: A mailbox that was not read for so long is told.
UNREAD = timedelta(minutes=15)
#: Benefits to allow are counted so far.
MOST_ASKED = 500
#: The index of what is due is laid out by these.
LANES = tuple(product([one.value for one in Stream], [*PROVIDERS, OTHER]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The numbers that stand in the menu of every page."""

    cases: int
    overdue: int
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveNumbers:
    """What a page that is looked at is told every second."""

    cases: int
    overdue: int
    alerts: int
    #: Mails handed over in the last minute.
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """Mails of one hour: handed over, or still to leave."""

    at: datetime
    sent: int = 0
    due: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Mails of one campaign that leave soon."""

    campaign: str
    now: int
    later: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What leaves: a day back and a day forward."""

    at: datetime
    due_now: int
    due_later: int
    #: Since the shop's midnight, by outcome.
    today: dict[str, int]
    hours: tuple[Hour, ...]
    campaigns: tuple[Leaving, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameBack:
    """What came back within some time. Numbers by kind."""

    #: By kind and, of people, by what they want: ("human", "complaint").
    replies: dict[tuple[str, str], int]
    bounces: dict[str, int]
    spam_reports: int
    suppressions: dict[str, int]
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits for a person."""

    cases: rows.CaseCounts
    tasks: int
    tasks_late: int
    #: Held mails that may be released, by campaign.
    held: dict[str, int]
    in_doubt: int
    probably_sent: int
    #: Benefits that somebody must allow, and how many mails wait for that.
    benefits: int
    quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What a person should look at."""

    alerts: list[Alert]
    pauses: list[Pause]
    #: Mailboxes with trouble, and those that were not read for a quarter of an hour.
    mailboxes: list[MailboxState]
    rests: list[Rest]
    #: Who runs the daemon; empty: nobody.
    daemon: str
    live_campaigns: int
    #: Faults in what marketers wrote.
    problems: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """The shop on one screen."""

    now: datetime
    is_sandbox: bool
    #: The clock stands: a demo or a rehearsal.
    is_rehearsal: bool
    is_paused: bool
    way_out: str
    outgoing: Outgoing
    day: CameBack
    week: CameBack
    waiting: Waiting
    trouble: Trouble


def counts(app: App) -> Counts:
    """What a person should know of, wherever they are."""
    now = app.clock.now()
    with app.store.read() as connection:
        cases = rows.cases(connection, now, now + SOON)
        open_alerts = rows.count_alerts(connection)
    return Counts(cases=cases.open, overdue=cases.overdue, alerts=open_alerts)


def live(app: App) -> LiveNumbers:
    """The numbers as they are now; three short looks at indexes."""
    now, known = app.clock.now(), counts(app)
    with app.store.read() as connection:
        sent = rows.count_attempts(connection, now - MINUTE, now)
    return LiveNumbers(cases=known.cases, overdue=known.overdue, alerts=known.alerts, sent=sent)


def today(app: App) -> Today:
    """Everything. What is counted over many rows may be a few seconds old."""
    now = app.clock.now()
    slow = _slow(app)
    with app.store.read() as connection:
        waiting = _waiting(app, connection, now, slow)
        trouble = _trouble(app, connection, now)
    return Today(
        now=now,
        is_sandbox=app.settings.is_sandbox,
        is_rehearsal=bool(app.settings.clock),
        is_paused=any(one.scope == pauses.ALL for one in trouble.pauses),
        way_out=app.settings.way_out,
        outgoing=slow.outgoing.get(),
        day=slow.day.get(),
        week=slow.week.get(),
        waiting=waiting,
        trouble=trouble,
    )


# ------------------------------------------------------------------ over many rows


class _Slow:
    """Figures of one shop that are remembered."""

    def __init__(self, app: App) -> None:
        self.outgoing = Remembered(partial(_outgoing, app))
        self.held = Remembered(partial(_held, app))
        self.doubts = Remembered(partial(_doubts, app))
        self.day = Remembered(partial(_came_back, app, SOON))
        self.week = Remembered(partial(_came_back, app, WEEK))


_SLOW: WeakKeyDictionary[App, _Slow] = WeakKeyDictionary()


def _slow(app: App) -> _Slow:
    if app not in _SLOW:
        # the figures know their shop, and must not keep it alive
        _SLOW[app] = _Slow(proxy(app))
    return _SLOW[app]


def look_again(app: App) -> None:
    """Something was done: the next look counts anew."""
    if app in _SLOW:
        slow = _SLOW[app]
        for figure in (slow.outgoing, slow.held, slow.doubts, slow.day, slow.week):
            figure.expire()


def _outgoing(app: App) -> Outgoing:
    now = app.clock.now()
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    midnight = now.astimezone(app.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    with app.store.read() as connection:
        due = rows.outgoing(connection, LANES, now, now + SOON)
        tried = rows.attempts(connection, this_hour - SOON + HOUR, now + MINUTE)
        since_midnight = rows.outcomes(connection, midnight, now + MINUTE)
    sent: Counter[datetime] = Counter()
    leaving: Counter[datetime] = Counter()
    campaigns: dict[str, list[int]] = {}
    for at, outcome, number in tried:
        sent[at] += number if outcome in ("accepted", "unknown") else 0
    for at, campaign, number in due:
        leaving[at] += number
        campaigns.setdefault(campaign, [0, 0])[at > this_hour] += number
    hours = [this_hour + HOUR * step for step in range(-23, 24)]
    return Outgoing(
        at=now,
        due_now=sum(first for first, _later in campaigns.values()),
        due_later=sum(later for _first, later in campaigns.values()),
        today=since_midnight,
        hours=tuple(Hour(at=at, sent=sent[at], due=leaving[at]) for at in hours),
        campaigns=tuple(
            Leaving(campaign=campaign, now=first, later=later)
            for campaign, (first, later) in sorted(campaigns.items(), key=lambda one: -sum(one[1]))
        ),
    )


def _held(app: App) -> dict[str, int]:
    with app.store.read() as connection:
        known = {*app.definitions.campaigns, *touches.campaigns(connection)}
        return rows.held(connection, sorted(known))


def _doubts(app: App) -> tuple[int, int]:
    with app.store.read() as connection:
        return doubts.count(connection), doubts.count_probably_sent(connection, app.clock.now())


def _came_back(app: App, span: timedelta) -> CameBack:
    since = app.clock.now() - span
    with app.store.read() as connection:
        return CameBack(
            replies=rows.replies(connection, since),
            bounces=rows.bounces(connection, since),
            spam_reports=rows.count_spam_reports(connection, since),
            suppressions=rows.suppressions(connection, since),
            orders=rows.count_orders(connection, since),
        )


# ------------------------------------------------------------------ over few rows


def _waiting(app: App, connection: Connection, now: datetime, slow: _Slow) -> Waiting:
    tomorrow = (now.astimezone(app.zone) + SOON).replace(hour=0, minute=0, second=0, microsecond=0)
    open_tasks, late = rows.tasks(connection, now)
    in_doubt, probably_sent = slow.doubts.get()
    return Waiting(
        cases=rows.cases(connection, now, tomorrow),
        tasks=open_tasks,
        tasks_late=late,
        held=slow.held.get(),
        in_doubt=in_doubt,
        probably_sent=probably_sent,
        benefits=len(benefit_approvals.list_asked(connection, limit=MOST_ASKED)),
        quarantined=rows.count_quarantined(connection),
    )


def _trouble(app: App, connection: Connection, now: datetime) -> Trouble:
    names = [one.name for one in app.settings.accounts] or [lanes.SANDBOX]
    rests = [lanes.find(connection, name) for name in names]
    campaigns = app.definitions.campaigns.values()
    return Trouble(
        alerts=alerts.list_open(connection),
        pauses=pauses.list_(connection),
        mailboxes=[one for one in mailbox_states.states(app) if _is_troubled(one, now)],
        rests=[rest for rest in rests if rest is not None and now < rest.until],
        daemon=health.daemon(connection, now),
        live_campaigns=sum(one.mode == "live" for one in campaigns),
        problems=len(app.definitions.errors),
    )


def _is_troubled(box: MailboxState, now: datetime) -> bool:
    return bool(box.trouble) or box.synced_at is None or now - box.synced_at > UNREAD
