"""Runs the sending coroutine on the fastest event loop at hand."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import os
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """As `asyncio.run`, on uvloop where it is installed.

    `CRM_MAILER_LOOP=asyncio` in the environment keeps it on the standard library's loop.
    """
    if not is_fast():
        return asyncio.run(coroutine)
    uvloop = importlib.import_module("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def is_fast() -> bool:
    """Whether `run` will use uvloop."""
    if os.environ.get("CRM_MAILER_LOOP") == "asyncio":
        return False
    return importlib.util.find_spec("uvloop") is not None
