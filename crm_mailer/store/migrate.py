"""Brings a database to the program's schema, and says so when it is older or newer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from crm_mailer.model.errors import SchemaAhead, SchemaBehind, StoreError
from crm_mailer.store.bundled import bundled
from crm_mailer.store.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

#: Alembic's own table.
VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))


def upgrade(store: Store) -> None:
    """Run every migration that is missing, in one transaction.

    Raises:
        SchemaAhead: a newer program wrote this database.
        StoreError: the database is another program's.
    """
    from alembic import command  # takes as long as the rest of a small command

    config, _scripts = _config()
    _make_private(store)
    with store.write() as connection:
        current = _current(connection)
        _refuse_newer(current)
        if current is None and set(sa.inspect(connection).get_table_names()) - {VERSION.name}:
            raise StoreError(
                f"{store.url.render_as_string()} holds tables, but not of a version that we know",
                hint="is it another program's? name another: `database` in crm-mailer.toml",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _make_private(store: Store) -> None:
    """A new SQLite file is its owner's alone: it will hold personal data."""
    place = store.url.database or ""
    if store.is_sqlite and place not in ("", ":memory:") and not place.startswith("file:"):
        with suppress(OSError):  # whatever hinders us, opening it says better
            Path(place).touch(mode=0o600, exist_ok=True)


def verify(store: Store) -> None:
    """Check that the database has exactly the program's schema.

    Raises:
        SchemaBehind: migrations are missing.
        SchemaAhead: a newer program wrote this database.
    """
    with store.read() as connection:
        current = _current(connection)
    _refuse_newer(current)
    if current not in _heads(_migrations()):
        raise SchemaBehind(
            "the database is older than the program" if current else "the database is empty",
            hint="run `crm-mailer db upgrade` (or `crm-mailer init`)",
        )


def _config() -> tuple[Config, ScriptDirectory]:
    """Alembic's settings and its view of our migrations."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(bundled("migrations")).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _current(connection: sa.Connection) -> str | None:
    """The version of the database; None for one that has no tables of ours."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return None
    found: str | None = connection.scalar(sa.select(VERSION.c.version_num))
    return found


@cache
def _migrations() -> Mapping[str, str | None]:
    """Each migration that ships with the one before it, read without importing any."""
    found: dict[str, str | None] = {}
    for path in sorted((bundled("migrations") / "versions").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        [name] = re.findall(r'^revision = "(\w+)"', text, re.M)
        before = re.findall(r'^down_revision = "(\w+)"', text, re.M)
        found[name] = before[0] if before else None
    return found


def _heads(migrations: Mapping[str, str | None]) -> set[str]:
    return set(migrations) - set(filter(None, migrations.values()))


def _refuse_newer(current: str | None) -> None:
    if current is not None and current not in _migrations():
        raise SchemaAhead(
            f"the database has schema {current}, which this program does not know",
            hint="install the newer crm_mailer that wrote it, or restore a backup",
        )
