"""Runs the terminal sessions of a page, so that what it shows is what happens.

`python -m tests.docs.session docs/tutorial.md` writes anew what the commands of a page print.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.cli import main, show

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
PROMPT, MORE = "$ ", "> "
#: A line of a page that stands for any lines.
ANYTHING = "..."


@dataclass(frozen=True, slots=True)
class Shown:
    """A command on a page, with the output that stands below it."""

    command: str
    output: str


def blocks(page: str, language: str) -> list[str]:
    """What stands in the page's fenced blocks of a language."""
    return [match[2] for match in BLOCK.finditer(page) if match[1] == language]


def commands(page: str) -> list[Shown]:
    """All commands of the page's `console` blocks in order."""
    return [one for block in blocks(page, "console") for one in _of_block(block)]


def _of_block(block: str) -> list[Shown]:
    parts = re.split(r"^(?=\$ )", block, flags=re.M)
    return [_shown(part[len(PROMPT) :].splitlines()) for part in parts if part.startswith(PROMPT)]


def _shown(lines: list[str]) -> Shown:
    command, rest = lines[0], lines[1:]
    while rest and rest[0].startswith(MORE):
        command += "\n" + rest.pop(0).removeprefix(MORE)
    return Shown(command, "\n".join(line.rstrip() for line in rest).strip("\n"))


class Session:
    """A shell that knows `cd`, `export` and our program; all else it asks the real one.

    Its folder and environment are those of the process: `monkeypatch` puts them back.
    """

    def run(self, command: str) -> str:
        """What the command prints."""
        word, _, rest = command.partition(" ")
        if word == "cd":
            os.chdir(rest)
            return ""
        if word == "export":
            name, _, value = rest.partition("=")
            os.environ[name] = value
            return ""
        if word == "crm-mailer" and not re.search(r"[|<>]", command):
            return _tidy(_program(shlex.split(rest)))
        return _tidy(_shell(command))


def _program(arguments: list[str]) -> str:
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        contextlib.suppress(SystemExit),
        _narrow(),
    ):
        main(arguments)
    return said.getvalue()


def _shell(command: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=60, check=False,
    )  # fmt: skip
    return done.stdout


@contextlib.contextmanager
def _narrow() -> Iterator[None]:
    """Consoles of eighty columns."""
    show.out.cache_clear()
    show.err.cache_clear()
    try:
        yield
    finally:
        show.out.cache_clear()
        show.err.cache_clear()


def _tidy(text: str) -> str:
    """Without the reminder that this is a sandbox, and without the folder's long name."""
    text = re.sub(r"SANDBOX: .*?outbox\s*\n", "", text, flags=re.S)
    lines = [line.rstrip().replace(f"{Path.cwd()}/", "") for line in text.splitlines()]
    return "\n".join(lines).strip("\n")


#: What the shop of the pages has sold.
ORDERS = """\
order_number,placed_at,state,arrived_at,email,name,country,amount,currency,title
1001,2026-10-20T11:20Z,arrived,2026-11-01T09:00Z,anna@example.com,Anna Walker,GB,20,GBP,Teapot
1002,2026-11-01T08:00Z,shipped,,boris@example.com,Борис Иванов,RU,45,USD,Cork trivet
"""


def write_files(page: str) -> None:
    """Save the page's blocks that begin with a comment naming their file."""
    for language, start in (("yaml", "# "), ("mjml", "<!-- ")):
        for block in blocks(page, language):
            first = block.partition("\n")[0]
            name = first.removeprefix(start).removesuffix(" -->")
            if first.startswith(start) and Path(name).suffix.lstrip(".") == language:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(block, encoding="utf-8")


def set_up(page: str, *, has_orders: bool) -> Session:
    """A session in a new shop in the present folder, for a page that does not make its own."""
    session = Session()
    session.run("export CRM_MAILER_CLOCK=2026-11-02T12:00:00Z")
    session.run("export COLUMNS=80")
    if "crm-mailer init" in page:
        return session
    session.run("crm-mailer init my-shop")
    session.run("cd my-shop")
    write_files(page)
    if has_orders:
        Path("orders.csv").write_text(ORDERS, encoding="utf-8")
        session.run("crm-mailer import orders orders.csv")
        session.run("crm-mailer segment run")
    return session


def refreshed(page: str, session: Session) -> str:
    """The page with what its commands print now; a part that was left out stays left out."""

    def again(block: re.Match[str]) -> str:
        if block[1] != "console":
            return block[0]
        return "```console\n" + "".join(map(told, _of_block(block[2]))) + "```"

    def told(shown: Shown) -> str:
        rows = session.run(shown.command).splitlines()
        before = shown.output.splitlines()
        if before and before[-1] == ANYTHING:
            rows = [*rows[: len(before) - 1], ANYTHING]
        command = f"\n{MORE}".join(shown.command.split("\n"))
        return "\n".join([PROMPT + command, *rows]) + "\n"

    return BLOCK.sub(again, page)


def refresh(path: Path) -> None:
    """Refresh one page in place."""
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        session = set_up(page, has_orders=path.stem != "importing")
        path.write_text(refreshed(page, session), encoding="utf-8")
        os.chdir(path.parent)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(Path(name).resolve())
