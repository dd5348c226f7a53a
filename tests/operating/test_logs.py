from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from crm_mailer import logs


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
    assert line.startswith("action=some.library level=warning")
    assert 'said="this is | strange"' in line


def test_a_closed_terminal_stops_no_work(stream: io.StringIO) -> None:
    stream.close()

    logs.get().info("send", did="accepted 1")
