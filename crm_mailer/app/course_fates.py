"""How a customer's courses on adaptive memory curves stand, for people."""

from __future__ import annotations

from crm_mailer.app import planning
from crm_mailer.app.wiring import App
from crm_mailer.model.campaign import Campaign, DateAnchor
from crm_mailer.reporting import courses, event_words
from crm_mailer.reporting.courses import CourseFate
from crm_mailer.store import course_stories
from crm_mailer.store.engine import Connection


def of_customer(
    app: App, connection: Connection, customer_id: int, *, campaign: str = ""
) -> tuple[CourseFate, ...]:
    """The customer's courses, the newest first; `campaign`: those of one campaign only."""
    rows = course_stories.of_customer(connection, customer_id, campaign=campaign)
    events = event_words.of_anchors(connection, {row.anchor for row in rows})
    found = []
    for row in rows:
        own = app.definitions.campaigns.get(row.campaign)
        told = courses.told(
            row,
            [step.id for step in own.steps] if own else (),
            starts=_begins_anew(own),
            now=app.clock.now(),
            place=app.zone,
        )
        found.append(
            CourseFate(
                campaign=row.campaign,
                anchor=row.anchor,
                event=events[row.anchor],
                ended=row.ended,
                ended_at=row.ended_at if row.ended else None,
                told=told,
            )
        )
    return tuple(found)


def _begins_anew(campaign: Campaign | None) -> str:
    """The event that begins another course; empty where none does."""
    if campaign is None or campaign.reentry is None or isinstance(campaign.anchor, DateAnchor):
        return ""
    return planning.anchor_words(campaign.anchor)
