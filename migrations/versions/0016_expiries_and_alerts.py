"""an index for mails that expired, and alerts that can be said in another language"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

EXPIRED = sa.text("state = 'expired'")


def upgrade() -> None:
    op.create_index(
        "ix_touches_expired",
        "touches",
        ["settled_at"],
        sqlite_where=EXPIRED,
        postgresql_where=EXPIRED,
    )
    op.add_column("alerts", sa.Column("said", sa.Text, nullable=False, server_default="{}"))


def downgrade() -> None:
    op.drop_column("alerts", "said")
    op.drop_index("ix_touches_expired", "touches")
