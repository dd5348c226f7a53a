"""Who may open the studio, who is in it, and what was done there."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables.columns import id_, metadata, text

studio_users = sa.Table(
    "studio_users",
    metadata,
    #: Case-folded: Ann and ann are one.
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    #: Argon2id, with its salt and parameters.
    sa.Column("password", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("password_at", Instant, nullable=False),
    sa.Column("seen_at", Instant),
)

studio_sessions = sa.Table(
    "studio_sessions",
    metadata,
    #: SHA-256 of what the browser holds: who reads this table is not let in by it.
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("user", sa.Text, sa.ForeignKey("studio_users.name"), nullable=False, index=True),
    sa.Column("began_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    text("address"),
    text("browser"),
)

#: Who did what and when: it is only ever added to.
studio_log = sa.Table(
    "studio_log",
    metadata,
    id_(),
    sa.Column("at", Instant, nullable=False),
    text("who"),
    sa.Column("what", sa.Text, nullable=False),
    #: The address of the page or the form.
    text("path"),
    #: What it said that it did.
    text("said"),
    #: The machine from which it came.
    text("address"),
    sa.Index("ix_studio_log_what_at", "what", "at"),
)
