"""what customers chose on their preferences page"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITS = sa.text("taken_at IS NULL")
CHOSEN = ("topics_off", "wants_fewer", "told_by_self")


def upgrade() -> None:
    op.add_column("customers", sa.Column("topics_off", sa.Text, nullable=False, server_default=""))
    op.add_column(
        "customers",
        sa.Column("wants_fewer", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "customers", sa.Column("told_by_self", sa.Text, nullable=False, server_default="")
    )
    op.create_table(
        "page_acts",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column(
            "touch_id",
            ID,
            sa.ForeignKey("touches.id", name="fk_page_acts_touch_id_touches"),
            nullable=False,
        ),
        sa.Column("given", sa.Text, nullable=False),
        sa.Column("told", sa.Text, nullable=False, server_default=""),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("taken_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_page_acts"),
    )
    op.create_index("ix_page_acts_touch_id", "page_acts", ["touch_id"])
    op.create_index("ix_page_acts_at", "page_acts", ["at"])
    op.create_index(
        "ix_page_acts_waiting", "page_acts", ["id"], sqlite_where=WAITS, postgresql_where=WAITS
    )


def downgrade() -> None:
    op.drop_table("page_acts")
    for name in CHOSEN:
        op.execute(f"ALTER TABLE customers DROP COLUMN {name}")
