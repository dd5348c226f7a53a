"""A sender in a process of its own that is killed when it passes a point."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.touch import Touch
from crm_mailer.store.engine import Queued, Store
from tests.delivering.letters import PlainRenderer
from tests.faults.scripted import Passing

#: Every point at which a sender may be killed here, in the order of a mail's way.
POINTS = ("claim", "booked", "commit", "committed", "render", "rendered", "envelope", "354",
          "noted", "dot", "landed")  # fmt: skip


@dataclass
class KillAt:
    """Kills this process, as `kill -9` does, when it passes a point for the nth time."""

    point: str
    nth: int = 1

    def __call__(self, point: str) -> None:
        if point != self.point:
            return
        self.nth -= 1
        if self.nth <= 0:
            os.kill(os.getpid(), signal.SIGKILL)


class PassingStore(Store):
    """A store that tells before and after each commit."""

    def __init__(self, url: str, passing: Passing) -> None:
        super().__init__(url)
        self.passing = passing

    @contextmanager
    def write(
        self, *, durable: bool = False, place: Queued | None = None
    ) -> Iterator[sa.Connection]:
        with super().write(durable=durable, place=place) as connection:
            yield connection
            self.passing("claim" if durable else "commit")
        self.passing("booked" if durable else "committed")


class PassingRenderer(PlainRenderer):
    """A renderer that tells before and after each batch."""

    def __init__(self, passing: Passing) -> None:
        super().__init__()
        self.passing = passing

    def render_batch(self, wanted: Sequence[Touch]) -> list[Message | NotRendered]:
        self.passing("render")
        found = super().render_batch(wanted)
        self.passing("rendered")
        return found


def in_a_child(work: Callable[[], object]) -> bool:
    """Do this in a forked process; whether it came to its end (else it was killed).

    Nothing of this process may hold the database open meanwhile.
    """
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    _pid, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), "the sender broke by itself"
    return status == 0
