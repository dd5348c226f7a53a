"""an index for what became known of orders lately"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_order_events_state_at_learnt_at", "order_events")
    op.create_index("ix_order_events_state_at", "order_events", ["state", "at"])
    op.create_index("ix_order_events_state_learnt_at", "order_events", ["state", "learnt_at"])
    # an older program noted its looks in another way: they are made afresh
    op.execute("DELETE FROM facts WHERE name LIKE 'look:%'")
