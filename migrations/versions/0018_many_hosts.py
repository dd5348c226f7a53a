"""who works on which host: last heartbeat, roles, present work, difference of clocks

Older programs stop: they know no lease for planning and none for a mailbox, so two would do both.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NAMES = ("beat_at", "roles", "doing", "clock_ms")


def upgrade() -> None:
    op.add_column("leases", sa.Column("beat_at", sa.BigInteger))
    op.add_column("leases", sa.Column("roles", sa.Text, server_default="", nullable=False))
    op.add_column("leases", sa.Column("doing", sa.Text, server_default="", nullable=False))
    op.add_column("leases", sa.Column("clock_ms", sa.Integer, server_default="0", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("leases") as batch:
        for name in reversed(NAMES):
            batch.drop_column(name)
