from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.delivering import retries
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from tests.conftest import NOON

BUSY = Outcome(kind=OutcomeKind.DEFERRED, phase=Phase.RCPT, code=451, status="4.3.0")
SLOW_DOWN = Outcome(kind=OutcomeKind.DEFERRED, phase=Phase.DOT, code=421, status="4.7.28")


def minutes(attempt: int, *, touch_id: int = 1, outcome: Outcome = BUSY) -> float | None:
    """Minutes from now to the next try of an order mail first tried just now."""
    moment = retries.next_try(
        outcome,
        touch_id=touch_id,
        attempt=attempt,
        now=NOON,
        stream=Stream.TRANSACTIONAL,
        first_try_at=None,
        expires_at=None,
    )
    return None if moment is None else (moment - NOON).total_seconds() / 60


def test_the_waits_grow_by_the_schedule_within_a_fifth() -> None:
    waits = [minutes(attempt) for attempt in range(1, 8)]

    wanted = [5, 15, 60, 180, 360, 720, 1440]
    assert all(0.8 * w <= (got or 0) <= 1.2 * w for got, w in zip(waits, wanted, strict=True))


def test_many_mails_do_not_come_back_at_once_but_each_at_its_own_time() -> None:
    waits = [minutes(1, touch_id=touch_id) for touch_id in range(200)]

    assert len(set(waits)) > 150
    assert waits == [minutes(1, touch_id=touch_id) for touch_id in range(200)]


def test_a_receiver_that_throttles_is_left_alone_for_a_quarter_of_an_hour() -> None:
    assert (minutes(1, outcome=SLOW_DOWN) or 0) >= 15


def test_life_ends_by_stream_and_never_after_the_touch_expires() -> None:
    def last(stream: Stream, expires_in: timedelta | None) -> object:
        return retries.next_try(
            BUSY,
            touch_id=1,
            attempt=6,
            now=NOON,
            stream=stream,
            first_try_at=NOON - timedelta(hours=20),
            expires_at=None if expires_in is None else NOON + expires_in,
        )

    assert last(Stream.TRANSACTIONAL, None) is not None
    assert last(Stream.MARKETING, None) is None
    assert last(Stream.TRANSACTIONAL, timedelta(hours=2)) is None


@given(
    attempt=st.integers(-1, 10_000),
    touch_id=st.integers(1, 2**62),
    stream=st.sampled_from(Stream),
    tried_for=st.timedeltas(timedelta(0), timedelta(days=5)),
    lives_for=st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=30)),
    status=st.sampled_from(["", "4.3.0", "4.7.0", "4.7.28", "4.2.1"]),
)
def test_a_next_try_is_later_but_within_the_life_of_the_mail_and_always_the_same(
    attempt: int,
    touch_id: int,
    stream: Stream,
    tried_for: timedelta,
    lives_for: timedelta | None,
    status: str,
) -> None:
    outcome = Outcome(kind=OutcomeKind.DEFERRED, phase=Phase.DOT, code=451, status=status)

    def ask() -> object:
        return retries.next_try(
            outcome,
            touch_id=touch_id,
            attempt=attempt,
            now=NOON,
            stream=stream,
            first_try_at=NOON - tried_for,
            expires_at=None if lives_for is None else NOON + lives_for,
        )

    moment = ask()

    assert moment == ask()
    if moment is None:
        return
    wait = moment - NOON  # type: ignore[operator]
    assert wait >= timedelta(minutes=15 if status.startswith("4.7.") else 4)
    assert tried_for + wait <= retries.LIFE[stream]
    assert lives_for is None or wait <= lives_for
    assert wait <= timedelta(hours=24) * 1.2


@given(touch_id=st.integers(1, 2**62), attempt=st.integers(1, 6))
def test_each_wait_is_longer_than_the_one_before(touch_id: int, attempt: int) -> None:
    first, second = (minutes(one, touch_id=touch_id) for one in (attempt, attempt + 1))

    assert first is not None
    assert second is not None
    assert first < second


@pytest.mark.parametrize("blame", [Blame.SITE, Blame.US, Blame.RECIPIENT])
def test_whoever_is_to_blame_a_deferred_mail_is_tried_again(blame: Blame) -> None:
    answer = Outcome(kind=OutcomeKind.DEFERRED, phase=Phase.RCPT, code=452, blame=blame)

    assert minutes(1, outcome=answer) is not None
