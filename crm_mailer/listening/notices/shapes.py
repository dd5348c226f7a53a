"""Careful hands for JSON of others: each gives the wanted kind, whatever is there."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: No text of a provider is longer than anybody needs.
LONGEST = 2_000
_EMPTY: Mapping[str, Any] = {}


class BadShape(ValueError):
    """The JSON is not what this provider sends."""


def table(value: Any) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else _EMPTY


def rows(value: Any) -> list[Any]:
    """A list; an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """Text on one line, without control characters; numbers as text, anything else is empty."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int) and abs(value) >= 10**18:
        return ""
    words = "".join(c if c.isprintable() else " " for c in str(value)[: LONGEST * 2]).split()
    return " ".join(words)[:LONGEST]


def moment(value: Any, now: datetime) -> datetime:
    """An instant from ISO text or seconds since 1970; `now` for what is neither, or yet to come."""
    said = text(value)
    try:
        found = (
            datetime.fromtimestamp(float(said), UTC)
            if said.replace(".", "", 1).isdigit()
            else datetime.fromisoformat(said)
        )
        if found.tzinfo is None:
            found = found.replace(tzinfo=UTC)
        return min(found.astimezone(UTC), now)
    except (ValueError, OverflowError, OSError):
        return now


def headers(value: Any, wanted: frozenset[str]) -> tuple[str, ...]:
    """The texts of some headers, from `[{"name": ..., "value": ...}]`."""
    return tuple(
        f"{name}: {text(one.get('value'))}"
        for one in map(table, rows(value)[:200])
        if (name := text(one.get("name")).lower()) in wanted
    )


def key_of(*parts: Any) -> str:
    """A name for an event that the provider gives none."""
    return hashlib.sha256("\0".join(map(text, parts)).encode()).hexdigest()[:40]
