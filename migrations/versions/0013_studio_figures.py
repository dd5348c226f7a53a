"""figures that pages show without counting a million rows, and who was erased"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "studio_figures",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("took_ms", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_studio_figures"),
    )
    op.create_table(
        "segment_sizes",
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("members", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("segment", "day", name="pk_segment_sizes"),
    )
    op.create_table(
        "erasures",
        sa.Column("trace", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("trace", name="pk_erasures"),
    )
    op.add_column("customers", sa.Column("erased_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_customers_country_id", "customers", ["country", "id"])
    for name in ("name", "family_name"):
        op.create_index(
            f"ix_customers_{name}", "customers", [name], postgresql_ops={name: "text_pattern_ops"}
        )
    op.create_index("ix_customer_identities_buyer_id", "customer_identities", ["buyer_id"])


def downgrade() -> None:
    op.drop_index("ix_customer_identities_buyer_id", "customer_identities")
    for name in ("family_name", "name", "country_id"):
        op.drop_index(f"ix_customers_{name}", "customers")
    op.drop_column("customers", "erased_at")
    for table in ("erasures", "segment_sizes", "studio_figures"):
        op.drop_table(table)
