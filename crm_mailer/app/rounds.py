"""One turn of each room, for the daemon and the demo; each says what it did, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from crm_mailer.app import (
    alerting,
    cases,
    delivering,
    hook_watch,
    judging,
    listening,
    pausing,
    planning,
    preferences,
    retention,
    segmenting,
    send_hours,
    telling,
    web_events,
)
from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Stream


def segment(app: App) -> str:
    """Scores, attributes and memberships up to now."""
    report = segmenting.run(app)
    came = sum(change.came_in for change in report.changes)
    left = sum(change.left for change in report.changes)
    hours = send_hours.learn_if_due(app)
    told = {"scored": report.scored, "rolled": report.rolled, "came": came, "left": left}
    return _told({**told, "hours learnt": hours})


def plan(app: App) -> str:
    """Touches for every new occasion of the campaigns that are live or manual.

    Beside it, a look at what came back of the mails that left, and at what is paused.
    """
    pausing.watch_reputation(app)
    report = planning.apply(app)
    paused = pausing.tend(app)
    planned = sum(one.saved for one in report.campaigns)
    return _told({"planned": planned, "ended": report.ended, "paused or let go": paused})


def send(
    app: App,
    *,
    streams: Collection[Stream] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> str:
    """Hand over what is due, of all streams or of these.

    Raises:
        ServiceDown: the mail server cannot be used at all; nothing was lost.
    """
    report = delivering.send(app, streams=streams, should_stop=should_stop)
    if report.lane_fault is not None:
        raise report.lane_fault.error()
    return _told({**report.outcomes, **report.skipped})


def understand(app: App) -> str:
    """Read what was fetched."""
    report = listening.understand(app)
    return _told({**report.kinds, "quarantined": report.quarantined})


def learn(app: App) -> str:
    """Feedback, cases and tasks from what was understood; clicks and openings from requests."""
    report, seen = cases.learn(app), web_events.digest(app)
    judging.train_if_due(app)
    told = {"feedback": report.feedback, "cases": report.cases_opened, "tasks": report.tasks}
    told |= {"clicks": seen.clicks, "opens": seen.opens, "doubts settled": seen.settled}
    return _told(told | {"late cases told of": cases.escalate(app)})


def heed(app: App) -> str:
    """Take in what customers did on the public pages."""
    return _told({"wishes": preferences.take_in(app)})


def heed_programs(app: App) -> str:
    """Do what providers and shop systems sent by webhooks."""
    return hook_watch.tend(app)


def tell(app: App) -> str:
    """Tell other programs what happened, by webhooks."""
    return telling.tend(app)


def warn(app: App) -> str:
    """Tell the shop's own people what they should look at, by mail and in their chat."""
    return alerting.tend(app)


def keep_house(app: App, should_stop: Callable[[], bool] = lambda: False) -> str:
    """Night's work: what is older than it is kept goes; this month's partitions are opened."""
    opened = retention.begin_month(app)
    done = retention.purge_if_due(app, should_stop)
    purged = {f"{one.table} purged": one.rows for one in done.purged} if done else {}
    if done and done.stuck:
        purged[f"files that could not be removed ({done.fault})"] = done.stuck
    return _told({"partitions opened": len(opened), **purged})


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items() if number)
