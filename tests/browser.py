"""A real browser for tests of pages; they are skipped where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from crm_mailer.app import chromium
from crm_mailer.model.errors import NotPossible


@contextmanager
def chromium_browser() -> Iterator[Any]:
    """Chromium, until the block ends."""
    sync_api: Any = pytest.importorskip("playwright.sync_api", reason="no Playwright")
    try:
        path = chromium.find()
    except NotPossible:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as driver:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = driver.chromium.launch(executable_path=path, args=options)
        yield found
        found.close()
