"""Orders that another program tells of, one by one: written by the same rules as a file's rows.

What a program tells is laid out as the rows of a file with the program's own columns, so that a
name, an amount, a state means the same wherever it comes from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from crm_mailer.definitions.column_maps import FIELDS, LINE_FIELDS, ColumnMap, fold, shipped_maps
from crm_mailer.definitions.rates import Rates
from crm_mailer.importing.drafts import Person
from crm_mailer.importing.header import Binding
from crm_mailer.importing.opening import Reading
from crm_mailer.importing.order_reader import OrderReader
from crm_mailer.importing.people import take_people
from crm_mailer.importing.people_reader import PeopleReader
from crm_mailer.importing.report import RowProblem, Tally
from crm_mailer.importing.take_in import TakingIn
from crm_mailer.model.moment import local_day
from crm_mailer.model.order import OrderState
from crm_mailer.store.engine import Connection

#: All fields of a column map, in a fixed order: the columns of the rows.
COLUMNS = tuple(sorted(FIELDS))
_PLACES = {name: (place,) for place, name in enumerate(COLUMNS)}
CREATED, CHANGED, UNCHANGED, WRONG = "created", "changed", "unchanged", "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is told of one order. `head`: field of a column map -> text; `lines`: one an item."""

    head: Mapping[str, str]
    lines: Sequence[Mapping[str, str]] = ()

    def rows(self) -> Iterator[list[str]]:
        """The rows of a file that would tell the same."""
        for line in self.lines or ({},):
            known = {name: text for name, text in line.items() if name in LINE_FIELDS}
            yield [({**self.head, **known}).get(name, "") for name in COLUMNS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong with a field, and what to do."""

    field: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one order: created, changed, unchanged or wrong."""

    number: str
    became: str
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How what is told is to be read, and by which rules it is written."""

    platform: str
    place: ZoneInfo
    currency: str
    default_language: str
    rates: Rates
    now: datetime
    #: What stands as evidence of a consent, such as `webhook shopify, request 7`.
    origin: str
    #: The platform's words for states: those of a shipped column map.
    words_of: str = "generic"
    #: What a field is called by whoever tells.
    names: Mapping[str, str] = field(default_factory=dict)
    default_state: OrderState | None = OrderState.PAID

    def binding(self) -> Binding:
        """The columns, as a file would have them."""
        words = next(one for one in shipped_maps() if one.name == self.words_of)
        made = ColumnMap(
            name=self.words_of,
            platform=self.platform,
            dates="ymd",
            decimal=".",
            default_state=self.default_state,
            states={**{fold(state.value): state for state in OrderState}, **words.states},
        )
        labels = tuple(self.names.get(name, name) for name in COLUMNS)
        return Binding(made, 0, labels, _PLACES)

    def reading(self) -> Reading:
        """How cells are read."""
        return Reading(
            place=self.place,
            now=self.now,
            day_order="ymd",
            decimal_mark=".",
            currency=self.currency,
            file_name=self.origin,
        )


class _FullTally(Tally):
    """Keeps every problem: who asks has a right to know each."""

    def problem(self, problem: RowProblem) -> None:
        self.problems.append(problem)


def take_orders(
    connection: Connection, orders: Sequence[Told], manner: Manner
) -> tuple[list[Outcome], tuple[str, ...]]:
    """Write orders and their customers; what became of each, in their sequence, and notes.

    An order that stands there twice is taken twice, the later after the earlier.
    """
    waves: list[list[int]] = []
    met: dict[str, int] = defaultdict(int)
    for index, one in enumerate(orders):
        number = one.head.get("order_number", "").strip()
        if met[number] == len(waves):
            waves.append([])
        waves[met[number]].append(index)
        met[number] += 1
    found: dict[int, Outcome] = {}
    notes: dict[str, None] = {}
    for wave in waves:
        tally = _FullTally()
        found |= _take_wave(connection, orders, wave, manner, tally)
        notes |= dict.fromkeys(tally.sentences())
    return [found[index] for index in range(len(orders))], tuple(notes)


def _take_wave(
    connection: Connection,
    orders: Sequence[Told],
    wave: Sequence[int],
    manner: Manner,
    tally: Tally,
) -> dict[int, Outcome]:
    reader = OrderReader(manner.binding(), manner.reading(), tally)
    for index in wave:
        for cells in orders[index].rows():
            reader.take(index + 1, cells)
    became: dict[tuple[str, str], str] = {}
    taking = TakingIn(
        rates=manner.rates,
        default_language=manner.default_language,
        now=manner.now,
        tally=tally,
        may_lack_customers=False,
        became=became,
    )
    drafts = reader.give(is_last=True)
    rows = {draft.row - 1: draft.key for draft in drafts}
    taking.take(connection, drafts)
    faults: dict[int, list[Fault]] = defaultdict(list)
    for one in tally.problems:
        faults[one.row - 1].append(Fault(field=one.column, what=one.what, hint=one.hint))
    return {
        index: Outcome(
            number=orders[index].head.get("order_number", ""),
            became=became.get(rows[index], WRONG) if index in rows else WRONG,
            faults=tuple(dict.fromkeys(faults[index])),
        )
        for index in wave
    }


def take_customer(connection: Connection, told: Mapping[str, str], manner: Manner) -> Person:
    """Write what is told of a customer: it replaces what is known, emptiness nothing."""
    tally = _FullTally()
    reader = PeopleReader(
        manner.binding(),
        tally,
        file_name=manner.origin,
        today=local_day(manner.now, manner.place),
    )
    person = reader.begin(manner.platform)
    reader.fill(person, 1, [told.get(name, "") for name in COLUMNS])
    take_people(
        connection,
        [(1, person)],
        default_language=manner.default_language,
        now=manner.now,
        tally=tally,
    )
    return person
