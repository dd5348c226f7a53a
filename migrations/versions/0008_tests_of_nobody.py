"""a test mail belongs to no customer"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

FREE, BOUND = "customer_id INTEGER,", "customer_id INTEGER NOT NULL,"


def upgrade() -> None:
    _change(BOUND, FREE, is_nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM deliveries WHERE touch_id IN (SELECT id FROM touches"
               " WHERE customer_id IS NULL)")  # fmt: skip
    op.execute("DELETE FROM messages WHERE touch_id IN (SELECT id FROM touches"
               " WHERE customer_id IS NULL)")  # fmt: skip
    op.execute("DELETE FROM touches WHERE customer_id IS NULL")
    _change(FREE, BOUND, is_nullable=False)


def _change(old: str, new: str, *, is_nullable: bool) -> None:
    """SQLite cannot change a column, and copying the largest table would take minutes.

    Rows are written alike with and without NOT NULL, so changing the table's words is enough: what
    SQLite's own manual does (https://sqlite.org/lang_altertable.html, "other kinds of changes").
    """
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        op.alter_column("touches", "customer_id", existing_type=sa.BigInteger, nullable=is_nullable)
        return
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema=ON")
    changed = bind.exec_driver_sql(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?)"
        " WHERE type = 'table' AND name = 'touches' AND instr(sql, ?) > 0",
        (old, new, old),
    ).rowcount
    if changed != 1:
        raise RuntimeError(f"the table of touches has no column `{old}`")
    bind.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema=RESET")
