"""The lists of cases, replies and tasks, page by page, on each engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_mailer.model.case import CaseState
from crm_mailer.store import case_board, reply_pages, task_pages, threads
from crm_mailer.store.case_board import Narrowing
from crm_mailer.store.engine import Store
from crm_mailer.store.reply_pages import Sieve
from crm_mailer.store.tables import case_events, cases, judgements, order_items, tasks
from tests.learning.shop import NOW, SmallShop


@pytest.fixture
def shop(store: Store) -> SmallShop:
    return SmallShop(store)


def opened(shop: SmallShop, hours: int, state: str = "open", **more: object) -> int:
    """A case whose answer is due in so many hours."""
    closed = NOW + timedelta(hours=hours) if state in ("resolved", "closed") else None
    values = {
        "customer_id": shop.anna, "order_id": shop.order, "state": state,
        "reason": "nad.damaged", "severity": "P2", "opened_at": NOW,
        "due_at": NOW + timedelta(hours=hours), "closed_at": closed,
    }  # fmt: skip
    return shop.add(cases, **(values | more))


def board(
    shop: SmallShop, state: str, narrowing: Narrowing | None = None, size: int = 2
) -> list[int]:
    """All cases of a column, read in pages of so many."""
    found: list[int] = []
    after = None
    with shop.store.read() as connection:
        while True:
            page = case_board.page(
                connection, CaseState(state), narrowing or Narrowing(), now=NOW, after=after,
                limit=size,
            )  # fmt: skip
            found += [one.case.id for one in page]
            if len(page) < size:
                return found
            after = page[-1].place


def test_what_is_due_first_comes_first_also_where_several_are_due_at_once(shop: SmallShop) -> None:
    late, soon, same, alike = (opened(shop, hours) for hours in (9, 1, 5, 5))
    assert board(shop, "open") == [soon, same, alike, late]


def test_of_those_that_ended_the_latest_comes_first(shop: SmallShop) -> None:
    first, last, same = (opened(shop, hours, "resolved") for hours in (1, 5, 5))
    assert board(shop, "resolved", size=1) == [same, last, first]


def test_merged_cases_stand_on_no_board(shop: SmallShop) -> None:
    kept = opened(shop, 1, "closed")
    opened(shop, 1, "closed", merged_into_id=kept)

    assert board(shop, "closed") == [kept]
    with shop.store.read() as connection:
        assert case_board.count(connection, CaseState.CLOSED, Narrowing(), now=NOW) == 1


@pytest.mark.parametrize(
    ("narrowing", "expected"),
    [
        (Narrowing(owner=""), {"nobody", "late"}),
        (Narrowing(owner="lin"), {"lin"}),
        (Narrowing(is_overdue=True), {"late"}),
        (Narrowing(severity="P1"), {"lin"}),
        (Narrowing(reason="nr"), {"late"}),
        (Narrowing(reason="nr.in_transit"), {"late"}),
        (Narrowing(reason="n"), set()),
        (Narrowing(reason="n%"), set()),
        (Narrowing(product="MUG"), {"nobody", "lin", "late"}),
        (Narrowing(product="m_g"), set()),
        (Narrowing(country="RU"), set()),
        (Narrowing(campaign="shipped"), set()),
    ],
    ids=lambda value: "-".join(sorted(value)) if isinstance(value, set) else repr(value),
)
def test_a_column_is_narrowed(shop: SmallShop, narrowing: Narrowing, expected: set[str]) -> None:
    with shop.store.write() as connection:
        connection.execute(
            order_items.insert().values(order_id=shop.order, line=1, sku="m-1", title="Blue mug")
        )
    made = {
        "nobody": opened(shop, 1),
        "lin": opened(shop, 2, owner="lin", severity="P1"),
        "late": opened(shop, -1, reason="nr.in_transit"),
    }
    found = set(board(shop, "open", narrowing))

    assert {name for name, number in made.items() if number in found} == expected
    with shop.store.read() as connection:
        count = case_board.count(connection, CaseState.OPEN, narrowing, now=NOW)
    assert count == len(expected)


def test_the_last_act_is_also_that_on_a_merged_case(shop: SmallShop) -> None:
    case = opened(shop, 1)
    merged = opened(shop, 1, "closed", merged_into_id=case)
    with shop.store.read() as connection:
        nothing = case_board.last_event(connection, case)
    act = shop.add(case_events, case_id=merged, at=NOW, kind="note")
    with shop.store.read() as connection:
        assert (nothing, case_board.last_event(connection, case)) == (0, act)
        assert [one.id for one in case_board.others_of(connection, merged)] == [case]
        assert case_board.owners(connection) == []


def test_replies_come_newest_first_each_once(shop: SmallShop) -> None:
    times = (3, 1, 2, 2, 2)
    made = [shop.wrote("question", received_at=NOW + timedelta(hours=hours)) for hours in times]
    seen: list[int] = []
    after = None
    with shop.store.read() as connection:
        while page := reply_pages.page(connection, Sieve(), after=after, limit=2):
            seen += [one.id for one in page]
            after = page[-1].spot

    assert seen == [made[0], made[4], made[3], made[2], made[1]]


def test_neighbours_follow_the_list_and_its_narrowing(shop: SmallShop) -> None:
    old, other, new = (
        shop.wrote(intent, received_at=NOW) for intent in ("question", "praise", "question")
    )
    with shop.store.read() as connection:
        spot = reply_pages.page(connection, Sieve(intent="praise"), after=None, limit=1)[0].spot
        every = reply_pages.neighbours(connection, Sieve(), spot)
        ends = reply_pages.neighbours(connection, Sieve(intent="praise"), spot)

    assert spot.reply == other
    assert (every, ends) == ((new, old), (0, 0))


@pytest.mark.parametrize(
    ("sieve", "number"),
    [
        (Sieve(kind="bounce"), 1),
        (Sieve(intent="question"), 1),
        (Sieve(language="ru"), 1),
        (Sieve(rung="sender"), 1),
        (Sieve(severity="P1"), 1),
        (Sieve(is_unmatched=True), 1),
        (Sieve(kind="human", language="ru"), 1),
        (Sieve(kind="bounce", language="ru"), 0),
        (Sieve(), 3),
    ],
    ids=repr,
)
def test_replies_are_narrowed(shop: SmallShop, sieve: Sieve, number: int) -> None:
    shop.wrote("question", language="ru", rung="sender")
    shop.wrote("complaint", severity="P1")
    shop.wrote(None, kind="bounce", customer_id=None, order_id=None)
    with shop.store.read() as connection:
        assert len(reply_pages.page(connection, sieve, after=None, limit=9)) == number


def test_a_listed_reply_says_whether_a_person_judged_it(shop: SmallShop) -> None:
    judged, _other = shop.wrote("question"), shop.wrote("question")
    with shop.store.write() as connection:
        connection.execute(
            judgements.insert().values(reply_id=judged, is_complaint=False, at=NOW, before={})
        )
    with shop.store.read() as connection:
        found = reply_pages.page(connection, Sieve(), after=None, limit=9)
        assert {one.id: one.judged for one in found}[judged] is False
        assert reply_pages.languages(connection) == []


def test_each_language_is_found_once(shop: SmallShop) -> None:
    for code in ("ru", "en", "ru", "zh", ""):
        shop.wrote("question", language=code)
    with shop.store.read() as connection:
        assert reply_pages.languages(connection) == ["en", "ru", "zh"]


def test_tasks_come_by_due_time_and_those_never_due_last(shop: SmallShop) -> None:
    dues = (5, None, 1, None, 5)
    made = [
        shop.add(
            tasks, kind="answer" if number < 4 else "review", key=f"k{number}", created_at=NOW,
            due_at=None if hours is None else NOW + timedelta(hours=hours),
        )
        for number, hours in enumerate(dues)
    ]  # fmt: skip
    shop.add(tasks, kind="answer", key="done", created_at=NOW, state="done")
    seen: list[int] = []
    after = None
    with shop.store.read() as connection:
        while page := task_pages.page(connection, kind="", after=after, limit=2):
            seen += [one.id for one in page]
            after = page[-1].stop
        assert task_pages.kinds(connection) == {"answer": 4, "review": 1}
        reviews = task_pages.page(connection, kind="review", after=None, limit=9)

    assert seen == [made[2], made[0], made[4], made[1], made[3]]
    assert [one.id for one in reviews] == [made[4]]


def test_a_conversation_has_the_latest_letters_oldest_first(shop: SmallShop) -> None:
    case = opened(shop, 1)
    made = [shop.wrote("complaint", received_at=NOW + timedelta(hours=n)) for n in range(4)]
    shop.wrote("complaint", is_copy=True)
    with shop.store.read() as connection:
        found = threads.of_case(connection, shop.anna, [case], limit=3)

    assert [one.reply_id for one in found] == made[1:]
    assert {one.who for one in found} == {"customer"}
