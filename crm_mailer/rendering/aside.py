"""Half of a long piece of work in a second process, which never outlives it.

Python's own pools keep a worker that waits for more; when whoever started it is killed, it waits
for ever. This one computes, answers once and ends: an answer that nobody reads ends it, too.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


def is_possible() -> bool:
    """Whether a process may be forked here: beside other threads it might never wake up."""
    return sys.platform == "linux" and threading.active_count() == 1


def in_two(groups: Iterable[Sequence[T]], work: Callable[[T], float]) -> tuple[list[T], list[T]]:
    """Two shares of about equal work; what is in one group stays together, in its order."""
    shares: tuple[list[T], list[T]] = [], []
    done = [0.0, 0.0]
    for group in groups:
        lighter = done.index(min(done))
        shares[lighter].extend(group)
        done[lighter] += sum(map(work, group))
    return shares


class Aside(Generic[T]):
    """Work that is being done elsewhere."""

    def __init__(self, process: int, reading: int) -> None:
        self._process = process
        self._reading = reading

    def result(self) -> T | None:
        """What came of it; None when the other process failed or was killed."""
        with os.fdopen(self._reading, "rb") as answer:
            said = answer.read()
        _process, status = os.waitpid(self._process, 0)
        if status or not said:
            return None
        found: T = pickle.loads(said)
        return found


def begin(work: Callable[[], T]) -> Aside[T]:
    """Do `work` in a copy of this process; what it returns must be fit for pickling."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return Aside(process, reading)
    code = 1
    try:  # nothing of the caller may go on in the copy, whatever happens here
        os.close(reading)
        with os.fdopen(writing, "wb") as answer:
            pickle.dump(work(), answer)
        code = 0
    finally:
        os._exit(code)
