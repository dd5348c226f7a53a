"""The rules of this room, one by one, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_mailer.importing import cells, countries, identity, products, states
from crm_mailer.importing.cells import CellError
from crm_mailer.importing.dates import Dates, day_order
from crm_mailer.importing.states import Life, first_life, next_life
from crm_mailer.model import zones
from crm_mailer.model.order import OrderState

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PLACED, PAID, SHIPPED = OrderState.PLACED, OrderState.PAID, OrderState.SHIPPED
RECEIVED, CANCELLED = OrderState.RECEIVED, OrderState.CANCELLED
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "mark", "minor"),
    [
        ("20", ".", 2000),
        ("20.5", ".", 2050),
        ("1,234.50", ".", 123450),
        ("1.234,50", ",", 123450),
        ("1.234,50", ".", 123450),
        ("1 234,50 €", ",", 123450),
        ("1\u202f234,50", ",", 123450),
        ("1'234.50", ".", 123450),
        ("1,234", ".", 123400),
        ("1.234", ",", 123400),
        ("12,50", ".", 1250),
        ("US $1,234.50", ".", 123450),
        ("руб. 990", ".", 99000),
        ("R$ 1.234,56", ",", 123456),
        ("(12.00)", ".", -1200),
        ("-3", ".", -300),
        ("−3", ".", -300),
        (".99", ".", 99),
        ("1,234,567", ".", 123456700),
        ("20.555", ".", 2056),
    ],
)
def test_amounts(text: str, mark: str, minor: int) -> None:
    assert cells.minor(text, "USD", mark) == minor


@pytest.mark.parametrize("text", ["much", "10-20", "1e999", "", "12.5 + 3", "9" * 30])
def test_no_amounts(text: str) -> None:
    with pytest.raises(CellError):
        cells.minor(text, "USD")


@given(st.text(max_size=40))
def test_an_amount_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        cells.minor(text, "USD")
    except CellError:
        return


@pytest.mark.parametrize(
    ("samples", "mark"),
    [(["12,50", "3,00"], ","), (["12.50"], "."), (["1.234,50 €"], ","), (["12"], "."), ([], ".")],
)
def test_the_decimal_mark_of_a_file(samples: list[str], mark: str) -> None:
    assert cells.decimal_mark(samples) == mark


@pytest.mark.parametrize(
    ("text", "pieces"), [("2", 2), ("2.0", 2), ("2 piece", 2), ("1,000", 1000)]
)
def test_pieces(text: str, pieces: int) -> None:
    assert cells.quantity(text) == pieces


@pytest.mark.parametrize("text", ["-1", "1.5", "two", "²", "99999999999"])
def test_no_pieces(text: str) -> None:
    with pytest.raises(CellError):
        cells.quantity(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1990-05-17", (1990, 5, 17)),
        ("--05-17", (None, 5, 17)),
        ("05-17", (None, 5, 17)),
        ("--02-29", (None, 2, 29)),
        ("1900-05-17", (None, 5, 17)),
        ("1992/2/29", (1992, 2, 29)),
    ],
)
def test_birthdays(text: str, told: tuple[int | None, int, int]) -> None:
    assert cells.birthday(text) == told


@pytest.mark.parametrize("text", ["1991-02-29", "--02-30", "17 May", "1990"])
def test_no_birthdays(text: str) -> None:
    with pytest.raises(CellError):
        cells.birthday(text)


@pytest.mark.parametrize(("text", "stars"), [("5", 5), ("4.0", 4), ("★★★", 3), ("2 stars", 2)])
def test_stars(text: str, stars: int) -> None:
    assert cells.stars(text) == stars


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-10-01", "2026-10-01T00:00+08:00"),
        ("2026-10-01 10:11", "2026-10-01T10:11+08:00"),
        ("2026-10-01T10:11:12Z", "2026-10-01T10:11:12+00:00"),
        ("2026-10-01 10:11:12 +0300", "2026-10-01T10:11:12+03:00"),
        ("2026-10-01 10:11:12.345 UTC", "2026-10-01T10:11:12+00:00"),
        ("20261001", "2026-10-01T00:00+08:00"),
        ("20261001101112", "2026-10-01T10:11:12+08:00"),
        ("01/10/2026 14:30", "2026-10-01T14:30+08:00"),
        ("01.10.2026", "2026-10-01T00:00+08:00"),
        ("13/10/26 2:05 PM", "2026-10-13T14:05+08:00"),
        ("Oct-01-26", "2026-10-01T00:00+08:00"),
        ("Oct 1, 2026", "2026-10-01T00:00+08:00"),
        ("01 Oct 2026 14:02", "2026-10-01T14:02+08:00"),
        ("Thu, 01 Oct 2026 10:00:00 GMT", "2026-10-01T10:00+00:00"),
        ("2026年10月1日 10:11", "2026-10-01T10:11+08:00"),
        ("46296.5", "2026-10-01T12:00+08:00"),
        ("2026/10/1 10:11", "2026-10-01T10:11+08:00"),
    ],
)
def test_times(text: str, moment: str) -> None:
    read = Dates(ZoneInfo("Asia/Shanghai"), "dmy", NOW).read(text)

    assert read == datetime.fromisoformat(moment)


def test_months_come_first_where_the_file_says_so() -> None:
    read = Dates(ZoneInfo("UTC"), "mdy", NOW).read("03/04/2026")

    assert read == datetime(2026, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "-", "N/A", "0000-00-00 00:00:00", "null"])
def test_no_time(text: str) -> None:
    assert Dates(ZoneInfo("UTC"), "dmy", NOW).read(text) is None


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "31/31/2026", "1812-10-01", "2099-01-01"])
def test_times_that_cannot_be(text: str) -> None:
    with pytest.raises(CellError):
        Dates(ZoneInfo("UTC"), "dmy", NOW).read(text)


@given(st.text(max_size=30))
def test_a_time_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        Dates(ZoneInfo("UTC"), "dmy", NOW).read(text)
    except CellError:
        return


@pytest.mark.parametrize(
    ("samples", "order", "is_sure"),
    [
        (["31/01/2026"], "dmy", True),
        (["01/31/2026"], "mdy", True),
        (["01/02/2026"], "dmy", False),
        (["2026-01-31"], "dmy", True),
    ],
)
def test_day_or_month_first(samples: list[str], order: str, is_sure: bool) -> None:
    assert day_order(samples) == (order, is_sure)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("RU", "RU"), ("uk", "GB"), ("USA", "US"), ("Россия", "RU"), ("Russian Federation", "RU"),
        ("España", "ES"), ("巴西", "BR"), ("Deutschland", "DE"), ("Brasil", "BR"), ("DEU", "DE"),
        ("EIRE", "IE"), ("Atlantis", ""), ("", ""),
    ],
)  # fmt: skip
def test_countries(name: str, code: str) -> None:
    assert countries.code(name) == code


@pytest.mark.parametrize(
    ("country", "region", "zone"),
    [
        ("RU", "", "Europe/Moscow"),
        ("BR", "", "America/Sao_Paulo"),
        ("US", "CA", "America/Los_Angeles"),
        ("FR", "", "Europe/Paris"),
        ("XX", "", ""),
    ],
)
def test_zones(country: str, region: str, zone: str) -> None:
    assert zones.likely(country, region) == zone


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("Anna@Example.COM", "Anna@example.com"),
        (" anna@example.com ", "anna@example.com"),
        ("mailto:a@shop.test", "a@shop.test"),
        ("анна@пример.рф", "анна@пример.рф"),
        ("o'neil@example.com", "o'neil@example.com"),
    ],
)
def test_mail_addresses(text: str, email: str) -> None:
    found = identity.Addresses().read(text)

    assert found is not None
    assert found.email == email


@pytest.mark.parametrize(
    "text",
    ["anna", "a@b", "a b@example.com", "a@example.com\nBcc: b@example.com", "a@x.local", "a@@b.com",
     "a..b@example.com", ".a@example.com", "a@-x.com", "x" * 65 + "@example.com"],
)  # fmt: skip
def test_no_mail_addresses(text: str) -> None:
    with pytest.raises(CellError):
        identity.Addresses().read(text)


@pytest.mark.parametrize("text", ["", "  ", "-", "N/A"])
def test_an_empty_mail_address(text: str) -> None:
    assert identity.Addresses().read(text) is None


def test_a_cell_of_products_that_cannot_be_parted_is_one_item() -> None:
    items = products.items_in("just some words\nover two lines")

    assert [(item.title, item.quantity) for item in items] == [("just some words", 1)]


def test_a_new_order_has_the_state_that_its_times_or_its_word_tell() -> None:
    by_word = first_life(NOW, {}, frozenset({SHIPPED}))
    by_time = first_life(NOW, {PAID: NOW, SHIPPED: NOW + DAY}, frozenset({PAID}))

    assert by_word.state is by_time.state is SHIPPED
    assert by_word.times[SHIPPED] == NOW


def test_the_sequence_of_files_does_not_matter() -> None:
    first = first_life(NOW, {PAID: NOW}, frozenset({PAID}))
    second_then_first = next_life(
        first_life(NOW, {PAID: NOW, SHIPPED: NOW + DAY}, frozenset({SHIPPED})),
        {PAID: NOW}, frozenset({PAID}), NOW + 3 * DAY,
    )  # fmt: skip
    first_then_second = next_life(
        first, {PAID: NOW, SHIPPED: NOW + DAY}, frozenset({SHIPPED}), NOW + 3 * DAY
    )

    assert (first_then_second.state, first_then_second.times) == (
        second_then_first.state,
        second_then_first.times,
    )
    assert second_then_first.is_older


def test_a_time_that_was_guessed_gives_way_to_the_true_one() -> None:
    guessed = first_life(NOW, {}, frozenset({SHIPPED}))

    told = next_life(guessed, {SHIPPED: NOW + 2 * DAY}, frozenset({SHIPPED}), NOW + 3 * DAY)

    assert told.times[SHIPPED] == NOW + 2 * DAY


def test_a_state_that_returns_comes_with_its_time() -> None:
    known = Life(OrderState.DISPUTED, {PLACED: NOW, OrderState.DISPUTED: NOW + DAY})

    told = next_life(known, {RECEIVED: NOW + 5 * DAY}, frozenset({RECEIVED}), NOW + 6 * DAY)

    assert told.state is RECEIVED


@given(st.permutations(list(OrderState)), st.integers(0, 18))
def test_news_never_loses_a_state_or_moves_the_same_day_back(
    order: list[OrderState], cut: int
) -> None:
    known = first_life(NOW, dict.fromkeys(order[:cut], NOW), frozenset())

    told = next_life(known, dict.fromkeys(order[cut:], NOW), frozenset(), NOW)

    assert known.times.keys() <= told.times.keys()
    assert states.RANK[told.state] >= states.RANK[known.state]


def test_whole_refunds_and_unpaid_cancellations_do_not_count() -> None:
    paid = Life(PAID, {PLACED: NOW, PAID: NOW})
    asked = Life(OrderState.CANCEL_REQUESTED, {PLACED: NOW, OrderState.CANCEL_REQUESTED: NOW})

    assert states.is_counted(paid, amount_minor=10, refunded_minor=9)
    assert not states.is_counted(paid, amount_minor=10, refunded_minor=10)
    assert not states.is_counted(asked, amount_minor=10, refunded_minor=0)
