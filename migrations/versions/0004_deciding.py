"""history of scores, values of customers, and what else deciding needs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def upgrade() -> None:
    op.add_column("touches", text("arm"))
    _grow_scores()
    _make_score_changes()
    _make_customer_values()
    _make_signals()
    _make_curve_states()
    _make_hours()


def _grow_scores() -> None:
    for column in (
        text("value_class"),
        sa.Column("window_orders", sa.Integer(), nullable=True),
        sa.Column("window_usd_cents", sa.BigInteger(), nullable=True),
        sa.Column("window_first_at", sa.BigInteger(), nullable=True),
    ):
        op.add_column("scores", column)
    is_windowed = sa.text("window_first_at IS NOT NULL")
    op.create_index(
        "ix_scores_window_first_at",
        "scores",
        ["window_first_at"],
        sqlite_where=is_windowed,
        postgresql_where=is_windowed,
    )
    op.execute(
        """UPDATE scores SET value_class = CASE
        WHEN r >= 4 AND f >= 4 AND m >= 4 THEN 'key_value'
        WHEN r < 4 AND f >= 4 AND m >= 4 THEN 'key_keep'
        WHEN r >= 4 AND f < 4 AND m >= 4 THEN 'key_grow'
        WHEN r < 4 AND f < 4 AND m >= 4 THEN 'key_rescue'
        WHEN r >= 4 AND f >= 4 THEN 'general_value'
        WHEN r < 4 AND f >= 4 THEN 'general_keep'
        WHEN r >= 4 THEN 'general_grow'
        ELSE 'general_rescue' END"""
    )


def _make_score_changes() -> None:
    op.create_table(
        "score_changes",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        text("profile"),
        *(
            sa.Column(f"{mark}{when}", sa.SmallInteger(), nullable=True)
            for when in ("_before", "")
            for mark in ("r", "f", "m", "total")
        ),
        text("value_class_before"),
        text("value_class"),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_score_changes_customer_id_customers"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_score_changes"),
    )
    op.create_index("ix_score_changes_customer_id_at", "score_changes", ["customer_id", "at"])
    op.create_index("ix_score_changes_at", "score_changes", ["at"])


def _make_customer_values() -> None:
    op.create_table(
        "customer_values",
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column("repeat_usd_cents", sa.BigInteger(), nullable=False),
        text("churn"),
        sa.Column("chance_percent", sa.SmallInteger(), nullable=True),
        sa.Column("clv_usd_cents", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_customer_values_customer_id_customers"
        ),
        sa.PrimaryKeyConstraint("customer_id", name="pk_customer_values"),
    )


def _make_signals() -> None:
    op.create_table(
        "signals",
        sa.Column("touch_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("learnt_at", sa.BigInteger(), nullable=False),
        text("detail"),
        sa.CheckConstraint("kind IN ('click','human_open','machine_open')", name="ck_signals_kind"),
        *(
            sa.ForeignKeyConstraint(
                [f"{one}_id"], [f"{many}.id"], name=f"fk_signals_{one}_id_{many}"
            )
            for one, many in (("touch", "touches"), ("customer", "customers"))
        ),
        sa.PrimaryKeyConstraint("touch_id", "kind", name="pk_signals"),
    )
    op.create_index("ix_signals_customer_id_at", "signals", ["customer_id", "at"])
    op.create_index("ix_signals_learnt_at", "signals", ["learnt_at"])
    op.create_index("ix_bounces_at", "bounces", ["at"])


def _make_curve_states() -> None:
    op.create_table(
        "curve_states",
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("anchor", sa.Text(), nullable=False),
        sa.Column("order_id", ID, nullable=True),
        sa.Column("anchored_at", sa.BigInteger(), nullable=False),
        sa.Column("retention", sa.Float(), nullable=False),
        sa.Column("first_half_life", sa.Float(), nullable=False),
        sa.Column("half_life", sa.Float(), nullable=False),
        sa.Column("misses", sa.Float(), server_default="0", nullable=False),
        sa.Column("next_half_life", sa.Float(), nullable=False),
        sa.Column("next_misses", sa.Float(), server_default="0", nullable=False),
        sa.Column("touches", sa.Integer(), server_default="0", nullable=False),
        sa.Column("place", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("elapsed", sa.Float(), server_default="0", nullable=False),
        text("signal"),
        text("step"),
        *(
            sa.Column(name, sa.BigInteger(), nullable=True)
            for name in ("due_at", "wanted_at", "listens_until")
        ),
        sa.Column("todo", sa.Integer(), server_default="0", nullable=False),
        text("ended"),
        text("why"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [f"{one}_id"], [f"{many}.id"], name=f"fk_curve_states_{one}_id_{many}"
            )
            for one, many in (("customer", "customers"), ("order", "orders"))
        ),
        sa.PrimaryKeyConstraint("customer_id", "campaign", "anchor", name="pk_curve_states"),
    )
    for name, where in (("todo", "todo > 0"), ("due", "ended = ''")):
        op.create_index(
            f"ix_curve_states_{name}",
            "curve_states",
            ["campaign", "due_at" if name == "due" else name],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def _make_hours() -> None:
    op.create_table(
        "send_hours",
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("seen", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_send_hours_customer_id_customers"
        ),
        sa.PrimaryKeyConstraint("customer_id", name="pk_send_hours"),
    )
    op.create_table(
        "country_hours",
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("counted_at", sa.BigInteger(), nullable=False),
        sa.Column("learnt_at", sa.BigInteger(), nullable=False),
        sa.Column("allowed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("country", name="pk_country_hours"),
    )
