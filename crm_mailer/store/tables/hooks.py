"""What other programs tell us and are told: webhooks in, orders in, webhooks out."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import count, id_, metadata, text

#: Each request as it came, before anything is read into it: the public pages only append here.
hook_requests = sa.Table(
    "hook_requests",
    metadata,
    id_(),
    #: The table of the settings that it came by, such as `ses`, and what kind of sender that is.
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    #: What the sender calls it, such as `orders/updated`.
    text("topic"),
    #: What the sender names the request by; the same once more is the same request.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    #: NULL once it is old and does not wait.
    sa.Column("body", sa.LargeBinary),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="new"),
    count("strikes"),
    text("error"),
    #: What became of it, and what a sender who asks again is answered.
    sa.Column("answer", JsonText),
    sa.Column("done_at", Instant),
    sa.UniqueConstraint("source", "key"),
    sa.CheckConstraint("state IN ('new','done','failed')", name="state"),
    sa.Index("ix_hook_requests_state_id", "state", "id"),
    #: Bodies that are let go when they are old.
    sa.Index(
        "ix_hook_requests_bodies",
        "received_at",
        sqlite_where=sa.text("state <> 'new' AND body IS NOT NULL"),
        postgresql_where=sa.text("state <> 'new' AND body IS NOT NULL"),
    ),
)

#: Events of providers that have had their effect: one that is told again has none.
hook_events = sa.Table(
    "hook_events",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("at", Instant, nullable=False),
)

#: Requests that were turned away, counted: a wrong secret shows here.
hook_refusals = sa.Table(
    "hook_refusals",
    metadata,
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, primary_key=True),
    count("times"),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
)

#: Whom we tell: what is remembered of an endpoint of the settings.
webhook_endpoints = sa.Table(
    "webhook_endpoints",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    #: Where each kind of fact was read up to, so that what was before is not told.
    sa.Column("cursors", JsonText, nullable=False),
    sa.Column("since", Instant, nullable=False),
    #: Set when it said that it is gone for good.
    sa.Column("disabled_at", Instant),
    text("why"),
    #: Failures in a row, and until when it is left alone.
    count("failures"),
    sa.Column("rests_until", Instant),
)

#: What we tell: one row for each event and endpoint.
webhook_messages = sa.Table(
    "webhook_messages",
    metadata,
    id_(),
    sa.Column("endpoint", sa.Text, nullable=False),
    #: The same for every attempt, so that a receiver knows what it has had.
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    count("attempts"),
    sa.Column("next_at", Instant),
    sa.Column("settled_at", Instant),
    count("code"),
    text("error"),
    sa.UniqueConstraint("endpoint", "event_id"),
    sa.CheckConstraint("state IN ('waiting','told','given_up')", name="state"),
    #: What is settled and still holds what it told.
    sa.Index(
        "ix_webhook_messages_payloads",
        "settled_at",
        sqlite_where=sa.text("state <> 'waiting' AND payload <> ''"),
        postgresql_where=sa.text("state <> 'waiting' AND payload <> ''"),
    ),
    sa.Index(
        "ix_webhook_messages_due",
        "endpoint",
        "next_at",
        "id",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    ),
)
