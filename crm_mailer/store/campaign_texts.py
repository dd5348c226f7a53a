"""What campaign files said before: kept when a file is first planned with, found by its number."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from crm_mailer.store.tables import campaign_texts, touches


@dataclass(frozen=True, slots=True, kw_only=True)
class TextLine:
    """One text of a campaign's file in a list; `by` is empty where somebody wrote the file."""

    number: int
    version: str
    mode: str
    digest: str
    at: datetime
    by: str


def latest(connection: sa.Connection) -> dict[str, tuple[str, str]]:
    """Each campaign's version and the digest of its text, as they were kept last."""
    newest = sa.select(sa.func.max(campaign_texts.c.id)).group_by(campaign_texts.c.campaign)
    kept = campaign_texts.c
    query = sa.select(kept.campaign, kept.version, kept.digest).where(kept.id.in_(newest))
    return {row.campaign: (row.version, row.digest) for row in connection.execute(query)}


def add(
    connection: sa.Connection,
    campaign: str,
    *,
    version: str,
    mode: str,
    digest: str,
    text: str,
    now: datetime,
    by: str = "",
) -> None:
    """Keep a text."""
    connection.execute(
        campaign_texts.insert().values(
            campaign=campaign,
            version=version,
            mode=mode,
            digest=digest,
            content=text.encode(),
            at=now,
            by=by,
        )
    )


def list_(connection: sa.Connection, campaign: str, *, limit: int) -> list[TextLine]:
    """The campaign's texts, the newest first."""
    kept = campaign_texts.c
    query = (
        sa.select(kept.id, kept.version, kept.mode, kept.digest, kept.at, kept.by)
        .where(kept.campaign == campaign)
        .order_by(kept.id.desc())
        .limit(limit)
    )
    return [
        TextLine(
            number=row.id,
            version=row.version,
            mode=row.mode,
            digest=row.digest,
            at=row.at,
            by=row.by,
        )
        for row in connection.execute(query)
    ]


def find(connection: sa.Connection, campaign: str, number: int) -> str | None:
    """The text by its number; None where the campaign has none by it."""
    query = sa.select(campaign_texts.c.content).where(
        campaign_texts.c.id == number, campaign_texts.c.campaign == campaign
    )
    found: bytes | None = connection.scalar(query)
    return None if found is None else found.decode()


def find_version(connection: sa.Connection, campaign: str, version: str) -> str | None:
    """The first text of this version of the campaign; None where none was kept.

    Later ones say the same in other places, in other comments or in another mode.
    """
    query = (
        sa.select(campaign_texts.c.content)
        .where(campaign_texts.c.campaign == campaign, campaign_texts.c.version == version)
        .order_by(campaign_texts.c.id)
        .limit(1)
    )
    found: bytes | None = connection.scalar(query)
    return None if found is None else found.decode()


def by_version(connection: sa.Connection, campaign: str) -> dict[str, str]:
    """The first text of each version of the campaign: later ones say the same."""
    kept = campaign_texts.c
    first = sa.select(sa.func.min(kept.id)).where(kept.campaign == campaign).group_by(kept.version)
    query = sa.select(kept.version, kept.content).where(kept.id.in_(first))
    return {row.version: row.content.decode() for row in connection.execute(query)}


def mails_by_version(connection: sa.Connection, campaign: str) -> dict[str, int]:
    """How many mails each version of the campaign planned."""
    query = (
        sa.select(touches.c.campaign_version, sa.func.count())
        .where(touches.c.campaign == campaign)
        .group_by(touches.c.campaign_version)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
