"""What tells a database from an older copy of itself, and what such a copy does not know."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables.columns import metadata, text, to, yes

#: The folders that send from this database. Each counts on before its mails leave and keeps the
#: number in a file of its own: a database that has a smaller one is older than its folder.
witnesses = sa.Table(
    "witnesses",
    metadata,
    sa.Column("folder", sa.Text, primary_key=True),
    text("host"),
    sa.Column("number", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("at", Instant, nullable=False),
    #: Whether its part is still to be heard after the database was restored.
    yes("is_awaited"),
)

#: Mails that left after the backup that this database was restored from, as the folder knows them.
lost_mails = sa.Table(
    "lost_mails",
    metadata,
    to("customer_id", "customers", primary_key=True),
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
)
