"""benefits: codes, grants, and the orders that used them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def upgrade() -> None:
    op.add_column("orders", text("coupons"))
    op.add_column("orders", sa.Column("shipping_minor", sa.BigInteger(), nullable=True))
    _make_grants()
    _make_codes()
    _make_touches()
    _make_uses()


def _to(table: str, one: str, many: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([one], [f"{many}.id"], name=f"fk_{table}_{one}_{many}")


def _index(name: str, table: str, columns: list[str], where: str = "") -> None:
    only = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)} if where else {}
    op.create_index(name, table, columns, **only)


def _make_grants() -> None:
    table = "benefit_grants"
    op.create_table(
        table,
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("benefit", sa.Text(), nullable=False),
        sa.Column("customer_id", ID, nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), server_default=sa.false(), nullable=False),
        text("code"),
        text("code_key"),
        text("proofs"),
        *(
            sa.Column(name, sa.BigInteger(), nullable=True)
            for name in ("valid_until", "asked_at", "decided_at")
        ),
        text("decided_by"),
        text("why"),
        sa.Column("granted_at", sa.BigInteger(), nullable=True),
        sa.Column("redeemed_at", sa.BigInteger(), nullable=True),
        sa.Column("redeemed_order_id", ID, nullable=True),
        text("redeemed_by"),
        sa.CheckConstraint(
            "state IN ('asked','approved','denied','granted','returned')",
            name="ck_benefit_grants_state",
        ),
        _to(table, "customer_id", "customers"),
        _to(table, "redeemed_order_id", "orders"),
        sa.PrimaryKeyConstraint("id", name="pk_benefit_grants"),
        sa.UniqueConstraint("benefit", "customer_id", "occasion", name="uq_benefit_grants_key"),
    )
    _index("ix_benefit_grants_customer_id", table, ["customer_id"])
    _index("ix_benefit_grants_code_key", table, ["code_key"], "code_key <> ''")
    _index("ix_benefit_grants_benefit_state", table, ["benefit", "state"])
    _index("ix_benefit_grants_open", table, ["id"], "is_open")
    _index(
        "ix_benefit_grants_redeemed_order_id",
        table,
        ["redeemed_order_id"],
        "redeemed_order_id IS NOT NULL",
    )


def _make_codes() -> None:
    table = "benefit_codes"
    op.create_table(
        table,
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("benefit", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("code_key", sa.Text(), nullable=False),
        sa.Column("grant_id", ID, nullable=True),
        sa.Column("spent_at", sa.BigInteger(), nullable=True),
        sa.Column("loaded_at", sa.BigInteger(), nullable=False),
        _to(table, "grant_id", "benefit_grants"),
        sa.PrimaryKeyConstraint("id", name="pk_benefit_codes"),
        sa.UniqueConstraint("code_key", name="uq_benefit_codes_code_key"),
        sa.UniqueConstraint("grant_id", name="uq_benefit_codes_grant_id"),
    )
    is_free = "grant_id IS NULL AND spent_at IS NULL"
    _index("ix_benefit_codes_free", table, ["benefit", "id"], is_free)


def _make_touches() -> None:
    table = "benefit_touches"
    op.create_table(
        table,
        sa.Column("touch_id", ID, nullable=False),
        sa.Column("grant_id", ID, nullable=False),
        _to(table, "touch_id", "touches"),
        _to(table, "grant_id", "benefit_grants"),
        sa.PrimaryKeyConstraint("touch_id", name="pk_benefit_touches"),
    )
    _index("ix_benefit_touches_grant_id", table, ["grant_id"])


def _make_uses() -> None:
    table = "benefit_uses"
    op.create_table(
        table,
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("order_id", ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("benefit", sa.Text(), nullable=False),
        sa.Column("grant_id", ID, nullable=True),
        sa.Column("use", sa.Text(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("learnt_at", sa.BigInteger(), nullable=False),
        _to(table, "order_id", "orders"),
        _to(table, "grant_id", "benefit_grants"),
        sa.PrimaryKeyConstraint("id", name="pk_benefit_uses"),
        sa.UniqueConstraint("order_id", "key", name="uq_benefit_uses_order_id_key"),
    )
    _index("ix_benefit_uses_grant_id", table, ["grant_id"])
    _index("ix_benefit_uses_benefit_at", table, ["benefit", "at"])


def downgrade() -> None:
    for table in ("benefit_uses", "benefit_touches", "benefit_codes", "benefit_grants"):
        op.drop_table(table)
    op.drop_column("orders", "shipping_minor")
    op.drop_column("orders", "coupons")
