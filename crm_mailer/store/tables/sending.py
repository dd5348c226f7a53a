"""What sending remembers: pauses, alerts, paces of lanes, tallies of campaigns, evidence."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables.columns import count, id_, metadata, text, to

#: What is stopped: everything, a campaign, a lane or an account; by a person or by a breaker.
pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    text("reason"),
    text("by"),
    sa.Column("at", Instant, nullable=False),
)

#: One row a cause, however often it is met; told once.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("message", sa.Text, nullable=False),
    text("hint"),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    count("times"),
    sa.Column("ended_at", Instant),
)

#: Token buckets that all senders share: when the next mail of an account or a lane is due, by
#: which share of its rate it goes, and how many left today (for warming up).
paces = sa.Table(
    "paces",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("due_ms", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("factor", sa.Integer, nullable=False, server_default="1000"),
    text("day"),
    count("used"),
    sa.Column("changed_at", Instant, nullable=False),
)

#: What breakers count of a campaign.
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True),
    count("rendered"),
    count("template_errors"),
    count("errors_in_a_row"),
    count("attempts"),
    count("dead"),
)

#: What was learnt later about a mail in doubt.
evidence = sa.Table(
    "evidence",
    metadata,
    id_(),
    to("touch_id", "touches", nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    text("text"),
    sa.UniqueConstraint("touch_id", "kind"),
)
