"""When an address that is refused for a while is given up: on three days within thirty."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crm_mailer.store import bounces

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: An address that bounces softly on so many different days in so long a time is given up.
SOFT_DAYS = 3
SOFT_WITHIN = timedelta(days=30)
#: What the suppression says then.
WHY = f"soft bounces on {SOFT_DAYS} days"


def is_enough(connection: Connection, address: str, at: datetime) -> bool:
    """Whether the days on which mail was refused, at once or later, are too many by then."""
    return bounces.soft_days(connection, address, since=at - SOFT_WITHIN) >= SOFT_DAYS
