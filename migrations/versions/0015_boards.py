"""indexes that the board of cases and the list of replies are read by"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

INDEXES = (
    ("ix_cases_state_closed_at", "cases", ["state", "closed_at"]),
    ("ix_cases_state_owner_due_at", "cases", ["state", "owner", "due_at"]),
    ("ix_replies_kind_received_at", "replies", ["kind", "received_at"]),
    ("ix_replies_intent_received_at", "replies", ["intent", "received_at"]),
    ("ix_replies_language_received_at", "replies", ["language", "received_at"]),
    ("ix_replies_rung_received_at", "replies", ["rung", "received_at"]),
    ("ix_replies_severity_received_at", "replies", ["severity", "received_at"]),
    ("ix_tasks_state_due_at", "tasks", ["state", "due_at"]),
)


def upgrade() -> None:
    for name, table, columns in INDEXES:
        op.create_index(name, table, columns)


def downgrade() -> None:
    for name, table, _columns in reversed(INDEXES):
        op.drop_index(name, table)
