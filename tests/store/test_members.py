from __future__ import annotations

from zoneinfo import ZoneInfo

from crm_mailer.model.segment import Compare, InSegment, Rule
from crm_mailer.store import members
from crm_mailer.store.engine import Store
from crm_mailer.store.look import Look
from tests.segmenting.people import NOW, add_customer


def told(store: Store, rule: Rule, **segments: Rule) -> list[dict[str, object]]:
    look = Look(now=NOW, zone=ZoneInfo("UTC"), segments=segments)
    with store.read() as connection:
        rows = list(members.each(connection, rule, look))
    return [dict(zip(members.COLUMNS, row, strict=True)) for row in rows]


def test_each_member_is_told_by_number_without_phone_and_street(store: Store) -> None:
    first = add_customer(store, name="Anna", country="RU", phone="+7 912", street="Lenina 1")
    add_customer(store, country="BY")
    third = add_customer(store, country="RU", is_flagged=True)

    found = told(store, InSegment("here"), here=Compare("country", "is", "RU"))

    assert [(one["id"], one["name"], one["is_flagged"], one["r"]) for one in found] == [
        (first, "Anna", "no", None),
        (third, "", "yes", None),
    ]
    assert "Lenina 1" not in str(found)
    assert "+7 912" not in str(found)


def test_everybody_is_counted(store: Store) -> None:
    add_customer(store)
    add_customer(store)

    with store.read() as connection:
        assert members.everybody(connection) == 2
