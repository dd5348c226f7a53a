"""Fixtures of the public pages: a served shop, and a window of a phone's width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import chromium_browser
from tests.public import page_site
from tests.public.page_site import PageSite

NARROW = {"width": 375, "height": 740}


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shop whose mails have left; to be copied."""
    home = tmp_path_factory.mktemp("built") / "shop"
    page_site.build(home).close()
    return home


@pytest.fixture(scope="module")
def pages(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageSite]:
    """A served shop that the tests of a module share."""
    yield from _served(built, tmp_path_factory.mktemp("pages") / "shop")


@pytest.fixture
def site(built: Path, tmp_path: Path) -> Iterator[PageSite]:
    """A served shop of the test's own."""
    yield from _served(built, tmp_path / "shop")


def _served(built: Path, home: Path) -> Iterator[PageSite]:
    app = page_site.copy(built, home)
    site = page_site.serve(app)
    yield site
    assert site.running.stop()
    app.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium_browser() as found:
        yield found


@pytest.fixture
def window(browser: Any) -> Iterator[Any]:
    """A window without JavaScript, of a phone's width; no policy of ours was broken in it."""
    complaints: list[str] = []
    shown = browser.new_page(viewport=NARROW, java_script_enabled=False)
    shown.on("console", lambda said: complaints.append(said.text) if said.type == "error" else 0)
    yield shown
    shown.close()
    assert [one for one in complaints if "Content Security Policy" in one] == []
