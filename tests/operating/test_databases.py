"""Backups, and moving a shop to another database."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crm_mailer.app import App, databases
from crm_mailer.cli import group
from crm_mailer.model.errors import AlreadyRunning, CannotWrite, NotPossible
from crm_mailer.settings import read_settings
from crm_mailer.store import leases
from crm_mailer.store.engine import Store, open_store
from tests.conftest import NOON
from tests.store.tried import tried


def run(home: Path, *words: str) -> Result:
    return CliRunner().invoke(group, ["--home", str(home), *words])


@pytest.fixture
def filled(home: Path) -> Path:
    app = App(home, read_settings(home, {}))
    tried(app.store, "a@example.com")
    app.close()
    return home


def test_a_backup_is_whole_and_its_owner_s_alone(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    done = run(filled, "db", "backup", str(file))
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sqlite3.connect(file).execute("SELECT count(*) FROM touches").fetchone() == (1,)
    assert list(tmp_path.glob(".copy*")) == []


def test_a_backup_never_overwrites(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    file.write_text("mine")
    assert isinstance(run(filled, "db", "backup", str(file)).exception, CannotWrite)
    assert file.read_text() == "mine"


@pytest.mark.postgres
def test_postgresql_has_its_own_way(postgres_store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotPossible, match="itself"):
        databases.backup(postgres_store, tmp_path / "copy.db")


@pytest.mark.postgres
def test_a_shop_moves_to_postgresql_and_back(
    filled: Path, postgres_store: Store, tmp_path: Path
) -> None:
    place = postgres_store.url.render_as_string(hide_password=False)
    own, back = f"sqlite:///{filled}/crm-mailer.db", f"sqlite:///{tmp_path}/back.db"
    for source, target in ((own, place), (place, back)):
        done = run(filled, "db", "copy", source, target, "--json")
        assert done.exit_code == 0, done.output
        rows = {one["table"]: one["rows"] for one in json.loads(done.stdout)["data"]}
        assert (rows["touches"], rows["messages"]) == (1, 1)


def test_a_shop_whose_daemon_runs_is_not_copied(filled: Path, tmp_path: Path) -> None:
    own = f"sqlite:///{filled}/crm-mailer.db"
    store = open_store(own)
    with store.write() as connection:
        leases.acquire(connection, "daemon", owner="me", seconds=60, now=NOON)
    store.close()
    with pytest.raises(AlreadyRunning):
        databases.copy(own, f"sqlite:///{tmp_path}/copy.db", NOON)


@pytest.mark.parametrize("target", ["same", "other"])
def test_what_cannot_be_copied_is_told(home: Path, tmp_path: Path, target: str) -> None:
    source = f"sqlite:///{tmp_path}/none.db"
    place = source if target == "same" else f"sqlite:///{tmp_path}/copy.db"
    done = run(home, "db", "copy", source, place)
    assert done.exit_code != 0
    assert "Traceback" not in done.output
    assert not (tmp_path / "none.db").exists()
