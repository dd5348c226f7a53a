"""Who may start a campaign anew: an event too soon after the last one starts nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

#: When an event was, and its name.
Event = tuple[datetime, str]


def too_soon(
    entered: Iterable[Event], news: Iterable[Event], rest: timedelta | None
) -> frozenset[Event]:
    """Which of the `news` start nothing.

    Args:
        entered: events that started the campaign for the customer before.
        news: events of now; some may be among `entered`.
        rest: how long after one event the next may start it; None: never again.

    An event counts from the one before that did start it; those that started nothing prolong
    nothing. What started it once stays right, whatever older event is learnt of later.
    """
    started = set(entered)
    refused = set()
    for event in sorted(set(news) - started):
        if any(_is_within(event[0] - other[0], rest) for other in started):
            refused.add(event)
        else:
            started.add(event)
    return frozenset(refused)


def _is_within(gap: timedelta, rest: timedelta | None) -> bool:
    return rest is None or abs(gap) < rest
