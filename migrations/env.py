"""Alembic's entry: the connection comes from `crm_mailer.store.migrate`, never from an ini file."""

from alembic import context

from crm_mailer.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
