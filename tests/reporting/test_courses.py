from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_mailer.reporting import courses, event_words
from crm_mailer.store.course_stories import CourseRow

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STEPS = ("check", "tip", "offer")


def told(**values: Any) -> list[str]:
    row = {
        "campaign": "care", "anchor": "order:1:arrived", "order_id": 1, "anchored_at": NOW,
        "first_half_life": 1.0, "retention": 0.5, "next_at": None, "ended": "", "why": "",
        "ended_at": NOW - timedelta(days=1), "left": (), **values,
    }  # fmt: skip
    found = courses.told(
        CourseRow(**row), STEPS, starts="order arrived", now=NOW, place=ZoneInfo("UTC")
    )
    return [str(one) for one in found]


def test_a_paused_course_says_since_when_what_wakes_it_and_what_would_come() -> None:
    assert told(ended="paused", misses=4.0, place=2, listens_until=NOW + timedelta(days=3)) == [
        "paused on 2026-11-20 12:00 after 4 misses in a row: it writes no more",
        "its next mail would be offer",
        "a click, an opened mail or a reply until 2026-11-24 12:00 wakes it",
        "a new event begins a new course: order arrived",
    ]


def test_a_paused_course_that_does_not_listen_any_more_can_only_begin_anew() -> None:
    assert told(ended="paused", misses=0.5, place=3, listens_until=NOW) == [
        "paused on 2026-11-20 12:00 after a miss: it writes no more",
        "a new event begins a new course: order arrived",
    ]


@pytest.mark.parametrize(
    ("ended", "why", "words"),
    [
        ("done", "", "done since 2026-11-20 12:00: all its mails have left"),
        ("converted", "purchase", "ended well on 2026-11-20 12:00: the customer bought"),
        ("stopped", "stop", "stopped on 2026-11-20 12:00: the customer complained"),
        ("stopped", "flagged", "stopped on 2026-11-20 12:00: the buyer is flagged"),
        ("stopped", "of later times", "stopped on 2026-11-20 12:00: not known"),
    ],
)
def test_another_end_says_what_it_was(ended: str, why: str, words: str) -> None:
    assert told(ended=ended, why=why)[0] == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"step": "tip", "next_at": NOW + timedelta(hours=1)},
            "it goes on: its next mail, tip, is planned for 2026-11-21 13:00",
        ),
        (
            {"step": "tip", "next_at": NOW},
            "it goes on: what follows tip is decided when that mail has left",
        ),
        ({"place": 2}, "it goes on: the next `crm-mailer apply`, or the daemon, plans offer"),
        (
            {"place": 3},
            "it goes on: the next `crm-mailer apply`, or the daemon, decides what follows",
        ),
    ],
)
def test_a_course_that_goes_on_says_what_comes_next(values: dict[str, Any], words: str) -> None:
    assert told(ended_at=None, **values) == [words]


@pytest.mark.parametrize(
    ("anchor", "words"),
    [
        ("order:17:partly_shipped", "order 1002 partly shipped"),
        ("order:18:shipped", "order:18:shipped"),
        ("segment:vip:5", "came into vip"),
        ("birthday:2026", "birthday 2026"),
        ("first_order", "the first order"),
        ("first_order:2", "anniversary 2 of the first order"),
        ("reply:7", "reply 7"),
        ("review:8", "review 8"),
        ("date:2026-11-27", "2026-11-27"),
        ("monthly:2026-11", "2026-11"),
        ("festival:christmas:2026", "christmas 2026"),
        ("of later times", "of later times"),
    ],
)
def test_an_event_is_told_in_words(anchor: str, words: str) -> None:
    assert event_words.in_words(anchor, {17: "1002"}) == words
