"""Figures that take long: pages never wait for them, and say how old they are."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from crm_mailer.app.remembered import Memory
from tests.conftest import NOON, StandingClock


def settle(memory: Memory, key: str) -> None:
    """Wait until nothing is counted."""
    for _turn in range(200):
        if not memory._entries[key].is_counting:
            return
        time.sleep(0.005)


def slow() -> int:
    time.sleep(0.06)
    return 1


def test_what_is_quick_is_counted_each_time() -> None:
    memory, seen = Memory(StandingClock()), iter(range(9))
    assert [memory.ask("a", lambda: next(seen)).value for _turn in range(3)] == [0, 1, 2]


def test_what_is_kept_is_not_counted_again() -> None:
    memory, seen = Memory(StandingClock()), iter(range(9))
    keep = timedelta(minutes=1)
    assert [memory.ask("a", lambda: next(seen), keep=keep).value for _ in range(3)] == [0, 0, 0]


def test_a_page_does_not_wait_for_what_is_slow() -> None:
    memory, go = Memory(StandingClock()), threading.Event()

    began = time.monotonic()
    first = memory.ask("a", lambda: go.wait(5) and 7, patience=0.02)
    took = time.monotonic() - began
    go.set()
    settle(memory, "a")
    then = memory.ask("a", lambda: 8)

    assert (first.value, first.at, first.is_counting) == (None, None, True)
    assert took < 1
    assert then.value in (7, 8)
    assert then.at == NOON


def test_a_slow_figure_is_told_as_it_was_counted_last() -> None:
    memory = Memory(StandingClock())
    memory.ask("a", slow, patience=2)
    time.sleep(0.01)
    seen = [memory.ask("a", lambda: 2).value for _turn in range(3)]
    assert seen == [1, 1, 1]


def test_after_a_change_it_is_counted_anew() -> None:
    memory, keep = Memory(StandingClock()), timedelta(hours=1)
    memory.ask("a", lambda: 1, keep=keep)
    memory.forget_all()
    assert memory.ask("a", lambda: 2, keep=keep).value == 2


def test_what_goes_wrong_is_told_and_tried_again() -> None:
    memory = Memory(StandingClock())
    with pytest.raises(ZeroDivisionError):
        memory.ask("a", lambda: 1 // 0)
    assert memory.ask("a", lambda: 1).value == 1
