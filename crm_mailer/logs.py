"""Logs: one line an event, key=value or JSON, `action` first; no line tells a mail address.

Control characters cannot break a line. Addresses are told by a keyed hash, the same for the same
address. Under systemd each line says how bad it is, in the way journald understands.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TextIO

import structlog

#: The same trouble is told again after so many seconds.
TELL_AGAIN_SECONDS = 600.0
LOGFMT, JSON = "logfmt", "json"
#: What has the shape of a mail address, also within a longer text.
ADDRESS = re.compile(r"[^\s@<>\"'(),;:=|/\[\]]+@(?:[\w-]+\.)+[\w-]{2,}")
#: Where a hash stands instead. Ten letters: enough to tell those of one shop apart.
_HASHED = "address:{}"
#: How bad a line is, as syslog counts; systemd cuts it off again.
_SYSLOG = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}
#: Keeps addresses apart before a shop is known.
_key = secrets.token_bytes(16)


def set_up(level: str = "warning", form: str = LOGFMT, key: bytes = b"") -> None:
    """Log to stderr from `level` (debug, info, warning, error) on.

    What libraries log goes the same way, from `warning` on, as `action=library`.

    Args:
        level: the least that is told.
        form: `logfmt` (key=value) or `json`, one object a line.
        key: the shop's, by which addresses are hashed; empty: one of this process.
    """
    global _key
    if key:
        _key = key[:64]
    write = structlog.processors.LogfmtRenderer(key_order=["action", "level", "at"])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _action_first,
            _without_addresses,
            _as_json if form == JSON else write,
            *([_for_journal] if _is_journal() else []),
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


def leave_out_alerts() -> None:
    """For a command that tells a person of new alerts in its own words."""
    structlog.configure(processors=[_but_alerts, *structlog.get_config()["processors"]])


def get() -> Any:
    """A logger; call it as `log.info("fetched", mailbox=..., new=3)`."""
    return structlog.get_logger()


@dataclass(slots=True)
class Troubles:
    """Tells what goes wrong in each kind of work: once, from time to time while it lasts, its end.

    `log` may be replaced; it must know `info` and `error`.
    """

    log: Any = field(default_factory=get)
    _lasting: dict[str, _Trouble] = field(default_factory=dict)

    def well(self, name: str, did: str, *, is_over: bool = True) -> None:
        """It went well and `did` something, or nothing; `is_over`: so what troubled it is over."""
        if name in self._lasting and is_over:
            trouble = self._lasting.pop(name)
            self.log.info(name, again="well", after=f"{trouble.lasted:.0f} s", times=trouble.times)
        if did:
            self.log.info(name, did=did)

    def unwell(self, name: str, text: str, **more: Any) -> None:
        """It went wrong."""
        trouble = self._lasting.get(name)
        if trouble is None or trouble.text != text:
            trouble = self._lasting[name] = _Trouble(text)
        if trouble.is_to_be_told():
            self.log.error(name, error=text, times=trouble.times, **more)


@dataclass(slots=True)
class _Trouble:
    """What goes wrong in one kind of work, since when, and when it was told last."""

    text: str
    times: int = 0
    _since: float = field(default_factory=time.monotonic)
    _told_at: float = float("-inf")

    def is_to_be_told(self) -> bool:
        """Count it; whether it is new, or was not told for long."""
        self.times += 1
        now = time.monotonic()
        if now - self._told_at < TELL_AGAIN_SECONDS:
            return False
        self._told_at = now
        return True

    @property
    def lasted(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._since


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
        tell("library", name=record.name, said=record.getMessage(), exc_info=record.exc_info)


def _but_alerts(
    _logger: Any, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if method == "warning" and event.get("event") == "alert":
        raise structlog.DropEvent
    return event


def _action_first(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    event["action"] = event.pop("event")
    return {key: _one_line(value) for key, value in event.items() if value is not None}


def hashed(address: str) -> str:
    """What stands in a log instead of a mail address."""
    done = hashlib.blake2b(address.casefold().encode(), key=_key, digest_size=5)
    return _HASHED.format(done.hexdigest())


def _without_addresses(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        key: ADDRESS.sub(lambda found: hashed(found[0]), value)
        if isinstance(value, str) and "@" in value
        else value
        for key, value in event.items()
    }


def _as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False, default=str)


def _is_journal() -> bool:
    """Whether systemd's journal reads what we write to stderr (sd-daemon(3))."""
    told = os.environ.get("JOURNAL_STREAM", "")
    with suppress(OSError, ValueError, AttributeError):
        place = os.fstat(sys.stderr.fileno())
        return told == f"{place.st_dev}:{place.st_ino}"
    return False


def _for_journal(_logger: Any, method: str, line: Any) -> Any:
    return _SYSLOG.get(method, "<6>") + str(line)


def _one_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    lines = " | ".join(line.strip() for line in value.splitlines() if line.strip())
    return "".join(c if c.isprintable() else " " for c in lines)
