"""Alembic's entry: the connection comes from `crm_mailer.store.migrate`, never from an ini file."""

from alembic import context

from crm_mailer.store.partitions import is_partition
from crm_mailer.store.tables import metadata

connection = context.config.attributes["connection"]


def is_compared(_object: object, name: str | None, type_: str, *_: object) -> bool:
    """Not the partitions of PostgreSQL, nor what holds within each of them only."""
    if connection.dialect.name != "postgresql":
        return True
    is_within = type_ == "unique_constraint" and name == "uq_messages_message_id"
    return not is_within and not (type_ == "table" and is_partition(name or ""))


context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
    include_object=is_compared,
)
with context.begin_transaction():
    context.run_migrations()
