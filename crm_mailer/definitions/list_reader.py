"""Reads a list of customers that somebody made: a CSV file of mail addresses or numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crm_mailer.definitions.files import Node
from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.address import key
from crm_mailer.model.segment_blocks import Listed
from crm_mailer.model.sentence import Sentence

MAX_BYTES = 100_000_000
#: What the column of addresses, or of customers' numbers, is called by those who make lists.
ADDRESSES = frozenset(
    "email e-mail mail address mailaddress emailaddress correo emailadresse courriel почта "
    "邮箱 电子邮箱 邮箱地址".split()
)
NUMBERS = frozenset("id customer customerid number 客户编号".split())
_NAME = re.compile(r"[^/\\]+\.(csv|txt)", re.IGNORECASE)
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_BLANKS = re.compile(r"[\s_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFolder:
    """Where lists lie, and how that place is called in messages."""

    path: Path
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contents:
    """What a list says; `odd` are rows with neither address nor number, `first_odd` the first."""

    addresses: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()
    odd: int = 0
    first_odd: int = 0
    trouble: str = ""
    help: str = ""


def read_list(name: str, folder: ListFolder, node: Node, problems: list[Problem]) -> Listed:
    """The list in the file `name` of `folder`; faults are noted at `node`, which names it."""

    def fault(message: str, remedy: str, severity: Severity = Severity.ERROR) -> None:
        problems.append(node.problem("CRM140", message, help=remedy, severity=severity))

    path = folder.path / name
    if not _NAME.fullmatch(name):
        what = Sentence("`{name}` is no name of a list", name=name)
        fault(what, Sentence("a .csv or .txt file beside the segment's file"))
        return Listed(file=name)
    if not path.is_file():
        what = Sentence("there is no list {file}", file=f"{folder.shown}/{name}")
        fault(what, _where(folder))
        return Listed(file=name)
    stat = path.stat()
    found = _contents(path, stat.st_mtime_ns, stat.st_size)
    if found.trouble:
        file = f"{folder.shown}/{name}"
        fault(Sentence("{file} {trouble}", file=file, trouble=found.trouble), found.help)
    elif not found.addresses and not found.numbers:
        what = Sentence("the list {name} is empty: nobody is on it", name=name)
        fault(what, "", Severity.WARNING)
    elif found.odd:
        what = Sentence("1 row of {name} have neither a mail address nor a number", name=name)
        if found.odd > 1:
            what = Sentence(
                "{count} rows of {name} have neither a mail address nor a number",
                count=found.odd,
                name=name,
            )
        fault(what, Sentence("the first is line {line}", line=found.first_odd), Severity.WARNING)
    return Listed(file=name, addresses=found.addresses, numbers=found.numbers)


def _where(folder: ListFolder) -> Sentence:
    """Which lists there are; where there is none, the place of one."""
    near = sorted(one.name for one in folder.path.glob("*.csv"))
    if near:
        return Sentence("there are {names}", names=", ".join(near[:5]))
    return Sentence("put it into {folder}/", folder=folder.shown)


@lru_cache(maxsize=64)
def _contents(path: Path, _written_at: int, size: int) -> _Contents:
    """What the file says; read anew when it is written anew."""
    if size > MAX_BYTES:
        most = MAX_BYTES // 1_000_000
        return _Contents(trouble=Sentence("is larger than {size} MB", size=most))
    try:
        raw = path.read_bytes()
        is_utf16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = raw.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        return _Contents(
            trouble=Sentence("is not UTF-8 text"), help=Sentence("save it with the encoding UTF-8")
        )
    except OSError as error:
        return _Contents(trouble=Sentence("cannot be read: {why}", why=error.strerror or error))
    if "\0" in text:
        return _Contents(trouble=Sentence("is no text"), help=Sentence("save the sheet as CSV"))
    return _sorted_out(list(_rows(text)))


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that say anything, each with the number of its line."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    mark = max(",;\t", key=first.count)
    for number, line in enumerate(lines, start=1):
        cells = next(csv.reader([line], delimiter=mark), [])
        if any(cell.strip() for cell in cells):
            yield number, [cell.strip() for cell in cells]


def _sorted_out(rows: Sequence[tuple[int, list[str]]]) -> _Contents:
    if not rows:
        return _Contents()
    names = [_BLANKS.sub("", cell.casefold()) for cell in rows[0][1]]
    mail = next((place for place, name in enumerate(names) if name in ADDRESSES), None)
    number = next((place for place, name in enumerate(names) if name in NUMBERS), None)
    has_header = mail is not None or number is not None
    addresses, numbers, odd = set(), set(), []
    for line, cells in rows[1:] if has_header else rows:
        address = _address(cells, mail, is_any=not has_header)
        digits = _digits(cells, number if has_header else 0)
        if address:
            addresses.add(key(address))
        elif digits:
            numbers.add(int(digits))
        elif has_header or line != rows[0][0] or len(rows) == 1:
            odd.append(line)
    return _Contents(
        addresses=frozenset(addresses),
        numbers=frozenset(numbers),
        odd=len(odd),
        first_odd=odd[0] if odd else 0,
    )


def _address(cells: Sequence[str], place: int | None, *, is_any: bool) -> str:
    """The address in the named column, else (without a header) the first in the row."""
    if is_any:
        return next((cell for cell in cells if _MAIL.fullmatch(cell)), "")
    cell = cells[place] if place is not None and place < len(cells) else ""
    return cell if _MAIL.fullmatch(cell) else ""


def _digits(cells: Sequence[str], place: int | None) -> str:
    cell = cells[place] if place is not None and place < len(cells) else ""
    return cell if cell.isascii() and cell.isdigit() and len(cell) < 16 else ""
