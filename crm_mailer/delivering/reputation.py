"""What spam reports do to marketing mail: a warning, half the pace, a stop.

Gmail and Yahoo ask for a rate below 0.1 % and punish one of 0.3 % for at least a week
(https://support.google.com/mail/answer/81126).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reputation(StrEnum):
    """How we stand with the receivers."""

    GOOD = "good"
    WARNED = "warned"
    #: Marketing leaves at half its pace.
    HALVED = "halved"
    #: Marketing stops until a person lets it go on.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReputationLimits:
    """Shares of spam reports among accepted marketing mails, and when they are judged at all."""

    warned: float = 0.001
    halved: float = 0.002
    stopped: float = 0.003
    #: Fewer reports, or fewer mails, are no rate: one angry customer stops no shop.
    least_reports: int = 5
    least_mails: int = 1_000


class Window(NamedTuple):
    """Spam reports and accepted marketing mails of the same time."""

    reports: int
    mails: int

    @property
    def share(self) -> float:
        """Reports for each mail."""
        return self.reports / self.mails if self.mails else 0.0


class Judged(NamedTuple):
    """How we stand, and the window that says so."""

    reputation: Reputation
    worst: Window


DEFAULTS = ReputationLimits()


def judge(windows: Iterable[Window], limits: ReputationLimits = DEFAULTS) -> Judged:
    """How we stand by the worst of several windows, such as the last day and the last week.

    A day alone would be blind to the reports that follow a weekly mailing on the days after it.
    """
    fit = [
        one
        for one in windows
        if one.reports >= limits.least_reports and one.mails >= limits.least_mails
    ]
    worst = max(fit, key=lambda one: one.share, default=Window(0, 0))
    for reputation, share in (
        (Reputation.STOPPED, limits.stopped),
        (Reputation.HALVED, limits.halved),
        (Reputation.WARNED, limits.warned),
    ):
        if worst.share >= share:
            return Judged(reputation, worst)
    return Judged(Reputation.GOOD, worst)
