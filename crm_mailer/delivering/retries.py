"""When to try a deferred mail again, and when to give up."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b

from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Outcome

#: Waits after the first, second ... attempt; the last one repeats.
SCHEDULE = (
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
#: Share by which a wait is made shorter or longer, so that many do not come back at once.
JITTER = 0.2
#: How long after its first attempt a mail is still worth sending.
LIFE = {Stream.TRANSACTIONAL: timedelta(hours=48), Stream.MARKETING: timedelta(hours=24)}
#: A receiver that throttles by reputation (4.7.x) wants to be left alone for a while.
THROTTLED = timedelta(minutes=15)
#: How long a transactional mail in doubt waits before its one resend (RFC 5321 4.5.3.2.6).
DOUBT_WAIT = timedelta(minutes=10)


def next_try(
    outcome: Outcome,
    *,
    touch_id: int,
    attempt: int,
    now: datetime,
    stream: Stream,
    first_try_at: datetime | None,
    expires_at: datetime | None,
) -> datetime | None:
    """The time of the next attempt; None when the mail's life ends before it.

    Args:
        attempt: how many attempts were made, 1 or more.
        first_try_at: when the first was made; None when it was this one.
    """
    wait = SCHEDULE[min(max(attempt, 1), len(SCHEDULE)) - 1] * (1 + jitter(touch_id, attempt))
    if outcome.status.startswith("4.7."):
        wait = max(wait, THROTTLED)
    moment = now + wait
    end = (first_try_at or now) + LIFE[stream]
    if expires_at is not None:
        end = min(end, expires_at)
    return moment if moment <= end else None


def jitter(touch_id: int, attempt: int) -> float:
    """A share in -0.2 .. 0.2, always the same for this touch and attempt."""
    digest = blake2b(f"{touch_id}:{attempt}".encode(), digest_size=4).digest()
    return (int.from_bytes(digest, "big") / 0xFFFFFFFF * 2 - 1) * JITTER
