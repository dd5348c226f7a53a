"""Brings a database to the program's schema, and says so when it is older or newer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from crm_mailer.model.errors import SchemaAhead, SchemaBehind, StoreError
from crm_mailer.store.bundled import bundled
from crm_mailer.store.engine import Store


def upgrade(store: Store) -> None:
    """Run every migration that is missing, in one transaction.

    Raises:
        SchemaAhead: a newer program wrote this database.
        StoreError: the database is another program's.
    """
    config, scripts = _config()
    with store.write() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        _refuse_newer(scripts, current)
        if current is None and sa.inspect(connection).get_table_names() not in (
            [],
            ["alembic_version"],
        ):
            raise StoreError(
                f"{store.url.render_as_string()} holds tables, but not of a version that we know",
                hint="is it another program's? name another: `database` in crm-mailer.toml",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def verify(store: Store) -> None:
    """Check that the database has exactly the program's schema.

    Raises:
        SchemaBehind: migrations are missing.
        SchemaAhead: a newer program wrote this database.
    """
    _, scripts = _config()
    with store.read() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    _refuse_newer(scripts, current)
    if current != scripts.get_current_head():
        raise SchemaBehind(
            "the database is older than the program" if current else "the database is empty",
            hint="run `crm-mailer db upgrade` (or `crm-mailer init`)",
        )


def _config() -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(bundled("migrations")).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _refuse_newer(scripts: ScriptDirectory, current: str | None) -> None:
    known = {script.revision for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaAhead(
            f"the database has schema {current}, which this program does not know",
            hint="install the newer crm_mailer that wrote it, or restore a backup",
        )
