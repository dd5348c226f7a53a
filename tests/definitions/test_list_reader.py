from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.files import parse_yaml
from crm_mailer.definitions.list_reader import ListFolder, read_list
from crm_mailer.definitions.problems import Problem
from crm_mailer.model.segment_blocks import Listed


def read(folder: Path, name: str = "vip.csv") -> tuple[Listed, list[Problem]]:
    problems: list[Problem] = []
    node = parse_yaml(f"list: {name}", "segments/vip.yaml").entries["list"]
    return read_list(name, ListFolder(path=folder, shown="segments"), node, problems), problems


def put(folder: Path, content: str | bytes, name: str = "vip.csv") -> Path:
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(raw)
    return folder


@pytest.mark.parametrize(
    ("content", "addresses", "numbers"),
    [
        ("email\na@x.com\nB@X.com\n", {"a@x.com", "b@x.com"}, set()),
        ("a@x.com\nb@x.com", {"a@x.com", "b@x.com"}, set()),
        ("Name;E-Mail;Note\nAnna;a@x.com;\n", {"a@x.com"}, set()),
        ("Name\tПочта\r\nАнна\ta@x.com\r\n", {"a@x.com"}, set()),
        ("\ufeff邮箱\na@x.com\n", {"a@x.com"}, set()),
        ("id\n17\n18\n", set(), {17, 18}),
        ("customer,email\n17,\n18,a@x.com\n", {"a@x.com"}, {17}),
        ("Visitors of 2026\na@x.com\n", {"a@x.com"}, set()),
        ('name,email\n"Lee, Ann",a@x.com\n', {"a@x.com"}, set()),
        ("email\na@x.com\n\n , \n", {"a@x.com"}, set()),
    ],
)
def test_lists_are_read_as_people_make_them(
    tmp_path: Path, content: str, addresses: set[str], numbers: set[int]
) -> None:
    found, problems = read(put(tmp_path, content))

    assert (set(found.addresses), set(found.numbers)) == (addresses, numbers)
    assert problems == []


def test_a_sheet_saved_by_excel_as_unicode_text_is_read(tmp_path: Path) -> None:
    found, problems = read(put(tmp_path, "email\na@x.com\n".encode("utf-16")))

    assert (found.addresses, problems) == (frozenset({"a@x.com"}), [])


@pytest.mark.parametrize(
    ("content", "message", "remedy", "is_error"),
    [
        ("", "the list vip.csv is empty: nobody is on it", "", False),
        ("email\n", "the list vip.csv is empty: nobody is on it", "", False),
        (
            "email\na@x.com\nnobody\nb@x\n",
            "2 rows of vip.csv have neither a mail address nor a number",
            "the first is line 3",
            False,
        ),
        (
            b"email\nM\xfcller@x.com\n",
            "segments/vip.csv is not UTF-8 text",
            "save it with the encoding UTF-8",
            True,
        ),
        (b"PK\x03\x04\0\0", "segments/vip.csv is no text", "save the sheet as CSV", True),
    ],
)
def test_what_is_wrong_with_a_list_is_told_where_it_is_named(
    tmp_path: Path, content: str | bytes, message: str, remedy: str, is_error: bool
) -> None:
    _found, [problem] = read(put(tmp_path, content))

    told = (problem.code, problem.line, problem.column, problem.message, problem.help)
    assert told == ("CRM140", 1, 7, message, remedy)
    assert problem.is_error == is_error


@pytest.mark.parametrize("name", ["../shop.csv", "/etc/passwd", "vip.xlsx", "lists/vip.csv"])
def test_a_list_lies_beside_its_segment(tmp_path: Path, name: str) -> None:
    _found, [problem] = read(tmp_path, name)

    assert problem.message == f"`{name}` is no name of a list"


def test_a_list_that_is_missing_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    put(tmp_path, "a@x.com", "vips.csv")

    _found, [problem] = read(tmp_path)

    assert problem.message == "there is no list segments/vip.csv"
    assert problem.help == "there are vips.csv"


def test_a_list_is_read_anew_when_it_is_written_anew(tmp_path: Path) -> None:
    read(put(tmp_path, "a@x.com\n"))

    found, _problems = read(put(tmp_path, "a@x.com\nb@x.com\n"))

    assert len(found.addresses) == 2
