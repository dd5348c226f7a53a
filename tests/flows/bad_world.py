"""A shop in which something is wrong, and what the program says about it."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.cli import main, show

ROOT = Path(__file__).resolve().parent.parent.parent
#: The program believes that it is this moment, so that orders of the past stay fresh.
NOW = "2026-11-02T12:00:00Z"
ORDERS = """order_number,placed_at,state,email,customer_name,country,amount,currency
A1,2026-11-02T11:20Z,placed,anna@example.com,Anna Walker,GB,20.00,USD
A2,2026-10-02T10:00Z,paid,boris@example.com,Boris Ivanov,RU,45.00,USD
A3,2026-11-01T10:00Z,shipped,carla@example.com,Carla Gomez,ES,30.00,USD
"""


#: The campaigns of the shop.
KEPT = ("shipped", "payment-reminder", "welcome", "win-back")


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def errors(self) -> list[str]:
        """The messages that say that something is wrong."""
        return [line for line in self.text.splitlines() if line.startswith(("error: ", "error["))]


@dataclass(frozen=True, slots=True)
class World:
    """A shop's folder and what belongs to it; it may be spoilt at will."""

    home: Path

    @property
    def toml(self) -> Path:
        return self.home / "crm-mailer.toml"

    @property
    def database(self) -> Path:
        return self.home / "crm-mailer.db"

    def write(self, name: str, content: str | bytes) -> None:
        """Put something else into a file of the shop."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, name: str, old: str, new: str) -> None:
        """One slip of the pen in a file of the shop."""
        path = self.home / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def file(self, name: str, content: str | bytes) -> str:
        """A file beside the shop, such as an export; returns its path."""
        path = self.home.parent / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def sql(self, statement: str) -> None:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.execute(statement)
            connection.commit()

    def rows(self) -> dict[str, int]:
        """How many rows each table holds; the size of what is no database."""
        if not self.database.is_file():
            return {}
        with contextlib.closing(sqlite3.connect(self.database, timeout=0.1)) as connection:
            try:
                query = "SELECT name FROM sqlite_master WHERE type = 'table'"
                return {
                    name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                    for (name,) in connection.execute(query).fetchall()
                }
            except sqlite3.DatabaseError:
                return {"bytes": self.database.stat().st_size}

    def run(self, line: str, *, at_home: bool = True) -> Said:
        """The program as `main` runs it, in this process."""
        home = ["--home", str(self.home)] if at_home else []
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        code: object = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _fresh_consoles():
            try:
                main([*home, *shlex.split(line)])
            except SystemExit as leave:
                code = leave.code
        out.flush()
        written = out.buffer.getvalue().decode()
        return Said(code if isinstance(code, int) else 1, written, err.getvalue())

    def start(self, line: str, *, after: str = "", stdout: int = subprocess.PIPE) -> Said:
        """The program as a process of its own, as a person starts it.

        Args:
            line: the command.
            after: Python statements that the process runs before it becomes the program.
            stdout: where it writes to.
        """
        program = [sys.executable, "-m", "crm_mailer", "--home", str(self.home), *shlex.split(line)]
        become = f"import os, sys\n{after}\nos.execv(sys.argv[1], sys.argv[1:])"
        done = subprocess.run(
            [sys.executable, "-c", become, *program],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
            cwd=self.home.parent,
        )
        return Said(done.returncode, done.stdout or "", done.stderr)


@contextlib.contextmanager
def _fresh_consoles() -> Iterator[None]:
    """The consoles remember the width of the terminal in which they were made."""
    show.out.cache_clear()
    show.err.cache_clear()
    yield
    show.out.cache_clear()
    show.err.cache_clear()


def make_shop(home: Path) -> World:
    """A shop with three orders, mails that are due now, and a case."""
    world = World(home)
    assert world.run(f"init {home}", at_home=False).code == 0
    _make_small(world)
    for name in ("shipped", "payment-reminder"):
        world.edit(f"campaigns/lifecycle/{name}.yaml", "mode: draft", "mode: live")
    for line in (
        f"import orders {world.file('orders.csv', ORDERS)}",
        "segment run",
        "apply",
        "customer feedback boris@example.com 'It is broken' --channel phone --order A2",
    ):
        said = world.run(line)
        assert said.code == 0, said
    return world


def _make_small(world: World) -> None:
    """A few campaigns in one language, so that a check is quick."""
    world.edit("campaigns/shop.yaml", "languages: [en, ru, es]", "languages: [en]")
    for path in (world.home / "campaigns").glob("[el]*/*.yaml"):
        if path.stem not in KEPT:
            path.unlink()
    used = "".join(path.read_text() for path in (world.home / "campaigns").glob("l*/*.yaml"))
    for path in (world.home / "templates").glob("*/*.*.mjml"):
        name = f"{path.parent.name}/{path.name.partition('.')[0]}"
        is_used = path.name.endswith(".en.mjml") and name in used
        if not is_used and path.parent.name != "layout":
            path.unlink()


def copy_of(world: World, home: Path) -> World:
    """The same shop in another folder, to be spoilt."""
    shutil.copytree(world.home, home)
    return World(home)
