"""Debian's pgbouncer as a child process: what hosted PostgreSQL often puts before its servers."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
import sqlalchemy as sa

from tests.servers.imap_box import HOST, free_port

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/sbin")
PATIENCE = 30.0

#: Few lines to the server, so that each client is soon served by another than before.
SETTINGS = """
[databases]
* = {target}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 6
max_client_conn = 200
logfile = {folder}/log
pidfile = {folder}/pid
"""


@contextmanager
def pgbouncer(database: sa.URL) -> Iterator[str]:
    """The address of `database` behind a pooler in transaction mode."""
    assert PGBOUNCER is not None
    with tempfile.TemporaryDirectory(prefix="crm-mailer-pooler-") as name:
        folder, port = Path(name), free_port()
        given = {
            "host": database.host or str(database.query.get("host", HOST)),
            "port": database.port or database.query.get("port", 5432),
            "user": database.username,
            "password": database.password,
        }
        target = " ".join(f"{key}={value}" for key, value in given.items() if value)
        settings = folder / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(host=HOST, port=port, folder=folder, target=target))
        server = subprocess.Popen(
            [*_not_as_root(folder, str(given["host"])), PGBOUNCER, "-q", str(settings)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            url = sa.URL.create(
                "postgresql+psycopg", database.username, None, HOST, port, database.database
            )
            _await(url, server, folder / "log")
            yield url.render_as_string(hide_password=False)
        finally:
            server.kill()
            server.wait(PATIENCE)


def _not_as_root(folder: Path, target: str) -> list[str]:
    """It refuses to run as root; whoever owns the server's socket may use it."""
    if os.geteuid() != 0:
        return []
    place = Path(target)
    user = place.stat().st_uid if place.is_dir() else pwd.getpwnam("nobody").pw_uid
    os.chown(folder, user, -1)
    return ["setpriv", f"--reuid={user}", "--clear-groups"]


def _await(url: sa.URL, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while time.monotonic() < until and server.poll() is None:
        with suppress(psycopg.OperationalError), psycopg.connect(address):
            return
        time.sleep(0.05)
    raise RuntimeError(log.read_text() if log.exists() else "pgbouncer does not start")
