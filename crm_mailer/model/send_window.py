"""The hours and weekdays that a campaign allows itself, in each customer's own time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True, kw_only=True)
class SendWindow:
    """From `opens` up to, not including, `closes`: whole hours 0..24, perhaps over midnight; both
    alike mean all day. Weekdays count from 0, Monday, and are those of the mail's own moment.
    """

    opens: int = 0
    closes: int = 24
    weekdays: frozenset[int] = EVERY_DAY

    def is_open(self, local: datetime) -> bool:
        """Whether a mail may leave at this local time."""
        return local.weekday() in self.weekdays and self.has_hour(local.hour)

    def has_hour(self, hour: int) -> bool:
        """Whether the hour lies in the window, whatever the day."""
        if self.opens == self.closes:
            return True
        if self.opens < self.closes:
            return self.opens <= hour < self.closes
        return hour >= self.opens or hour < self.closes
