"""Opens an export, whatever it is: text with any delimiter and encoding, xlsx or xls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from crm_mailer.importing.report import RowProblem
from crm_mailer.model.errors import SourceError
from crm_mailer.model.sentence import Sentence

#: Rows looked at to find the header and the ways in which numbers and dates are written.
PEEKED = 200
#: First bytes of files that are not what they seem.
ZIP, OLE, PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF"

Complain = Callable[[RowProblem], None]


class Sheet(Protocol):
    """A table of text cells that can be read from the start as often as wanted."""

    format: str
    encoding: str
    digest: str
    notes: list[str]

    def rows(self, complain: Complain, *, quoting: str = "standard") -> Iterator[list[str]]:
        """Each row in turn; one that cannot be read is complained of and comes as None's place.

        A broken row is yielded as an empty list, so that counting stays right.
        """
        ...


def open_sheet(path: Path, encodings: Sequence[str] = ()) -> Sheet:
    """The table in the file at `path`.

    Args:
        path: csv, tsv, txt, xlsx or xls; what it is is told by its content, not by its name.
        encodings: tried for text that is neither marked nor UTF-8, before guessing.

    Raises:
        SourceError: it is missing, a folder, empty, or nothing that holds a table.
    """
    head = _head(path)
    if head.startswith((ZIP, OLE)):
        from crm_mailer.importing.workbook import WorkbookSheet

        return WorkbookSheet(path)
    _refuse_strangers(path, head)
    from crm_mailer.importing.text_file import TextSheet

    return TextSheet(path, encodings)


def peek(sheet: Sheet, quoting: str = "standard") -> list[list[str]]:
    """The first rows, without complaints."""
    found = []
    for cells in sheet.rows(lambda problem: None, quoting=quoting):
        found.append(cells)
        if len(found) == PEEKED:
            break
    return found


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise SourceError(Sentence("{path} is a folder", path=path), hint="name one file in it")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError:
        raise SourceError(
            Sentence("{path} does not exist", path=path), hint="check the name and the folder"
        ) from None
    except OSError as error:
        why = error.strerror or str(error)
        raise SourceError(
            Sentence("{path} cannot be read: {why}", path=path, why=why),
            hint="check its permissions",
        ) from error
    if not head.strip():
        raise SourceError(
            Sentence("{path} is empty", path=path), hint="export the orders once more"
        )
    return head


def _refuse_strangers(path: Path, head: bytes) -> None:
    start = head.lstrip()[:200].lower()
    if head.startswith(PDF):
        raise SourceError(
            Sentence("{path} is a PDF", path=path), hint="export the orders as CSV or Excel"
        )
    if start.startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
        raise SourceError(
            Sentence("{path} is a web page or XML, whatever its name says", path=path),
            hint="open it in Excel or WPS and save it as .xlsx or as CSV UTF-8",
        )
    is_wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not is_wide and head.count(0) > len(head) // 10:
        raise SourceError(
            Sentence("{path} is no text and no Excel file", path=path),
            hint="export the orders as CSV or Excel",
        )
