"""Figures that take long to count: told as they were counted last, counted anew meanwhile.

A page waits a moment for them and is then shown with what is known; each says when it was counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from crm_mailer.app.wiring import App
from crm_mailer.model.moment import Clock

Value = TypeVar("Value")

#: What took longer than this many seconds is told as it was counted last, and not waited for.
PATIENCE = 0.05
#: What was never counted before, or what somebody has just changed, is waited for so many seconds.
FIRST_PATIENCE = 0.2
#: Counting one figure takes at most one part in so many of the time.
REST = 10
#: So many figures are counted at a time: those that follow a campaign as it sends, and those that
#: take long in a large shop, which so keep nobody waiting but each other.
QUICK, SLOW = 2, 2
#: So many are kept; those not asked for longest are forgotten.
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Told(Generic[Value]):
    """A figure, and when it was counted. `value` is None while that is done for the first time."""

    value: Value | None
    at: datetime | None
    is_counting: bool = False


@dataclass(slots=True)
class _Entry:
    value: Any = None
    #: By the shop's clock, and by this machine's.
    at: datetime | None = None
    counted: float = 0.0
    took: float = 0.0
    #: Somebody changed what it counts.
    is_stale: bool = False
    error: Exception | None = None
    work: Future[None] | None = None
    #: When that was begun, by this machine's clock.
    begun: float = 0.0

    @property
    def is_counting(self) -> bool:
        """Whether it is being counted now."""
        return self.work is not None and not self.work.done()


class Memory:
    """What the pages of one shop remember."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._lock = Lock()
        self._quick = ThreadPoolExecutor(QUICK, thread_name_prefix="figures")
        self._slow = ThreadPoolExecutor(SLOW, thread_name_prefix="slow-figures")

    def ask(
        self,
        key: Hashable,
        count: Callable[[], Value],
        *,
        patience: float = FIRST_PATIENCE,
        keep: timedelta = timedelta(0),
        is_slow: bool = False,
    ) -> Told[Value]:
        """The figure by this name.

        Args:
            key: names it, with all that it depends on.
            count: counts it, in another thread.
            patience: wait so many seconds for what was never counted, or has been changed.
            keep: do not count again sooner, however quickly it was done.
            is_slow: takes long in a large shop.

        Raises:
            Exception: what `count` raised when it was last tried.
        """
        with self._lock:
            entry = self._entry(key)
            is_known = entry.at is not None and not entry.is_stale
            if self._is_due(entry, keep):
                entry.is_stale = False
                threads = self._slow if is_slow else self._quick
                entry.begun = monotonic()
                entry.work = threads.submit(copy_context().run, self._count, entry, count)
            work = entry.work if entry.is_counting else None
        if work is not None and not (is_known and entry.took > PATIENCE):
            waited = monotonic() - entry.begun  # by pages before this one, too
            wait((work,), timeout=max(0.0, (PATIENCE if is_known else patience) - waited))
        if entry.error is not None:
            raise entry.error
        return Told(cast("Value | None", entry.value), entry.at, entry.is_counting)

    def forget_all(self) -> None:
        """Something was changed: count everything anew when it is next asked for."""
        with self._lock:
            for entry in self._entries.values():
                entry.is_stale = True

    def _entry(self, key: Hashable) -> _Entry:
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        if len(self._entries) > MOST:
            self._entries.popitem(last=False)
        return entry

    @staticmethod
    def _is_due(entry: _Entry, keep: timedelta) -> bool:
        if entry.is_counting:
            return False
        if entry.at is None or entry.is_stale or entry.error is not None:
            return True
        rest = entry.took * REST if entry.took > PATIENCE else 0.0
        return monotonic() - entry.counted >= max(keep.total_seconds(), rest)

    def _count(self, entry: _Entry, count: Callable[[], Any]) -> None:
        began, at = monotonic(), self._clock.now()
        try:
            entry.value, entry.error, entry.at = count(), None, at
        except Exception as error:  # told to whoever asks
            entry.error = error
        finally:
            entry.counted = monotonic()
            entry.took = entry.counted - began


_memories: WeakKeyDictionary[App, Memory] = WeakKeyDictionary()
_lock = Lock()


def of(app: App) -> Memory:
    """The shop's memory."""
    with _lock:
        if app not in _memories:
            _memories[app] = Memory(app.clock)
        return _memories[app]
