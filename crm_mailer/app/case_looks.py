"""What the pages of cases show: the board, one case's letters, what changed since it was opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from crm_mailer.app import letter_marks, originals
from crm_mailer.app.letter_marks import Piece, Run
from crm_mailer.app.originals import Enclosed
from crm_mailer.app.wiring import App
from crm_mailer.learning import followups
from crm_mailer.model.case import UNDER_WAY, Case, CaseEvent, CaseState
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.reply import REASONS, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.reporting.cases import in_words
from crm_mailer.store import case_board, task_pages, threads
from crm_mailer.store import cases as store_cases
from crm_mailer.store.case_board import COUNTED, BoardCase, Narrowing, Place
from crm_mailer.store.task_pages import OpenTask, Stop
from crm_mailer.store.threads import Letter

#: Cards of a column, rows of a list, letters of each sort beside a case.
CARDS, ROWS, LETTERS = 12, 50, 40
#: One agent at a time acts on a case from these pages.
_ACTS = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A case on the board. `left` is negative when overdue, None where nothing is owed."""

    number: int
    state: CaseState
    reason: str
    reason_in_words: str
    severity: Severity
    is_serious: bool
    left: timedelta | None
    due_at: datetime
    closed_at: datetime | None
    opened_at: datetime
    deadline_at: datetime | None
    customer: str
    customer_id: int
    country: str
    is_flagged: bool
    order_number: str
    campaign: str
    owner: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Cases of one state. `after` names where the next page begins; empty for none."""

    state: CaseState
    cards: tuple[Card, ...]
    #: Up to `COUNTED`; `is_more` says that there are more than that.
    count: int
    is_more: bool
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A letter with its parts; `own` is empty of marks where nobody judged its words."""

    letter: Letter
    subject: tuple[Run, ...]
    pieces: tuple[Piece, ...]
    enclosed: tuple[Enclosed, ...]


def board(app: App, narrowing: Narrowing) -> tuple[Column, ...]:
    """The first cards of every state."""
    return tuple(column(app, state, narrowing, limit=CARDS) for state in CaseState)


def column(
    app: App, state: CaseState, narrowing: Narrowing, *, after: str = "", limit: int = 0
) -> Column:
    """Cases of one state, a page at a time; a `limit` of 0 is the usual one.

    Raises:
        NotPossible: `after` is no place in it.
    """
    now, limit = app.clock.now(), limit or ROWS
    place = _place(after) if after else None
    with app.store.read() as connection:
        found = case_board.page(connection, state, narrowing, now=now, after=place, limit=limit + 1)
        is_all = place is None and len(found) <= limit
        count = len(found) if is_all else case_board.count(connection, state, narrowing, now=now)
    shown = found[:limit]
    return Column(
        state=state,
        cards=tuple(_card(one, now) for one in shown),
        count=min(count, COUNTED),
        is_more=count > COUNTED,
        after=_written(shown[-1].place) if len(found) > limit else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPage:
    """Open tasks. `after` names where the next page begins; empty for none."""

    rows: tuple[OpenTask, ...]
    kinds: dict[str, int]
    after: str = ""


def tasks(app: App, *, kind: str = "", after: str = "") -> TaskPage:
    """Open tasks, the most urgent first, a page at a time.

    Raises:
        NotPossible: `after` is no place in the list.
    """
    stop = _stop(after) if after else None
    with app.store.read() as connection:
        found = task_pages.page(connection, kind=kind, after=stop, limit=ROWS + 1)
        kinds = task_pages.kinds(connection)
    rows = tuple(found[:ROWS])
    last = rows[-1].stop if len(found) > ROWS else None
    told = "" if last is None else f"{last.due_at.isoformat() if last.due_at else ''}~{last.task}"
    return TaskPage(rows=rows, kinds=kinds, after=told)


def owners(app: App) -> list[str]:
    """Who has cases under way."""
    with app.store.read() as connection:
        return case_board.owners(connection)


def conversation(app: App, case: Case, merged: Sequence[int]) -> tuple[Read, ...]:
    """What was written around a case, oldest first, told apart and marked."""
    with app.store.read() as connection:
        found = threads.of_case(connection, case.customer_id, [case.id, *merged], limit=LETTERS)
    return tuple(read(app, letter) for letter in found)


def read(app: App, letter: Letter) -> Read:
    """One letter, told apart and marked."""
    return Read(
        letter=letter,
        subject=letter_marks.marked(letter.subject, letter.evidence),
        pieces=letter_marks.pieces(letter.full_text, letter.own_text, letter.evidence),
        enclosed=originals.enclosures(app, letter.reply_id)
        if letter.has_bytes and letter.reply_id
        else (),
    )


def mergeable(app: App, case_id: int) -> list[Case]:
    """Other cases of the same customer that are under way."""
    with app.store.read() as connection:
        return case_board.others_of(connection, case_id)


def seen(app: App, case_id: int) -> int:
    """What a form carries, so that it is noticed when somebody acts in between."""
    with app.store.read() as connection:
        return case_board.last_event(connection, case_id)


class Unchanged:
    """Within it nobody else acts on a case from these pages; entering tells what was missed.

    Args:
        app: the shop.
        case_id: the case.
        since: what the form carried; empty where it does not matter.

    Raises:
        NotPossible: somebody, or the customer, was there in between.
    """

    def __init__(self, app: App, case_id: int, since: str) -> None:
        self._app, self._case, self._since = app, case_id, since

    def __enter__(self) -> None:
        _ACTS.acquire()
        try:
            self._look()
        except BaseException:
            _ACTS.release()
            raise

    def __exit__(self, *_told: object) -> None:
        _ACTS.release()

    def _look(self) -> None:
        now = seen(self._app, self._case)
        if not self._since.isdecimal() or not now or self._since == str(now):
            return
        with self._app.store.read() as connection:
            last = store_cases.list_events(connection, self._case)[-1]
        kind = last.kind.value.replace("_", " ")
        raise NotPossible(
            Sentence(
                "case {number} changed since you opened it: {who}: {what}",
                number=self._case,
                who=last.by or _by_whom(last),
                what=Sentence(kind),
            ),
            hint="look at it once more; then do it again, if it is still right",
        )


def reasons() -> dict[str, str]:
    """Every reason with what it means."""
    return {code: in_words(code) for code in REASONS}


def _by_whom(event: CaseEvent) -> Sentence:
    """Whose doing it was, where nobody is named."""
    return Sentence("the customer") if event.reply_id else Sentence("the program")


def _card(one: BoardCase, now: datetime) -> Card:
    case = one.case
    return Card(
        number=case.id,
        state=case.state,
        reason=case.reason,
        reason_in_words=in_words(case.reason),
        severity=case.severity,
        is_serious=case.is_serious,
        left=followups.time_left(case, now),
        due_at=case.due_at,
        closed_at=case.closed_at if case.state not in UNDER_WAY else None,
        opened_at=case.opened_at,
        deadline_at=case.deadline_at,
        customer=one.customer,
        customer_id=case.customer_id,
        country=one.country,
        is_flagged=one.is_flagged,
        order_number=one.order_number,
        campaign=one.campaign,
        owner=case.owner,
        words=" ".join(one.words.split()),
    )


def _written(place: Place) -> str:
    return f"{place.at.isoformat()}~{place.case}"


def _stop(written: str) -> Stop:
    at, _sign, number = written.partition("~")
    try:
        return Stop(due_at=datetime.fromisoformat(at) if at else None, task=int(number))
    except ValueError:
        raise NotPossible(
            "the page after that cannot be found", hint="begin at the first one"
        ) from None


def _place(written: str) -> Place:
    at, _sign, number = written.partition("~")
    try:
        return Place(at=datetime.fromisoformat(at), case=int(number))
    except ValueError:
        raise NotPossible(
            "the page after that cannot be found", hint="begin at the first one"
        ) from None
