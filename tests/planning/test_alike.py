"""Who is alike is decided once, and as the pure rules decide for each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.model.campaign import BirthdayAnchor, CatchUp, Stream
from crm_mailer.model.chance import Arm, Trial
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import Standing
from crm_mailer.planning import decisions
from crm_mailer.planning.alike import Alike
from crm_mailer.store.occasions import Occasion
from tests.planning.people import NOON, SHOP, campaign

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CARE = campaign("care", offsets=(DAY, 3 * DAY, 7 * DAY))
TRIAL = Trial(arms=(Arm(id="a"), Arm(id="b", template="care/other", share=2)))
WISH = campaign("wish", anchor=BirthdayAnchor(), offsets=(0 * DAY, 2 * DAY))
CASES = {
    "days": CARE,
    "hours": campaign("care", offsets=(HOUR, 30 * HOUR)),
    "a day": WISH,
    "a test": replace(CARE, steps=tuple(replace(one, trial=TRIAL) for one in CARE.steps)),
    "held out": replace(CARE, hold_out=30),
    "held back": replace(CARE, hold=5 * HOUR),
    "warm first": replace(CARE, warm_first=4 * HOUR),
    "best hour": replace(CARE, is_best_hour=True),
    "spread": replace(CARE, spread=2 * HOUR),
    "all at once": replace(CARE, catch_up=CatchUp.ALL),
    "short": replace(CARE, valid_for=HOUR, send_at=(22, 0)),
    "order mail": replace(CARE, stream=Stream.TRANSACTIONAL),
}
HOMES = (("GB", "Europe/London"), ("", "Pacific/Apia"))
STANDINGS = (
    Standing(),
    Standing(is_flagged=True),
    Standing(has_open_case=True),
    Standing(has_address=False),
    Standing(snoozed_until=NOON + 2 * DAY),
)
#: Few values of each, so that many are alike.
PERSON = st.tuples(
    st.integers(1, 40),
    st.sampled_from(HOMES),
    st.sampled_from([*[Standing()] * 8, *STANDINGS]),
    st.sampled_from([-200, -75, -30, -26, -3, -2]),
    st.lists(st.sampled_from([-700, -600, -480, -72, 20, 27, 44, 70, 96, 164, 220]), max_size=5),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([None, 1, 5]),
)


def occasion(person: int, home: tuple[str, str], standing: Standing, hours: int, warmth: int | None,
             *, is_day: bool) -> Occasion:  # fmt: skip
    return Occasion(
        key=person,
        customer_id=person,
        email=f"c{person}@example.com",
        country=home[0],
        time_zone=home[1],
        standing=standing,
        anchor=f"order:{person}",
        at=None if is_day else NOON + hours * HOUR,
        day=date(2026, 11, 2) + timedelta(days=hours // 24) if is_day else None,
        warmth=warmth,
    )


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=20, deadline=None)
@given(
    people=st.lists(PERSON, min_size=30, max_size=60), caps=st.sampled_from([(3, 7, 8), (1, 2, 3)])
)
def test_the_fate_of_many_is_what_the_rules_say_of_each(
    name: str, people: Sequence[tuple[Any, ...]], caps: tuple[int, int, int]
) -> None:
    one = CASES[name]
    shop: Shop = replace(SHOP, cap_count=caps[0], cap_days=caps[1], cap_month=caps[2])
    fates = Alike(one, shop, now=NOON, winners={})
    for person, home, standing, hours, taken_hours, is_superseded, warmth in people:
        found = occasion(
            person,
            home,
            standing,
            hours,
            warmth,
            is_day=one.anchor == WISH.anchor,
        )
        taken: list[datetime] = [NOON + hour * HOUR for hour in taken_hours]

        fate = fates.decide(found, taken, is_superseded=bool(is_superseded))

        slots = list(taken)
        expected = decisions.decide(
            one, shop, found, now=NOON, taken=slots, is_superseded=bool(is_superseded)
        )
        assert list(fate.decisions) == list(expected)
        assert [*taken, *fate.slots] == slots


def test_who_is_alike_is_not_decided_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fates = Alike(CARE, SHOP, now=NOON, winners={})
    asked = []
    real = decisions.decide

    def ask(*given_: Any, **more: Any) -> Iterator[decisions.Decision]:
        asked.append(given_)
        return real(*given_, **more)

    monkeypatch.setattr(decisions, "decide", ask)
    for person in range(1, 30):
        home = HOMES[person % 2]
        fates.decide(occasion(person, home, Standing(), -person % 5, None, is_day=False), [])

    assert len(asked) == 2
