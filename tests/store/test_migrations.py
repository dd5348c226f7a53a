from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command

from crm_mailer.model.errors import SchemaAhead, SchemaBehind
from crm_mailer.store import migrate
from crm_mailer.store.engine import Store, open_store


def test_the_tables_are_what_the_migrations_make(store: Store) -> None:
    config, _ = migrate._config()
    with store.read() as connection:
        config.attributes["connection"] = connection
        command.check(config)


def test_upgrading_twice_changes_nothing(store: Store) -> None:
    migrate.upgrade(store)
    migrate.verify(store)


def test_an_empty_database_says_how_to_fill_it() -> None:
    with pytest.raises(SchemaBehind) as caught:
        migrate.verify(open_store("sqlite://"))
    assert "crm-mailer" in caught.value.hint


def test_a_database_of_a_newer_program_is_refused(store: Store) -> None:
    with store.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num='9999'"))
    with pytest.raises(SchemaAhead):
        migrate.verify(store)
    with pytest.raises(SchemaAhead):
        migrate.upgrade(store)
