"""cases with clocks and remedies, agents' replies, flags, ratings, judgements"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def add(table: str, *columns: sa.Column[Any]) -> None:
    for column in columns:
        op.add_column(table, column)


def upgrade() -> None:
    _grow_what_was_there()
    _tell_mailboxes_their_start()
    _make_case_tables()
    _make_tables_of_people()


def _grow_what_was_there() -> None:
    add(
        "mailboxes",
        sa.Column("reconciled_at", sa.BigInteger(), nullable=True),
        sa.Column("on_server", sa.Integer(), nullable=True),
        sa.Column("missing", sa.Integer(), nullable=True),
        *(
            sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            for name in ("skipped_to", "met_to", "careful_to", "stuck_at")
        ),
        sa.Column("since_on", sa.Date(), nullable=True),
        sa.Column("strikes", sa.Integer(), server_default="0", nullable=False),
    )
    add("inbound", sa.Column("moved_at", sa.BigInteger(), nullable=True))
    add(
        "replies",
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("chance", sa.Float(), nullable=True),
    )
    add("bounces", text("message_id"))
    add(
        "reviews",
        text("platform"),
        text("product"),
        sa.Column("source", sa.Text(), server_default="file", nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
    )
    add("feedback", text("product"))
    add(
        "cases",
        sa.Column("deadline_at", sa.BigInteger(), nullable=True),
        sa.Column("is_threat", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("tell_at", sa.BigInteger(), nullable=True),
        sa.Column("follows_id", ID, nullable=True),
        sa.Column("merged_into_id", ID, nullable=True),
        text("dispute_number"),
        text("arbitration"),
        sa.Column("is_liable", sa.Boolean(), nullable=True),
        text("remedy"),
        sa.Column("compensation_cents", sa.BigInteger(), nullable=True),
        text("compensation_currency"),
        text("best_channel"),
        text("best_time"),
        sa.Column("satisfaction", sa.Integer(), nullable=True),
    )
    for name in ("tell_at", "merged_into_id", "dispute_number"):
        op.create_index(f"ix_cases_{name}", "cases", [name])
    add("case_events", text("ref"))


def _tell_mailboxes_their_start() -> None:
    op.create_table(
        "inbound_places",
        sa.Column("mailbox_id", ID, nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("inbound_id", ID, nullable=False),
        sa.Column("moved_at", sa.BigInteger(), nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [f"{one}_id"], [f"{many}.id"], name=f"fk_inbound_places_{one}_id_{many}"
            )
            for one, many in (("mailbox", "mailboxes"), ("inbound", "inbound"))
        ),
        sa.PrimaryKeyConstraint("mailbox_id", "uidvalidity", "uid", name="pk_inbound_places"),
    )
    op.create_index("ix_inbound_places_inbound_id", "inbound_places", ["inbound_id"])
    op.create_index("ix_replies_sender_received_at", "replies", ["sender", "received_at"])
    still_there = sa.text("state = 'done' AND moved_at IS NULL")
    op.create_index(
        "ix_inbound_movable", "inbound", ["mailbox_id", "id"],
        sqlite_where=still_there, postgresql_where=still_there,
    )  # fmt: skip
    # What was there before the first mail that was fetched had been left alone on purpose.
    op.execute(
        sa.text(
            "UPDATE mailboxes SET skipped_to = COALESCE((SELECT MIN(uid) - 1 FROM inbound"
            " WHERE mailbox_id = mailboxes.id AND inbound.uidvalidity = mailboxes.uidvalidity),"
            " last_uid)"
        )
    )


def _make_case_tables() -> None:
    op.create_table(
        "case_escalations",
        sa.Column("case_id", ID, nullable=False),
        sa.Column("clock", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["cases.id"], name="fk_case_escalations_case_id_cases"
        ),
        sa.PrimaryKeyConstraint("case_id", "clock", "level", "since", name="pk_case_escalations"),
    )
    op.create_table(
        "agent_replies",
        sa.Column("touch_id", ID, nullable=False),
        sa.Column("case_id", ID, nullable=True),
        sa.Column("task_id", ID, nullable=True),
        sa.Column("reply_id", ID, nullable=True),
        *(text(name) for name in ("subject", "text", "in_reply_to", "references", "template",
                                  "language", "by")),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [f"{one}_id"], [f"{many}.id"], name=f"fk_agent_replies_{one}_id_{many}"
            )
            for one, many in (
                ("touch", "touches"), ("case", "cases"), ("task", "tasks"), ("reply", "replies")
            )
        ),
        sa.PrimaryKeyConstraint("touch_id", name="pk_agent_replies"),
    )  # fmt: skip
    op.create_index("ix_agent_replies_case_id", "agent_replies", ["case_id"])
    op.create_index("ix_agent_replies_at", "agent_replies", ["at"])


def _make_tables_of_people() -> None:
    op.create_table(
        "customer_flags",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        text("reason"),
        text("evidence"),
        sa.Column("case_id", ID, nullable=True),
        text("by"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=True),
        text("removed_by"),
        text("removed_why"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_customer_flags_customer_id_customers"
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name="fk_customer_flags_case_id_cases"),
        sa.PrimaryKeyConstraint("id", name="pk_customer_flags"),
    )
    op.create_index("ix_customer_flags_customer_id", "customer_flags", ["customer_id"])
    op.execute(
        sa.text(
            "INSERT INTO customer_flags (customer_id, kind, reason, at)"
            " SELECT id, 'other', flag_reason, changed_at FROM customers WHERE is_flagged"
        )
    )
    op.create_table(
        "shop_ratings",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=True)
            for name in ("item_as_described", "communication", "shipping_speed")
        ),
        sa.Column("ratings", sa.Integer(), server_default="0", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shop_ratings"),
        sa.UniqueConstraint(
            "platform", "from_on", "until_on", name="uq_shop_ratings_platform_from_on_until_on"
        ),
    )
    op.create_table(
        "judgements",
        sa.Column("reply_id", ID, nullable=False),
        sa.Column("is_complaint", sa.Boolean(), nullable=False),
        text("reason"),
        text("severity"),
        text("by"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reply_id"], ["replies.id"], name="fk_judgements_reply_id_replies"
        ),
        sa.PrimaryKeyConstraint("reply_id", name="pk_judgements"),
    )
    op.create_table(
        "learners",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("trained_at", sa.BigInteger(), nullable=False),
        sa.Column("judged", sa.Integer(), server_default="0", nullable=False),
        sa.Column("weights", sa.LargeBinary(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_learners"),
    )
