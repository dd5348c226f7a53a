"""The daemon's round of webhooks in: read what came, tidy up, and tell people what goes wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from crm_mailer.app import hooks as verbs
from crm_mailer.app.hooks import HookReport
from crm_mailer.app.wiring import App
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import alerts, hooks
from crm_mailer.store.hooks import Refusal

#: Requests of one sender that are turned away for one reason before a person is told: a certificate
#: that changed or a wrong secret, since when bounces are not heard.
MANY = 5
#: After so long without any the alert is over.
QUIET = timedelta(hours=24)
_HINT = Sentence("`crm-mailer outbox webhooks` says more")
_REFUSED = "hooks/refused/"


class _Seen:
    """What was turned away at the last look."""

    def __init__(self) -> None:
        self.times: dict[tuple[str, str], int] = {}
        self.looked_at: datetime | None = None


#: How often it is looked at what was turned away.
EVERY = timedelta(seconds=30)
_SEEN: WeakKeyDictionary[App, _Seen] = WeakKeyDictionary()


def tend(app: App) -> str:
    """One round; says what was done."""
    report = verbs.digest(app)
    now = app.clock.now()
    with app.store.read() as connection:
        old = hooks.list_old(connection, now)
    if report.troubles or old:
        with app.store.write() as connection:
            hooks.drop_bodies(connection, old)
            _tell_unread(connection, report, now)
    _watch(app, now)
    told = {**report.events, **report.orders, "requests": report.requests, "failed": report.failed}
    return ", ".join(f"{name} {number}" for name, number in told.items() if number)


def _tell_unread(connection: Any, report: HookReport, now: datetime) -> None:
    for number, why in report.troubles[:1]:
        message = Sentence(
            "a webhook cannot be read: request {number}: {why}", number=number, why=why
        )
        alerts.raise_(connection, "hooks/unread", message, hint=_HINT, now=now)


def _watch(app: App, now: datetime) -> None:
    """Tell of senders whose requests are turned away, and when that is over."""
    seen = _SEEN.setdefault(app, _Seen())
    if seen.looked_at is not None and now - seen.looked_at < EVERY:
        return
    is_first, seen.looked_at = seen.looked_at is None, now
    with app.store.read() as connection:
        found = hooks.list_refusals(connection)
        is_open = {one.cause for one in alerts.list_open(connection)}
    more = [one for one in found if one.times > seen.times.get((one.source, one.reason), 0)]
    seen.times = {(one.source, one.reason): one.times for one in found}
    loud = [] if is_first else [one for one in more if one.times >= MANY]
    over = _over(found, is_open, now)
    if loud or over:
        with app.store.write() as connection:
            for one in loud:
                message = Sentence(
                    "requests to the webhook {name} are turned away: {why}",
                    name=one.source,
                    why=one.reason,
                )
                alerts.raise_(connection, _REFUSED + one.source, message, hint=_HINT, now=now)
            for cause in over:
                alerts.end(connection, cause, now)


def _over(found: list[Refusal], is_open: set[str], now: datetime) -> list[str]:
    lasting = {_REFUSED + one.source for one in found if now - one.last_at < QUIET}
    return sorted(cause for cause in is_open - lasting if cause.startswith(_REFUSED))
