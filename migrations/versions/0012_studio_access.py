"""who may open the studio, and what they did there"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: What the first page counts of the last day and week.
TIMES = {"orders": "placed_at", "spam_reports": "at", "suppressions": "at"}


def text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def upgrade() -> None:
    op.create_table(
        "studio_users",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("password_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("name", name="pk_studio_users"),
    )
    op.create_table(
        "studio_sessions",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column(
            "user",
            sa.Text,
            sa.ForeignKey("studio_users.name", name="fk_studio_sessions_user_studio_users"),
            nullable=False,
        ),
        sa.Column("began_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        text("address"),
        text("browser"),
        sa.PrimaryKeyConstraint("digest", name="pk_studio_sessions"),
    )
    op.create_index("ix_studio_sessions_user", "studio_sessions", ["user"])
    op.create_table(
        "studio_log",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        text("who"),
        sa.Column("what", sa.Text, nullable=False),
        text("path"),
        text("said"),
        text("address"),
        sa.PrimaryKeyConstraint("id", name="pk_studio_log"),
    )
    op.create_index("ix_studio_log_what_at", "studio_log", ["what", "at"])
    for table, column in TIMES.items():
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table, column in TIMES.items():
        op.drop_index(f"ix_{table}_{column}", table)
    for table in ("studio_log", "studio_sessions", "studio_users"):
        op.drop_table(table)
