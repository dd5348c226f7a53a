"""which folders send from this database, and which mails an older copy of it does not know

Older programs stop: what they sent nobody would miss in a copy that took the database's place.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "witnesses",
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("is_awaited", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("folder", name="pk_witnesses"),
    )
    op.create_table(
        "lost_mails",
        sa.Column(
            "customer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name="fk_lost_mails_customer_id_customers"
        ),
        sa.PrimaryKeyConstraint("customer_id", "campaign", "step", name="pk_lost_mails"),
    )


def downgrade() -> None:
    op.drop_table("lost_mails")
    op.drop_table("witnesses")
