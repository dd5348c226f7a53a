"""What came of the demo, as values: figures, one order's story, sample mails on disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from crm_mailer.app import App, cases, customers, rendering, rfm
from crm_mailer.reporting.cases import CaseLine
from crm_mailer.reporting.customer_story import Event, EventKind
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
        cells=rfm.cells(app),
        audit=audit,
        story=_story(app),
        samples=_samples(app),
    )


def _story(app: App) -> OrderStory | None:
    """An open case with an order, told from the order's first day; the shortest tale of them."""
    lines = [line for line in cases.case_list(app)[0] if line.order_number and line.email]
    told = [OrderStory(case=line, events=_tale(app, line)) for line in lines]
    return min(told, key=_clearness, default=None)


def _tale(app: App, case: CaseLine) -> tuple[Event, ...]:
    events = customers.story(app, case.email).events
    own = [event.at for event in events if case.order_number in event.text]
    since = min(own, default=case.opened_at)
    until = case.opened_at + timedelta(days=1)
    return tuple(one for one in events if since <= one.at <= until)


def _clearness(story: OrderStory) -> tuple[bool, bool, bool, int, int]:
    """Sorts tales: a named reason, a whole parcel's life, few other orders in between."""
    kinds = {event.kind for event in story.events}
    return (
        story.case.reason == "other" or story.case.reason.startswith("mail."),
        not {EventKind.MAIL, EventKind.REPLY} <= kinds,
        sum(" placed: " in event.text for event in story.events) > 1,
        abs(len(story.events) - 14),
        story.case.number,
    )


def _samples(app: App) -> list[Path]:
    folder = app.home / "samples"
    folder.mkdir(exist_ok=True)
    written = []
    for campaign, step, language in SAMPLES:
        reader = _reader(app, campaign, language)
        shown = rendering.preview(
            app, campaign, step=step, customer=reader, language="" if reader else language
        )
        path = folder / f"{campaign}.{language}.html"
        path.write_text(shown.html, encoding="utf-8")
        path.with_suffix(".eml").write_bytes(shown.content)
        written.append(path)
    return written


def _reader(app: App, campaign: str, language: str) -> str:
    """The mail address of a customer who got this campaign in this language."""
    with app.store.read() as connection:
        return figures.find_reader(connection, campaign, language)
