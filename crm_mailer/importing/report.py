"""What an import did, in figures and in problems that name row, column and remedy."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from crm_mailer.model.sentence import Sentence, sentence

#: Problems kept in full; all are counted.
MAX_PROBLEMS = 300
#: Stands in a note for how often it was made.
COUNT = "{count}"


class Count(StrEnum):
    """What is counted."""

    ROWS = "rows"
    ROWS_BAD = "rows_bad"
    ORDERS_NEW = "orders_new"
    ORDERS_CHANGED = "orders_changed"
    ORDERS_UNCHANGED = "orders_unchanged"
    #: Left out because one of their rows is bad: never half an order.
    ORDERS_LEFT_OUT = "orders_left_out"
    ORDERS_WITHOUT_ADDRESS = "orders_without_address"
    CUSTOMERS_NEW = "customers_new"
    CUSTOMERS_CHANGED = "customers_changed"
    CUSTOMERS_UNCHANGED = "customers_unchanged"
    CUSTOMERS_MERGED = "customers_merged"
    REVIEWS = "reviews"
    RATINGS_NEW = "ratings_new"
    RATINGS_CHANGED = "ratings_changed"
    RATINGS_UNCHANGED = "ratings_unchanged"
    ADDRESSES_NEW = "addresses_new"
    ADDRESSES_KNOWN = "addresses_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowProblem:
    """Something in one row. Rows count from 1, the header included, as a spreadsheet shows them.

    `is_left_out`: the row was not imported; otherwise it was, without this cell.
    `what` and `hint` are sentences, to be said in the reader's language.
    """

    row: int
    column: str
    what: str
    hint: str = ""
    is_left_out: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", sentence(self.what))
        object.__setattr__(self, "hint", sentence(self.hint))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """The figures of one import. `sample`: the header and the first rows as they were read."""

    kind: str
    file_name: str
    map_name: str
    format: str
    encoding: str
    is_dry_run: bool
    counts: dict[str, int]
    problems: tuple[RowProblem, ...] = ()
    problem_count: int = 0
    notes: tuple[str, ...] = ()
    sample: tuple[tuple[str, ...], ...] = ()

    def count(self, what: Count) -> int:
        """One figure; 0 where nothing was counted."""
        return self.counts.get(what.value, 0)

    @property
    def rows_bad(self) -> int:
        """Rows that were not imported."""
        return self.count(Count.ROWS_BAD)

    @property
    def orders_new(self) -> int:
        """Orders that were not known before."""
        return self.count(Count.ORDERS_NEW)

    @property
    def orders_changed(self) -> int:
        """Known orders of which something is new."""
        return self.count(Count.ORDERS_CHANGED)

    @property
    def orders_unchanged(self) -> int:
        """Known orders of which nothing is new."""
        return self.count(Count.ORDERS_UNCHANGED)

    @property
    def orders_without_address(self) -> int:
        """Orders whose customer has no mail address."""
        return self.count(Count.ORDERS_WITHOUT_ADDRESS)

    @property
    def customers_new(self) -> int:
        """Customers that were not known before."""
        return self.count(Count.CUSTOMERS_NEW)

    @property
    def customers_changed(self) -> int:
        """Known customers of whom something is new."""
        return self.count(Count.CUSTOMERS_CHANGED)


@dataclass(slots=True)
class Tally:
    """Counts while an import runs."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[RowProblem] = field(default_factory=list)
    problem_count: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    #: What a note says when it was made once, by what it says of several.
    ones: dict[str, Sentence] = field(default_factory=dict)

    def add(self, what: Count, number: int = 1) -> None:
        """Count something."""
        self.counts[what.value] += number

    def problem(self, problem: RowProblem) -> None:
        """Keep a problem (the first few hundred) and count it."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
        if problem.is_left_out:
            self.add(Count.ROWS_BAD)

    def note(self, text: str, number: int = 1, *, one: Sentence | None = None) -> None:
        """Something about the file as a whole; a part `count` of it becomes how often.

        Args:
            text: the note.
            number: how often it is made now.
            one: what it says if it was made once only.
        """
        self.notes[text] += number
        if one is not None:
            self.ones[text] = one

    def sentences(self) -> tuple[str, ...]:
        """The notes, with their numbers."""
        return tuple(
            self.ones[text] if count == 1 and text in self.ones else _counted(text, count)
            for text, count in self.notes.items()
        )


def _counted(text: str, count: int) -> str:
    if not isinstance(text, Sentence) or "count" not in text.parts:
        return text
    return Sentence(text.pattern, **{**text.parts, "count": f"{count:,}"})
