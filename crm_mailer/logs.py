"""Logs: one line an event, key=value, `action=` first; control characters cannot break a line."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


def set_up(level: str = "warning") -> None:
    """Log to stderr from `level` (debug, info, warning, error) on."""
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
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def get() -> Any:
    """A logger; call it as `log.info("fetched", mailbox=..., new=3)`."""
    return structlog.get_logger()


def _action_first(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["action"] = event.pop("event")
    return {
        key: "".join(c if c.isprintable() else " " for c in value)
        if isinstance(value, str) and key != "exception"
        else (value.replace("\n", " | ") if isinstance(value, str) else value)
        for key, value in event.items()
    }
