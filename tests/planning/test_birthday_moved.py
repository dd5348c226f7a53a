"""A wish is for the day on which the customer is born, also when that is corrected."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from crm_mailer.model.campaign import BirthdayAnchor, Campaign
from crm_mailer.planning import plan
from crm_mailer.store import customers as people
from crm_mailer.store import directory
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, campaign, customer, definitions, touches

DAY = timedelta(days=1)
WISH = "birthday:2026"


def wishes(**more: Any) -> Campaign:
    return campaign("wishes", anchor=BirthdayAnchor(), offsets=[timedelta(0)], **more)


def planned(store: Store, now: datetime, one: Campaign | None = None) -> list[tuple[Any, ...]]:
    plan(store, definitions(one or wishes()), now=now, is_saved=True)
    found = touches(store, "state", "reason", "due_at", "anchor")
    return sorted((state, reason, f"{due:%m-%d}", anchor.partition("#")[0])
                  for state, reason, due, anchor in found)  # fmt: skip


def corrected(store: Store, person: int, month: int, day: int, now: datetime = NOON) -> None:
    with store.write() as connection:
        told = {"birth_month": month, "birth_day": day, "birth_year": 1990}
        directory.correct(connection, person, told, now=now)


@pytest.mark.parametrize("reentry", [timedelta(0), 300 * DAY, None])
@pytest.mark.parametrize("day", [3, 5])
def test_a_corrected_birthday_moves_the_wish(
    store: Store, day: int, reentry: timedelta | None
) -> None:
    person, one = customer(store, birth_month=11, birth_day=4), wishes(reentry=reentry)
    assert planned(store, NOON, one) == [("planned", "", "11-04", WISH)]

    corrected(store, person, 11, day)

    assert planned(store, NOON + timedelta(hours=1), one) == [
        ("planned", "", f"11-0{day}", WISH),
        ("skipped", "new_anchor", "11-04", WISH),
    ]


def test_a_file_that_tells_another_birthday_moves_the_wish(store: Store) -> None:
    person = customer(store, birth_month=11, birth_day=4)
    planned(store, NOON)
    with store.write() as connection:
        known = people.get(connection, person)
        people.change(connection, [known._replace(birth_day=5)], now=NOON)

    found = planned(store, NOON + timedelta(hours=1))

    assert [one[2] for one in found if one[0] == "planned"] == ["11-05"]


def test_the_same_birthday_told_again_changes_nothing(store: Store) -> None:
    person = customer(store, birth_month=11, birth_day=4)
    before = planned(store, NOON)

    corrected(store, person, 11, 4)

    assert planned(store, NOON + timedelta(hours=1)) == before


def test_who_was_wished_well_on_the_wrong_day_is_not_wished_twice(store: Store) -> None:
    person = customer(store, birth_month=11, birth_day=4)
    planned(store, NOON)
    with store.write() as connection:
        connection.execute(t.touches.update().values(state="accepted", settled_at=NOON + 2 * DAY))

    corrected(store, person, 11, 6, NOON + 2 * DAY)

    assert len(planned(store, NOON + 3 * DAY)) == 1


def test_a_wish_that_a_person_cancelled_does_not_come_back(store: Store) -> None:
    person = customer(store, birth_month=11, birth_day=4)
    planned(store, NOON)
    with store.write() as connection:
        connection.execute(
            t.touches.update().values(state="skipped", reason="cancelled", settled_at=NOON)
        )

    corrected(store, person, 11, 3)

    assert planned(store, NOON + timedelta(hours=1)) == [("skipped", "cancelled", "11-04", WISH)]


def test_a_birthday_can_be_corrected_there_and_back(store: Store) -> None:
    person = customer(store, birth_month=11, birth_day=4)
    for turn, day in enumerate((4, 3, 4, 3)):
        now = NOON + timedelta(hours=turn)
        corrected(store, person, 11, day, now)
        found = planned(store, now)
        assert [one[2] for one in found if one[0] == "planned"] == [f"11-0{day}"]
