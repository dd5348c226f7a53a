"""Acts of the public pages on both engines: kept, shown, taken in once."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.model.choices import Act, ActKind, Birthday, Choices, OptOutReason, PageReader, Wish
from crm_mailer.model.customer import Customer
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import customers, preferences, suppressions
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.conftest import NOON

ADDRESS, OLD = "ann@example.com", "ann@old.example"


@pytest.fixture
def shop(store: Store) -> Store:
    """Ann, whose mail 1 went to an address that she had before."""
    with store.write() as connection:
        [id_] = customers.take_ids(connection, 1)
        ann = Customer(id=id_, email=ADDRESS, name="Ann", language="en", country="GB")
        customers.add(connection, [ann], now=NOON)
        connection.execute(
            t.touches.insert().values(
                id=1, campaign="sale", step="one", anchor="day:1", customer_id=id_,
                stream="marketing", template="care/sale", anchored_at=NOON, due_at=NOON,
                state="accepted", planned_at=NOON,
            )
        )  # fmt: skip
        connection.execute(
            t.messages.insert().values(
                touch_id=1, message_id="<1@x>", rcpt_to=OLD, sha256="", rendered_at=NOON
            )
        )
    return store


def act(store: Store, kind: ActKind, reason: OptOutReason | None = None, **chosen: object) -> None:
    done = Act(
        kind=kind, touch_id=1, at=NOON, choices=Choices(**chosen), reason=reason, told="page"  # type: ignore[arg-type]
    )  # fmt: skip
    with store.write() as connection:
        preferences.add(connection, done)


def reader(store: Store) -> PageReader:
    with store.read() as connection:
        found = preferences.find_reader(connection, 1, since=NOON - timedelta(days=1))
    assert found is not None
    return found


def take_in(store: Store) -> int:
    with store.write() as connection:
        return preferences.take_in(connection, NOON)


def row(store: Store) -> sa.Row[tuple[object, ...]]:
    with store.read() as connection:
        return connection.execute(sa.select(t.customers)).one()


def test_an_opt_out_stops_both_addresses_and_counts_before_it_is_taken_in(shop: Store) -> None:
    act(shop, ActKind.OPT_OUT)
    assert reader(shop).is_stopped
    assert reader(shop).is_opted_out_here
    assert take_in(shop) == 1
    assert take_in(shop) == 0
    with shop.read() as connection:
        assert [len(suppressions.find(connection, one)) for one in (ADDRESS, OLD)] == [1, 1]
        assert connection.scalar(sa.select(sa.func.count()).select_from(t.feedback)) == 1


def test_what_was_done_is_taken_in_in_its_order(shop: Store) -> None:
    for kind in (ActKind.OPT_OUT, ActKind.UNDO, ActKind.OPT_OUT, ActKind.UNDO):
        act(shop, kind)
    assert not reader(shop).is_stopped
    assert take_in(shop) == 4
    assert not reader(shop).is_stopped


def test_a_crash_in_between_loses_nothing_and_doubles_nothing(shop: Store) -> None:
    act(shop, ActKind.OPT_OUT)
    act(shop, ActKind.REASON, OptOutReason.TOO_MANY)
    with suppress(RuntimeError), shop.write() as connection:
        preferences.take_in(connection, NOON)
        raise RuntimeError("killed")
    assert take_in(shop) == 2
    with shop.read() as connection:
        lines = connection.execute(sa.select(t.feedback.c.kind, t.feedback.c.reason)).all()
    assert [tuple(line) for line in lines] == [("stop", "mail.too_many")]


def test_choices_reach_the_customer(shop: Store) -> None:
    act(
        shop, ActKind.CHOOSE, topics_off=frozenset({"news", "sale"}), wants_fewer=True,
        pause=Wish.BEGIN, language="es", birthday=Birthday(month=2, day=29),
    )  # fmt: skip
    seen = reader(shop)
    assert seen.topics_off == {"news", "sale"}
    assert seen.paused_until == NOON + timedelta(days=30)
    take_in(shop)
    assert reader(shop) == seen
    found = row(shop)
    assert (found.topics_off, found.told_by_self) == ("news,sale,", "birthday,language,")
    assert (found.birth_month, found.birth_day, found.birth_year) == (2, 29, None)


def test_what_one_of_two_told_holds_when_they_are_one(shop: Store) -> None:
    act(shop, ActKind.CHOOSE, topics_off=frozenset({"news"}), wants_fewer=True, language="es")
    take_in(shop)
    loser = row(shop).id
    with shop.write() as connection:
        [winner] = customers.take_ids(connection, 1)
        customers.add(connection, [Customer(id=winner, email=OLD, language="en")], now=NOON)
        customers.merge(connection, loser, winner, now=NOON)
    found = row(shop)
    assert (found.topics_off, bool(found.wants_fewer)) == ("news,", True)
    assert found.told_by_self == "language,"


def test_a_test_of_nobody_has_no_effect(shop: Store) -> None:
    with shop.write() as connection:
        connection.execute(sa.update(t.touches).values(customer_id=None))
    act(shop, ActKind.OPT_OUT)
    assert take_in(shop) == 1
    with shop.read() as connection:
        assert suppressions.list_(connection) == []


def test_what_comes_after_an_erasure_has_no_effect(shop: Store) -> None:
    with shop.write() as connection:
        connection.execute(sa.update(t.customers).values(erased_at=NOON))
    assert reader(shop).is_erased
    act(shop, ActKind.CHOOSE, language="es", birthday=Birthday(month=2, day=29))
    act(shop, ActKind.CONFIRM)
    assert take_in(shop) == 2
    found = row(shop)
    assert (found.language, found.birth_month, found.told_by_self) == ("en", None, "")
    with shop.read() as connection:
        assert connection.execute(sa.select(t.consents)).all() == []


def test_only_what_stops_every_address_stops_the_reader(shop: Store) -> None:
    for address, is_stopped in ((OLD, False), (ADDRESS, True)):
        with shop.write() as connection:
            suppressions.add(
                connection, address, SuppressionReason.HARD_BOUNCE, source="x", at=NOON
            )
        assert reader(shop).is_stopped is is_stopped
    assert not reader(shop).has_opted_out
    act(shop, ActKind.OPT_OUT)
    assert reader(shop).has_opted_out
    take_in(shop)
    assert (reader(shop).has_opted_out, reader(shop).is_opted_out_here) == (True, False)


@pytest.mark.parametrize(
    ("kind", "given"),
    [("choose", ""), ("choose", "{}"), ("choose", "[]"), ("choose", '{"birthday": [1]}'),
     ("reason", '{"reason": "x"}'), ("nonsense", "{}")],
)  # fmt: skip
def test_a_row_that_cannot_be_read_stops_nobody(shop: Store, kind: str, given: str) -> None:
    with shop.write() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO page_acts (kind, touch_id, given, at) VALUES (:kind, 1, :given, 1)"
            ),
            {"kind": kind, "given": given},
        )
    act(shop, ActKind.OPT_OUT)
    assert reader(shop).is_stopped
    assert take_in(shop) == 2
    assert reader(shop).is_stopped


def test_nobody_has_opted_out_of_whom_no_address_is_left(shop: Store) -> None:
    """The mail is archived and the customer's address gone: the act is kept all the same."""
    with shop.write() as connection:
        connection.execute(sa.delete(t.messages))
        connection.execute(sa.update(t.customers).values(email=None, email_key=None))
    assert not reader(shop).has_opted_out
