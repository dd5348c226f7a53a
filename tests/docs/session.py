"""Runs the commands of a page, so that what it shows is what happens.

A `console` block holds commands with what they print. An `sh` block holds commands alone: they must
succeed. A line `<!-- not run: why -->` before one of them says why its commands are not run.

`python -m tests.docs.session docs/tutorial.md` writes anew what the commands of a page print.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.cli import main, show

ROOT = Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(
    r"^(?:<!-- not run: (?P<why>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.M | re.S,
)
#: Blocks that hold commands.
RUNNABLE = ("console", "sh")
#: What another program says to ours.
PIPED = re.compile(r"(?P<before>[^|]+)\| crm-mailer (?P<ours>[^|<>;&]+)")
PROMPT, MORE = "$ ", "> "
#: A line of a page that stands for any lines.
ANYTHING = "..."


@dataclass(frozen=True, slots=True)
class Shown:
    """A command on a page, with the output that stands below it; None: it need only succeed."""

    command: str
    output: str | None


def blocks(page: str, language: str) -> list[str]:
    """What stands in the page's fenced blocks of a language."""
    return [match["text"] for match in FENCE.finditer(page) if match["language"] == language]


def commands(page: str) -> list[Shown]:
    """The commands that are run, of `console` and `sh` blocks, in order."""
    found: list[Shown] = []
    for match in FENCE.finditer(page):
        if match["language"] in RUNNABLE and not match["why"]:
            found += _told(match)
    return found


def not_run(page: str) -> list[str]:
    """The commands that are not run."""
    found = [shown for match in FENCE.finditer(page) if match["why"] for shown in _told(match)]
    return [shown.command for shown in found]


def _told(match: re.Match[str]) -> list[Shown]:
    if match["language"] == "console":
        return _of_block(match["text"])
    return [Shown(line, None) for line in lines_of(match["text"])]


def lines_of(block: str) -> list[str]:
    """The commands of an `sh` block; a backslash at a line's end joins the next one to it."""
    lines = block.replace("\\\n", "").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


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

    #: What the last command left with.
    code = 0

    def run(self, command: str) -> str:
        """What the command prints."""
        self.code = 0
        word, _, rest = command.partition(" ")
        if word == "cd":
            os.chdir(rest)
            return ""
        if word == "export":
            name, _, value = rest.partition("=")
            os.environ[name] = value
            return ""
        if piped := PIPED.fullmatch(command):
            given = self._shell(piped["before"])
            return _tidy(self._program(shlex.split(piped["ours"], comments=True), given))
        if word == "crm-mailer" and not re.search(r"[|<>;&]", _unquoted(command)):
            return _tidy(self._program(shlex.split(rest, comments=True)))
        return _tidy(self._shell(command))

    def _program(self, arguments: list[str], given: str = "") -> str:
        said, before = io.StringIO(), sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()), encoding="utf-8")
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), _narrow():
            try:
                main(arguments)
            except SystemExit as leaving:
                self.code = leaving.code if isinstance(leaving.code, int) else bool(leaving.code)
            finally:
                sys.stdin = before
        return said.getvalue()

    def _shell(self, command: str) -> str:
        ours = f'crm-mailer() {{ "{sys.executable}" -m crm_mailer "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-c", ours + command], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=100, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.code = done.returncode
        return done.stdout


def _unquoted(command: str) -> str:
    """The command without its comment and without what stands in quotes."""
    return re.sub(r"""'[^']*'|"[^"]*"|(?<=\s)#.*""", "", command)


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


def write_files(page: str) -> list[Path]:
    """Save the page's blocks that begin with a comment naming their file, and say which."""
    written = []
    for language, start in (("yaml", "# "), ("mjml", "<!-- ")):
        for block in blocks(page, language):
            first = block.partition("\n")[0]
            name = first.removeprefix(start).removesuffix(" -->")
            if first.startswith(start) and Path(name).suffix.lstrip(".") == language:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_text(block, encoding="utf-8")
                written.append(Path(name))
    return written


def begin() -> Session:
    """A session at the moment of the pages."""
    session = Session()
    session.run("export CRM_MAILER_CLOCK=2026-11-02T12:00:00Z")
    session.run("export COLUMNS=80")
    return session


def make_shops() -> None:
    """In the present folder: a new shop, and one that has sold something."""
    session = begin()
    session.run("crm-mailer init new")
    shutil.copytree("new", "sold")
    session.run("cd sold")
    Path("orders.csv").write_text(ORDERS, encoding="utf-8")
    session.run("crm-mailer import orders orders.csv")
    session.run("crm-mailer segment run")
    session.run("cd ..")


def set_up(name: str, page: str, shops: Path) -> Session:
    """A session in a shop in the present folder, unless the page makes its own."""
    session = begin()
    if not any(one.command.startswith("crm-mailer init") for one in commands(page)):
        shutil.copytree(shops / ("new" if name == "importing.md" else "sold"), "my-shop")
        session.run("cd my-shop")
        if any(path.parent.name == "segments" for path in write_files(page)):
            session.run("crm-mailer segment run")
    return session


def refreshed(page: str, session: Session) -> str:
    """The page with what its commands print now; a part that was left out stays left out."""

    def again(block: re.Match[str]) -> str:
        if block["why"] or block["language"] not in RUNNABLE:
            return block[0]
        if block["language"] == "sh":
            for line in lines_of(block["text"]):
                session.run(line)
            return block[0]
        return "```console\n" + "".join(map(told, _of_block(block["text"]))) + "```"

    def told(shown: Shown) -> str:
        rows = session.run(shown.command).splitlines()
        before = (shown.output or "").splitlines()
        if before and before[-1] == ANYTHING:
            rows = [*rows[: len(before) - 1], ANYTHING]
        command = f"\n{MORE}".join(shown.command.split("\n"))
        return "\n".join([PROMPT + command, *rows]) + "\n"

    return FENCE.sub(again, page)


def refresh(path: Path) -> None:
    """Refresh one page in place."""
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_shops()
        session = set_up(path.name, page, Path(folder))
        path.write_text(refreshed(page, session), encoding="utf-8")
        os.chdir(path.parent)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        refresh(Path(name).resolve())
