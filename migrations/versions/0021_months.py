"""on PostgreSQL attempts, messages and requests lie in partitions, one a month; months may leave

The tables that are there become the first partitions as they are: nothing is copied, and since
their bounds hold every number, nothing is read either. What refers to an attempt is a number only,
since attempts may leave for an archive.

Older programs stop: they would take a month that has left for a loss.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
#: Table -> the column by which it is cut; it grows with time.
CUT_BY = {"deliveries": "touch_id", "messages": "touch_id", "web_events": "id"}
#: What stays unique over all partitions: it has to hold the column by which they are cut.
UNIQUE = {
    "deliveries": "CONSTRAINT uq_deliveries_touch_id_attempt UNIQUE (touch_id, attempt)",
    "messages": "CONSTRAINT pk_messages PRIMARY KEY (touch_id)",
    "web_events": "CONSTRAINT pk_web_events PRIMARY KEY (id)",
}
TO_TOUCHES = "FOREIGN KEY (touch_id) REFERENCES touches (id)"
INDEXES = {
    "deliveries": (
        "ix_deliveries_at ON deliveries (at)",
        "ix_deliveries_refused ON deliveries (id) WHERE outcome = 'refused'",
    ),
    "messages": (),
    "web_events": (
        "ix_web_events_at ON web_events (at)",
        "ix_web_events_touch_id ON web_events (touch_id)",
    ),
}
#: Unique within each partition; over all of them by how these numbers are made.
WITHIN = {"deliveries": "PRIMARY KEY (id)", "messages": "UNIQUE (message_id)"}
#: A fifth of a large table is dead before the server looks after it by itself: of 100 million
#: touches 20 million, through which every claim would have to step in its index. Half a percent is
#: some seconds of work a few times a day.
_LARGE = "autovacuum_vacuum_scale_factor=0.005, autovacuum_analyze_scale_factor=0.01"
#: A few rows that are written many times a minute. With room in each page a new version lies beside
#: the old one and touches no index.
_SMALL = "fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000"
STORAGE = {
    **dict.fromkeys(
        ("touches", "customers", "orders", "scores", "memberships", "curve_states", "signals"),
        _LARGE,
    ),
    **dict.fromkeys(("facts", "leases", "paces", "tallies"), _SMALL),
}
#: A note on a table's rights: who, what, on which column.
RIGHTS = sa.text(
    "SELECT DISTINCT right_.grantee::regrole::text AS who, right_.privilege_type AS what,"
    " '' AS col FROM pg_class c, aclexplode(c.relacl) right_"
    " WHERE c.oid = CAST(:name AS regclass) AND right_.grantee <> c.relowner"
    " AND right_.grantee <> 0"
    " UNION SELECT right_.grantee::regrole::text, right_.privilege_type, quote_ident(a.attname)"
    " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) right_"
    " WHERE a.attrelid = CAST(:name AS regclass) AND right_.grantee <> 0"
)


def upgrade() -> None:
    with op.batch_alter_table("refusals") as batch:
        batch.drop_constraint("fk_refusals_delivery_id_deliveries", type_="foreignkey")
    op.create_table(
        "archives",
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("first_touch", ID, nullable=False),
        sa.Column("last_touch", ID, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("folder", name="pk_archives"),
    )
    raw = sa.text("state = 'done' AND (raw IS NOT NULL OR raw_path <> '')")
    op.create_index(
        "ix_inbound_raw", "inbound", ["received_at"], sqlite_where=raw, postgresql_where=raw
    )
    if op.get_bind().dialect.name == "postgresql":
        for table in CUT_BY:
            _part(table)
        for table, values in STORAGE.items():
            op.execute(f"ALTER TABLE {table} SET ({values})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in CUT_BY:
            _join(table)
        for table, values in STORAGE.items():
            names = ", ".join(one.split("=")[0] for one in values.split(", "))
            op.execute(f"ALTER TABLE {table} RESET ({names})")
    op.drop_index("ix_inbound_raw", "inbound")
    op.drop_table("archives")
    with op.batch_alter_table("refusals") as batch:
        batch.create_foreign_key(
            "fk_refusals_delivery_id_deliveries", "deliveries", ["delivery_id"], ["id"]
        )


def _part(table: str) -> None:
    """Make a table the first partition of one of its name."""
    rights = op.get_bind().execute(RIGHTS, {"name": table}).all()
    first = f"{table}_begin"
    op.execute(f"ALTER TABLE {table} RENAME TO {first}")
    for index in _indexes(first):
        op.execute(f"ALTER INDEX {index} RENAME TO {_name(index, table)}")
    op.execute(
        f"CREATE TABLE {table} (LIKE {first} INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
        f" {UNIQUE[table]}) PARTITION BY RANGE ({CUT_BY[table]})"
    )
    if table != "web_events":
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_touch_id_touches {TO_TOUCHES}")
    for words in INDEXES[table]:
        op.execute(f"CREATE INDEX {words}")
    op.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO (MAXVALUE)"
    )
    op.execute(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
    if table in WITHIN:
        op.execute(f"ALTER TABLE {table}_rest ADD {WITHIN[table]}")
    if table != "messages":
        op.execute(f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id")
    for who, what, column in rights:
        on = f"{what} ({column})" if column else what
        op.execute(f"GRANT {on} ON {table} TO {who}")


def _join(table: str) -> None:
    """One table again: its rows are copied."""
    whole = f"{table}_whole"
    op.execute(f"CREATE TABLE {whole} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    op.execute(f"INSERT INTO {whole} SELECT * FROM {table}")
    if table != "messages":
        op.execute(f"ALTER SEQUENCE {table}_id_seq OWNED BY {whole}.id")
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {whole} RENAME TO {table}")
    op.execute(f"ALTER TABLE {table} ADD {UNIQUE[table]}")
    if table == "deliveries":
        op.execute("ALTER TABLE deliveries ADD CONSTRAINT pk_deliveries PRIMARY KEY (id)")
    if table == "messages":
        op.execute("ALTER TABLE messages ADD CONSTRAINT uq_messages_message_id UNIQUE (message_id)")
    if table != "web_events":
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT fk_{table}_touch_id_touches {TO_TOUCHES}")
    for words in INDEXES[table]:
        op.execute(f"CREATE INDEX {words}")


def _indexes(table: str) -> list[str]:
    query = sa.text(
        "SELECT indexname FROM pg_indexes WHERE tablename = :name AND schemaname = current_schema()"
    )
    return list(op.get_bind().scalars(query, {"name": table}))


def _name(index: str, table: str) -> str:
    """Of an index of the first partition, so that the whole table's may have the old one."""
    return index.replace(f"_{table}", f"_{table}_begin", 1)
