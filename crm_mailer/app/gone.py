"""Alerts about servers that the settings name no more: nobody would ever say that they are over.

Another process may have settings of its own, such as a server that only its environment names. So
what these settings do not name is of before only when nobody met it again for a day.
"""

from __future__ import annotations

from datetime import timedelta

from crm_mailer.app.wiring import App
from crm_mailer.store import alerts, lanes, pauses

MAILBOX = "mailbox:"
#: What was met within so long is still the matter of some process.
QUIET = timedelta(hours=24)


def end(app: App) -> None:
    """What is about servers of before is over."""
    now = app.clock.now()
    with app.store.read() as connection:
        quiet = [one.cause for one in alerts.list_open(connection) if now - one.last_at > QUIET]
    if old := [cause for cause in quiet if _is_unnamed(app, cause)]:
        with app.store.write() as connection:
            for cause in old:
                alerts.end(connection, cause, now)


def _is_unnamed(app: App, cause: str) -> bool:
    scope = cause.partition("/")[0]
    if scope.startswith(pauses.ACCOUNT):
        accounts = [one.name for one in app.settings.accounts] or [lanes.SANDBOX]
        return scope.removeprefix(pauses.ACCOUNT) not in accounts
    boxes = [one.name for one in app.settings.mailboxes]
    return scope.startswith(MAILBOX) and scope.removeprefix(MAILBOX) not in boxes
