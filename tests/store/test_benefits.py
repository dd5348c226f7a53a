"""Who is given which code, on both engines: never one code twice, none lost, none taken back that
may have left.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.model.benefit import Benefit, BenefitKind, CodeSource, Proof, code_from
from crm_mailer.model.touch import SkipReason
from crm_mailer.store import benefit_approvals, benefit_figures, benefit_uses, benefits, customers
from crm_mailer.store import tables as t
from crm_mailer.store.benefits import Wanted
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, add, customer, order

DAY = timedelta(days=1)
POOL = Benefit(
    id="gift", kind=BenefitKind.COUPON, title={"en": "A gift"}, source=CodeSource.POOL
)  # fmt: skip
MADE = replace(POOL, source=CodeSource.PATTERN, code="B-{6}")
SHARED = replace(POOL, source=CodeSource.SHARED, code="WELCOME10")
EMPTY, LIMIT = SkipReason.BENEFIT_EMPTY, SkipReason.BENEFIT_LIMIT


def letters(one: Wanted, attempt: int) -> str:
    return code_from(MADE.code, f"{one.customer_id:03}{attempt:03}")


def touch(
    store: Store, person: int, *, step: str = "s1", state: str = "claimed", **more: Any
) -> int:
    values = {
        "campaign": "c", "step": step, "anchor": "birthday:2026", "customer_id": person,
        "stream": "marketing", "template": "a/b", "anchored_at": NOON, "due_at": NOON,
        "next_at": NOON, "state": state, "planned_at": NOON, **more,
    }  # fmt: skip
    with store.write() as connection:
        key = connection.execute(t.touches.insert().values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def wanted(touch_id: int, person: int, occasion: str = "birthday:2026") -> Wanted:
    return Wanted(touch_id, person, occasion, "c", NOON + 30 * DAY)


def give(
    store: Store, ones: Sequence[Wanted], benefit: Benefit = POOL, now: datetime = NOON
) -> dict[int, SkipReason]:
    with store.write() as connection:
        return benefits.give(connection, benefit, ones, letters, now)


def load(store: Store, *codes: str, benefit: str = "gift") -> tuple[int, int]:
    with store.write() as connection:
        return benefits.load(connection, benefit, codes, NOON)


def codes(store: Store, *touch_ids: int) -> list[str]:
    with store.read() as connection:
        found = benefits.find(connection, touch_ids)
    return [found[one].code if one in found else "" for one in touch_ids]


def tidy(store: Store) -> tuple[int, int]:
    with store.write() as connection:
        return benefits.tidy(connection)


def settle(store: Store, touch_id: int, state: str) -> None:
    with store.write() as connection:
        connection.execute(t.touches.update().where(t.touches.c.id == touch_id).values(state=state))


def left(store: Store) -> int:
    with store.read() as connection:
        return benefits.count_free(connection, "gift")


@pytest.fixture
def people(store: Store) -> list[int]:
    return [customer(store, name) for name in ("anna", "boris", "clara")]


def mails(store: Store, people: Sequence[int]) -> list[Wanted]:
    return [wanted(touch(store, one), one) for one in people]


# ------------------------------------------------------------------ giving


def test_each_customer_gets_a_code_of_their_own(store: Store, people: list[int]) -> None:
    load(store, "A1", "B2", "C3", "D4")
    ones = mails(store, people)

    refused = give(store, ones)

    assert (refused, codes(store, *(one.touch_id for one in ones))) == ({}, ["A1", "B2", "C3"])
    assert left(store) == 1


def test_a_mail_that_is_made_again_has_the_same_code(store: Store, people: list[int]) -> None:
    load(store, "A1", "B2")
    [one] = mails(store, people[:1])

    give(store, [one])
    give(store, [one], now=NOON + DAY)

    assert codes(store, one.touch_id) == ["A1"]
    assert left(store) == 1


def test_two_mails_of_one_occasion_tell_of_one_code(store: Store, people: list[int]) -> None:
    load(store, "A1", "B2")
    first, second = (touch(store, people[0], step=step) for step in ("s1", "s2"))

    give(store, [wanted(first, people[0]), wanted(second, people[0])])

    assert codes(store, first, second) == ["A1", "A1"]


def test_what_a_dead_process_did_not_commit_was_not_given(store: Store, people: list[int]) -> None:
    load(store, "A1")
    [one] = mails(store, people[:1])

    def die() -> None:
        with store.write() as connection:
            benefits.give(connection, POOL, [one], letters, NOON)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()

    assert (codes(store, one.touch_id), left(store)) == ([""], 1)


def test_who_comes_too_late_for_the_pool_is_told_so(store: Store, people: list[int]) -> None:
    load(store, "A1")
    ones = mails(store, people)

    refused = give(store, ones)

    assert refused == {ones[1].touch_id: EMPTY, ones[2].touch_id: EMPTY}
    load(store, "B2", "C3")
    assert give(store, ones) == {}


def test_no_more_are_given_than_the_limit_says(store: Store, people: list[int]) -> None:
    ones = mails(store, people)
    of_two = replace(SHARED, total=2)

    assert give(store, ones[:1], of_two) == {}
    assert give(store, ones, of_two) == {ones[2].touch_id: EMPTY}


def test_a_customer_has_it_once_in_its_period(store: Store, people: list[int]) -> None:
    once = replace(SHARED, per_customer=1, per=300 * DAY)
    years = [
        wanted(touch(store, people[0], step=f"s{n}"), people[0], f"birthday:{2026 + n}")
        for n in range(3)
    ]

    first = give(store, years[:1], once)
    too_soon = give(store, years[1:2], once, now=NOON + 200 * DAY)
    later = give(store, years[2:], once, now=NOON + 301 * DAY)

    assert (first, too_soon, later) == ({}, {years[1].touch_id: LIMIT}, {})


def test_two_occasions_in_one_batch_count_together(store: Store, people: list[int]) -> None:
    once = replace(SHARED, per_customer=1)
    two = [wanted(touch(store, people[0], step=n), people[0], n) for n in ("a", "b")]

    assert give(store, two, once) == {two[1].touch_id: LIMIT}


def test_made_codes_are_never_ones_that_are_there(store: Store, people: list[int]) -> None:
    ones = mails(store, people)
    load(store, code_from(MADE.code, f"{people[1]:03}000"), benefit="other")

    give(store, ones, MADE)

    found = codes(store, *(one.touch_id for one in ones))
    assert found == [
        code_from(MADE.code, f"{p:03}{n:03}") for p, n in zip(people, (0, 1, 0), strict=True)
    ]


def test_a_code_is_in_one_pool_only(store: Store) -> None:
    assert load(store, "A1", "B2") == (2, 0)
    assert load(store, "a1", "C3", benefit="other") == (1, 1)
    assert load(store, "A1", "B2", "b2") == (0, 0)


def test_senders_side_by_side_never_give_one_code_twice(store: Store) -> None:
    each, senders = 12, 4
    load(store, *(f"C{n}" for n in range(each * senders - 5)))
    batches = []
    for sender in range(senders):
        folk = [customer(store, f"p{sender}-{n}") for n in range(each)]
        batches.append(mails(store, folk))
    refused: list[dict[int, SkipReason]] = []

    def work(batch: list[Wanted]) -> None:
        refused.extend(give(store, batch[at : at + 3]) for at in range(0, each, 3))

    threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)

    found = [code for code in codes(store, *(w.touch_id for b in batches for w in b)) if code]
    assert (len(found), len(set(found))) == (each * senders - 5,) * 2
    assert sum(map(len, refused)) == 5


# ------------------------------------------------------------------ taking back


def test_the_codes_of_mails_that_never_left_go_back(store: Store, people: list[int]) -> None:
    load(store, "A1", "B2", "C3")
    ones = mails(store, people)
    give(store, ones)
    for one, state in zip(ones, ("refused", "expired", "skipped"), strict=True):
        settle(store, one.touch_id, state)

    assert (tidy(store), tidy(store), left(store)) == ((3, 3), (0, 0), 3)

    dora = customer(store, "dora")
    [one] = mails(store, [dora])
    assert give(store, [one]) == {}
    assert codes(store, one.touch_id) == ["A1"]


def test_mails_that_may_still_leave_keep_their_codes(store: Store) -> None:
    states = ("planned", "deferred", "claimed", "held", "in_doubt")
    load(store, *states)
    ones = mails(store, [customer(store, state) for state in states])
    give(store, ones)
    for one, state in zip(ones, states, strict=True):
        settle(store, one.touch_id, state)

    assert (tidy(store), left(store)) == ((0, 0), 0)


def test_a_mail_of_which_an_attempt_may_have_arrived_keeps_its_code(
    store: Store, people: list[int]
) -> None:
    load(store, "A1", "B2")
    ones = mails(store, people[:2])
    give(store, ones)
    for one, outcome in zip(ones, ("unknown", "accepted"), strict=True):
        add(store, t.deliveries, touch_id=one.touch_id, attempt=1, outcome=outcome, phase="dot",
            at=NOON)  # fmt: skip
        settle(store, one.touch_id, "skipped")

    assert (tidy(store), tidy(store), left(store)) == ((2, 0), (0, 0), 0)


def test_one_mail_that_left_is_enough_for_all_of_its_occasion(
    store: Store, people: list[int]
) -> None:
    load(store, "A1")
    first, second = (touch(store, people[0], step=step) for step in ("s1", "s2"))
    give(store, [wanted(first, people[0]), wanted(second, people[0])])
    settle(store, first, "skipped")
    settle(store, second, "accepted")

    assert (tidy(store), left(store)) == ((1, 0), 0)


def test_a_mail_that_comes_back_to_life_is_given_a_code_again(
    store: Store, people: list[int]
) -> None:
    ones = mails(store, people[:1])
    give(store, ones, MADE)
    before = codes(store, ones[0].touch_id)
    settle(store, ones[0].touch_id, "skipped")
    tidy(store)
    settle(store, ones[0].touch_id, "claimed")

    assert give(store, ones, MADE, now=NOON + DAY) == {}

    assert codes(store, ones[0].touch_id) == before
    with store.read() as connection:
        assert benefit_figures.figures(connection, "gift", NOON).granted == 1


def test_a_mail_that_is_tried_again_tells_of_no_code_that_was_used_meanwhile(
    store: Store, people: list[int]
) -> None:
    load(store, "A1")
    [one] = mails(store, people[:1])
    give(store, [one])
    buys(store, people[0], "1", coupons="A1")

    assert give(store, [one]) == {one.touch_id: LIMIT}

    assert codes(store, one.touch_id) == [""]


def test_two_customers_who_become_one_keep_both_codes(store: Store, people: list[int]) -> None:
    load(store, "A1", "B2")
    ones = mails(store, people[:2])
    give(store, ones)

    with store.write() as connection:
        customers.merge(connection, people[1], people[0], now=NOON)

    with store.read() as connection:
        lines = list(benefit_figures.each_grant(connection, customer_id=people[0]))
    assert sorted(one.code for one in lines) == ["A1", "B2"]


# ------------------------------------------------------------------ a person's word


def test_who_must_be_allowed_waits_and_is_given_nothing(store: Store, people: list[int]) -> None:
    asks = replace(SHARED, needs_approval=True)
    ones = [wanted(touch(store, one, state="planned"), one) for one in people]
    with store.write() as connection:
        due = benefit_approvals.ask(connection, "gift", [("c", "s1")], NOON)
        again = benefit_approvals.ask(connection, "gift", [("c", "s1")], NOON)
    assert (len(due), again) == (3, [])
    assert give(store, ones, asks) == dict.fromkeys(
        (one.touch_id for one in ones), SkipReason.BENEFIT_APPROVAL
    )

    with store.write() as connection:
        first, second, _third = benefit_approvals.list_asked(connection, "gift")
        benefit_approvals.decide(connection, [first.grant_id], is_allowed=True, by="Lin", now=NOON)
        benefit_approvals.decide(
            connection, [second.grant_id], is_allowed=False, by="Lin", now=NOON
        )

    states = "planned", "skipped", "held"
    with store.read() as connection:
        rows = connection.execute(sa.select(t.touches.c.state).order_by(t.touches.c.id))
        assert tuple(rows.scalars()) == states
    refused = give(store, ones, asks)
    assert refused == {
        ones[1].touch_id: SkipReason.BENEFIT_DENIED,
        ones[2].touch_id: SkipReason.BENEFIT_APPROVAL,
    }
    assert codes(store, ones[0].touch_id) == ["WELCOME10"]


def test_nobody_is_asked_about_a_mail_that_ended_before(store: Store, people: list[int]) -> None:
    ones = [wanted(touch(store, one, state="planned"), one) for one in people[:1]]
    with store.write() as connection:
        benefit_approvals.ask(connection, "gift", [("c", "s1")], NOON)
    settle(store, ones[0].touch_id, "expired")

    tidy(store)

    with store.read() as connection:
        assert benefit_approvals.list_asked(connection) == []


# ------------------------------------------------------------------ orders


def buys(store: Store, person: int | None, number: str, **facts: Any) -> int:
    id_ = order(store, person, number=number, placed_at=facts.pop("at", NOON + DAY))
    with store.write() as connection:
        values = {"coupons": "", **facts}
        connection.execute(t.orders.update().where(t.orders.c.id == id_).values(values))
        benefit_uses.match(connection, [id_], NOON + DAY)
    return id_


def uses(store: Store) -> list[tuple[str, str]]:
    with store.read() as connection:
        rows = connection.execute(
            sa.select(t.benefit_uses.c.use, t.benefit_uses.c.proof).order_by(t.benefit_uses.c.id)
        )
        return [tuple(row) for row in rows]


def test_an_order_that_names_the_code_used_it(store: Store, people: list[int]) -> None:
    load(store, "A1")
    give(store, mails(store, people[:1]))

    buys(store, people[0], "1", coupons="SUMMER, a1")

    assert uses(store) == [("redeemed", "code")]
    with store.read() as connection:
        found = benefit_figures.figures(connection, "gift", NOON + DAY)
    assert (found.redeemed, found.orders, found.usable) == (1, 1, 0)


def test_asking_again_about_an_order_changes_nothing(store: Store, people: list[int]) -> None:
    load(store, "A1")
    give(store, mails(store, people[:1]))
    id_ = buys(store, people[0], "1", coupons="A1")

    with store.write() as connection:
        assert benefit_uses.match(connection, [id_], NOON + 2 * DAY) == 0

    assert uses(store) == [("redeemed", "code")]


def test_a_code_of_another_shops_making_is_no_business_of_ours(
    store: Store, people: list[int]
) -> None:
    load(store, "A1")
    give(store, mails(store, people[:1]))

    buys(store, people[0], "1", coupons="SUMMER24", note="thanks, A1-quality goods")

    assert uses(store) == []


def test_a_note_may_show_it_where_the_benefit_says_so(store: Store, people: list[int]) -> None:
    load(store, "A1")
    give(store, mails(store, people[:1]), replace(POOL, proofs=frozenset({Proof.CODE, Proof.NOTE})))

    buys(store, people[0], "1", note="my code: a1!")

    assert uses(store) == [("redeemed", "note")]


def test_free_shipping_shows_in_what_shipping_cost(store: Store, people: list[int]) -> None:
    free = replace(
        POOL,
        kind=BenefitKind.FREE_SHIPPING,
        source=CodeSource.NONE,
        proofs=frozenset({Proof.FREE_SHIPPING}),
    )
    give(store, mails(store, people[:2]), free)

    buys(store, people[0], "1", shipping_minor=0, at=NOON - DAY)  # before it was given
    buys(store, people[0], "2", shipping_minor=500)
    buys(store, people[0], "3")  # no file told what it cost
    buys(store, people[2], "4", shipping_minor=0)  # was given nothing
    buys(store, people[1], "5", shipping_minor=0, at=NOON + 31 * DAY)  # too late
    assert uses(store) == []
    buys(store, people[0], "6", shipping_minor=0)
    buys(store, people[0], "7", shipping_minor=0)  # the shop's own kindness

    assert uses(store) == [("redeemed", "free_shipping")]


def test_a_cancelled_order_gives_its_benefit_back(store: Store, people: list[int]) -> None:
    load(store, "A1")
    give(store, mails(store, people[:1]))
    id_ = buys(store, people[0], "1", coupons="A1")
    with store.write() as connection:
        connection.execute(t.orders.update().values(state="cancelled", is_counted=False))
        benefit_uses.match(connection, [id_], NOON + 2 * DAY)
    assert uses(store) == []

    buys(store, people[0], "2", coupons="A1")

    assert uses(store) == [("redeemed", "code")]


def test_a_code_that_an_order_used_ungiven_is_given_to_nobody(
    store: Store, people: list[int]
) -> None:
    load(store, "A1", "B2")

    buys(store, people[2], "1", coupons="A1")

    assert uses(store) == [("not_given", "code")]
    [one] = mails(store, people[:1])
    give(store, [one])
    assert codes(store, one.touch_id) == ["B2"]


def test_of_a_shared_code_each_customer_uses_their_own(store: Store, people: list[int]) -> None:
    give(store, mails(store, people[:2]), SHARED)

    buys(store, people[1], "1", coupons="welcome10")
    buys(store, people[0], "2", coupons="welcome10")
    buys(store, people[2], "3", coupons="welcome10")  # heard of it

    assert [use for use, _proof in uses(store)] == ["redeemed", "redeemed", "other_customer"]
