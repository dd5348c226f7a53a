"""Senders in processes of their own, on one host or several, that are killed and frozen at random.

A host is a shop's folder: its flight journals are read there and nowhere else. Senders are forked,
so that one is at work at once; nothing of a database may be open when that happens.
"""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from crm_mailer import delivering as room
from crm_mailer.app import App, delivering
from crm_mailer.delivering import Pace
from crm_mailer.model.errors import StoreBusy

#: How a sender ends that waited in vain for its turn to write: the next one goes on (EX_TEMPFAIL).
GAVE_UP = 75
#: Seconds between two looks at who has ended.
LOOK_EVERY = 0.001


@contextmanager
def paced(pace: Pace) -> Iterator[None]:
    """Let all senders that are forked meanwhile claim so much, for so long."""
    usual = room.deliver.__kwdefaults__
    assert usual is not None
    before = usual["pace"]
    usual["pace"] = pace
    try:
        yield
    finally:
        usual["pace"] = before


@dataclass(slots=True, kw_only=True)
class Herd:
    """The senders that are alive.

    Args:
        hosts: the shop as each host has it.
        size: how many senders are at work at a time.
        freeze_for: seconds for which one that is stopped stands still.
    """

    hosts: list[App]
    size: int
    chance: random.Random
    freeze_for: float
    kills: int = 0
    stops: int = 0
    lives: int = 0
    #: Process -> the number of its host.
    alive: dict[int, int] = field(default_factory=dict)
    #: The process that stands still; 0: none does.
    _frozen: int = 0

    def fill(self) -> None:
        """Start who is missing, on the host that has the fewest."""
        while len(self.alive) < self.size:
            self.start()

    def start(self) -> None:
        """One more sender."""
        crowds = [list(self.alive.values()).count(one) for one in range(len(self.hosts))]
        host = crowds.index(min(crowds))
        number = os.fork()
        if number == 0:
            _send(self.hosts[host])
        self.alive[number] = host
        self.lives += 1

    def kill(self) -> None:
        """`kill -9` of any one; one that stands still may be hit, too."""
        victim = self.chance.choice(sorted(self.alive))
        os.kill(victim, signal.SIGKILL)
        _number, status = os.waitpid(victim, 0)
        self._forget(victim)
        self.kills += os.WIFSIGNALED(status)

    def freeze(self) -> bool:
        """SIGSTOP to any one, and SIGCONT by an alarm; False where one stands still already."""
        if self._frozen:
            return False
        self._frozen = self.chance.choice(sorted(self.alive))
        os.kill(self._frozen, signal.SIGSTOP)
        # not between two looks: we may be waiting for a turn to write that the frozen one has
        signal.signal(signal.SIGALRM, self._thaw)
        signal.setitimer(signal.ITIMER_REAL, self.freeze_for)
        self.stops += 1
        return True

    def watch(self, goes_on: Callable[[], bool]) -> None:
        """Wait while `goes_on` says so; whoever ends meanwhile has nothing more to do.

        Raises:
            RuntimeError: a sender broke by itself.
        """
        while goes_on():
            for number in list(self.alive):
                gone, status = os.waitpid(number, os.WNOHANG)
                if gone:
                    self._forget(number)
                    if os.waitstatus_to_exitcode(status) not in (0, GAVE_UP):
                        raise RuntimeError(f"a sender ended with {status}")
            time.sleep(LOOK_EVERY)

    def end(self) -> None:
        """Leave no process and no alarm behind: one that rings while Python ends is deadly."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in list(self.alive):
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            self._forget(number)

    def _thaw(self, _number: int, _frame: object) -> None:
        if self._frozen:
            os.kill(self._frozen, signal.SIGCONT)
            self._frozen = 0

    def _forget(self, number: int) -> None:
        del self.alive[number]
        if number == self._frozen:
            self._frozen = 0


def _send(app: App) -> None:
    """One round in a forked process; it does not return."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        delivering.send(app, is_by_hand=True)
        code = 0
    except StoreBusy:  # whoever had the turn stood still
        code = GAVE_UP
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
