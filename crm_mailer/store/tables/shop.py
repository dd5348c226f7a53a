"""Small facts about the database itself, and who holds which lease."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import count, metadata, text

#: Small facts about this database: its identity, the day scores were rolled to, switches.
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", JsonText, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    text("host"),
    count("pid"),
    sa.Column("since", Instant),
    #: What the holder last said of itself: when, what it is there for, what it does, and by how
    #: many thousandths of a second its host's clock is ahead of the database's.
    sa.Column("beat_at", Instant),
    text("roles"),
    text("doing"),
    sa.Column("clock_ms", sa.Integer, nullable=False, server_default="0"),
)
