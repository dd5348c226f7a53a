"""What campaign files said: the text of each version, for looking back."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, Packed
from crm_mailer.store.tables.columns import id_, metadata, text

#: One row whenever a campaign's file says something else than before. `version` is what touches
#: carry; the mode and comments do not count for it, so that several texts may have the same.
campaign_texts = sa.Table(
    "campaign_texts",
    metadata,
    id_(),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("content", Packed, nullable=False),
    sa.Column("at", Instant, nullable=False),
    #: Who changed it in the studio; empty: somebody at the file.
    text("by"),
    sa.Index("ix_campaign_texts_campaign_id", "campaign", "id"),
)
