"""bodies of requests that could not be read are let go, too"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

NAME, TABLE = "ix_hook_requests_bodies", "hook_requests"


def upgrade() -> None:
    _remake("received_at", "state <> 'new' AND body IS NOT NULL")


def downgrade() -> None:
    _remake("done_at", "state = 'done' AND body IS NOT NULL")


def _remake(column: str, words: str) -> None:
    op.drop_index(NAME, TABLE)
    where = sa.text(words)
    op.create_index(NAME, TABLE, [column], sqlite_where=where, postgresql_where=where)
