"""Whether somebody does each kind of work, and whether the hosts' clocks agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from crm_mailer.app import clocks, fleet
from crm_mailer.app.doctor.findings import Finding, fault, ok, warning
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.sentence import Sentence

_SET = Sentence("set both by the network's time: chrony or systemd-timesyncd")


def look(app: App, now: datetime) -> Iterator[Finding]:
    """Roles that nobody has, while a daemon runs; on PostgreSQL this host's clock."""
    try:
        with app.store.read() as connection:
            found = fleet.look(app, connection, now)
    except CrmMailerError:
        return  # what ails the database is told by those who look at it
    for role in found.missing:
        yield warning(
            "roles",
            Sentence("no daemon has the role `{role}`", role=role.value),
            Sentence("start one with `crm-mailer run --roles {role}`, or one without `--roles`",
                     role=role.value),
        )  # fmt: skip
    if not app.store.is_sqlite:
        yield _clock(found.clock_ms / 1000)


def _clock(seconds: float) -> Finding:
    if abs(seconds) <= clocks.ODD:
        return ok("clocks", Sentence("this host's clock agrees with the database's"))
    said = Sentence(
        "this host's clock is {seconds} s away from the database's", seconds=f"{seconds:+.0f}"
    )
    return (fault if abs(seconds) > clocks.WRONG else warning)("clocks", said, _SET)
