from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule, Segment
from crm_mailer.model.segment_fields import FIELDS, Field, FieldType, Operator, Purchase
from crm_mailer.segmenting import segment
from crm_mailer.segmenting.facts import facts
from crm_mailer.segmenting.rules import explain, matches
from crm_mailer.store import selection, stories
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.selection import Look
from tests.segmenting.people import NOW, add_customer, add_order

SHANGHAI = ZoneInfo("Asia/Shanghai")
#: Half past midnight in Shanghai, while most of the world has the day before.
MIDNIGHT = datetime(2026, 2, 27, 16, 30, tzinfo=UTC)
CROWD = 60
FRESH: dict[str, Rule] = {
    "fresh": Compare("days_since_last", "at_most", 100),
    "fresh-or-flagged": AnyOf((InSegment("fresh"), Compare("is_flagged", "is", True))),
}
WORDS = ["", "RU", "BY", "Москва", "Москва-сити", "München", "a%b", "a_b", "25-34", "x'y"]


# ------------------------------------------------------------------ a crowd


@dataclass(frozen=True, repr=False)
class Crowd:
    store: Store
    known: dict[int, stories.Known]

    def matching(self, rule: Rule, look: Look) -> list[int]:
        """By the plain meaning of the rule, one customer after another."""
        return [
            id_
            for id_, known in self.known.items()
            if matches(rule, facts(known, now=look.now, zone=look.zone), look.segments)
        ]

    def selected(self, rule: Rule, look: Look) -> list[int]:
        with self.store.read() as connection:
            return selection.select_ids(connection, rule, look)


@pytest.fixture
def crowd(store: Store) -> Crowd:
    dice = Random(7)
    ids = [_customer(store, dice) for _ in range(CROWD)]
    _surroundings(store, dice, ids)
    members = Segment(id="members", name="Members", rule=Compare("order_count", "at_least", 2))
    segment(store, [members], zone=SHANGHAI, now=MIDNIGHT)
    with store.read() as connection:
        return Crowd(store, {id_: stories.known(connection, id_) for id_ in ids})


def _customer(store: Store, dice: Random) -> int:
    month, day = dice.choice([(2, 28), (2, 29), (3, 1), (2, 27), (12, 31), (1, 1), (8, 15)])
    has_birthday, kinds = dice.random() < 0.7, ["", "company", "free"]
    customer = add_customer(
        store,
        country=dice.choice(WORDS),
        language=dice.choice(["", "ru", "es"]),
        region=dice.choice(WORDS),
        city=dice.choice(WORDS),
        gender=dice.choice([None, "male", "female"]),
        birth_year=dice.choice([None, 1960, 1990, 2000]),
        birth_month=month if has_birthday else None,
        birth_day=day if has_birthday else None,
        age_band=dice.choice(WORDS),
        address_kind=dice.choice(kinds),
        occupation=dice.choice([None, "official"]),
        personality=dice.choice([None, "silent", "proud"]),
        source_platform=dice.choice(["", "ebay"]),
        time_zone=dice.choice(["", "Pacific/Kiritimati", "America/Los_Angeles", "Nowhere/Land"]),
        is_flagged=dice.random() < 0.2,
        created_at=MIDNIGHT - timedelta(days=dice.randrange(500), hours=dice.randrange(24)),
    )
    for _ in range(dice.choice([0, 0, 1, 2, 3, 6])):
        _order(store, dice, customer)
    return customer


def _order(store: Store, dice: Random, customer: int | None) -> None:
    skus = ["A-1", "B-2"]
    add_order(
        store,
        customer,
        at=MIDNIGHT
        - timedelta(
            days=dice.choice([-2, 0, 1, 89, 90, 91, 180, 400, 800]), minutes=dice.randrange(60)
        ),
        usd_cents=dice.choice([None, 0, 999, 10_000, 99_999]),
        is_counted=dice.random() < 0.7,
        state=dice.choice(["paid", "shipped", "placed"]),
        items=(
            {
                "sku": dice.choice(skus),
                "category": dice.choice(["", "Garden"]),
                "title": dice.choice(["", "Лампа", "Desk lamp"]),
            },
        ),
    )


def _surroundings(store: Store, dice: Random, ids: list[int]) -> None:
    """Tags, reviews, cases; and rows that belong to nobody."""
    _order(store, dice, None)
    with store.write() as connection:
        review = sa.insert(t.reviews).values(at=MIDNIGHT, stars=1)
        connection.execute(review.values(customer_id=None))
        for id_ in ids:
            for tag in dice.sample(["vip", "wholesale", "Опт"], dice.randrange(3)):
                connection.execute(
                    sa.insert(t.customer_tags).values(customer_id=id_, tag=tag, at=MIDNIGHT)
                )
            if dice.random() < 0.3:
                stars = dice.randint(1, 5)
                connection.execute(review.values(customer_id=id_, stars=stars))
            if dice.random() < 0.3:
                connection.execute(_case(id_, dice.choice(["open", "closed"])))


def _case(customer_id: int, state: str) -> sa.Insert:
    return sa.insert(t.cases).values(
        customer_id=customer_id,
        state=state,
        reason="nr.customs",
        severity="P2",
        opened_at=MIDNIGHT,
        due_at=MIDNIGHT,
    )


# ------------------------------------------------------------------ all sorts of rules


def values_of(field: Field) -> st.SearchStrategy[Any]:
    match field.type:
        case FieldType.CHOICE:
            return st.sampled_from(field.choices)
        case FieldType.NUMBER:
            telling = [0, 1, 2, 3, 4, 5, 89, 90, 91, 180, 365, 366, 400]
            fitting = [number for number in telling if field.lowest <= number <= field.highest]
            return st.sampled_from(fitting) | st.integers(field.lowest, min(field.highest, 900))
        case FieldType.MONEY:
            return st.sampled_from([Decimal(0), Decimal("9.99"), Decimal("100"), Decimal("999.9")])
        case FieldType.FLAG:
            return st.booleans()
        case _:
            return st.sampled_from([*WORDS[1:], "ru", "ebay", "vip", "Опт", "company"])


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    field = draw(st.sampled_from(list(FIELDS.values())))
    operator = draw(st.sampled_from(field.operators))
    one = values_of(field)
    value: Any
    if field.type is FieldType.PURCHASE:
        value = draw(purchases)
    elif operator in (Operator.IN, Operator.NOT_IN):
        value = tuple(draw(st.lists(one, min_size=1, max_size=3)))
    elif operator is Operator.BETWEEN:
        value = tuple(sorted((draw(one), draw(one))))
    elif operator is Operator.CONTAINS:
        value = draw(st.sampled_from(["Моск", "%", "_", "'", "u", "оп", "Оп", "M"]))
    else:
        value = True if operator in (Operator.KNOWN, Operator.UNKNOWN) else draw(one)
    return Compare(field.name, operator, value)


purchases = st.builds(
    Purchase,
    sku=st.sampled_from(["", "A-1", "C-3"]),
    category=st.sampled_from(["", "Garden"]),
    title=st.sampled_from(["", "амп", "lamp", "Lamp"]),
    within_days=st.sampled_from([None, 0, 1, 90, 36_500]),
)
segments = st.sampled_from(["members", "nobody", *FRESH]).map(InSegment)
rules = st.recursive(
    comparisons() | segments,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts)))
        | st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=6,
)
same_crowd = [HealthCheck.function_scoped_fixture]


@settings(max_examples=300, deadline=None, suppress_health_check=same_crowd)
@given(rule=rules)
def test_sql_finds_exactly_those_for_whom_the_rule_holds(crowd: Crowd, rule: Rule) -> None:
    look = Look(now=MIDNIGHT, zone=SHANGHAI, segments=FRESH)

    found = crowd.selected(rule, look)

    assert found == crowd.matching(rule, look)


@settings(max_examples=60, deadline=None, suppress_health_check=same_crowd)
@given(
    field=st.sampled_from(["days_since_last", "birthday_in_days", "known_for_days", "age"]),
    days=st.integers(0, 400),
    later=st.integers(0, 60 * 24 * 800),
    zone=st.sampled_from(["Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"]),
)
def test_days_are_counted_alike_at_any_moment_and_place(
    crowd: Crowd, field: str, days: int, later: int, zone: str
) -> None:
    look = Look(now=MIDNIGHT + timedelta(minutes=later), zone=ZoneInfo(zone))
    rule = Compare(field, "at_most", min(days, 150))

    found = crowd.selected(rule, look)

    assert found == crowd.matching(rule, look)


def test_all_fields_of_the_model_can_be_selected_and_no_other() -> None:
    assert frozenset(FIELDS) == selection.SELECTABLE


def test_every_field_is_a_fact(store: Store) -> None:
    customer = add_customer(store)
    with store.read() as connection:
        known = facts(stories.known(connection, customer), now=NOW, zone=SHANGHAI)

    assert set(known.values) == set(FIELDS) - {"bought"}


def test_knowing_the_zones_of_customers_changes_no_answer(crowd: Crowd) -> None:
    rule = Compare("birthday_in_days", "at_most", 1)
    with crowd.store.read() as connection:
        zones = selection.zones_of(connection)

    narrow = crowd.selected(rule, Look(now=MIDNIGHT, zone=SHANGHAI, zones=zones))

    assert narrow == crowd.selected(rule, Look(now=MIDNIGHT, zone=SHANGHAI))
    assert narrow


def test_the_unknown_fails_every_comparison_but_unknown(store: Store) -> None:
    add_customer(store)
    look = Look(now=NOW, zone=SHANGHAI)
    with store.read() as connection:
        answers = {
            operator: selection.count(connection, Compare("age", operator, value), look)
            for operator, value in (
                ("is", 30), ("is_not", 30), ("not_in", (30,)), ("below", 30), ("known", True),
                ("unknown", True),
            )
        }  # fmt: skip

    assert answers == {
        "is": 0, "is_not": 0, "not_in": 0, "below": 0, "known": 0, "unknown": 1,
    }  # fmt: skip


def test_the_sql_can_be_shown_with_its_values(store: Store) -> None:
    rule = AllOf((Compare("country", "in", ("RU", "BY")), Compare("days_since_last", "above", 90)))

    text = selection.as_sql(rule, Look(now=NOW, zone=SHANGHAI), store.engine.dialect)

    assert "('RU', 'BY')" in text
    with store.read() as connection:
        connection.execute(sa.text(text.replace(":", r"\:")))


def test_an_explanation_says_of_each_part_whether_it_holds(store: Store) -> None:
    customer = add_customer(store, country="RU")
    rule = AllOf((Compare("country", "is", "RU"), Not(Compare("r", "at_least", 4))))
    with store.read() as connection:
        known = facts(stories.known(connection, customer), now=NOW, zone=SHANGHAI)

    lines = explain(rule, known)

    assert [(line.depth, line.text, line.holds, line.known) for line in lines] == [
        (0, "all of", True, ""),
        (1, "country = RU", True, "RU"),
        (1, "not", True, ""),
        (2, "r >= 4", False, "unknown"),
    ]
