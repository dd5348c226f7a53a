"""A quiet log and a fresh shop folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.small_shop import copy_home


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def home(starter_home: Path, tmp_path: Path) -> Path:
    return copy_home(starter_home, tmp_path / "shop")
