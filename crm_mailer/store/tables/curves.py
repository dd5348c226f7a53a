"""The adaptive memory curve: what customers were seen to do, and what is known of their memory."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables.columns import count, metadata, text, to

#: What was seen of a mail, judged: click, human_open, machine_open; the first time of each counts.
#: Replies and orders are not repeated here.
signals = sa.Table(
    "signals",
    metadata,
    to("touch_id", "touches", primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    to("customer_id", "customers", nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("learnt_at", Instant, nullable=False),
    #: Where the click went, or which program opened the mail.
    text("detail"),
    sa.CheckConstraint("kind IN ('click','human_open','machine_open')", name="kind"),
    sa.Index("ix_signals_customer_id_at", "customer_id", "at"),
    sa.Index("ix_signals_learnt_at", "learnt_at"),
)

#: One course: a campaign on an adaptive curve, for one customer and one anchor. Lengths are days.
curve_states = sa.Table(
    "curve_states",
    metadata,
    to("customer_id", "customers", primary_key=True),
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("anchor", sa.Text, primary_key=True),
    to("order_id", "orders"),
    sa.Column("anchored_at", Instant, nullable=False),
    #: The recall at which this customer is written to again.
    sa.Column("retention", sa.Float, nullable=False),
    #: With what the course began, in days.
    sa.Column("first_half_life", sa.Float, nullable=False),
    #: As they were before the last touch was answered; with what was heard since: `next_...`.
    sa.Column("half_life", sa.Float, nullable=False),
    sa.Column("misses", sa.Float, nullable=False, server_default="0"),
    sa.Column("next_half_life", sa.Float, nullable=False),
    sa.Column("next_misses", sa.Float, nullable=False, server_default="0"),
    #: Touches that reached the customer, and the place of the last step that was used.
    count("touches"),
    count("place"),
    #: When the last touch left (the anchor's time before the first), and the days before it.
    sa.Column("last_at", Instant, nullable=False),
    sa.Column("elapsed", sa.Float, nullable=False, server_default="0"),
    #: The strongest signal since then.
    text("signal"),
    #: The planned touch and its time; when the curve wants it.
    text("step"),
    sa.Column("due_at", Instant),
    sa.Column("wanted_at", Instant),
    #: Until when a paused course still listens.
    sa.Column("listens_until", Instant),
    #: 1: to be judged anew; 2: the next touch is to be planned or moved.
    count("todo"),
    text("ended"),
    text("why"),
    sa.Column("ended_at", Instant),
    sa.Index(
        "ix_curve_states_todo",
        "campaign",
        "todo",
        sqlite_where=sa.text("todo > 0"),
        postgresql_where=sa.text("todo > 0"),
    ),
    sa.Index(
        "ix_curve_states_due",
        "campaign",
        "due_at",
        sqlite_where=sa.text("ended = ''"),
        postgresql_where=sa.text("ended = ''"),
    ),
)
