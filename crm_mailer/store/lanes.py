"""Lanes that rest after a fault: remembered over restarts, so that no server is hammered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from crm_mailer.model.sentence import pack, unpack
from crm_mailer.store import facts

_PREFIX = "lane:"


#: The accounts that every shop knows: the table `[smtp]`, and the folder where there is none.
SMTP, SANDBOX = "smtp", "sandbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A lane that must not be used before `until`."""

    until: datetime
    #: Faults in a row, this one included.
    faults: int
    #: What happened, for people.
    message: str
    #: Tells whether its account was set up otherwise then.
    mark: str = ""


def find(connection: sa.Connection, lane: str) -> Rest | None:
    """Why and until when `lane` rests or rested; None after its last success."""
    value = facts.find(connection, _PREFIX + lane)
    if not value:
        return None
    until = datetime.fromtimestamp(value["until"], UTC)
    return Rest(
        until=until,
        faults=value["faults"],
        message=unpack(value.get("said", value["message"])),  # an older program tells no parts
        mark=value.get("mark", ""),  # what an older program wrote has none
    )


def rest(connection: sa.Connection, lane: str, why: Rest, now: datetime) -> None:
    """Let `lane` rest."""
    value = {
        "until": int(why.until.timestamp()),
        "faults": why.faults,
        "message": str.__str__(why.message),  # what an older program beside this one shows
        "said": pack(why.message),
        "mark": why.mark,
    }
    facts.put(connection, _PREFIX + lane, value, now)


def wake(connection: sa.Connection, lane: str) -> None:
    """`lane` works again."""
    facts.forget(connection, _PREFIX + lane)
