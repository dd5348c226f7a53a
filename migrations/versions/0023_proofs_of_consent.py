"""which text a customer said yes to, and the keyed hash of the address they said it from"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None
works_from = "0021"

COLUMNS = ("text_version", "ip_hash")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("consents", sa.Column(name, sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("consents") as batch:
        for name in reversed(COLUMNS):
            batch.drop_column(name)
