"""A shop folder of the starter set and a runner for commands."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crm_mailer.app import App
from crm_mailer.app.wiring import DATABASE
from crm_mailer.cli import group, show
from crm_mailer.home import make_home
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.settings import read_settings
from tests.conftest import StandingClock
from tests.small_shop import copy_home, only_a_no_counts


@pytest.fixture(autouse=True)
def _own_terminal() -> None:
    """A console remembers how wide the terminal was when it was made."""
    show.out.cache_clear()
    show.err.cache_clear()


@pytest.fixture
def shop_home(starter_home: Path, tmp_path: Path) -> Path:
    """A fresh shop folder."""
    copy_home(starter_home, tmp_path / "shop")
    only_a_no_counts(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.fixture
def app(shop_home: Path, empty_database: Path, clock: StandingClock) -> Iterator[App]:
    """The shop, opened at the standing clock's time."""
    if not (shop_home / DATABASE).exists():
        shutil.copy(empty_database, shop_home)
    opened = App(shop_home, read_settings(shop_home, {}), clock)
    yield opened
    opened.close()


class Run:
    """Runs a command in the shop; errors of ours become their exit code, as in `main`."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str, input: str | None = None) -> Result:
        result = CliRunner().invoke(group, ["--home", str(self.home), *arguments], input=input)
        if isinstance(result.exception, CrmMailerError):
            result.exit_code = result.exception.exit_code
        elif result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result


@pytest.fixture
def run(shop_home: Path) -> Run:
    return Run(shop_home)


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `check` remembers of the starter set: to look at all of it takes seconds."""
    home = tmp_path_factory.mktemp("looked-at") / "shop"
    make_home(home)
    CliRunner().invoke(group, ["--home", str(home), "check"])
    return home / ".cache"


@pytest.fixture
def known_home(shop_home: Path, looked_at: Path) -> Path:
    """The shop, whose templates `check` has seen already."""
    shutil.copytree(looked_at, shop_home / ".cache")
    return shop_home
