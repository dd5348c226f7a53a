"""Logs: one line an event, key=value, `action=` first; control characters cannot break a line."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog


def set_up(level: str = "warning") -> None:
    """Log to stderr from `level` (debug, info, warning, error) on.

    What libraries log goes the same way, from `warning` on.
    """
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _action_first,
            structlog.processors.LogfmtRenderer(key_order=["action", "level", "at"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(file=_Steady(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _FromLibraries)]:
        root.removeHandler(handler)
    root.addHandler(_FromLibraries(logging.WARNING))


def get() -> Any:
    """A logger; call it as `log.info("fetched", mailbox=..., new=3)`."""
    return structlog.get_logger()


class _Steady:
    """A stream whose loss (a closed terminal, a full disk) does not stop the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _FromLibraries(logging.Handler):
    """Hands on what libraries say by the standard library's logging."""

    def emit(self, record: logging.LogRecord) -> None:
        tell = get().error if record.levelno >= logging.ERROR else get().warning
        tell(record.name, said=record.getMessage(), exc_info=record.exc_info)


def _action_first(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["action"] = event.pop("event")
    return {key: _one_line(value) for key, value in event.items() if value is not None}


def _one_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    lines = " | ".join(line.strip() for line in value.splitlines() if line.strip())
    return "".join(c if c.isprintable() else " " for c in lines)
