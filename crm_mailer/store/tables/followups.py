"""Cases, feedback and tasks: what learning writes."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables.columns import id_, metadata, text, to

cases = sa.Table(
    "cases",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False, index=True),
    to("order_id", "orders"),
    #: The reply that opened it; NULL for a case opened by hand.
    to("reply_id", "replies", unique=True),
    to("touch_id", "touches"),
    sa.Column("channel", sa.Text, nullable=False, server_default="email"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    text("asks"),
    text("owner"),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("first_response_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Index("ix_cases_state_due_at", "state", "due_at"),
)

case_events = sa.Table(
    "case_events",
    metadata,
    id_(),
    to("case_id", "cases", nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    text("by"),
    text("text"),
    to("reply_id", "replies"),
    sa.UniqueConstraint("case_id", "kind", "reply_id"),
)

#: Everything a customer said about us, by mail or any other channel.
feedback = sa.Table(
    "feedback",
    metadata,
    id_(),
    to("customer_id", "customers", index=True),
    to("order_id", "orders"),
    to("reply_id", "replies", unique=True),
    to("review_id", "reviews", unique=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("rating", sa.Integer),
    text("reason"),
    text("campaign"),
    text("text"),
    sa.Column("at", Instant, nullable=False, index=True),
)

#: Something an agent should do that is no complaint.
tasks = sa.Table(
    "tasks",
    metadata,
    id_(),
    sa.Column("kind", sa.Text, nullable=False),
    #: What makes it unique, such as `reply:17` or `order:4:unconfirmed`.
    sa.Column("key", sa.Text, nullable=False, unique=True),
    to("customer_id", "customers", index=True),
    to("order_id", "orders"),
    text("text"),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("due_at", Instant),
    sa.Column("done_at", Instant),
)
