"""A shop in which something is wrong, and what the program says about it."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crm_mailer.cli import main, show

ROOT = Path(__file__).resolve().parent.parent.parent
#: The program believes that it is this moment, so that orders of the past stay fresh.
NOW = "2026-11-02T12:00:00Z"
ORDERS = """order_number,placed_at,state,email,customer_name,country,amount,currency
A1,2026-11-02 11:50,placed,anna@example.com,Anna Walker,GB,20.00,USD
A2,2026-10-02 10:00,paid,boris@example.com,Boris Ivanov,RU,45.00,USD
A3,2026-11-01 10:00,shipped,carla@example.com,Carla Gomez,ES,30.00,USD
"""
DATABASE = "crm-mailer.db"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> int:
        """How many messages of an error there are, ours and those about usage."""
        return self.err.count("error: ") + self.err.count("Error: ") + self.out.count("error[")


@dataclass(slots=True)
class World:
    """A shop's folder and what belongs to it; `home` may be spoilt at will."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def toml(self) -> Path:
        return self.home / "crm-mailer.toml"

    @property
    def database(self) -> Path:
        return self.home / DATABASE

    @property
    def shop(self) -> Path:
        return self.home / "campaigns" / "shop.yaml"

    def campaign(self, name: str) -> Path:
        return self.home / "campaigns" / "lifecycle" / f"{name}.yaml"

    def template(self, name: str) -> Path:
        return self.home / "templates" / f"{name}.en.mjml"

    def file(self, name: str, content: str | bytes) -> Path:
        """A file beside the shop, such as an export."""
        path = self.home.parent / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def sql(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    def rows(self) -> dict[str, int]:
        """How many rows each table holds; empty where there is no database to be read."""
        if not self.database.is_file():
            return {}
        with contextlib.closing(sqlite3.connect(self.database, timeout=0.1)) as connection:
            try:
                names = connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
                ).fetchall()
                return {
                    name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
                    for (name,) in names
                }
            except sqlite3.DatabaseError:
                return {"bytes": self.database.stat().st_size}

    def run(self, *arguments: str, at_home: bool = True) -> Said:
        """The program as `main` runs it, in this process."""
        home = ["--home", str(self.home)] if at_home else []
        code = 0
        out, err = io.StringIO(), io.StringIO()
        show.out.cache_clear()
        show.err.cache_clear()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main([*home, *arguments])
            except SystemExit as leave:
                code = leave.code if isinstance(leave.code, int) else 1
        show.out.cache_clear()
        show.err.cache_clear()
        return Said(code, out.getvalue(), err.getvalue())

    def start(
        self,
        *arguments: str,
        prepare: Callable[[], object] | None = None,
        user: int | None = None,
    ) -> Said:
        """The program as a process of its own, as a person starts it."""
        done = subprocess.run(
            [sys.executable, "-m", "crm_mailer", "--home", str(self.home), *arguments],
            env={**os.environ, **self.variables, "PYTHONPATH": str(ROOT), "COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.home.parent,
            preexec_fn=prepare,
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
        )
        return Said(done.returncode, done.stdout, done.stderr)


def make_shop(home: Path) -> World:
    """A shop with three orders, a mail that is due now, and a case."""
    world = World(home)
    make: Sequence[tuple[str, ...]] = (
        ("import", "orders", str(world.file("orders.csv", ORDERS))),
        ("segment", "run"),
        ("apply", "shipped", "payment-reminder"),
        ("customer", "feedback", "boris@example.com", "It arrived broken, refund please",
         "--channel", "phone", "--order", "A2"),
    )  # fmt: skip
    assert world.run("init", str(home), at_home=False).code == 0
    for name in ("shipped", "payment-reminder"):
        path = world.campaign(name)
        path.write_text(path.read_text().replace("mode: draft", "mode: live"))
    for arguments in make:
        said = world.run(*arguments)
        assert said.code == 0, said
    return world


def copy_of(world: World, home: Path) -> World:
    """The same shop in another folder, to be spoilt."""
    shutil.copytree(world.home, home)
    return World(home)
