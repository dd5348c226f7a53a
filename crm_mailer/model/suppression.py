"""An address that must not be mailed, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class SuppressionReason(StrEnum):
    """Why. The first two stop marketing only, the others stop every mail."""

    UNSUBSCRIBED = "unsubscribed"
    SPAM_REPORT = "spam_report"
    HARD_BOUNCE = "hard_bounce"
    ERASED = "erased"
    BY_HAND = "by_hand"
    IMPORTED = "imported"


class Scope(StrEnum):
    """Which streams a suppression stops."""

    MARKETING = "marketing"
    ALL = "all"


SCOPES = {
    SuppressionReason.UNSUBSCRIBED: Scope.MARKETING,
    SuppressionReason.SPAM_REPORT: Scope.MARKETING,
    SuppressionReason.IMPORTED: Scope.MARKETING,
    SuppressionReason.BY_HAND: Scope.MARKETING,
    SuppressionReason.HARD_BOUNCE: Scope.ALL,
    SuppressionReason.ERASED: Scope.ALL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One reason not to mail one address."""

    address: str
    reason: SuppressionReason
    scope: Scope
    source: str
    at: datetime
