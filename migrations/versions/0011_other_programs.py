"""what other programs tell us and are told"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _told_to_us()
    _told_by_us()


def _told_to_us() -> None:
    op.create_table(
        "hook_requests",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, server_default="", nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, server_default="new", nullable=False),
        sa.Column("strikes", sa.Integer, server_default="0", nullable=False),
        sa.Column("error", sa.Text, server_default="", nullable=False),
        sa.Column("answer", sa.Text),
        sa.Column("done_at", sa.BigInteger),
        sa.CheckConstraint("state IN ('new','done','failed')", name=op.f("ck_hook_requests_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hook_requests")),
        sa.UniqueConstraint("source", "key", name=op.f("uq_hook_requests_source_key")),
    )
    op.create_index("ix_hook_requests_state_id", "hook_requests", ["state", "id"])
    op.create_index(
        "ix_hook_requests_bodies",
        "hook_requests",
        ["done_at"],
        sqlite_where=sa.text("state = 'done' AND body IS NOT NULL"),
        postgresql_where=sa.text("state = 'done' AND body IS NOT NULL"),
    )
    op.create_table(
        "hook_events",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "key", name=op.f("pk_hook_events")),
    )
    op.create_table(
        "hook_refusals",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("times", sa.Integer, server_default="0", nullable=False),
        sa.Column("first_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("source", "reason", name=op.f("pk_hook_refusals")),
    )


def _told_by_us() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("cursors", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("why", sa.Text, server_default="", nullable=False),
        sa.Column("failures", sa.Integer, server_default="0", nullable=False),
        sa.Column("rests_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_webhook_endpoints")),
    )
    op.create_table(
        "webhook_messages",
        sa.Column("id", ROW_ID, autoincrement=True, nullable=False),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("code", sa.Integer, server_default="0", nullable=False),
        sa.Column("error", sa.Text, server_default="", nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting','told','given_up')", name=op.f("ck_webhook_messages_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_messages")),
        sa.UniqueConstraint(
            "endpoint", "event_id", name=op.f("uq_webhook_messages_endpoint_event_id")
        ),
    )
    op.create_index(
        "ix_webhook_messages_payloads",
        "webhook_messages",
        ["settled_at"],
        sqlite_where=sa.text("state <> 'waiting' AND payload <> ''"),
        postgresql_where=sa.text("state <> 'waiting' AND payload <> ''"),
    )
    op.create_index(
        "ix_webhook_messages_due",
        "webhook_messages",
        ["endpoint", "next_at", "id"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )


def downgrade() -> None:
    for name in (
        "webhook_messages",
        "webhook_endpoints",
        "hook_refusals",
        "hook_events",
        "hook_requests",
    ):
        op.drop_table(name)
