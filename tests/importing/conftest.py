"""A desk at which small exports are taken in."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.store.engine import Store
from tests.importing.desk import Desk


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path)


@pytest.fixture
def quick(sqlite_store: Store, tmp_path: Path) -> Desk:
    """On SQLite only, for what does not touch the engine."""
    return Desk(sqlite_store, tmp_path)
