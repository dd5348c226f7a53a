"""What a customer chose on their own page, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer.model.sentence import Sentence
from crm_mailer.store.wishes import chosen


def wishes(row: Mapping[str, Any], now: datetime, place: ZoneInfo) -> Iterator[Sentence]:
    """Sentences about a row of customers; `place` is the zone in which days are counted."""
    topics = chosen(row["topics_off"])
    if topics:
        yield Sentence("no mail about {topics}", topics=", ".join(sorted(topics)))
    if row["wants_fewer"]:
        yield Sentence("half as many mails as the cap allows")
    until = row["snoozed_until"]
    if until is not None and until > now:
        yield Sentence("no marketing mail until {day}", day=until.astimezone(place).date())
    told = chosen(row["told_by_self"])
    if "language" in told:
        yield Sentence("chose the language on their own page")
    if "birthday" in told:
        yield Sentence("told the birthday on their own page")
