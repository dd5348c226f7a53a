"""At which hours customers answer and buy: what `send_at: best` goes by."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import count, metadata, to

#: The hour of a customer's own day, of those who were seen often enough.
send_hours = sa.Table(
    "send_hours",
    metadata,
    to("customer_id", "customers", primary_key=True),
    sa.Column("hour", sa.Integer, nullable=False),
    count("seen"),
)

#: Everybody's hour by country; the empty country is the shop as a whole.
country_hours = sa.Table(
    "country_hours",
    metadata,
    sa.Column("country", sa.Text, primary_key=True),
    sa.Column("hour", sa.Integer, nullable=False),
    #: How often customers were seen at each of the 24 hours.
    sa.Column("counts", JsonText, nullable=False),
    #: When that was counted; up to when customers' own hours were learnt; which were allowed.
    sa.Column("counted_at", Instant, nullable=False),
    sa.Column("learnt_at", Instant, nullable=False),
    sa.Column("allowed", JsonText, nullable=False),
)
