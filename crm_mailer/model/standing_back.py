"""What a mail says of the campaign to which it gave way; kept in the detail of its touch."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import SkipReason


class StoodBack(NamedTuple):
    """A campaign of higher priority took the mail's time; `since`: when the mail was to leave."""

    campaign: str
    since: datetime | None = None


def note(campaign: str, since: datetime) -> str:
    """What is kept of a mail that was moved."""
    return f"{campaign} {since.isoformat()}"


def read(reason: str, detail: str) -> StoodBack | None:
    """What a touch with this reason and detail tells of it.

    It is still there when the mail has left; a server's words, which stand in the same place, are
    nothing of the kind.
    """
    campaign, _blank, moment = detail.partition(" ")
    if moment:
        try:
            return StoodBack(campaign, datetime.fromisoformat(moment))
        except ValueError:
            return None
    return StoodBack(campaign) if campaign and reason == SkipReason.OUTRANKED else None


def words(found: StoodBack, place: ZoneInfo) -> Sentence:
    """The same as a sentence, in the time of `place`."""
    if found.since is None:
        return Sentence("{campaign} has a higher priority", campaign=found.campaign)
    return Sentence(
        "moved from {time}: {campaign} has a higher priority",
        time=f"{found.since.astimezone(place):%Y-%m-%d %H:%M}",
        campaign=found.campaign,
    )
