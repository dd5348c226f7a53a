"""Runs the terminal sessions of a page, so that what it shows is what happens."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.cli import main, show

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
PROMPT, MORE = "$ ", "> "


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
    found: list[Shown] = []
    for block in blocks(page, "console"):
        for part in re.split(r"^(?=\$ )", block, flags=re.M):
            if part.startswith(PROMPT):
                found.append(_shown(part.removeprefix(PROMPT).splitlines()))
    return found


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
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), _narrow():
        with contextlib.suppress(SystemExit):
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
    yield
    show.out.cache_clear()
    show.err.cache_clear()


def _tidy(text: str) -> str:
    """Without the reminder that this is a sandbox, and without the folder's long name."""
    text = re.sub(r"SANDBOX: .*?outbox\s*\n", "", text, flags=re.S)
    lines = [line.rstrip().replace(f"{Path.cwd()}/", "") for line in text.splitlines()]
    return "\n".join(lines).strip("\n")
