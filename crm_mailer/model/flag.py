"""A buyer to beware of (in print for users: blacklist, 黑名单)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FlagKind(StrEnum):
    """What the buyer does."""

    #: Wants money or goods for a good review, or for keeping a bad one back.
    BLACKMAIL = "blackmail"
    FRAUD = "fraud"
    #: Leaves bad reviews on purpose.
    BAD_REVIEW = "bad_review"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFlag:
    """A flag to be put on a customer. `evidence` is words, a link or a file's name."""

    customer_id: int
    kind: FlagKind
    reason: str
    evidence: str = ""
    case_id: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag as it is kept; one that was taken off has `removed_at`."""

    id: int
    customer_id: int
    kind: FlagKind
    reason: str
    evidence: str
    case_id: int | None
    by: str
    at: datetime
    removed_at: datetime | None = None
    removed_by: str = ""
    removed_why: str = ""

    @property
    def stands(self) -> bool:
        """Whether it counts today."""
        return self.removed_at is None
