from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from crm_mailer import daemon, logs


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What stands in the log, which was set up twice, as `run` does."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up("warning")
    logs.set_up("info")
    yield stream
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_one_event_is_one_line_whatever_was_said(stream: io.StringIO) -> None:
    logs.get().info("listen", said="first\nsecond\x1b[31m\r\n", new=3)

    [line] = lines(stream)
    assert line.startswith("action=listen level=info at=")
    assert 'said="first | second [31m"' in line
    assert "new=3" in line


def test_an_error_takes_its_traceback_along_in_the_same_line(stream: io.StringIO) -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError:
        logs.get().exception("plan")

    [line] = lines(stream)
    assert "test_logs.py" in line
    assert "ZeroDivisionError: division by zero" in line


def test_what_libraries_say_is_told_once_and_in_the_same_way(stream: io.StringIO) -> None:
    logging.getLogger("some.library").warning("%s is\nstrange", "this")
    logging.getLogger("some.library").info("chatter")

    [line] = lines(stream)
    assert line.startswith("action=library level=warning")
    assert "name=some.library" in line
    assert 'said="this is | strange"' in line


def test_a_closed_terminal_stops_no_work(stream: io.StringIO) -> None:
    stream.close()

    logs.get().info("send", did="accepted 1")


def test_no_line_tells_an_address_and_the_same_one_is_told_alike(stream: io.StringIO) -> None:
    logs.get().info(
        "listen", error="550 no Anna.Smith@example.com here", to="anna.smith@Example.com"
    )
    try:
        raise ValueError("no such user: anna.smith@example.com")
    except ValueError:
        logs.get().exception("send")

    told = stream.getvalue()
    assert "anna" not in told.lower()
    assert told.count(logs.hashed("anna.smith@example.com")) >= 3
    assert "550 no" in told


def test_the_hash_of_an_address_is_the_shops_own() -> None:
    found = set()
    for key in (b"k" * 32, b"o" * 32, b"k" * 32):
        logs.set_up("error", key=key)
        found.add(logs.hashed("anna@example.com"))
    structlog.reset_defaults()

    assert len(found) == 2


def test_json_has_one_object_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up("info", "json")

    logs.get().info("listen", said="first\nsecond", new=3, mailbox="客服")
    structlog.reset_defaults()

    told = json.loads(stream.getvalue())
    assert {**told, "at": ""} == {
        "action": "listen", "level": "info", "at": "", "said": "first | second", "new": 3,
        "mailbox": "客服",
    }  # fmt: skip


def test_the_journal_is_told_how_bad_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        place = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{place.st_dev}:{place.st_ino}")
        monkeypatch.setattr(sys, "stderr", stream)
        logs.set_up("info")
        logs.get().error("send", error="x")
        logs.get().info("plan")
        structlog.reset_defaults()
        stream.seek(0)
        told = stream.read().splitlines()

    assert [line[:10] for line in told] == ["<3>action=", "<6>action="]


CODE = Path(logs.__file__).parent
#: Calls that write a line: `log.info(...)`, `self._troubles.unwell(...)`.
WRITING = {"debug", "info", "warning", "error", "exception", "well", "unwell"}


def actions() -> set[str]:
    """The first argument of each call that logs, and the names of the daemon's rounds."""
    found = set(daemon.TICKS) | {"library"}
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            by = ast.unparse(node.func.value)
            if node.func.attr in WRITING and ("log" in by or "troubles" in by) and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_the_documents_name_every_action_and_no_other() -> None:
    page = (CODE.parent / "docs" / "monitoring.md").read_text(encoding="utf-8")
    table = page.partition("| action |")[2].partition("\n\n")[0]

    named = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))

    assert named == actions()
