"""What campaigns ask for alike is read once, and each of them plans what it would plan alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    Exit,
    FirstOrderAnchor,
    OrderAnchor,
    SegmentAnchor,
    Stream,
)
from crm_mailer.model.order import OrderState
from crm_mailer.model.segment import Compare
from crm_mailer.model.standing import Standing
from crm_mailer.planning import gathered, plan
from crm_mailer.planning.gathered import Gathered
from crm_mailer.store import exits, pasts
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.occasions import Occasion
from tests.planning.people import (
    NOON,
    add,
    campaign,
    customer,
    definitions,
    event,
    open_case,
    order,
    touches,
)
from tests.planning.test_query_plans import asked, scanned

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PAID, ARRIVED = OrderAnchor(state=OrderState.PAID), OrderAnchor(state=OrderState.ARRIVED)
YEARLY = FirstOrderAnchor(is_yearly=True)
EXITS = frozenset({Exit.BOUGHT, Exit.REPLIED, Exit.CASE_OPEN})
ANCHORS: list[Anchor] = [
    PAID, ARRIVED, SegmentAnchor(segment="cooling"), BirthdayAnchor(),
    BirthdayAnchor(days_before=3), FirstOrderAnchor(), YEARLY,
]  # fmt: skip


def campaigns() -> list[Campaign]:
    """Three for each anchor, which are not quite alike."""
    british = Compare("country", "in", ["GB", "IE"])
    return [
        one
        for number, anchor in enumerate(ANCHORS)
        for one in (
            campaign(f"a{number}", anchor=anchor),
            campaign(f"b{number}", anchor=anchor, exits=EXITS),
            campaign(f"c{number}", anchor=anchor, audience=british),
            campaign(f"d{number}", anchor=anchor, exits=EXITS, offsets=[0 * DAY, 3 * DAY]),
            campaign(f"e{number}", anchor=anchor, exits=EXITS | {Exit.ORDER_DISPUTED}),
        )
    ]


def first_order(store: Store, person: int, at: datetime) -> None:
    """Marks of a customer who bought once."""
    add(store, t.scores, customer_id=person, first_order_at=at, last_order_at=at, order_count=1,
        spent_usd_cents=1, days_since_last=1, r=3, f=1, m=1, total=5, profile="shop",
        scored_on=NOON.date())  # fmt: skip


def people(store: Store, chance: random.Random) -> None:
    """Customers of whom this and that happened."""
    for number in range(14):
        born = NOON + chance.randint(-6, 8) * DAY
        one = customer(
            store, f"c{number}", country=chance.choice(["GB", "FR"]),
            email=chance.choice([f"c{number}@example.com"] * 4 + [None]),
            birth_month=born.month, birth_day=born.day,
        )  # fmt: skip
        first = NOON - chance.choice([365, 730, 9]) * DAY + chance.randint(-4, 4) * DAY
        first_order(store, one, first)
        for place in range(chance.randint(0, 3)):
            at = NOON - chance.randint(0, 8 * 24) * HOUR
            bought = order(store, one, number=f"{number}-{place}", placed_at=at, paid=at)
            if chance.random() < 0.5:
                event(store, bought, "arrived", min(NOON, at + DAY))
        if chance.random() < 0.4:
            since = NOON - chance.randint(0, 5) * DAY
            add(store, t.memberships, segment="cooling", customer_id=one, since=since)
        if chance.random() < 0.2:
            open_case(store, one)


@pytest.mark.parametrize(("seed", "is_quick"), [(0, True), (1, True), (2, False)])
def test_together_each_campaign_plans_what_it_plans_in_an_act_of_its_own(
    store: Store, seed: int, is_quick: bool
) -> None:
    people(store, random.Random(seed))
    found = campaigns()
    together = definitions(*found)
    names = [one.name for one in t.touches.c if one.name != "id"]
    told = []
    for acts in ([None], [[name] for name in sorted(together.campaigns)]):
        for after in (0 * DAY, 13 * HOUR):
            for names_of_act in acts:
                plan(store, together, now=NOON + after, campaigns=names_of_act, is_saved=True,
                     is_quick=is_quick)  # fmt: skip
        told.append(sorted(touches(store, *names), key=repr))
        with store.write() as connection:
            for table in (t.touches, t.plan_runs, t.facts):
                connection.execute(table.delete())

    assert told[0] == told[1]
    kinds = {row[names.index("campaign")][1:] for row in told[0]}
    assert kinds == {str(number) for number in range(len(ANCHORS))}


@pytest.mark.parametrize("anchor", [BirthdayAnchor(), YEARLY], ids=["birthdays", "anniversaries"])
def test_campaigns_at_one_day_of_customers_ask_for_them_once(
    sqlite_store: Store, anchor: Anchor
) -> None:
    anna = customer(sqlite_store, birth_month=11, birth_day=2)
    first_order(sqlite_store, anna, NOON - 365 * DAY)
    alike = definitions(*(campaign(f"w{number}", anchor=anchor) for number in range(5)))
    some = definitions(*list(alike.campaigns.values())[:2])
    plan(sqlite_store, some, now=NOON, is_saved=True)

    with asked(sqlite_store) as told:
        [*reports] = plan(sqlite_store, alike, now=NOON, is_saved=True).campaigns

    assert [one.occasions for one in reports] == [0, 0, 1, 1, 1]
    assert sum("AS told" in text for text, _ in told) == 1
    assert sum("AS anchor" in text and "json_each" in text for text, _ in told) == 1
    assert scanned(sqlite_store, told) <= {"scores"}


# ------------------------------------------------------------------ pages that are kept


def occasion(number: int) -> Occasion:
    return Occasion(key=number, customer_id=number, email="a@example.com", country="",
                    time_zone="", standing=Standing())  # fmt: skip


class Counted:
    """Pages that tell how often they were read."""

    def __init__(self) -> None:
        self.reads = 0

    def pages(self, *numbers: int) -> Iterator[list[Occasion]]:
        self.reads += 1
        for number in numbers:
            yield [occasion(number)]


def read(kept: Gathered, source: Counted, one: Campaign, keys: list[int]) -> list[int]:
    found = kept.pages(one, keys, source.pages(*keys))
    return [occasion.key for page in found for occasion in page]


@pytest.mark.parametrize(
    "other",
    [
        {"anchor": PAID},
        {"exits": EXITS},
        {"audience": Compare("country", "in", ["GB", "IE"])},
        {"is_best_hour": True},
        {"valid_for": 9 * DAY},
    ],
    ids=lambda one: next(iter(one)),
)
def test_pages_are_kept_for_who_asks_for_the_same(other: dict[str, Any]) -> None:
    kept, source, care = Gathered(NOON), Counted(), campaign("care")

    assert read(kept, source, care, [1, 2]) == [1, 2]
    assert read(kept, source, campaign("more", version="v7"), [1, 2]) == [1, 2]
    assert source.reads == 1
    assert read(kept, source, care, [2]) == [2]
    assert read(kept, source, replace(care, **other), [1, 2]) == [1, 2]
    assert source.reads == 3


def test_no_more_pages_are_kept_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "MOST", 2)
    kept, source, care = Gathered(NOON), Counted(), campaign("care")
    for keys in ([1, 2, 3], [1, 2, 3], [4, 5], [6], [4, 5]):
        assert read(kept, source, care, keys) == keys

    assert source.reads == 5


# ------------------------------------------------------------------ exits


def test_exits_that_have_nothing_to_do_with_the_anchor_are_asked_for_once(
    sqlite_store: Store,
) -> None:
    found = definitions(
        *(campaign(f"c{place}", anchor=one, exits=EXITS) for place, one in enumerate(ANCHORS))
    )
    anna = customer(sqlite_store)
    order(sqlite_store, anna, paid=NOON - HOUR, arrived=NOON - HOUR)
    plan(sqlite_store, found, now=NOON, is_saved=True)
    open_case(sqlite_store, anna)

    with asked(sqlite_store) as told:
        report = plan(sqlite_store, found, now=NOON + MINUTE, is_saved=True)

    assert report.ended == 3  # the cap has left out the others
    looks = [text for text, _ in told if "exit_case" in text and "given_names" in text]
    assert len(looks) == 2
    # once for what is to end, once for what may begin after all
    assert sum("expires_at" in text for text in looks) == 1


def test_exits_that_depend_on_the_anchor_keep_to_it() -> None:
    def kind(anchor: Anchor, *found: Exit) -> Any:
        return exits.kind(campaign(anchor=anchor, exits=frozenset(found)))

    assert kind(PAID, Exit.BOUGHT) == kind(ARRIVED, Exit.BOUGHT, Exit.AUDIENCE_LEFT)
    for one in (Exit.ORDER_PAID, Exit.ORDER_ARRIVED, Exit.SEGMENT_LEFT):
        assert kind(PAID, Exit.BOUGHT, one) != kind(ARRIVED, Exit.BOUGHT, one)


# ------------------------------------------------------------------ what was planned before


@pytest.mark.parametrize("seed", range(4))
def test_the_past_of_a_customer_is_what_the_touches_say(store: Store, seed: int) -> None:
    chance, rows = random.Random(seed), list[dict[str, Any]]()
    ids = [customer(store, f"c{number}") for number in range(3)]
    states = ["planned", "held", "deferred", "claimed", "accepted", "in_doubt", "skipped",
              "refused", "expired"]  # fmt: skip

    def moment() -> datetime:
        return NOON + chance.randint(-50, 50) * HOUR

    for number in range(80):
        event_at = NOON - chance.randint(1, 2) * DAY
        rows.append({
            "campaign": chance.choice("ab"), "step": f"s{number}",
            "customer_id": chance.choice(ids), "template": "x",
            "anchor": chance.choice(["order:1:paid", "order:2:paid"]),
            "stream": chance.choice(["marketing", "marketing", "transactional"]),
            "anchored_at": event_at, "due_at": moment(), "state": chance.choice(states),
            "next_at": chance.choice([None, moment()]), "planned_at": NOON,
            "settled_at": chance.choice([None, moment()]), "id": number + 1,
            "expires_at": chance.choice([None, moment()]),
        })  # fmt: skip
        add(store, t.touches, **rows[-1])
    since = NOON - 30 * HOUR
    with store.read() as connection:
        found = pasts.Reader().of_customers(connection, ids, since)

    near = [row for row in rows if row["due_at"] >= since]
    for one in ids:
        slots = [
            ((row["settled_at"] if row["state"] in ("accepted", "in_doubt") else row["next_at"])
             or row["due_at"], row["campaign"], (row["anchored_at"], row["anchor"]),
             *((True, row["id"], row["expires_at"])
               if row["state"] in ("planned", "held", "deferred") else (False, 0, None)))
            for row in near
            if row["customer_id"] == one and row["stream"] == "marketing"
            and row["state"] not in ("skipped", "refused", "expired")
        ]  # fmt: skip
        courses: dict[Any, list[dict[str, Any]]] = {}
        for row in near:
            if row["customer_id"] == one:
                name = row["campaign"], (row["anchored_at"], row["anchor"])
                courses.setdefault(name, []).append(row)
        unsent = {
            name: [row["due_at"] for row in own if row["state"] in ("planned", "held", "deferred")]
            for name, own in courses.items()
        }
        assert sorted(map(tuple, found[one].slots), key=repr) == sorted(slots, key=repr)
        assert sorted(
            ((name, *map(tuple, [course])) for name, own in found[one].courses.items()
             for course in own), key=repr
        ) == sorted(
            ((name[0], (name[1], max(row["due_at"] for row in own),
                        max(unsent[name], default=None)))
             for name, own in courses.items()), key=repr
        )  # fmt: skip


def test_equal_courses_are_kept_once(store: Store) -> None:
    anna, boris = customer(store), customer(store, "boris")
    for person in (anna, boris):
        order(store, person, number=str(person), arrived=NOON - MINUTE)
    plan(
        store,
        definitions(*(campaign(name, stream=Stream.TRANSACTIONAL) for name in "ab")),
        now=NOON,
        is_saved=True,
    )

    with store.read() as connection:
        found = pasts.Reader().of_customers(connection, [anna, boris], NOON)

    courses = found[anna].courses
    assert len(courses["a"]) == 1
    assert courses["b"] is courses["a"]
    assert courses["b"][0].event is courses["a"][0].event
    assert courses["a"] != found[boris].courses["a"]
    with store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.touches)) == 8


MANY = 300


def held_courses(reader: pasts.Reader) -> int:
    """How many places for courses the reader keeps, in all that it keeps once."""
    return sum(
        len(one) for one in reader._same if isinstance(one, tuple) and type(one[0]) is pasts.Course
    )


def test_reading_many_courses_of_one_customer_keeps_each_once(store: Store) -> None:
    anna = customer(store)
    for number in range(MANY):
        add(store, t.touches, campaign="a", step="s1", customer_id=anna, template="x",
            anchor=f"order:{number}:paid", stream="transactional",
            anchored_at=NOON + number * MINUTE, due_at=NOON, state="planned",
            planned_at=NOON)  # fmt: skip
    reader = pasts.Reader()

    with store.read() as connection:
        found = reader.of_customers(connection, [anna], NOON)

    assert len(found[anna].courses["a"]) == MANY
    assert MANY <= held_courses(reader) <= MANY + pasts.SHORT**2


def test_planning_many_courses_of_one_customer_keeps_no_courses_in_between() -> None:
    reader, anna, boris = pasts.Reader(), pasts.Past(), pasts.Past()
    courses = [pasts.Course((NOON, f"order:{number}"), NOON, None) for number in range(MANY)]
    for past in (anna, boris):
        reader.add(past, "a", courses[0])
    assert anna.courses["a"] is boris.courses["a"]

    for course in courses[1:]:
        reader.add(anna, "a", course)

    assert list(anna.courses["a"]) == courses
    assert list(boris.courses["a"]) == courses[:1]
    assert held_courses(reader) <= pasts.SHORT**2
    many = anna.courses["a"]
    reader.add(anna, "a", courses[0])
    assert anna.courses["a"] is many


def test_courses_that_were_read_are_added_to(store: Store) -> None:
    anna, boris = customer(store), customer(store, "boris")
    for person in (anna, boris):
        for number in range(2 * pasts.SHORT):
            add(store, t.touches, campaign="a", step="s1", customer_id=person, template="x",
                anchor=f"order:{number}:paid", stream="transactional",
                anchored_at=NOON, due_at=NOON, state="planned", planned_at=NOON)  # fmt: skip
    reader, more = pasts.Reader(), pasts.Course((NOON, "order:more"), NOON, None)
    with store.read() as connection:
        found = reader.of_customers(connection, [anna, boris], NOON)
    before = found[boris].courses["a"]
    assert found[anna].courses["a"] is before

    reader.add(found[anna], "a", more)

    assert list(found[anna].courses["a"]) == [*before, more]
    assert more not in found[boris].courses["a"]
