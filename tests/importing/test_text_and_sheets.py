from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import xlsxwriter

from crm_mailer.importing.text_file import sniff
from tests.importing.desk import Desk

TEXT = "order_number,placed_at,email,customer_name,amount\nA1,2026-10-01,a@example.com,{},20\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_is_found(quick: Desk, delimiter: str) -> None:
    quick.orders(quick.text(TEXT.format("Anna").replace(",", delimiter)))

    assert quick.all("orders", "amount_minor") == [2000]


def test_commas_inside_quotes_do_not_count() -> None:
    assert sniff(["a;b;c", '"1,5";"x,y";"2,0"', '"2,5";"z,y";"3,0"']) == ";"


def test_excels_own_first_line_names_the_delimiter(quick: Desk) -> None:
    quick.orders(quick.text("sep=;\n" + TEXT.format("Anna").replace(",", ";")))

    assert quick.count("orders") == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_marked_text_is_read(quick: Desk, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-le" else ""

    quick.orders(quick.text((mark + TEXT.format("Анна")).encode(encoding)))

    assert quick.all("customers", "name") == ["Анна"]


def test_chinese_text_is_read_in_the_given_encoding(quick: Desk) -> None:
    report = quick.orders(quick.text(TEXT.format("王小明").encode("gbk")), encodings=["gb18030"])

    assert quick.all("customers", "name") == ["王小明"]
    assert report.encoding == "gb18030"


def test_a_guessed_encoding_is_said_and_rows_are_shown(quick: Desk) -> None:
    rows = "".join(
        f"A{n},2026-10-01,a{n}@example.com,Анна Петрова из города Перми,20\n" for n in range(50)
    )
    content = TEXT.format("Ольга Иванова, Москва").replace("Иванова,", "Иванова") + rows

    report = quick.orders(quick.text(content.encode("cp1251")))

    assert report.encoding in {"cp1251", "windows-1251"}
    assert "guessed" in report.notes[0]
    assert report.sample[1][3] == "Ольга Иванова Москва"


@pytest.mark.parametrize(
    ("text", "encoding"), [("Иванова Анна", "cp1251"), ("José Núñez", "cp1252")]
)
def test_other_letters_are_not_taken_for_chinese(quick: Desk, text: str, encoding: str) -> None:
    rows = "".join(f"A{n},2026-10-01,a{n}@example.com,{text},20\n" for n in range(30))

    report = quick.orders(
        quick.text((TEXT.format(text) + rows).encode(encoding)), encodings=["gb18030"]
    )

    assert report.encoding != "gb18030"


def test_decimal_commas_and_points_between_thousands(quick: Desk) -> None:
    quick.orders(
        quick.text(
            "order_number;placed_at;email;amount\n"
            "A1;2026-10-01;a@example.com;1.234,50\nA2;2026-10-01;a@example.com;1.234\n"
        )
    )

    assert quick.all("orders", "amount_minor") == [123450, 123400]


def test_the_file_tells_which_comes_first_day_or_month(quick: Desk) -> None:
    quick.orders(
        quick.text(
            "order_number,placed_at,email\n"
            "A1,03/04/2026 12:00,a@example.com\nA2,03/31/2026 12:00,a@example.com\n"
        )
    )

    assert quick.all("orders", "placed_at")[0] == datetime(2026, 3, 4, 4, 0, tzinfo=UTC)


def test_days_and_months_that_could_be_either_are_noted(quick: Desk) -> None:
    report = quick.orders(quick.text("order_number,placed_at,email\nA1,03/04/2026,a@example.com\n"))

    assert any("day first" in note for note in report.notes)


def test_a_workbook_with_dates_numbers_and_long_order_numbers(quick: Desk) -> None:
    path = quick.folder / "orders.xlsx"
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet("empty")
        sheet = book.add_worksheet("data")
        day = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet.write_row(0, 0, ["order_number", "placed_at", "email", "amount", "quantity", "sku"])
        sheet.write_number(1, 0, 8001234567890123)
        sheet.write_datetime(1, 1, datetime(2026, 10, 1, 10, 0), day)  # noqa: DTZ001
        sheet.write_row(1, 2, ["a@example.com", 1234.5, 2, "S1"])

    report = quick.orders(path)

    assert quick.all("orders", "number", "amount_minor", "placed_at") == [
        ("8001234567890123", 123450, datetime(2026, 10, 1, 2, 0, tzinfo=UTC))
    ]
    assert (report.format, report.notes) == ("xlsx", ("the sheet `data` was read",))


def test_rows_count_as_a_spreadsheet_shows_them(quick: Desk) -> None:
    path = quick.folder / "orders.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "Orders of October")
        sheet.write_row(2, 0, ["order_number", "placed_at", "email", "amount"])
        sheet.write_row(3, 0, ["A1", "2026-10-01", "a@example.com", "x"])

    assert [p.row for p in quick.orders(path).problems] == [4]


def test_a_cell_of_several_lines_is_one_row(quick: Desk) -> None:
    text = 'order_number,placed_at,email,note,amount\nA1,2026-10-01,a@example.com,"a\nb\nc",1\n'

    report = quick.orders(quick.text(text + "A2,2026-10-01,b@example.com,,x\n"))

    assert quick.all("orders", "note") == ["a b c"]
    assert [p.row for p in report.problems] == [3]


def test_what_is_shown_for_confirmation_is_the_header_and_first_rows(quick: Desk) -> None:
    report = quick.orders(quick.text(TEXT.format("Anna")))

    assert report.sample[0][0] == "order_number"
    assert report.sample[1][0] == "A1"


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    from crm_mailer.importing.seen import Seen

    seen = Seen()
    for number in range(200_000):
        assert not seen.add(("generic", f"A{number}"))

    assert all(seen.add(("generic", f"A{number}")) for number in range(0, 200_000, 7))
    assert seen.slots.itemsize * len(seen.slots) < 8_000_000
