"""What came of the demo, as values: figures, one order's story, sample mails on disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from crm_mailer.app import App, cases, customers, rendering, segmenting
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.reporting.cases import CaseLine
from crm_mailer.reporting.customer_story import Event
from crm_mailer.store import figures, outbox
from crm_mailer.store.figures import CampaignMails, OpenCases
from crm_mailer.store.health import Figures
from crm_mailer.store.health import figures as health_figures
from crm_mailer.store.scores import Cell

#: Campaign, step and language of the mails that are written to look at.
SAMPLES = (
    ("shipped", "", "en"),
    ("payment-reminder", "", "es"),
    ("post-purchase-care", "", "ru"),
    ("birthday", "", "en"),
    ("autumn-new-arrivals", "", "ru"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStory:
    """One order from placement to the case that a reply became."""

    case: CaseLine
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All that the last screen shows."""

    now: datetime
    figures: Figures
    mails: list[CampaignMails]
    skips: dict[str, int]
    replies: dict[str, int]
    open_cases: list[OpenCases]
    cells: list[Cell]
    audit: outbox.Audit
    story: OrderStory | None
    samples: list[Path]


def summarise(app: App) -> Summary:
    """Read the figures and write the sample mails."""
    now = app.clock.now()
    with app.store.read() as connection:
        mails = figures.mails_by_campaign(connection)
        skips = figures.skips_by_reason(connection)
        replies = figures.replies_by_kind(connection)
        open_cases = figures.open_cases(connection, now)
        audit = outbox.audit(connection, now)
        health = health_figures(connection, now)
    return Summary(
        now=now,
        figures=health,
        mails=mails,
        skips=skips,
        replies=replies,
        open_cases=open_cases,
        cells=segmenting.rfm_cells(app),
        audit=audit,
        story=_story(app),
        samples=_samples(app),
    )


def _story(app: App) -> OrderStory | None:
    """The newest open case with an order, told from the order's first day."""
    told = [line for line in cases.case_list(app) if line.order_number and line.email]
    if not told:
        return None
    case = max(told, key=lambda line: (line.opened_at, line.number))
    story = customers.story(app, case.email)
    first = [event.at for event in story.events if case.order_number in event.text]
    since = min(first, default=case.opened_at) - timedelta(minutes=1)
    until = case.opened_at + timedelta(days=1)
    return OrderStory(
        case=case, events=tuple(one for one in story.events if since <= one.at <= until)
    )


def _samples(app: App) -> list[Path]:
    folder = app.home / "samples"
    folder.mkdir(exist_ok=True)
    written = []
    for campaign, step, language in SAMPLES:
        try:
            shown = rendering.preview(
                app, campaign, step=step, customer=_reader(app, campaign, language)
            )
        except CrmMailerError:
            shown = rendering.preview(app, campaign, step=step, language=language)
        path = folder / f"{campaign}.{language}.html"
        path.write_text(shown.html, encoding="utf-8")
        path.with_suffix(".eml").write_bytes(shown.content)
        written.append(path)
    return written


def _reader(app: App, campaign: str, language: str) -> str:
    """The mail address of a customer who got this campaign in this language."""
    with app.store.read() as connection:
        return figures.find_reader(connection, campaign, language)
