"""Verbs of reports: each looks at the rows and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from crm_mailer.app.wiring import App
from crm_mailer.model import period as periods
from crm_mailer.model.campaign import OrderAnchor
from crm_mailer.model.errors import NotFound
from crm_mailer.model.order import OrderState
from crm_mailer.model.period import Period
from crm_mailer.model.sentence import Sentence
from crm_mailer.reporting import (
    agents,
    complaints,
    health,
    recovery,
    response_times,
    reviews,
    workbook,
    worklists,
)
from crm_mailer.reporting.agents import AgentReport
from crm_mailer.reporting.complaints import ComplaintReport
from crm_mailer.reporting.health import HealthReport
from crm_mailer.reporting.recovery import RecoveryReport
from crm_mailer.reporting.response_times import ResponseReport
from crm_mailer.reporting.reviews import ReviewReport
from crm_mailer.reporting.workbook import Sheet
from crm_mailer.reporting.worklists import Worklist, WorklistName
from crm_mailer.store.report_complaints import Complaint


def complaint_report(
    app: App, first: date | None, last: date | None, *, newest: int, products: int | None = None
) -> ComplaintReport:
    """What customers complained about; with `products`, only the worst so many of them."""
    return complaints.complaint_report(
        app.store, _period(app, first, last), newest=newest, products=products
    )


def every_complaint(app: App, period: Period) -> Iterator[Complaint]:
    """Each complaint of a period, as many as fit on a sheet."""
    return complaints.every_complaint(app.store, period, limit=workbook.MAX_ROWS)


def review_report(app: App, first: date | None, last: date | None) -> ReviewReport:
    """Stars and words by product."""
    return reviews.review_report(app.store, _period(app, first, last))


def health_report(app: App, first: date | None, last: date | None) -> HealthReport:
    """The shop's figures by its own limits."""
    rules = app.shop.health
    return health.health_report(app.store, _period(app, first, last, rules.days), rules)


def agent_report(app: App, first: date | None, last: date | None) -> AgentReport:
    """What each agent did."""
    return agents.agent_report(app.store, _period(app, first, last), now=app.clock.now())


def response_report(app: App, first: date | None, last: date | None) -> ResponseReport:
    """How fast customers were answered."""
    return response_times.response_report(app.store, _period(app, first, last), now=app.clock.now())


def recovery_report(app: App, first: date | None, last: date | None) -> RecoveryReport:
    """What payment reminders brought back."""
    unpaid = OrderAnchor(state=OrderState.PLACED)
    campaigns = [one.id for one in app.definitions.campaigns.values() if one.anchor == unpaid]
    return recovery.recovery_report(
        app.store, _period(app, first, last), campaigns, now=app.clock.now()
    )


def worklist(app: App, name: str, *, limit: int) -> Worklist:
    """One list of what is to be done today.

    Raises:
        NotFound: there is no such list.
    """
    if name not in WorklistName.__members__.values():
        raise NotFound(
            Sentence("there is no worklist {name!r}", name=name),
            hint=Sentence("they are: {names}", names=", ".join(WorklistName)),
        )
    return worklists.worklist(
        app.store, WorklistName(name), now=app.clock.now(), place=app.zone, limit=limit
    )


def every_worklist(app: App, *, limit: int = 0) -> list[Worklist]:
    """All lists, with so many rows each."""
    return worklists.overview(app.store, now=app.clock.now(), place=app.zone, limit=limit)


def write(app: App, path: Path, sheets: Iterable[Sheet], *, title: str, is_forced: bool) -> None:
    """Write tables as a workbook, in the shop's zone.

    Raises:
        CannotWrite: there is such a file already, or it cannot be made.
    """
    workbook.write(path, sheets, place=app.zone, title=title, is_forced=is_forced)


def _period(
    app: App, first: date | None, last: date | None, usual_days: int = periods.USUAL_DAYS
) -> Period:
    return periods.period(first, last, now=app.clock.now(), place=app.zone, usual_days=usual_days)
