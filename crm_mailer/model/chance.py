"""Who gets which variant, and who is held out: by chance, and the same for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

#: A prime below 2**31, so that the products below fit into 64 bits on every engine.
PRIME = 2_147_483_647
#: Into how many equal parts a crowd is cut: a hundredth of a percent.
BUCKETS = 10_000


class WinnerBy(StrEnum):
    """By what a test is decided. Opens are not among them: machines open mail, too."""

    ORDERS = "orders"
    REPLIES = "replies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to write a step's mail. What it does not say is as the step says it."""

    id: str
    template: str = ""
    subject: dict[str, str] = field(default_factory=dict)
    #: Its part of the customers, beside those of the other arms.
    share: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """An A/B test of a step. With `winner`, whoever comes later gets the better arm."""

    arms: tuple[Arm, ...]
    #: None: nobody decides; `campaign results` shows how it stands.
    winner: WinnerBy | None = None
    #: So long after a mail left an order or a reply counts for it.
    after: timedelta = timedelta(days=7)


def salts(name: str) -> tuple[int, int]:
    """Two numbers by which one crowd is mixed independently of others."""
    digest = hashlib.sha256(name.encode()).digest()
    first, second = (int.from_bytes(digest[at : at + 8], "big") for at in (0, 8))
    return first % PRIME, second % (PRIME - 1) + 1


def bucket(customer_id: int, name: str) -> int:
    """The place of a customer in the crowd called `name`: 0 to 9,999, each equally likely.

    Plain arithmetic, so that SQL can do the same: x = ((id + s) * t) mod P, squared twice with a
    shift between. The squares break the steps in which ids are given out.
    """
    shift, factor = salts(name)
    x = (customer_id + shift) % PRIME * factor % PRIME
    x = (x * x + shift) % PRIME
    x = (x * x + factor) % PRIME
    return x % BUCKETS


def is_held_out(customer_id: int, campaign: str, percent: int) -> bool:
    """Whether the customer belongs to the part that gets no mail, so that its worth is seen."""
    return percent > 0 and bucket(customer_id, f"{campaign}:hold-out") < percent * BUCKETS // 100


def arm_of(customer_id: int, arms: Sequence[Arm], *, campaign: str, step: str) -> Arm:
    """The customer's arm: the crowd is cut by the arms' shares, in their order."""
    place = bucket(customer_id, f"{campaign}:{step}:test")
    for arm, end in zip(arms, ends(arms), strict=True):
        if place < end:
            return arm
    return arms[-1]


def ends(arms: Sequence[Arm]) -> list[int]:
    """The bucket at which each arm's part ends."""
    whole, so_far, found = sum(arm.share for arm in arms), 0, []
    for arm in arms:
        so_far += arm.share
        found.append(so_far * BUCKETS // whole)
    return found
