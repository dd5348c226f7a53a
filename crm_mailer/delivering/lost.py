"""What may not leave after a database was restored, since it may have left before."""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta

from crm_mailer.delivering.permission import Obstacle
from crm_mailer.model.campaign import Stream
from crm_mailer.model.touch import SkipReason, Touch, TouchKind
from crm_mailer.store.witnesses import Gap

#: How long after it was reconciled a restored database is looked at in this way.
MINDED_FOR = timedelta(days=30)
#: What falls due within a day after that and was sent before is planned for the second time: an
#: entry into a segment, say, that the restored database takes for new, or an order that is imported
#: again and has no time of its own.
AGAIN = timedelta(days=1)


def obstacle(touch: Touch, gap: Gap, had: Set[int]) -> Obstacle | None:
    """What stands against a mail that may have left in the time of the gap.

    Args:
        touch: a claimed one.
        gap: the time that was lost.
        had: touches whose customers had a mail of their step in that time.
    """
    if touch.kind is TouchKind.TEST or touch.reason == SkipReason.RESTORED:
        return None  # a person looked at it and let it go
    was_due = touch.due_at <= gap.until
    if touch.stream is Stream.MARKETING:
        is_again = touch.id in had and touch.due_at <= gap.mended_at + AGAIN
        is_skipped = is_again or (was_due and gap.is_marketing_skipped)
        return Obstacle(reason=SkipReason.RESTORED) if is_skipped else None
    if was_due and touch.id in had:
        return Obstacle(reason=SkipReason.RESTORED)
    # a step was had of one order, perhaps, and is due for the next: a person knows
    is_again = touch.id in had and touch.due_at <= gap.mended_at + AGAIN
    if is_again or (was_due and gap.is_order_mail_held):
        return Obstacle(reason=SkipReason.RESTORED, is_held=True)
    return None
