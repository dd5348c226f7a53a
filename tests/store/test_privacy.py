from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.store import mentions, privacy
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from crm_mailer.store.privacy_map import IMPERSONAL, OF_OTHERS, PLACES, Fate
from tests.conftest import NOON
from tests.store import stuffed
from tests.store.stuffed import Stuffed

TEXTS = (sa.Text, sa.LargeBinary)


def two(store: Store) -> tuple[Stuffed, Stuffed]:
    """Who is to be erased, and somebody else of whom nothing may change."""
    with store.write() as connection:
        anna = stuffed.stuff(connection, 3, name="Anna Secretova", now=NOON)
        boris = stuffed.stuff(connection, 4, name="Boris Bystander", now=NOON)
    return anna, boris


def erase(store: Store, someone: Stuffed) -> privacy.Erased:
    with store.write() as connection:
        person = privacy.find(connection, someone.ids["customers"])
        return privacy.erase(connection, person, NOON + timedelta(hours=1))


def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.read() as connection:
        return stuffed.rows(connection)


def said(held: Any) -> str:
    return repr(held).lower()


def test_every_table_is_in_the_inventory_once() -> None:
    known = [*(place.table for place in PLACES), *OF_OTHERS, *IMPERSONAL]
    assert sorted(known) == sorted(t.metadata.tables)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.table)
def test_every_column_of_text_is_emptied_or_said_to_name_nobody(place: Any) -> None:
    table = t.metadata.tables[place.table]
    if place.fate is Fate.DELETE:
        return
    texts = {
        column.name
        for column in table.c
        if isinstance(column.type, TEXTS) or type(column.type).__name__ in ("JsonText", "Packed")
    }
    assert texts - {*place.blank, *place.harmless} == set()
    assert {*place.blank} & {*place.harmless} == set()


def test_an_erased_person_is_found_in_no_row(store: Store) -> None:
    anna, _boris = two(store)
    before = said(everything(store))
    assert anna.email in before
    assert anna.phone in before
    erase(store, anna)
    after = said(everything(store))
    for needle in (anna.email, "secretova", anna.phone):
        assert needle not in after


def test_of_others_nothing_changes(store: Store) -> None:
    anna, boris = two(store)
    before = everything(store)
    erase(store, anna)
    after = everything(store)
    for name, held in before.items():
        theirs = [row for row in held if boris.email in said(row)]
        assert [row for row in after[name] if row in theirs] == theirs, name


def test_what_stays_is_counted_as_before(store: Store) -> None:
    anna, _boris = two(store)
    before = everything(store)
    erase(store, anna)
    after = everything(store)
    for place in PLACES:
        lost = len(before[place.table]) - len(after[place.table])
        assert lost == (1 if place.fate is Fate.DELETE else 0), place.table


def test_a_touch_keeps_its_key_so_that_nothing_goes_out_twice(store: Store) -> None:
    anna, _boris = two(store)
    erase(store, anna)
    with store.read() as connection:
        touch = connection.execute(
            sa.select(t.touches).where(t.touches.c.id == anna.ids["touches"])
        ).one()
        order = connection.execute(
            sa.select(t.orders).where(t.orders.c.id == anna.ids["orders"])
        ).one()
    assert touch.customer_id == anna.ids["customers"]
    assert touch.campaign
    assert order.customer_id is None
    assert order.number


def test_nothing_that_was_planned_leaves(store: Store) -> None:
    anna, boris = two(store)
    with store.write() as connection:
        connection.execute(sa.update(t.touches).values(state="planned", next_at=NOON))
    erase(store, anna)
    with store.read() as connection:
        states = dict(connection.execute(sa.select(t.touches.c.id, t.touches.c.state)).all())
    assert states[anna.ids["touches"]] == "skipped"
    assert states[boris.ids["touches"]] == "planned"


def test_nothing_waits_that_has_lost_its_text(store: Store) -> None:
    anna, boris = two(store)
    with store.write() as connection:
        connection.execute(sa.update(t.webhook_messages).values(state="waiting"))
        connection.execute(sa.update(t.hook_requests).values(state="new"))
        connection.execute(sa.update(t.page_acts).values(taken_at=None))
    erase(store, anna)
    with store.read() as connection:
        told = dict(
            connection.execute(sa.select(t.webhook_messages.c.id, t.webhook_messages.c.state)).all()
        )
        heard = dict(
            connection.execute(sa.select(t.hook_requests.c.id, t.hook_requests.c.state)).all()
        )
        taken = dict(connection.execute(sa.select(t.page_acts.c.id, t.page_acts.c.taken_at)).all())
    ids = anna.ids, boris.ids
    assert [told[one["webhook_messages"]] for one in ids] == ["given_up", "waiting"]
    assert [heard[one["hook_requests"]] for one in ids] == ["done", "new"]
    assert [taken[one["page_acts"]] is None for one in ids] == [False, True]


def test_the_export_has_every_table_that_is_about_the_person(store: Store) -> None:
    anna, boris = two(store)
    with store.read() as connection:
        held = privacy.rows(connection, privacy.find(connection, anna.ids["customers"]))
    assert set(held) == {place.table for place in PLACES} | {"order_items", "order_events"}
    assert boris.email not in said(held)
    assert all(len(rows) == 1 for rows in held.values())


def test_no_trace_is_left_in_the_file_of_sqlite(sqlite_store: Store) -> None:
    anna, boris = two(sqlite_store)
    erase(sqlite_store, anna)
    assert privacy.scrub(sqlite_store)
    file = Path(str(sqlite_store.url.database))
    for path in file.parent.glob(f"{file.name}*"):
        content = path.read_bytes().lower()
        assert anna.email.encode() not in content
        assert b"secretova" not in content
    assert boris.email.encode() in file.read_bytes().lower()


# ------------------------------------------------------------------ earlier addresses

OLD = "anna.before@example.com"


def moved(store: Store, anna: Stuffed) -> int:
    """Anna had another address, which mail went to and which she stopped; its suppression."""
    with store.write() as connection:
        connection.execute(
            sa.update(t.messages)
            .where(t.messages.c.touch_id == anna.ids["touches"])
            .values(rcpt_to=OLD.title())
        )
        return suppressed(connection)


def suppressed(connection: sa.Connection) -> int:
    values = {"address_key": OLD, "reason": "unsubscribed", "scope": "marketing", "at": NOON}
    query = sa.insert(t.suppressions).values(values).returning(t.suppressions.c.id)
    return int(connection.scalar(query) or 0)


def body_of(store: Store, someone: Stuffed, body: bytes | None = None) -> bytes | None:
    """What the person's request holds; given a body, it holds that first."""
    request = t.hook_requests.c
    with store.write() as connection:
        if body is not None:
            connection.execute(
                sa.update(t.hook_requests)
                .where(request.id == someone.ids["hook_requests"])
                .values(body=body, error="", answer=None)
            )
        query = sa.select(request.body).where(request.id == someone.ids["hook_requests"])
        return connection.scalar(query)


def is_kept(store: Store, suppression: int) -> bool:
    with store.read() as connection:
        query = sa.select(t.suppressions.c.id).where(t.suppressions.c.id == suppression)
        return connection.scalar(query) is not None


def test_an_address_from_before_is_erased_too(store: Store) -> None:
    anna, _boris = two(store)
    suppression = moved(store, anna)
    body_of(store, anna, b'{"email": "%s"}' % OLD.encode())
    with store.read() as connection:
        assert OLD in privacy.find(connection, anna.ids["customers"]).addresses
    erase(store, anna)
    assert not is_kept(store, suppression)
    assert body_of(store, anna) is None
    assert "anna.before" not in said(everything(store))


@pytest.mark.parametrize("of", ["present", "mails"])
def test_an_address_that_is_somebody_elses_by_now_stays_theirs(store: Store, of: str) -> None:
    anna, boris = two(store)
    suppression = moved(store, anna)
    with store.write() as connection:
        if of == "present":
            whose = t.customers.c.id == boris.ids["customers"]
            connection.execute(sa.update(t.customers).where(whose).values(email_key=OLD))
        else:
            whose = t.messages.c.touch_id == boris.ids["touches"]
            connection.execute(sa.update(t.messages).where(whose).values(rcpt_to=OLD))
    body_of(store, boris, b'{"email": "%s"}' % OLD.encode())
    erase(store, anna)
    assert is_kept(store, suppression)
    assert body_of(store, boris) is not None


# ------------------------------------------------------------------ texts that are searched


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(rb'{"email": "Anna\u0040Example.com"}', id="escaped at"),
        pytest.param(rb'{"email": "\u0041nna@example.com"}', id="escaped capital"),
        pytest.param(rb'{"Message": "{\"email\": \"anna\\u0040example.com\"}"}', id="nested"),
        pytest.param(rb'{"email": "anna\u0040example.com', id="cut off"),
        pytest.param(rb'{"name": "\u0410\u043d\u043d\u0430 \u0418\u0432"}', id="cyrillic"),
        pytest.param('{"name": "АННА ИВ"}'.encode(), id="plain capitals"),
        pytest.param(b'\xff anna@example.com', id="no text"),
        pytest.param(rb'{"x": "\ud83d", "email": "anna\u0040example.com"}', id="half a letter"),
    ],
)  # fmt: skip
def test_a_body_says_who_it_is_however_it_is_written(body: bytes) -> None:
    assert mentions.is_said(body, ("anna@example.com", "Анна Ив"))
    assert not mentions.is_said(body, ("boris@example.com", "Борис"))


def test_an_escaped_address_in_a_body_is_erased(store: Store) -> None:
    anna, _boris = two(store)
    body_of(store, anna, anna.email.replace("@", "\\u0040").encode())
    erase(store, anna)
    assert body_of(store, anna) is None


@contextmanager
def asked(store: Store) -> Iterator[list[str]]:
    """Every statement of the block."""
    told: list[str] = []

    def hear(_c: Any, _cursor: Any, text: str, *_more: Any) -> None:
        told.append(text)

    sa.event.listen(store.engine, "before_cursor_execute", hear)
    yield told
    sa.event.remove(store.engine, "before_cursor_execute", hear)


def test_the_write_reads_only_bodies_that_came_since(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mentions, "OVERLAP", 0)
    anna, boris = two(store)
    with store.read() as connection:
        person = privacy.find(connection, anna.ids["customers"])
        known = privacy.mentions(connection, person)
    with store.write() as connection:
        late = connection.scalar(
            sa.insert(t.hook_requests)
            .values(source="own", kind="orders", key="late", digest="d", size=1, received_at=NOON,
                    body=anna.email.encode())
            .returning(t.hook_requests.c.id)
        )  # fmt: skip
    read: list[bytes] = []
    is_said = mentions.is_said

    def look(raw: bytes, needles: Sequence[str]) -> bool:
        read.append(raw)
        return is_said(raw, needles)

    monkeypatch.setattr(mentions, "is_said", look)
    with store.write() as connection:
        privacy.erase(connection, person, NOON, known)
    with store.read() as connection:
        query = sa.select(t.hook_requests.c.id).where(t.hook_requests.c.body.is_(None))
        emptied = set(connection.scalars(query))
    assert len(read) == 1
    assert emptied == {anna.ids["hook_requests"], late}
    assert body_of(store, boris)


def test_counting_a_persons_rows_reads_no_texts(store: Store) -> None:
    anna, _boris = two(store)
    with store.read() as connection:
        person = privacy.find(connection, anna.ids["customers"])
        with asked(store) as told:
            held = privacy.counts(connection, person)
    searched = {place.table for place in PLACES if place.is_searched}
    assert {"hook_requests", "webhook_messages", "studio_log"} <= searched
    assert [text for text in told if any(f"FROM {name}" in text for name in searched)] == []
    assert told
    assert set(held) == {place.table for place in PLACES} - searched | {
        "order_items",
        "order_events",
    }
    assert set(held.values()) == {1}
