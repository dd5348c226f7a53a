"""A quiet log and a fresh shop folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from crm_mailer.home import make_home


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_home(tmp_path / "shop")
    return tmp_path / "shop"
