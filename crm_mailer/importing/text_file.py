"""Reads rows from text: commas, semicolons, tabs, bars or blanks; one bad line costs one row."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from crm_mailer.importing.encodings import find_encoding
from crm_mailer.importing.report import RowProblem
from crm_mailer.importing.sheets import Complain
from crm_mailer.model.sentence import Sentence, sentence

DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "csv", ";": "csv, semicolons", "\t": "tsv", "|": "text, bars", "": "text, blanks"}
#: Characters of one line, and of one cell; anything longer is no order.
MAX_LINE = 1_000_000
MAX_CELL = 131_072
SNIFFED = 30


class TextSheet:
    """A text file as a table."""

    def __init__(self, path: Path, encodings: Sequence[str]) -> None:
        found = find_encoding(path, encodings)
        self.path = path
        self.encoding = found.encoding
        self.digest = found.digest
        self.notes: list[str] = []
        if found.is_guess:
            self.notes.append(
                Sentence(
                    "the encoding was guessed ({encoding}): look at the first rows, and name "
                    "another with --encoding if letters are wrong",
                    encoding=found.encoding,
                )
            )
        self.delimiter, self.skipped = self._sniff()
        self.format = NAMES[self.delimiter]

    def rows(self, complain: Complain, *, quoting: str = "standard") -> Iterator[list[str]]:
        """Each row; a broken one as an empty list."""
        with self._open() as stream:
            lines = Lines(stream)
            for _ in range(self.skipped):
                next(lines, "")
            reader = self._reader(lines, quoting)
            number = self.skipped
            while True:
                number += 1
                try:
                    yield next(reader)
                except StopIteration:
                    return
                except BadLine as error:
                    complain(RowProblem(row=number, column="", what=str(error), hint=error.hint))
                    yield []
                except csv.Error as error:
                    complain(_csv_problem(number, error))
                    yield []

    def _reader(self, lines: Lines, quoting: str) -> Iterator[list[str]]:
        if not self.delimiter:
            return BlankSeparated(lines)
        csv.field_size_limit(MAX_CELL)
        if quoting == "none":
            return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE)
        return csv.reader(lines, delimiter=self.delimiter)

    def _open(self) -> TextIO:
        return self.path.open("r", encoding=self.encoding, newline="")

    def _sniff(self) -> tuple[str, int]:
        """The delimiter, and how many lines stand before the table (Excel's `sep=;`)."""
        with self._open() as stream:
            first = [stream.readline(MAX_LINE) for _ in range(SNIFFED)]
        if first[0].lower().startswith("sep=") and len(first[0].strip()) == 5:
            return first[0][4], 1
        return sniff([line for line in first if line.strip()]), 0


def sniff(lines: Sequence[str]) -> str:
    """The delimiter that cuts most lines into the same number of cells, two or more.

    An empty answer means that blanks separate (or that there is one column).
    """
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        widths = _widths(lines, delimiter)
        usual = max(set(widths), key=widths.count, default=1)
        score = widths.count(usual) / max(1, len(widths)) + usual / 1000 if usual > 1 else 0
        if score > best_score:
            best, best_score = delimiter, score
    if best_score:
        return best
    widths = [len(line.split()) for line in lines[1:] or lines]
    is_regular = bool(widths) and min(widths) > 1 and max(widths) - min(widths) <= 0
    return "" if is_regular else ","


def _widths(lines: Sequence[str], delimiter: str) -> list[int]:
    try:
        return [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
    except csv.Error:
        return []


class BadLine(Exception):
    """A line that no reader should see."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(sentence(message))
        self.hint = sentence(hint)


class Lines:
    """The lines of a stream; one that is too long or has NUL bytes raises, and reading goes on."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if len(line) == MAX_LINE and line[-1] not in "\r\n":
            self._pass_over()
            raise BadLine(
                Sentence("a line of more than {most:,} characters", most=MAX_LINE),
                "is the file damaged? export it once more",
            )
        if "\0" in line:
            raise BadLine("NUL bytes in the line", "is the file damaged? export it once more")
        return line

    def _pass_over(self) -> None:
        while (rest := self.stream.readline(MAX_LINE)) and rest[-1] not in "\r\n":
            pass


class BlankSeparated:
    """Cells with any number of blanks between them."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    def __iter__(self) -> BlankSeparated:
        return self

    def __next__(self) -> list[str]:
        return next(self.lines).split()


def _csv_problem(number: int, error: csv.Error) -> RowProblem:
    text = str(error)
    if "field larger" in text:
        text = Sentence(
            "a cell of more than {most:,} characters: a quote was opened and never closed?",
            most=MAX_CELL,
        )
    return RowProblem(row=number, column="", what=text, hint="look for a stray quote in that row")
