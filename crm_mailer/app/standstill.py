"""Why a campaign at a day of the calendar plans nothing at this moment, as a sentence."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from crm_mailer.app import segments
from crm_mailer.app.campaign_looks import next_day
from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Campaign, DateAnchor, FestivalAnchor, Mode, MonthlyAnchor
from crm_mailer.model.moment import local_day
from crm_mailer.model.sentence import Sentence
from crm_mailer.planning.occasions import AHEAD
from crm_mailer.planning.report import PlanReport
from crm_mailer.store import plan_runs, selection
from crm_mailer.store.homes import of_all
from crm_mailer.store.look import Look

#: Somewhere it is another day already, or still.
A_DAY = timedelta(days=1)


def reasons(app: App, report: PlanReport) -> dict[str, Sentence]:
    """Why campaigns of the report had no occasion, where the calendar tells it."""
    found = {
        one.campaign: whole_reason(
            app,
            app.definitions.campaigns[one.campaign],
            report.at,
            is_preview=not report.is_saved,
        )
        for one in report.campaigns
        if not one.occasions and one.campaign in app.definitions.campaigns
    }
    return {name: said for name, said in found.items() if said}


def whole_reason(
    app: App, campaign: Campaign, now: datetime | None = None, *, is_preview: bool = False
) -> Sentence:
    """Why nothing of it is planned now: by the calendar, or since its audience is empty.

    Args:
        app: the shop.
        campaign: of whose plan is asked.
        now: the moment of the plan; the present one where nothing is said.
        is_preview: nothing is saved: such a plan sees days that it is too early to plan, so that
            an empty audience says more than the calendar.
    """
    now = now or app.clock.now()
    said = reason(app, campaign, now)
    is_dated = isinstance(campaign.anchor, (DateAnchor, FestivalAnchor, MonthlyAnchor))
    is_early = is_preview and is_dated and bool(said) and said == _planned_from(app, campaign, now)
    if (said and not is_early) or not is_dated:
        return said
    look = Look.of(app.shop, now, of_all(app.store), segments=segments.edited(app))
    with app.store.read() as connection:
        if selection.count(connection, campaign.audience, look):
            return said
    return Sentence("nobody is in its audience at this moment")


def reason(app: App, campaign: Campaign, now: datetime | None = None) -> Sentence:
    """Why nothing of it is planned now; empty where the calendar does not stand against it."""
    taken = taken_on(app, campaign)
    if taken:
        return taken
    now = now or app.clock.now()
    if is_over(campaign, now):
        assert isinstance(campaign.anchor, DateAnchor)
        return Sentence("its day, {day}, is over: nothing is planned", day=campaign.anchor.day)
    return _planned_from(app, campaign, now)


def taken_on(app: App, campaign: Campaign) -> Sentence:
    """That a dated campaign has its audience, and since when; empty: it has not."""
    if not isinstance(campaign.anchor, DateAnchor) or campaign.mode is Mode.DRAFT:
        return Sentence("")
    with app.store.read() as connection:
        at = plan_runs.taken_at(connection, campaign.id, campaign.version)
    if at is None:
        return Sentence("")
    return Sentence(
        "the audience was taken on {time}: who came later gets no mail of it",
        time=f"{at.astimezone(app.zone):%Y-%m-%d %H:%M}",
    )


def is_over(campaign: Campaign, now: datetime) -> bool:
    """Whether no mail of a dated campaign could be in time any more, wherever somebody lives."""
    if not isinstance(campaign.anchor, DateAnchor):
        return False
    last = max(step.offset for step in campaign.steps) + campaign.valid_for + 2 * A_DAY
    return _midnight(campaign.anchor.day) + last < now


def _planned_from(app: App, campaign: Campaign, now: datetime) -> Sentence:
    day = next_day(campaign, local_day(now, app.zone))
    if day is None:
        return Sentence("")
    soonest = min(step.offset for step in campaign.steps)
    opens = _midnight(day) + soonest - AHEAD - A_DAY
    if opens <= now:
        return Sentence("")
    return Sentence(
        "it is planned from {time} on, for {day}",
        time=f"{opens.astimezone(app.zone):%Y-%m-%d %H:%M}",
        day=day,
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
