from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import xlsxwriter

from crm_mailer.model.errors import SourceError
from tests.importing.desk import Desk, order

ROW = "A1,2026-10-01,anna@example.com,20\n"
HEADER = "order_number,placed_at,email,amount\n"


def refused(desk: Desk, path: Path, **more: object) -> str:
    with pytest.raises(SourceError) as caught:
        desk.orders(path, **more)
    assert caught.value.hint
    assert desk.count("orders") == desk.count("customers") == 0
    return f"{caught.value} / {caught.value.hint}"


def test_a_missing_file(quick: Desk) -> None:
    assert "does not exist" in refused(quick, quick.folder / "nowhere.csv")


def test_a_folder(quick: Desk) -> None:
    assert "is a folder" in refused(quick, quick.folder)


@pytest.mark.parametrize("content", ["", "   \n\n"])
def test_an_empty_file(quick: Desk, content: str) -> None:
    assert "is empty" in refused(quick, quick.text(content))


def test_a_header_without_rows_is_no_fault(quick: Desk) -> None:
    assert quick.orders(quick.text(HEADER)).orders_new == 0


def test_columns_that_no_map_knows_are_named(quick: Desk) -> None:
    text = refused(quick, quick.text("foo,bar,baz\n1,2,3\n"))

    assert "foo, bar, baz" in text
    assert "--map" in text


def test_a_map_that_does_not_fit_says_what_it_looked_for(quick: Desk) -> None:
    text = refused(
        quick, quick.text("Nam,Created at,Email\n#1,2026-10-01,a@example.com\n"), map="wish"
    )

    assert "`wish` finds no column for" in text


def test_a_misspelt_column_is_guessed(quick: Desk) -> None:
    text = refused(quick, quick.text("amazon-order-id,purchase-dat\n1,2026-10-01\n"), map="amazon")

    assert "did you mean `purchase-dat`?" in text


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"])
def test_random_bytes_with_the_mark_of_excel(quick: Desk, head: bytes) -> None:
    for seed in range(20):
        path = quick.text(head + Random(seed).randbytes(3000), "orders.xlsx")

        assert "damaged" in refused(quick, path)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_a_workbook_that_was_cut_off(quick: Desk, kept: float) -> None:
    path = workbook(quick.folder / "orders.xlsx", [order()])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])

    assert "damaged" in refused(quick, path)


def test_a_workbook_with_a_broken_sheet(quick: Desk) -> None:
    path = workbook(quick.folder / "orders.xlsx", [order()])
    raw = bytearray(path.read_bytes())
    for place in range(200, 900):
        raw[place] ^= 0x5A
    path.write_bytes(raw)

    assert "damaged" in refused(quick, path)


def test_a_web_page_called_xls(quick: Desk) -> None:
    path = quick.text("<html><table><tr><td>订单号</td></tr></table></html>", "orders.xls")

    assert "web page" in refused(quick, path)


def test_a_pdf(quick: Desk) -> None:
    assert "PDF" in refused(quick, quick.text(b"%PDF-1.7 ..."))


def test_a_picture(quick: Desk) -> None:
    assert "no text" in refused(quick, quick.text(b"\x89PNG\r\n\x1a\n" + bytes(500)))


def test_an_encoding_that_does_not_exist(quick: Desk) -> None:
    path = quick.text((HEADER + ROW).encode() + b"A2,2026-10-01,\xff\xfe\xfa,1\n")

    assert "no encoding called `gbkk`" in refused(quick, path, encodings=["gbkk"])


def test_a_bad_date_amount_or_quantity_costs_its_row_only(quick: Desk) -> None:
    report = quick.orders(
        [
            order(order_number="1", placed_at="yesterday"),
            order(order_number="2", amount="much"),
            order(order_number="3", quantity="two", sku="S"),
            order(order_number="4", currency="dollars?"),
            order(order_number="5", placed_at="2026-02-30"),
            order(order_number="", email="b@example.com"),
            order(order_number="7"),
        ]
    )

    assert [(p.row, p.column) for p in report.problems] == [
        (2, "placed_at"),
        (3, "amount"),
        (4, "quantity"),
        (5, "currency"),
        (6, "placed_at"),
        (7, "order_number"),
    ]
    assert quick.all("orders", "number") == ["7"]
    assert report.rows_bad == 6


def test_a_bad_line_leaves_its_whole_order_out(quick: Desk) -> None:
    report = quick.orders(
        [
            order(sku="S1", quantity="1"),
            order(sku="S2", quantity="?"),
            order(sku="S3", quantity="1"),
            order(order_number="A2"),
        ]
    )

    assert quick.all("orders", "number") == ["A2"]
    assert (report.rows_bad, report.counts["orders_left_out"]) == (1, 1)


def test_many_bad_rows_are_all_counted_and_some_are_kept(quick: Desk) -> None:
    report = quick.orders([order(order_number=str(n), amount="x") for n in range(1000)])

    assert (report.problem_count, len(report.problems)) == (1000, 300)


def test_nul_bytes_cost_their_row_only(quick: Desk) -> None:
    path = quick.text(HEADER + ROW + "A2,2026-10-01,b\0@example.com,5\n" + ROW.replace("A1", "A3"))

    report = quick.orders(path)

    assert quick.all("orders", "number") == ["A1", "A3"]
    assert [(p.row, p.what) for p in report.problems] == [(3, "NUL bytes in the line")]


def test_a_line_without_end_costs_its_row_only_and_little_memory(quick: Desk) -> None:
    path = quick.folder / "long.csv"
    with path.open("w") as file:
        file.write(HEADER + ROW)
        for _ in range(30):
            file.write("x" * 1_000_000)
        file.write("\n" + ROW.replace("A1", "A3"))

    report = quick.orders(path)

    assert quick.all("orders", "number") == ["A1", "A3"]
    assert "a line of more than" in report.problems[0].what


def test_a_quote_that_is_never_closed_is_told(quick: Desk) -> None:
    rows = "".join(ROW.replace("A1", f"B{n}") for n in range(9000))

    report = quick.orders(quick.text(HEADER + ROW + '"A2,2026-10-01,b@example.com,5\n' + rows))

    assert report.orders_new > 1000
    assert "never closed" in report.problems[0].what


def test_a_column_that_stands_twice_is_noted(quick: Desk) -> None:
    report = quick.orders(
        quick.text(
            "order_number,placed_at,email,email,amount\nA1,2026-10-01,a@example.com,b@x.com,5\n"
        )
    )

    assert quick.all("customers", "email") == ["a@example.com"]
    assert any("`email` stands twice" in note for note in report.notes)


def test_rows_of_the_wrong_length_are_read_as_far_as_they_go(quick: Desk) -> None:
    text = HEADER + "A1,2026-10-01,a@example.com\nA2,2026-10-01,b@example.com,5,6,7\n"

    quick.orders(quick.text(text))

    assert quick.all("orders", "number", "amount_minor") == [("A1", 0), ("A2", 500)]


def test_a_negative_total_is_no_order(quick: Desk) -> None:
    report = quick.orders([order(amount="-5")])

    assert "less than nothing" in report.problems[0].what


def workbook(path: Path, rows: list[dict[str, object]]) -> Path:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, list(rows[0]))
        for place, row in enumerate(rows, start=1):
            sheet.write_row(place, 0, list(row.values()))
    return path


@pytest.mark.parametrize(
    ("number", "country", "state", "delivery"),
    [
        (
            1,
            "1 row has the unknown country `Atlantis`",
            "1 row has the state `odd` in `state`, which the map `generic` does not know: "
            "add it to a map of your own",
            "1 cell of `expected_at` is no date and was left empty",
        ),
        (
            2,
            "2 rows have the unknown country `Atlantis`",
            "2 rows have the state `odd` in `state`, which the map `generic` does not know: "
            "add it to a map of your own",
            "2 cells of `expected_at` are no dates and were left empty",
        ),
    ],
)
def test_notes_count_one_and_several(
    quick: Desk, number: int, country: str, state: str, delivery: str
) -> None:
    rows = [
        {
            "order_number": f"N{place}",
            "placed_at": "2026-10-01",
            "email": f"n{place}@example.com",
            "amount": "5",
            "country": "Atlantis",
            "state": "odd",
            "expected_at": "soon",
        }
        for place in range(number)
    ]

    report = quick.orders(rows)

    assert set(report.notes) == {country, state, delivery}


@pytest.mark.parametrize("number", [1, 2])
def test_notes_on_addresses_count_one_and_several(quick: Desk, number: int) -> None:
    def rows(ending: str) -> list[dict[str, object]]:
        return [
            {"platform": "etsy", "buyer_id": f"b{place}", "email": f"n{place}@{ending}"}
            for place in range(number)
        ]

    quick.customers(rows("example.com"))

    assert quick.customers(rows("other.com")).notes == (
        ("1 row has another mail address than the one known for its buyer: the known one was kept",)
        if number == 1
        else (
            "2 rows have another mail address than the one known for their buyer: "
            "the known one was kept",
        )
    )
