"""The clocks that the program runs on."""

from __future__ import annotations

from datetime import UTC, datetime

from crm_mailer.model.errors import SettingsError


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)


class SetClock:
    """A clock that stands where it was put: for the demo and for rehearsals."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """The moment it was put to."""
        return self.moment


def parse_clock(text: str) -> SetClock:
    """The clock that a setting such as `2011-11-30T09:00:00Z` asks for.

    Raises:
        SettingsError: no moment with a zone.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise SettingsError(
            f"clock is {text!r}, which is no moment with a zone",
            hint='write it as "2011-11-30T09:00:00Z"',
        )
    return SetClock(moment.astimezone(UTC))
