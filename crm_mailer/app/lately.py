"""Figures that take a while to count: shown as they were, counted anew behind the reader's back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic, thread_time
from typing import Generic, TypeVar

T = TypeVar("T")
#: What takes fewer seconds of work, and of waiting, is counted each time.
QUICK, PROMPT = 0.03, 0.3
#: Seconds for which a figure stands, or as many times as long as it took.
STANDS, TIMES = 5.0, 20


class Remembered(Generic[T]):
    """One figure, or several that are counted together.

    The first who asks waits. After that nobody does: who asks when it is old gets what it was,
    and a thread counts it anew.
    """

    def __init__(self, count: Callable[[], T]) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._found: T | None = None
        self._is_quick = False
        self._took = 0.0
        self._at = 0.0
        self._is_counting = False

    def get(self) -> T:
        """The figure, at most a little old."""
        with self._lock:
            found, age = self._found, monotonic() - self._at
            if found is None or self._is_quick:
                return self._counted()
            if age > max(STANDS, self._took * TIMES) and not self._is_counting:
                self._is_counting = True
                threading.Thread(target=self._renew, name="figures", daemon=True).start()
            return found

    def expire(self) -> None:
        """Something was done: it is old from now on."""
        self._at = float("-inf")

    def _counted(self) -> T:
        began, worked = monotonic(), thread_time()
        found = self._found = self._count()
        self._at = monotonic()
        self._took = self._at - began
        self._is_quick = thread_time() - worked < QUICK and self._took < PROMPT
        return found

    def _renew(self) -> None:
        with suppress(Exception):  # the next who asks tries again, and is told what is wrong
            began = monotonic()
            found = self._count()
            with self._lock:
                self._found, self._at = found, monotonic()
                self._took = self._at - began
        self._is_counting = False
