"""The part of the status screen on who works, on which host, and how far behind they are."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crm_mailer.cli import show
from crm_mailer.cli.spans import span_in_words
from crm_mailer.i18n import _

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.fleet import LaneState, Process, Tenure
    from crm_mailer.app.operating import Status

#: Younger than this is not late, in seconds.
NEGLIGIBLE = 5.0


def lag(app: App, state: Status) -> list[tuple[str, object]]:
    """How far behind the work is, for the facts of the screen."""
    fleet, now = state.fleet, state.now
    is_clock_told = abs(fleet.clock_ms) >= 1_000
    return [
        (_("oldest due mail waits"), _late(fleet.oldest_due_at, now)),
        (_("oldest unread answer waits"), _late(fleet.oldest_inbound_at, now)),
        (_("last plan"), show.local(fleet.planned_at, app.zone) if fleet.planned_at else ""),
        (_("clock, to the database's"),
         f"{fleet.clock_ms / 1000:+.1f} s" if is_clock_told else ""),
    ]  # fmt: skip


def tables(app: App, state: Status) -> None:
    """Processes, leases and lanes; each only where there is something to tell."""
    fleet, since = state.fleet, show.when(_("since"), app.zone, state.now)
    if fleet.processes:
        show.table(
            [_("process"), _("host"), _("pid"), _("roles"), _("up for"), _("heard of"), _("does")],
            [_process(one, state.now) for one in fleet.processes],
            title=_("Who works"), right=(2, 4, 5),
        )  # fmt: skip
    if fleet.tenures and not app.store.is_sqlite:
        show.table(
            [_("work"), _("host"), _("pid"), since, _("epoch"), _("for another")],
            [_tenure(app, one, state.now) for one in fleet.tenures],
            title=_("Leases"), right=(2, 4, 5),
        )  # fmt: skip
    if fleet.lanes:
        show.table(
            [_("lane"), _("due now"), _("oldest waits"), _("a minute"), ""],
            [_lane(one, state.now) for one in fleet.lanes],
            title=_("Lanes"), right=(1, 2, 3),
        )  # fmt: skip


def warnings(state: Status) -> None:
    """What nobody does, and clocks that are wrong."""
    from crm_mailer.app.clocks import ODD

    fleet = state.fleet
    for role in fleet.missing:
        show.warn(_("no daemon has the role `{role}`").format(role=role.value))
        show.note("  " + _("help: {hint}").format(
            hint=_("start one with `crm-mailer run --roles {role}`, or one without `--roles`")
            .format(role=role.value)))  # fmt: skip
    here = fleet.clock_ms / 1000
    if abs(here) > ODD:
        show.warn(_("this machine's clock is {seconds} s away from the database's").format(
            seconds=f"{here:+.0f}"))  # fmt: skip
    for one in fleet.processes:
        if one.kind == "daemon" and one.is_alive and abs(one.clock_ms) > ODD * 1000:
            show.warn(_("the clock of {host} is {seconds} s away from the database's").format(
                host=one.host, seconds=f"{one.clock_ms / 1000:+.0f}"))  # fmt: skip


def span(seconds: float) -> str:
    """A stretch of time, also one of a few seconds."""
    if seconds < 100:
        return _("{seconds} s").format(seconds=max(0, round(seconds)))
    return span_in_words(timedelta(seconds=seconds))


def _late(since: datetime | None, now: datetime) -> str:
    seconds = (now - since).total_seconds() if since else 0.0
    return span(seconds) if seconds >= NEGLIGIBLE else ""


def _process(one: Process, now: datetime) -> tuple[object, ...]:
    return (
        _("daemon") if one.kind == "daemon" else _("worker"),
        one.host,
        one.pid,
        ",".join(one.roles),
        span((now - one.since).total_seconds()) if one.since else "",
        _("{span} ago").format(span=span(one.heard_ago)),
        one.doing if one.is_alive else _("not heard of"),
    )


def _tenure(app: App, one: Tenure, now: datetime) -> tuple[object, ...]:
    left = (one.until - now).total_seconds()
    held = span(left) if one.is_held else _("over")
    return one.name, one.host, one.pid, show.short(one.since, app.zone), one.epoch, held


def _lane(one: LaneState, now: datetime) -> tuple[object, ...]:
    if one.is_paused:
        how = _("paused")
    else:
        how = _("slow: {percent} %").format(percent=one.percent) if one.percent < 100 else ""
    return one.name, f"{one.due:,}", _late(one.oldest_at, now), one.per_minute or "", how
