"""What a daemon is there for: on one machine everything, on several each its part."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum


class Duty(StrEnum):
    """A role of a daemon, as `crm-mailer run --roles` names it."""

    #: Segments, plans, and tells other programs.
    PLAN = "plan"
    SEND = "send"
    #: Reads mailboxes and webhooks, understands, and learns.
    LISTEN = "listen"
    #: Serves the studio and the public pages.
    WEB = "web"


#: What somebody must do in every shop.
NEEDED = (Duty.PLAN, Duty.SEND, Duty.LISTEN)


def parse(text: str) -> frozenset[Duty]:
    """Roles out of a list such as `plan,send`.

    Raises:
        ValueError: with the first word that is none, or an empty one where there is no word.
    """
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not words:
        raise ValueError("")
    for word in words:
        if word not in list(Duty):
            raise ValueError(word)
    return frozenset(Duty(word) for word in words)


def spelled(duties: Collection[Duty]) -> str:
    """Roles as people write them, always in the same sequence."""
    return ",".join(one.value for one in Duty if one in duties)
