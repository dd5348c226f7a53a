"""Verbs of retention: what is older than the shop keeps it goes every night, with a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from crm_mailer.app.wiring import App
from crm_mailer.model.moment import local_day
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.model.staff import Noted
from crm_mailer.store import facts, partitions, retention, staff
from crm_mailer.store.engine import Connection

#: The fact that keeps the last report.
_LAST = "retention: last purge"
#: The day on which the daemon first asked: the first purge is in the night behind it.
_BEGUN = "retention: begun"
#: Day -> the number of the last mail that was fetched by then; for each day that is not too old.
_FETCHED = "retention: fetched"
#: Files that cannot be removed, before the others are left to the next night.
MOST_FAULTS = 1_000
#: The hour of the shop's day from which on it is night's work.
HOUR = 3
_MONTH = timedelta(days=30, hours=10, minutes=30)
INBOUND = "inbound"
#: Table -> the setting by which its rows go.
RULES: Mapping[str, str] = {
    INBOUND: "raw_mails_days",
    "signals": "events_months",
    "page_acts": "events_months",
    "web_events": "requests_days",
    "plan_runs": "logs_days",
    "hook_requests": "logs_days",
    "failed hook_requests": "events_months",
    "alerts": "logs_days",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """Rows of a table from before a moment."""

    table: str
    rows: int
    before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What went, when, and when something went before; `is_done` unless it was stopped."""

    at: datetime
    since: datetime | None
    purged: list[Purged]
    is_done: bool = True
    #: Files that could not be removed, with the reason of the first.
    stuck: int = 0
    fault: str = ""

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(one.rows for one in self.purged)


def purge(
    app: App,
    *,
    by: str,
    is_dry: bool = False,
    should_stop: Callable[[], bool] = lambda: False,
) -> Purge:
    """Take away what is older than it is kept, in short turns.

    Args:
        app: the shop.
        by: who does it, for the log.
        is_dry: only count.
        should_stop: asked between two turns; what is left goes the next time.
    """
    now, before = app.clock.now(), last(app)
    found = []
    raw = _Raw(app, moments(app, now)[INBOUND])
    if not is_dry:
        raw.note_fetched(now)
    for table, moment in moments(app, now).items():
        if table == INBOUND:
            rows = raw.count() if is_dry else raw.purge(should_stop)
        else:
            rows = _count(app, table, moment) if is_dry else _purge(app, table, moment, should_stop)
        found.append(Purged(table=table, rows=rows, before=moment))
    done = Purge(
        at=now,
        since=before.at if before else None,
        purged=found,
        is_done=not should_stop(),
        stuck=len(raw.stuck),
        fault=next(iter(raw.stuck.values()), ""),
    )
    if not is_dry:
        _note(app, done, by)
    return done


def moments(app: App, now: datetime) -> dict[str, datetime]:
    """Table -> from when on its rows are kept."""
    kept = app.settings.retention
    spans = {
        "raw_mails_days": timedelta(days=kept.raw_mails_days),
        "events_months": kept.events_months * _MONTH,
        "requests_days": timedelta(days=kept.requests_days),
        "logs_days": timedelta(days=kept.logs_days),
    }
    return {table: now - spans[rule] for table, rule in RULES.items()}


def purge_if_due(app: App, should_stop: Callable[[], bool] = lambda: False) -> Purge | None:
    """Once a night; None where it was done, and before the first night."""
    now, before = app.clock.now(), last(app)
    if before is None:
        last_night = _begun(app, now)
    elif before.is_done:
        last_night = _night(app, before.at)
    else:
        return purge(app, by="daemon", should_stop=should_stop)
    if last_night >= _night(app, now):
        return None
    return purge(app, by="daemon", should_stop=should_stop)


def last(app: App) -> Purge | None:
    """The report of the last purge; None before the first."""
    with app.store.read() as connection:
        told = facts.find(connection, _LAST)
    if told is None:
        return None
    return Purge(
        at=datetime.fromisoformat(told["at"]),
        since=datetime.fromisoformat(told["since"]) if told["since"] else None,
        purged=[
            Purged(table=table, rows=rows, before=datetime.fromisoformat(before))
            for table, (rows, before) in told["purged"].items()
        ],
        is_done=told["is_done"],
        stuck=told.get("stuck", 0),
        fault=told.get("fault", ""),
    )


def begin_month(app: App) -> list[str]:
    """On PostgreSQL, open this month's partitions; their names, once."""
    return partitions.begin_month(app.store, app.clock.now())


# ------------------------------------------------------------------ pieces


def _night(app: App, moment: datetime) -> date:
    """The day whose night's work is done from `HOUR` on."""
    return local_day(moment - timedelta(hours=HOUR), app.zone)


def _begun(app: App, now: datetime) -> date:
    """The night before the daemon first asked."""
    with app.store.read() as connection:
        told = facts.find(connection, _BEGUN)
    if told is None:
        told = _night(app, now).isoformat()
        with app.store.write() as connection:
            facts.put(connection, _BEGUN, told, now)
    return date.fromisoformat(told)


def _count(app: App, table: str, before: datetime) -> int:
    with app.store.read() as connection:
        return retention.count(connection, table, before)


def _purge(app: App, table: str, before: datetime, should_stop: Callable[[], bool]) -> int:
    rows = retention.drop_requests(app.store, before) if table == "web_events" else 0
    while not should_stop():
        gone = _delete(app, table, before)
        rows += gone
        if gone < retention.TURN:
            break
    return rows


def _delete(app: App, table: str, before: datetime) -> int:
    with app.store.write() as connection:
        return retention.delete(connection, table, before)


class _Raw:
    """Mails as they came, from before a moment: what they said stays."""

    def __init__(self, app: App, before: datetime) -> None:
        self._app = app
        self._before = before
        #: Mail -> why its file cannot be removed.
        self.stuck: dict[int, str] = {}

    def note_fetched(self, now: datetime) -> None:
        """Keep how far mails are fetched today: they are kept from then on, however old they are.

        What was fetched before the first note counts from that.
        """
        with self._app.store.write() as connection:
            known: dict[str, int] = facts.find(connection, _FETCHED) or {}
            today, last_ = now.isoformat(), retention.last_fetched(connection)
            old = max(filter(self._is_old, known), default="")
            kept = {at: last for at, last in known.items() if at >= old}
            if all(at[:10] != today[:10] for at in kept):
                facts.put(connection, _FETCHED, {**kept, today: last_}, now)

    def count(self) -> int:
        """How many would go."""
        with self._app.store.read() as connection:
            return len(
                retention.list_raw(connection, self._before, self._last(connection), limit=None)
            )

    def purge(self, should_stop: Callable[[], bool]) -> int:
        """Let go of them, in short turns; how many."""
        rows = 0
        while not should_stop() and len(self.stuck) < MOST_FAULTS:
            looked_at, gone = self._turn()
            rows += gone
            if looked_at < retention.TURN:
                break
        return rows

    def _is_old(self, at: str) -> bool:
        return datetime.fromisoformat(at) < self._before

    def _last(self, connection: Connection) -> int:
        """The last mail that was fetched before the moment, as far as is known."""
        known: dict[str, int] = facts.find(connection, _FETCHED) or {}
        return max((last for at, last in known.items() if self._is_old(at)), default=0)

    def _turn(self) -> tuple[int, int]:
        """Files go first: a kill leaves a mail whose file is gone, and the next purge finds it."""
        with self._app.store.read() as connection:
            old = retention.list_raw(
                connection, self._before, self._last(connection), without=self.stuck
            )
            names = sorted({name for _id, name in old if name})
            shared = retention.files_of_others(connection, names, [one for one, _name in old])
        faults: dict[str, str] = {}
        for name in names:
            if name not in shared:
                try:
                    (self._app.raw_folder / name).unlink(missing_ok=True)
                except OSError as error:
                    faults[name] = f"{name}: {error.strerror or error}"
        self.stuck |= {one: faults[name] for one, name in old if name in faults}
        ids = [one for one, name in old if name not in faults]
        if not ids:
            return len(old), 0
        with self._app.store.write() as connection:
            return len(old), retention.drop_raw(connection, ids)


def _note(app: App, done: Purge, by: str) -> None:
    told = {
        "at": done.at.isoformat(),
        "since": done.since.isoformat() if done.since else "",
        "purged": {one.table: (one.rows, one.before.isoformat()) for one in done.purged},
        "is_done": done.is_done,
        "stuck": done.stuck,
        "fault": done.fault,
    }
    parts: list[str] = [f"{one.table} {one.rows}" for one in done.purged if one.rows]
    if done.stuck:
        parts.append(
            Sentence(
                "{number} files could not be removed ({why})", number=done.stuck, why=done.fault
            )
        )
    said = Sentences(*parts, between=", ")
    with app.store.write() as connection:
        facts.put(connection, _LAST, told, done.at)
        if said:
            staff.note(connection, Noted.ACT, at=done.at, who=by, path="privacy purge", said=said)
