"""A pooler that gives each transaction another line to the server, as pgbouncer does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks import shops
from benchmarks.fault_server import fault_server
from crm_mailer.app import databases
from crm_mailer.app.doctor import machine
from crm_mailer.app.wiring import open_app
from crm_mailer.model.errors import NotPossible
from crm_mailer.store import bells
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import touches
from tests.conftest import NOON
from tests.servers.pgbouncer import PGBOUNCER, pgbouncer

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(PGBOUNCER is None, reason="no pgbouncer"),
]
MAILS, PATIENCE = 60, 120.0


@pytest.fixture
def pooled(postgres_store: Store) -> Iterator[Store]:
    """The same database by way of the pooler."""
    with pgbouncer(postgres_store.url) as url:
        store = open_store(url)
        yield store
        store.close()


def test_two_workers_behind_a_pooler_send_each_mail_once(
    postgres_store: Store, pooled: Store, tmp_path: Path
) -> None:
    url = pooled.url.render_as_string(hide_password=False)
    with fault_server(tmp_path, 1, is_slow=True) as server:
        shops.make_shop(tmp_path / "one", port=server.port, connections=2, database=url)
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        shops.plan(pooled, MAILS)
        both = [_worker(tmp_path / name) for name in ("one", "two")]
        until = time.monotonic() + PATIENCE
        while _states(postgres_store) != {"accepted": MAILS} and time.monotonic() < until:
            time.sleep(0.1)
        for one in both:
            one.terminate()
        told = [one.communicate(timeout=PATIENCE)[0] for one in both]
        taken = Counter(one.recipient for one in server.truth())

    assert _states(postgres_store) == {"accepted": MAILS}
    assert (len(taken), set(taken.values())) == (MAILS, {1})
    assert "level=error" not in "".join(told)
    assert [one.returncode for one in both] == [0, 0]


def _worker(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crm_mailer", "--home", str(home), "worker"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "CRM_MAILER_SMTP_CONNECTIONS": "2"},
    )  # fmt: skip


def _states(store: Store) -> dict[str, int]:
    query = sa.select(touches.c.state, sa.func.count()).group_by(touches.c.state)
    with store.read() as connection:
        return dict(connection.execute(query).all())


def test_a_pooler_is_noticed_and_nothing_is_left_behind_on_its_lines(
    postgres_store: Store, pooled: Store
) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> bool:
        naps.append(seconds)
        return len(naps) > 3

    bells.hear(pooled, lambda: None, nap)
    asks = sa.text("SHOW idle_in_transaction_session_timeout")
    with postgres_store.read() as connection:
        direct = connection.scalar(asks)
    with pooled.read() as connection:
        stays = connection.scalar(asks)
        for _more_than_prepare_a_statement in range(8):
            connection.execute(sa.select(touches.c.id)).all()
        prepared = connection.scalar(sa.text("SELECT count(*) FROM pg_prepared_statements"))

    assert (postgres_store.is_pooled(), pooled.is_pooled()) == (False, True)
    assert len(naps) == 1, "it listens in vain"
    assert (direct, stays, prepared) == ("10min", "0", 0)


def test_copies_are_not_made_through_a_pooler(
    pooled: Store, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_MAILER_DATABASE", pooled.url.render_as_string(hide_password=False))
    app = open_app(str(home))
    told = {one.what: str(one.said) for one in machine.database(app, NOON)}
    app.close()

    with pytest.raises(NotPossible, match="a pooler stands between") as refused:
        databases.backup(pooled, tmp_path / "copy", NOON)

    assert "CRM_MAILER_DATABASE" in refused.value.hint
    assert not (tmp_path / "copy").exists()
    assert "one stands between" in told["pooler"]
