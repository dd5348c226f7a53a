"""What customers did on the public pages: rows as they came, taken in by other programs."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import id_, metadata, text, to

#: The public program only appends here. `taken_at` is set with the effects, in one transaction.
page_acts = sa.Table(
    "page_acts",
    metadata,
    id_(),
    sa.Column("kind", sa.Text, nullable=False),
    #: The mail whose link led there.
    to("touch_id", "touches", nullable=False, index=True),
    #: What was chosen.
    sa.Column("given", JsonText, nullable=False),
    #: How: one click or the page, from which network and with which program.
    text("told"),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.Column("taken_at", Instant),
    sa.Index(
        "ix_page_acts_waiting",
        "id",
        sqlite_where=sa.text("taken_at IS NULL"),
        postgresql_where=sa.text("taken_at IS NULL"),
    ),
)
