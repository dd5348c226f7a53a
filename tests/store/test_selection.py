from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_mailer.model.score import ChurnState, ValueClass
from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule
from crm_mailer.model.segment_blocks import MARKS, Bounds, Contact, Listed, Move, Passage, Purchase
from crm_mailer.model.segment_fields import BLOCKS, FIELDS, Field, FieldType, Operator
from crm_mailer.segmenting.facts import Facts, facts
from crm_mailer.segmenting.rules import explain, matches
from crm_mailer.store import selection, stories
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.homes import of_all
from crm_mailer.store.selection import Look, condition
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


def as_seen(known: stories.Known, look: Look) -> Facts:
    return facts(
        known,
        now=look.now,
        zone=look.zone,
        time_zones=look.time_zones,
        leap_day=look.leap_day,
    )


@dataclass(frozen=True)
class Crowd:
    store: Store
    known: dict[int, stories.Known] = field(repr=False)

    def matching(self, rule: Rule, look: Look) -> list[int]:
        """By the plain meaning of the rule, one customer after another."""
        return [
            id_
            for id_, known in self.known.items()
            if matches(rule, as_seen(known, look), look.segments)
        ]

    def selected(self, rule: Rule, look: Look) -> list[int]:
        look = replace(look, homes=of_all(self.store))
        with self.store.read() as connection:
            return selection.select_ids(connection, rule, look)

    def asked_one_by_one(self, rule: Rule, look: Look) -> list[int]:
        """As planning asks: a condition of its own query."""
        look = replace(look, homes=of_all(self.store))
        source = t.customers.outerjoin(t.scores, t.scores.c.customer_id == t.customers.c.id)
        query = sa.select(t.customers.c.id).select_from(source).where(condition(rule, look))
        with self.store.read() as connection:
            return list(connection.scalars(query.order_by(t.customers.c.id)))


@pytest.fixture
def crowd(store: Store) -> Crowd:
    dice = Random(7)
    ids = [_customer(store, dice) for _ in range(CROWD)]
    _surroundings(store, dice, ids)
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
                "quantity": dice.choice([1, 1, 3]),
                "price_minor": dice.choice([0, 333, 5000]),
            },
            {"sku": dice.choice(skus), "category": "Garden", "title": "Hose", "price_minor": 250},
        )[: dice.choice([0, 1, 1, 2])],
    )


def _surroundings(store: Store, dice: Random, ids: list[int]) -> None:
    """Scores, tags, reviews, mails, cases; and rows that belong to nobody."""
    _order(store, dice, None)
    review = sa.insert(t.reviews).values(at=MIDNIGHT, stars=1)
    with store.write() as connection:
        connection.execute(review.values(customer_id=None))
        for id_ in ids:
            for chance, make in (
                (0.7, _score),
                (0.5, _value),
                (0.4, _stay),
                (0.2, _past_stay),
                (0.4, _score_change),
                (0.4, _score_change),
                (0.3, _review),
                (0.3, _case),
                (0.2, _suppression),
            ):
                if dice.random() < chance:
                    connection.execute(make(id_, dice))
            for tag in dice.sample(["vip", "wholesale", "Опт"], dice.randrange(3)):
                tagged = sa.insert(t.customer_tags).values(customer_id=id_, tag=tag, at=MIDNIGHT)
                connection.execute(tagged)
            for place in range(dice.choice([0, 0, 1, 4])):
                touch = connection.execute(_touch(id_, place, dice)).scalar_one()
                if dice.random() < 0.5:
                    connection.execute(_reply(id_, touch, dice))
                for kind in dice.sample(["click", "human_open", "machine_open"], dice.randrange(3)):
                    connection.execute(_signal(id_, touch, kind, dice))


def _stay(customer_id: int, dice: Random) -> sa.Insert:
    return sa.insert(t.memberships).values(
        customer_id=customer_id,
        segment="members",
        since=_some_day(dice) - timedelta(days=90),
        until=dice.choice([None, _some_day(dice)]),
    )


def _past_stay(customer_id: int, dice: Random) -> sa.Insert:
    since = _some_day(dice) - timedelta(days=120)
    return sa.insert(t.memberships).values(
        customer_id=customer_id, segment="members", since=since, until=since + timedelta(days=1)
    )


def _review(customer_id: int, dice: Random) -> sa.Insert:
    stars = dice.randint(1, 5)
    return sa.insert(t.reviews).values(customer_id=customer_id, at=MIDNIGHT, stars=stars)


def _some_day(dice: Random) -> datetime:
    return MIDNIGHT - timedelta(days=dice.choice([0, 1, 29, 30, 31, 90]), hours=dice.randrange(20))


def _touch(customer_id: int, place: int, dice: Random) -> Any:
    return (
        sa.insert(t.touches)
        .values(
            campaign=dice.choice(["spring", "birthday"]),
            step="one",
            anchor=str(place),
            customer_id=customer_id,
            stream="marketing",
            template="care/x",
            anchored_at=MIDNIGHT,
            due_at=MIDNIGHT,
            planned_at=MIDNIGHT,
            state=dice.choice(["accepted", "accepted", "skipped"]),
            settled_at=_some_day(dice),
        )
        .returning(t.touches.c.id)
    )


def _reply(customer_id: int, touch_id: int, dice: Random) -> sa.Insert:
    return sa.insert(t.replies).values(
        kind=dice.choice(["human", "human", "bounce"]),
        intent=dice.choice(["complaint", "praise", None]),
        received_at=_some_day(dice),
        customer_id=customer_id,
        touch_id=dice.choice([touch_id, None]),
        is_copy=dice.random() < 0.2,
    )


def _signal(customer_id: int, touch_id: int, kind: str, dice: Random) -> sa.Insert:
    return sa.insert(t.signals).values(
        touch_id=touch_id, kind=kind, customer_id=customer_id, at=_some_day(dice),
        learnt_at=MIDNIGHT,
    )  # fmt: skip


def _score(customer_id: int, dice: Random) -> sa.Insert:
    marks = [dice.randint(1, 5) for _ in "rfm"]
    return sa.insert(t.scores).values(
        customer_id=customer_id,
        first_order_at=_some_day(dice) - timedelta(days=dice.choice([0, 100, 400])),
        last_order_at=_some_day(dice) + timedelta(days=dice.choice([0, 0, 2])),
        order_count=dice.randint(1, 6),
        spent_usd_cents=dice.choice([0, 999, 10_000, 99_990]),
        days_since_last=0,
        **dict(zip("rfm", marks, strict=True)),
        total=sum(marks),
        value_class=dice.choice(["", *ValueClass]),
        profile="default",
        scored_on=MIDNIGHT.date(),
    )


def _value(customer_id: int, dice: Random) -> sa.Insert:
    return sa.insert(t.customer_values).values(
        customer_id=customer_id,
        repeats=0,
        repeat_usd_cents=0,
        churn=dice.choice(["", *ChurnState]),
        chance_percent=dice.choice([None, 0, 4, 90]),
        clv_usd_cents=dice.choice([None, 0, 10_000]),
    )


def _score_change(customer_id: int, dice: Random) -> sa.Insert:
    before = {f"{mark}_before": dice.choice([None, 1, 2, 5, 7]) for mark in MARKS}
    return sa.insert(t.score_changes).values(
        customer_id=customer_id, at=_some_day(dice), reason="order", **before
    )


def _suppression(customer_id: int, _dice: Random) -> sa.Insert:
    address = sa.select(t.customers.c.email_key).where(t.customers.c.id == customer_id)
    return sa.insert(t.suppressions).values(
        address_key=address.scalar_subquery(), reason="unsubscribed", scope="marketing", at=MIDNIGHT
    )


def _case(customer_id: int, dice: Random) -> sa.Insert:
    return sa.insert(t.cases).values(
        customer_id=customer_id,
        state=dice.choice(["open", "closed"]),
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
        case FieldType.DATE:
            return days
        case _:
            other = ["ru", "ebay", "vip", "Опт", "company", "example.com", "Nowhere/Land"]
            return st.sampled_from([*WORDS[1:], *other])


@st.composite
def comparisons(draw: st.DrawFn) -> Compare:
    asked = draw(st.sampled_from(list(FIELDS.values())))
    operator = draw(st.sampled_from(asked.operators))
    one = values_of(asked)
    value: Any
    if asked.type in BLOCKS:
        value = draw(blocks[asked.type])
        if asked.name in ("mailed", "clicked", "opened"):
            value = replace(value, intent="")
    elif operator in (Operator.IN, Operator.NOT_IN):
        value = tuple(draw(st.lists(one, min_size=1, max_size=3)))
    elif operator is Operator.BETWEEN:
        value = tuple(sorted((draw(one), draw(one)), key=str))
    elif operator in (Operator.CONTAINS, Operator.BEGINS_WITH):
        value = draw(st.sampled_from(["Моск", "%", "_", "'", "u", "оп", "Оп", "M"]))
    else:
        value = True if operator in (Operator.KNOWN, Operator.UNKNOWN) else draw(one)
    return Compare(asked.name, operator, value)


days = st.sampled_from(
    [
        0,
        1,
        30,
        90,
        36_500,
        date(2026, 2, 28),
        date(2026, 2, 27),
        date(2025, 12, 1),
        date(2020, 1, 1),
    ]
)
bounds = st.sampled_from(
    [Bounds(least=1), Bounds(least=2), Bounds(most=0), Bounds(most=2), Bounds(least=1, most=3)]
)
windows: dict[str, Any] = {
    "within_days": st.sampled_from([None, 0, 1, 30, 90, 36_500]),
    "since": st.none() | days,
    "until": st.none() | days,
}
blocks: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.PURCHASE: st.builds(
        Purchase,
        sku=st.sampled_from(["", "", "A-1", "C-3"]),
        category=st.sampled_from(["", "", "Garden"]),
        title=st.sampled_from(["", "", "амп", "lamp", "Lamp"]),
        orders=st.none() | bounds,
        pieces=st.none() | bounds,
        spent_usd_cents=st.none()
        | st.sampled_from([Bounds(least=1), Bounds(least=500), Bounds(most=10_000)]),
        **windows,
    ),
    FieldType.CONTACT: st.builds(
        Contact,
        campaign=st.sampled_from(["", "", "spring", "none"]),
        intent=st.sampled_from(["", "", "praise"]),
        times=bounds,
        **windows,
    ),
    FieldType.MOVE: st.builds(
        Move,
        mark=st.sampled_from(MARKS),
        within_days=st.sampled_from([1, 30, 31, 400]),
        by=st.sampled_from([1, 1, 2, 4]),
    ),
    FieldType.PASSAGE: st.builds(
        Passage, segment=st.sampled_from(["members", "members", "others"]), **windows
    ),
    FieldType.LIST: st.builds(
        Listed,
        file=st.just("vip.csv"),
        addresses=st.frozensets(
            st.integers(1, 400).map(lambda number: f"c{number}@example.com"), max_size=30
        ),
        numbers=st.frozensets(st.integers(1, 80), max_size=3),
    ),
}
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
    assert found == crowd.asked_one_by_one(rule, look)


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

    blocks = {name for name, field in FIELDS.items() if field.type in BLOCKS}
    assert set(known.values) == set(FIELDS) - blocks


LIVES = [
    ("Asia/Shanghai", "CN", ""),
    ("", "US", "HI"),
    ("", "US", "Hawaii"),
    ("America/New_York", "US", "HI"),
    ("Europe/Moscow", "RU", ""),
    ("", "RU", "Камчатский край"),
    ("", "ru", ""),
    ("Pacific/Kiritimati", "", ""),
    ("Nowhere/Land", "XX", "a|b"),
    ("", "", ""),
]
PLACES = (("RU", "Asia/Kamchatka"), ("US-HI", "Pacific/Kiritimati"))


@pytest.mark.parametrize("hour", [3, 10, 12, 16, 23])
@pytest.mark.parametrize("leap_day", [(2, 28), (3, 1)], ids=["28 February", "1 March"])
@pytest.mark.parametrize("places", [(), PLACES], ids=["as known", "as the shop says"])
def test_birthdays_are_counted_where_customers_live_as_the_shop_says(
    store: Store, hour: int, leap_day: tuple[int, int], places: tuple[tuple[str, str], ...]
) -> None:
    for time_zone, country, region in LIVES:
        for month, day in ((2, 27), (2, 28), (2, 29), (3, 1), (3, 2)):
            add_customer(store, time_zone=time_zone, country=country, region=region,
                         birth_month=month, birth_day=day)  # fmt: skip
    look = Look(
        now=datetime(2026, 2, 28, hour, 30, tzinfo=UTC),
        zone=SHANGHAI,
        homes=of_all(store),
        time_zones=places,
        leap_day=leap_day,
    )
    with store.read() as connection:
        ids = list(connection.scalars(sa.select(t.customers.c.id).order_by(t.customers.c.id)))
        crowd = Crowd(store, {id_: stories.known(connection, id_) for id_ in ids})

    for days in (0, 1, 365):
        rule = Compare("birthday_in_days", "is", days)
        assert crowd.selected(rule, look) == crowd.matching(rule, look)


def test_whoever_asks_for_birthdays_must_know_where_customers_live(store: Store) -> None:
    rule = Compare("birthday_in_days", "at_most", 7)

    with pytest.raises(LookupError, match="homes"):
        condition(rule, Look(now=NOW, zone=SHANGHAI))


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


def nested(depth: int) -> dict[str, Rule]:
    """Segments that speak twice of the one before: written out, 2 ** depth rules."""
    rules: dict[str, Rule] = {"s0": Compare("country", "is", "RU")}
    for place in range(1, depth + 1):
        below = InSegment(f"s{place - 1}")
        rules[f"s{place}"] = AnyOf((below, AllOf((below, Compare("is_flagged", "is", True)))))
    return rules


def test_nested_segments_cost_their_parts_and_not_their_product(store: Store) -> None:
    customer = add_customer(store, country="RU")
    add_customer(store)
    look = Look(now=NOW, zone=SHANGHAI, segments=nested(24))
    top = InSegment("s24")

    text = selection.as_sql(top, look, store.engine.dialect)
    with store.read() as connection:
        found = selection.select_ids(connection, top, look)
        known = facts(stories.known(connection, customer), now=NOW, zone=SHANGHAI)

    assert text.count("customers.country = ") == 1
    assert text.count("MATERIALIZED") == 25
    assert len(text) < 25 * 2_000
    assert found == [customer]
    assert matches(top, known, look.segments)
    assert len(explain(top, known, look.segments)) < 25 * 6


@pytest.mark.parametrize(
    ("rule", "index"),
    [
        (Compare("bought", "is", Purchase(within_days=90)), "ix_orders_rfm"),
        (Compare("bought", "is", Purchase(orders=Bounds(least=3))), "ix_orders_rfm"),
        (Compare("mailed", "is", Contact(within_days=30)), "ix_touches_customer_id_due_at"),
        (Compare("clicked", "is", Contact(within_days=30)), "ix_signals_customer_id_at"),
        (Compare("replied", "is", Contact()), "ix_replies_customer_id"),
        (Compare("rose", "is", Move(mark="r", within_days=30)), "ix_score_changes_customer_id_at"),
        (Compare("tag", "is", "vip"), "sqlite_autoindex_customer_tags_1"),
        (InSegment("vip"), "uq_memberships_open"),
        (Compare("is_suppressed", "is", True), "sqlite_autoindex_suppressions_1"),
    ],
)
def test_what_is_asked_of_each_customer_is_found_by_an_index(
    sqlite_store: Store, rule: Rule, index: str
) -> None:
    text = selection.as_sql(rule, Look(now=NOW, zone=SHANGHAI), sqlite_store.engine.dialect)
    with sqlite_store.read() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]

    assert any(index in line for line in plan), plan
    scanned = [line.split()[1] for line in plan if line.startswith("SCAN")]
    assert scanned == ["customers"]


def test_goods_are_found_by_the_product_for_all_and_by_the_orders_for_one(
    sqlite_store: Store,
) -> None:
    rule = Compare("bought", "is", Purchase(sku="LAMP"))
    one = sa.select(t.customers.c.id).where(condition(rule, Look(now=NOW, zone=SHANGHAI)))
    texts = (
        selection.as_sql(rule, Look(now=NOW, zone=SHANGHAI), sqlite_store.engine.dialect),
        str(one.compile(sqlite_store.engine, compile_kwargs={"literal_binds": True})),
    )
    with sqlite_store.read() as connection:
        of_all, of_one = (
            " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}"))
            for text in texts
        )

    assert "order_items USING INDEX ix_order_items_sku" in of_all
    assert "CORRELATED" not in of_all
    assert "sku" not in of_one
    assert "ix_orders_rfm (customer_id=?" in of_one


def test_a_long_list_is_bound_as_one_value_and_shown_in_part(store: Store) -> None:
    customer = add_customer(store, email_key="vip@example.com")
    many = frozenset(f"n{number}@example.com" for number in range(50_000)) | {"vip@example.com"}
    rule = Compare("list", "is", Listed(file="vip.csv", addresses=many))
    look = Look(now=NOW, zone=SHANGHAI)

    with store.read() as connection:
        found = selection.select_ids(connection, rule, look)

    assert found == [customer]
    assert len(selection.as_sql(rule, look, store.engine.dialect)) < 2_000


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
        (0, "all of these:", True, ""),
        (1, "country = RU", True, "RU"),
        (1, "not:", True, ""),
        (2, "r >= 4", False, "not known"),
    ]
