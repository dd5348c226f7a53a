"""which alerts were told, by which way, and whether their end was"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
works_from = "0021"


def upgrade() -> None:
    op.create_table(
        "alert_tellings",
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("cause", "way"),
    )


def downgrade() -> None:
    op.drop_table("alert_tellings")
