"""Reads rows from Excel files, xlsx and xls: numbers, dates and truths become plain text."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import python_calamine

from crm_mailer.importing.sheets import ZIP, Complain
from crm_mailer.model.errors import SourceError
from crm_mailer.model.sentence import Sentence

#: Bytes that an xlsx may unfold to.
MAX_UNFOLDED = 2_000_000_000


class WorkbookSheet:
    """The first sheet with cells of an Excel file."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            is_zip = file.read(4) == ZIP
        if is_zip:
            _guard(path)
        self.format = "xlsx" if is_zip else "xls"
        self.encoding = ""
        self.notes: list[str] = []
        self._rows = self._read(path)

    def rows(self, complain: Complain, *, quoting: str = "standard") -> Iterator[list[str]]:
        """Each row."""
        for cells in self._rows:
            yield [as_text(cell) for cell in cells]

    def _read(self, path: Path) -> list[list[Any]]:
        try:
            with python_calamine.CalamineWorkbook.from_path(path) as book:
                for name in book.sheet_names:
                    rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
                    if any(cell not in ("", None) for row in rows for cell in row):
                        if name != book.sheet_names[0]:
                            self.notes.append(Sentence("the sheet `{name}` was read", name=name))
                        return rows
        except python_calamine.PasswordError:
            raise SourceError(
                Sentence("{path} is protected by a password", path=path),
                hint="save it without a password",
            ) from None
        except (python_calamine.CalamineError, OSError, ValueError) as error:
            raise SourceError(
                Sentence(
                    "{path} is damaged or no Excel file: {why}",
                    path=path,
                    why=_first_line(error),
                ),
                hint="open it in Excel or WPS and save it again, or export it as CSV",
            ) from error
        raise SourceError(
            Sentence("{path} has no cells", path=path), hint="export the orders once more"
        )


def as_text(cell: Any) -> str:
    """A cell as the text that stands for it in a CSV file."""
    if isinstance(cell, str):
        return cell
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e18 else f"{cell:.15g}"
    if isinstance(cell, (datetime, date, time)):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return str(cell)
    return str(cell)


def _guard(path: Path) -> None:
    """Refuse a zip that is broken or unfolds to more than a machine can hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise SourceError(
            Sentence(
                "{path} is a damaged Excel file: {why}",
                path=path,
                why=_first_line(error),
            ),
            hint="was it cut off while downloading? export it once more",
        ) from error
    if size > MAX_UNFOLDED:
        raise SourceError(
            Sentence("{path} unfolds to {size:.1f} GB", path=path, size=size / 1e9),
            hint="export fewer orders at a time, or CSV",
        )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
