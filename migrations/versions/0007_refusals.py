"""why servers refused mails, in the words of bounces"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REFUSED = sa.text("outcome = 'refused'")


def upgrade() -> None:
    op.create_table(
        "refusals",
        sa.Column(
            "delivery_id",
            ID,
            sa.ForeignKey("deliveries.id", name="fk_refusals_delivery_id_deliveries"),
            nullable=False,
        ),
        sa.Column(
            "touch_id",
            ID,
            sa.ForeignKey("touches.id", name="fk_refusals_touch_id_touches"),
            nullable=False,
        ),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_refusals"),
    )
    op.create_index("ix_refusals_recipient", "refusals", ["recipient"])
    op.create_index("ix_refusals_at", "refusals", ["at"])
    op.create_index(
        "ix_deliveries_refused",
        "deliveries",
        ["id"],
        sqlite_where=REFUSED,
        postgresql_where=REFUSED,
    )
