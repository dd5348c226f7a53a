from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from crm_mailer.model.customer import ConsentBasis
from crm_mailer.store import customers, tables
from tests.importing.desk import NOW, Desk, order


def test_one_address_in_another_case_is_one_customer_and_reported(desk: Desk) -> None:
    report = desk.orders(
        [order(email="Anna@Example.com"), order(order_number="A2", email="anna@example.COM")]
    )

    assert desk.all("customers", "email", "email_key") == [("Anna@example.com", "anna@example.com")]
    assert any("upper and lower case" in note for note in report.notes)


def test_a_buyer_id_finds_the_customer_of_a_later_order(quick: Desk) -> None:
    quick.orders([order(email="", buyer_id="b7")])

    quick.orders([order(order_number="A2", email="", buyer_id="b7")])

    assert quick.count("customers") == 1


def test_the_same_buyer_id_on_two_platforms_is_two_people(quick: Desk) -> None:
    quick.orders([order(email="", buyer_id="b7", platform="ebay")])
    quick.orders([order(email="", buyer_id="b7", platform="wish")])

    assert quick.count("customers") == 2


def test_a_phone_finds_the_customer_however_it_is_written(quick: Desk) -> None:
    quick.orders([order(phone="+7 (900) 123-45-67", country="RU")])

    quick.orders([order(order_number="A2", email="", phone="8 900 1234567", country="Russia")])

    assert quick.all("orders", "customer_id") == [1, 1]


def test_name_postcode_and_street_find_the_customer(quick: Desk) -> None:
    place = {"customer_name": "Anna Petrova", "postcode": "101 000", "street": "Tverskaya 1"}
    quick.orders([order(**place)])

    quick.orders([order(order_number="A2", email="", **place | {"customer_name": "ANNA PETROVA"})])

    assert quick.count("customers") == 1


def test_a_shared_phone_does_not_join_two_mail_addresses(quick: Desk) -> None:
    quick.orders(
        [
            order(phone="+7 900 1234567", country="RU"),
            order(
                order_number="A2", email="ivan@example.com", phone="+7 900 1234567", country="RU"
            ),
        ]
    )

    assert quick.count("customers") == 2


def test_a_masked_phone_joins_nobody(quick: Desk) -> None:
    quick.orders([order(email="", customer_name="A", phone="******4567")])
    quick.orders([order(order_number="A2", email="", customer_name="B", phone="******4567")])

    assert quick.count("customers") == 2


def test_an_order_without_any_customer_is_reported_and_left_out(quick: Desk) -> None:
    report = quick.orders([order(email=""), order(order_number="A2")])

    assert quick.all("orders", "number") == ["A2"]
    assert [(p.row, p.what) for p in report.problems] == [(2, "the order names no customer")]


def test_a_customer_file_completes_the_buyer_of_orders_without_an_address(desk: Desk) -> None:
    desk.orders([order(email="", buyer_id="b7")])

    report = desk.customers(
        [{"buyer_id": "b7", "email": "olga@example.com", "name": "Ольга", "birthday": "--05-17"}]
    )

    assert report.customers_changed == 1
    assert desk.all("customers", "email", "name", "birth_year", "birth_month", "birth_day") == [
        ("olga@example.com", "Ольга", None, 5, 17)
    ]


def test_a_birthday_to_come_is_reported_and_left_out(desk: Desk) -> None:
    report = desk.customers(
        [{"email": "olga@example.com", "name": "Olga", "birthday": f"{NOW.year + 30}-05-17"}]
    )

    assert "nobody alive was born on" in report.problems[0].what
    assert desk.all("customers", "email", "birth_month") == [("olga@example.com", None)]


def test_an_address_that_belongs_to_another_customer_makes_one_of_two(desk: Desk) -> None:
    desk.orders([order(email="", buyer_id="b7"), order(order_number="A2")])

    desk.customers([{"buyer_id": "b7", "email": "anna@example.com"}])

    assert desk.all("customers", "email") == ["anna@example.com"]
    assert len(set(desk.all("orders", "customer_id"))) == 1


def test_a_merge_moves_all_that_hangs_on_the_customer(desk: Desk) -> None:
    desk.orders([order(email="", buyer_id="b7"), order(order_number="A2")])
    loser, winner = desk.all("customers", "id")
    with desk.store.write() as connection:
        for who in (loser, winner):
            _hang(connection, who)

    with desk.store.write() as connection:
        customers.merge(connection, loser, winner, now=NOW)

    assert desk.all("customers", "id") == [winner]
    assert desk.all("touches", "customer_id", "state", "anchor") == [
        (winner, "skipped", f"birthday:2026#merged:{loser}"),
        (winner, "planned", "birthday:2026"),
    ]
    assert desk.all("memberships", "customer_id") == [winner]
    assert desk.all("scores", "customer_id") == [winner]
    assert desk.all("customer_tags", "customer_id", "tag") == [(winner, "vip")]


def _hang(connection: sa.Connection, who: int) -> None:
    connection.execute(sa.insert(tables.customer_tags).values(customer_id=who, tag="vip", at=NOW))
    connection.execute(
        sa.insert(tables.memberships).values(segment="cooling", customer_id=who, since=NOW)
    )
    connection.execute(
        sa.insert(tables.scores).values(
            customer_id=who, first_order_at=NOW, last_order_at=NOW, order_count=1,
            spent_usd_cents=1, days_since_last=0, r=5, f=1, m=1, total=7, profile="default",
            scored_on=NOW.date(),
        )
    )  # fmt: skip
    connection.execute(
        sa.insert(tables.touches).values(
            campaign="birthday", step="hello", anchor="birthday:2026", customer_id=who,
            stream="marketing", template="t", anchored_at=NOW, due_at=NOW, state="planned",
            planned_at=NOW,
        )
    )  # fmt: skip


def test_another_address_of_a_known_buyer_is_noted_and_the_known_one_stays(quick: Desk) -> None:
    quick.orders([order(buyer_id="b7")])

    report = quick.orders([order(order_number="A2", buyer_id="b7", email="new@example.com")])

    assert quick.all("customers", "email") == ["anna@example.com"]
    assert any("the known one was kept" in note for note in report.notes)


def test_a_relay_address_is_known_and_gives_way_to_a_real_one(quick: Desk) -> None:
    quick.orders([order(buyer_id="b7", email="x1@marketplace.amazon.com")])
    kinds = quick.all("customers", "address_kind")

    quick.customers([{"buyer_id": "b7", "email": "real@example.com"}])

    assert kinds == ["relay"]
    assert quick.all("customers", "email", "address_kind") == [("real@example.com", "free")]


def test_a_relay_address_and_a_known_real_one_become_one_customer(desk: Desk) -> None:
    desk.orders([order(buyer_id="b7", email="x1@members.ebay.com"), order(order_number="A2")])

    desk.customers([{"buyer_id": "b7", "email": "anna@example.com"}])

    assert desk.all("customers", "email", "address_kind") == [("anna@example.com", "free")]
    assert len(set(desk.all("orders", "customer_id"))) == 1


def test_accepts_marketing_becomes_a_consent_with_its_proof(quick: Desk) -> None:
    quick.orders(
        [
            order(accepts_marketing="yes"),
            order(order_number="A2", email="b@example.com", accepts_marketing="no"),
            order(order_number="A3", email="c@example.com"),
        ]
    )

    assert quick.all("consents", "basis") == ["consent", "none", "soft_opt_in"]
    proof = quick.all("consents", "evidence")[0]
    assert proof == "export-1.csv, row 2, column accepts_marketing"


def test_a_later_word_on_marketing_wins_over_an_earlier_one(desk: Desk) -> None:
    earlier = [order(accepts_marketing="yes", placed_at="2026-09-01")]
    desk.orders(earlier)
    desk.orders([order(order_number="A2", accepts_marketing="no")])

    desk.orders(earlier)

    assert desk.all("consents", "basis", "given_at") == [
        ("none", datetime(2026, 10, 1, 2, 0, tzinfo=UTC))
    ]


LIST = {"email": "anna@example.com", "accepts_marketing": "yes"}


@pytest.mark.parametrize("basis", [ConsentBasis.NONE, ConsentBasis.CONSENT])
@pytest.mark.parametrize("source", ["page", "by lin", "shopify"])
def test_a_file_that_says_yes_again_replaces_no_word_of_another_source(
    desk: Desk, basis: ConsentBasis, source: str
) -> None:
    desk.customers([LIST])
    told = customers.Consent(
        customer_id=1, basis=basis, given_at=NOW + timedelta(days=1), source=source,
        evidence="form", until=NOW + timedelta(days=99), text_version="v3", ip_hash="abc",
    )  # fmt: skip
    with desk.store.write() as connection:
        customers.put_consents(connection, [told])
    kept = "basis", "source", "evidence", "given_at", "until", "text_version", "ip_hash"
    before = desk.all("consents", *kept)

    desk.customers([LIST], now=NOW + timedelta(days=2))

    assert desk.all("consents", *kept) == before
    is_known = (source, basis) == ("shopify", ConsentBasis.CONSENT)
    assert before[0][:2] == (basis.value, "generic" if is_known else source)


def test_a_file_says_no_later_and_yes_again_for_its_own_source(desk: Desk) -> None:
    told: list[tuple[str, datetime]] = []
    for days, word in enumerate(("yes", "yes", "no", "no", "yes")):
        desk.customers([LIST | {"accepts_marketing": word}], now=NOW + timedelta(days=days))
        told += desk.all("consents", "basis", "given_at")

    assert [(basis, (at - NOW).days) for basis, at in told] == [
        ("consent", 0), ("consent", 0), ("none", 2), ("none", 2), ("consent", 4),
    ]  # fmt: skip


def test_the_no_of_one_of_two_rows_of_a_customer_stands(quick: Desk) -> None:
    quick.customers([LIST | {"accepts_marketing": "no"}, LIST])

    assert quick.all("consents", "basis") == ["none"]


def test_only_an_order_that_counts_lets_assume_a_consent(desk: Desk) -> None:
    unpaid = order(state="placed")
    desk.orders([unpaid, order(order_number="A2", email="b@example.com", state="cancelled")])
    assert desk.count("consents") == 0

    desk.orders([order(state="paid")])

    assert desk.all("consents", "customer_id", "basis") == [(1, "soft_opt_in")]


def test_a_line_break_in_a_name_cannot_forge_a_header(quick: Desk) -> None:
    quick.orders([order(customer_name="Anna\r\nBcc: x@example.com")])

    assert quick.all("customers", "name") == ["Anna Bcc: x@example.com"]


def test_a_wrong_mail_address_costs_the_address_not_the_order(quick: Desk) -> None:
    report = quick.orders([order(email="anna(at)example.com", buyer_id="b7")])

    assert quick.all("customers", "email") == [None]
    assert [(p.column, p.is_left_out) for p in report.problems] == [("email", False)]


def test_an_order_finds_its_customer_again_by_itself(quick: Desk) -> None:
    quick.orders([order(email="", customer_name="Anna")])

    quick.orders([order(customer_name="Anna")])

    assert quick.all("customers", "name", "email") == [("Anna", "anna@example.com")]


def test_a_customer_file_replaces_what_was_known_but_empty_cells_do_not(quick: Desk) -> None:
    quick.customers([{"email": "anna@example.com", "city": "Perm", "phone": "+7 900 1234567"}])

    quick.customers([{"email": "anna@example.com", "city": "Omsk", "phone": ""}])

    assert quick.all("customers", "city", "phone") == [("Omsk", "+7 900 1234567")]


def test_the_same_customer_file_twice_changes_nothing(desk: Desk) -> None:
    rows = [{"email": "anna@example.com", "gender": "f", "country": "RU", "language": "ru"}]
    desk.customers(rows)

    again = desk.customers(rows)

    assert (again.customers_new, again.customers_changed) == (0, 0)


def test_a_time_zone_of_the_file_is_the_customers(quick: Desk) -> None:
    anna = {"email": "anna@example.com", "country": "US"}

    report = quick.customers([{**anna, "time_zone": "America/Denver"}])
    assert report.problems == ()
    assert quick.all("customers", "time_zone") == ["America/Denver"]

    quick.customers([{**anna, "country": "CA", "Timezone": "America/Denver"}])
    assert quick.all("customers", "country", "time_zone") == [("CA", "America/Denver")]

    quick.customers([{**anna, "country": "CA", "time_zone": "America/Halifax"}])
    assert quick.all("customers", "time_zone") == ["America/Halifax"]


def test_a_wrong_time_zone_is_told_and_the_country_counts(quick: Desk) -> None:
    row = {"email": "anna@example.com", "country": "DE", "time_zone": "Europe/Berlim"}

    report = quick.customers([row])

    assert quick.all("customers", "time_zone") == ["Europe/Berlin"]
    (problem,) = report.problems
    assert (problem.row, problem.column, problem.is_left_out) == (2, "time_zone", False)
    assert problem.what == "`Europe/Berlim` is no time zone"
    assert problem.hint == "did you mean `Europe/Berlin`?"
