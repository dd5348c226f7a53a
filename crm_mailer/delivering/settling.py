"""What becomes of a touch after an attempt, a refusal of ours, or a crash."""

from __future__ import annotations

from datetime import datetime

from crm_mailer.delivering import retries
from crm_mailer.delivering.journal import UNKNOWN, Flights
from crm_mailer.delivering.permission import Obstacle
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store.claims import POWER_CUT, TAKEN_OVER, Claimed, Settlement

#: After so many crashes over one touch it is left out, and the rest of the campaign goes on.
CRASHES_ALLOWED = 3


def after(claimed: Claimed, outcome: Outcome, at: datetime) -> Settlement:
    """What an attempt leads to.

    A mail in doubt is never sent again, save order mail once, after ten minutes; whatever that
    second attempt brings short of an acceptance, the first may have arrived: it stays in doubt.
    """
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            state, next_at = TouchState.ACCEPTED, None
        case OutcomeKind.UNKNOWN:
            state, next_at = TouchState.IN_DOUBT, _resend_at(claimed, at)
        case OutcomeKind.REFUSED:
            state, next_at = TouchState.REFUSED, None
        case OutcomeKind.DEFERRED:
            next_at = _next_try(claimed, outcome, at)
            state = TouchState.DEFERRED if next_at else TouchState.EXPIRED
    if claimed.doubts and state is not TouchState.ACCEPTED:
        state = TouchState.IN_DOUBT
    touch, reason, detail = claimed.touch, "", ""
    if state is not TouchState.ACCEPTED:
        reason, detail = outcome.status or str(outcome.code or ""), outcome.text
    # as quick as a tuple without names: each mail has one
    return tuple.__new__(
        Settlement,
        (touch.id, touch.attempts, state, at, reason, detail, next_at, outcome, False),
    )


def held_up(claimed: Claimed, obstacle: Obstacle, at: datetime, detail: str = "") -> Settlement:
    """What a reason for not sending leads to: the touch waits where it may leave later.

    The second attempt of a mail in doubt is called off.
    """
    next_at = None if claimed.doubts else obstacle.until
    if obstacle.is_held:
        state, next_at = _held(claimed)
    elif next_at is not None or claimed.doubts:
        state = _waiting(claimed)
    else:
        state = TouchState.EXPIRED if _is_over(claimed, obstacle, at) else TouchState.SKIPPED
    return Settlement(
        touch_id=claimed.touch.id,
        attempt=claimed.touch.attempts,
        state=state,
        at=at,
        reason=obstacle.reason.value,
        detail=detail,
        next_at=next_at,
    )


def paused(claimed: Claimed, at: datetime) -> Settlement:
    """Its campaign was paused after the claim: it waits with the campaign's other touches."""
    state = TouchState.IN_DOUBT if claimed.doubts else TouchState.HELD
    return Settlement(
        touch_id=claimed.touch.id,
        attempt=claimed.touch.attempts,
        state=state,
        at=at,
        reason=SkipReason.PAUSED.value,
        next_at=claimed.touch.next_at,
    )


def cancelled(claimed: Claimed, at: datetime) -> Settlement:
    """Somebody ended it after the claim; the second attempt of a mail in doubt is called off."""
    return Settlement(
        touch_id=claimed.touch.id,
        attempt=claimed.touch.attempts,
        state=TouchState.IN_DOUBT if claimed.doubts else TouchState.SKIPPED,
        at=at,
        reason=SkipReason.CANCELLED.value,
    )


def _held(claimed: Claimed) -> tuple[TouchState, datetime | None]:
    """The state of what a person has to let go, and when it would leave then."""
    if claimed.doubts:
        return TouchState.IN_DOUBT, None
    return TouchState.HELD, claimed.touch.next_at


def _is_over(claimed: Claimed, obstacle: Obstacle, at: datetime) -> bool:
    end = claimed.touch.expires_at
    return obstacle.reason is SkipReason.LATE and end is not None and end < at


def after_a_crash(
    claimed: Claimed, flights: Flights | None, *, boot: str, now: datetime
) -> Settlement | None:
    """What the journal of a dead process says about one of its claims; None: never sent.

    Without a journal, or one written before the machine stopped, silence proves nothing.
    """
    key = (claimed.touch.id, claimed.touch.attempts)
    has_stopped = flights is not None and not (
        boot == flights.boot == claimed.boot_id and boot != UNKNOWN
    )
    if flights is not None and key in flights.answers:
        known = flights.answers[key]
        end = after(claimed, known.outcome, known.at)
        is_to_be_told = has_stopped and end.state is TouchState.ACCEPTED
        return end._replace(reason=POWER_CUT) if is_to_be_told else end
    if flights is not None and key in flights.dots:
        return _died_over(claimed, flights, now)
    if flights is None:
        end = after(claimed, _doubt("the sender is gone, and so is its journal"), now)
        return end._replace(reason=TAKEN_OVER)
    if has_stopped:
        return after(claimed, _doubt("the machine stopped while this may have been sent"), now)
    return _suspect(claimed, now) if claimed.touch.id in flights.rendering else None


def _died_over(claimed: Claimed, flights: Flights, now: datetime) -> Settlement:
    """In doubt since its dot; what may tell more of it can be read from now on only."""
    key = (claimed.touch.id, claimed.touch.attempts)
    outlet = flights.outlets.get(key, "")
    by = f" (account {outlet})" if outlet else ""
    doubt = _doubt(f"the sender died before it heard the answer{by}")
    end = after(claimed, doubt, min(flights.dots[key], now))
    return end if end.next_at is None else end._replace(next_at=_resend_at(claimed, now))


def _suspect(claimed: Claimed, now: datetime) -> Settlement:
    """Put back a touch over which the sender may have died; the third time is the last."""
    is_poison = claimed.crashes + 1 >= CRASHES_ALLOWED and not claimed.doubts
    waiting = _waiting(claimed)
    return Settlement(
        touch_id=claimed.touch.id,
        attempt=claimed.touch.attempts,
        state=TouchState.SKIPPED if is_poison else waiting,
        at=now,
        reason=SkipReason.QUARANTINED.value if is_poison else "",
        next_at=None if is_poison else now,
        is_crash=True,
    )


def _waiting(claimed: Claimed) -> TouchState:
    if claimed.doubts:
        return TouchState.IN_DOUBT
    return TouchState.DEFERRED if claimed.tries else TouchState.PLANNED


def _doubt(why: str) -> Outcome:
    return Outcome(kind=OutcomeKind.UNKNOWN, phase=Phase.DOT, text=why, blame=Blame.US)


def _resend_at(claimed: Claimed, at: datetime) -> datetime | None:
    is_first = claimed.touch.stream is Stream.TRANSACTIONAL and not claimed.doubts
    return at + retries.DOUBT_WAIT if is_first else None


def _next_try(claimed: Claimed, outcome: Outcome, at: datetime) -> datetime | None:
    touch = claimed.touch
    return retries.next_try(
        outcome,
        touch_id=touch.id,
        attempt=touch.attempts,
        now=at,
        stream=touch.stream,
        first_try_at=claimed.first_try_at,
        expires_at=touch.expires_at,
    )
