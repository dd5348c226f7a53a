"""Takes orders in: load what is known, decide what is new, save it, chunk by chunk.

Each chunk is one transaction with whole orders, so that a program that dies leaves no half order
and the same import, run again, completes. What an order is, is decided by `decide` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.definitions.column_maps import ColumnMap, shipped_maps
from crm_mailer.definitions.rates import Rates
from crm_mailer.importing import states
from crm_mailer.importing.cells import decimal_mark
from crm_mailer.importing.dates import day_order
from crm_mailer.importing.drafts import OrderDraft
from crm_mailer.importing.header import Binding, bind
from crm_mailer.importing.order_reader import OrderReader, Reading
from crm_mailer.importing.register import Record, Register
from crm_mailer.importing.report import Count, ImportReport, RowProblem, Tally
from crm_mailer.importing.seen import Seen
from crm_mailer.importing.sheets import Sheet, open_sheet, peek
from crm_mailer.model import moment
from crm_mailer.model.money import Money
from crm_mailer.model.order import OrderItem, OrderState
from crm_mailer.store import bulk, import_runs
from crm_mailer.store import orders as store
from crm_mailer.store.engine import Store
from crm_mailer.store.tables import orders as orders_table

#: Rows read between two transactions.
CHUNK = 20_000
AMOUNTS = ("amount", "price", "line_total", "line_extra", "shipping_fee", "refunded")
TIMES = ("placed_at", "paid_at", "shipped_at", "received_at")
SAMPLE_ROWS = 4
#: Facts in words and times that a later file may fill or change.
WORDS = (
    "buyer_id payment_method promised_ship_at carrier tracking_number tracking_url expected_at note"
).split()
InDollars = Callable[[int, str, date], int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A file that is understood: its cells, its map, how to read it."""

    sheet: Sheet
    binding: Binding
    reading: Reading
    sample: tuple[tuple[str, ...], ...]

    def rows(self, tally: Tally) -> Iterator[tuple[int, list[str]]]:
        """Row number and cells of each row after the header."""
        quoting = self.binding.map.quoting
        for number, cells in enumerate(self.sheet.rows(tally.problem, quoting=quoting), start=1):
            if number > self.binding.header_row and cells:
                yield number, cells


def import_orders(
    store_: Store,
    path: Path,
    *,
    column_map: ColumnMap | None = None,
    maps: Sequence[ColumnMap] | None = None,
    platform: str = "",
    rates: Rates,
    shop_zone: ZoneInfo,
    shop_currency: str,
    default_language: str,
    now: datetime,
    is_dry_run: bool = False,
    encodings: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take the orders of an export in, and the customers who placed them.

    Args:
        store_: where to.
        path: csv, tsv, txt, xlsx or xls.
        column_map: the map to use; None: the one that fits the header best.
        maps: maps to choose from; None: the shipped ones.
        platform: the platform's name where it is not the map's.
        rates: dollars for one unit of a currency, by day.
        shop_zone: the zone of times that name none.
        shop_currency: the currency of amounts that name none.
        default_language: of customers whose country tells none.
        now: the present instant.
        is_dry_run: decide everything, write nothing. The database's write turn is held meanwhile.
        encodings: to try for text that is neither marked nor UTF-8.
        progress: told how many rows are done, after each chunk.

    Raises:
        SourceError: the file cannot be read or no map fits it; nothing was written.
    """
    opened = open_file(
        path,
        "orders",
        column_map=column_map,
        maps=maps,
        platform=platform,
        shop_zone=shop_zone,
        shop_currency=shop_currency,
        now=now,
        encodings=encodings,
    )
    tally = Tally()
    reader = OrderReader(opened.binding, opened.reading, tally)
    taking = TakingIn(rates=rates, default_language=default_language, now=now, tally=tally)
    with turns(store_, is_dry_run=is_dry_run) as turn:
        for number, cells in opened.rows(tally):
            reader.take(number, cells)
            tally.counts["rows"] += 1
            if tally.counts["rows"] % CHUNK == 0:
                with turn() as connection:
                    taking.take(connection, reader.give(is_last=False))
                if progress:
                    progress(tally.counts["rows"])
        with turn() as connection:
            taking.take(connection, reader.give(is_last=True))
            report = make_report(opened, path, "orders", tally, is_dry_run=is_dry_run)
            write_down(connection, opened, report, now)
    if progress:
        progress(tally.counts["rows"])
    return report


# ------------------------------------------------------------------ shared with other files


def open_file(
    path: Path,
    kind: str,
    *,
    column_map: ColumnMap | None,
    maps: Sequence[ColumnMap] | None,
    platform: str,
    shop_zone: ZoneInfo,
    shop_currency: str,
    now: datetime,
    encodings: Sequence[str],
) -> Opened:
    """Open the file, find its header and map, and see how it writes numbers and dates.

    Raises:
        SourceError: it cannot be read, or no map fits.
    """
    sheet = open_sheet(path, encodings)
    rows = peek(sheet)
    binding = bind(path, rows, kind, shipped_maps() if maps is None else maps, column_map)
    body = rows[binding.header_row :]
    chosen = binding.map
    mark = chosen.decimal
    if mark == "auto":
        mark = decimal_mark(_column(binding, body, AMOUNTS))
    order, is_sure = day_order(_column(binding, body, TIMES))
    if chosen.dates == "auto" and not is_sure:
        sheet.notes.append(
            "dates such as 03/04/2026 were read day first: if that is wrong, say `dates: mdy` "
            "in a map of your own"
        )
    reading = Reading(
        place=shop_zone if chosen.zone == "shop" else moment.zone(chosen.zone),
        now=now,
        day_order=order if chosen.dates == "auto" else chosen.dates,
        decimal_mark=mark,
        currency=shop_currency,
        platform=platform,
        file_name=path.name,
    )
    start = max(0, binding.header_row - 1)
    sample = tuple(tuple(cells) for cells in rows[start : start + SAMPLE_ROWS])
    return Opened(sheet=sheet, binding=binding, reading=reading, sample=sample)


@contextmanager
def turns(
    store_: Store, *, is_dry_run: bool
) -> Iterator[Callable[[], AbstractContextManager[sa.Connection]]]:
    """Write transactions, one a chunk; for a dry run one for all, undone at the end."""
    if not is_dry_run:
        yield store_.write
        return
    with suppress(_Rehearsed), store_.write() as connection:
        yield lambda: nullcontext(connection)
        raise _Rehearsed


class _Rehearsed(Exception):
    """Undoes the one transaction of a dry run."""


def make_report(
    opened: Opened, path: Path, kind: str, tally: Tally, *, is_dry_run: bool
) -> ImportReport:
    """The figures so far."""
    return ImportReport(
        kind=kind,
        file_name=path.name,
        map_name=opened.binding.map.name,
        format=opened.sheet.format,
        encoding=opened.sheet.encoding,
        is_dry_run=is_dry_run,
        counts={name: number for name, number in tally.counts.items() if number},
        problems=tuple(tally.problems),
        problem_count=tally.problem_count,
        notes=(*opened.sheet.notes, *opened.binding.notes, *tally.sentences()),
        sample=opened.sample,
    )


def write_down(
    connection: sa.Connection, opened: Opened, report: ImportReport, now: datetime
) -> None:
    """Keep that the import was made."""
    import_runs.add(
        connection,
        import_runs.ImportRun(
            kind=report.kind,
            file_name=report.file_name,
            digest=opened.sheet.digest,
            mapping=report.map_name,
            at=now,
            counts=report.counts,
        ),
    )


def _column(binding: Binding, rows: Sequence[Sequence[str]], fields: Sequence[str]) -> list[str]:
    places = [place for name in fields for place in binding.places.get(name, ())]
    return [cells[place] for cells in rows for place in places if place < len(cells)]


# ------------------------------------------------------------------ load, decide, save


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of an order. `items` None: they stay as they are."""

    facts: store.OrderFacts
    times: dict[OrderState, datetime]
    items: tuple[OrderItem, ...] | None


class TakingIn:
    """One import of orders, chunk after chunk."""

    def __init__(self, *, rates: Rates, default_language: str, now: datetime, tally: Tally) -> None:
        self.rates = rates
        self.default_language = default_language
        self.now = now
        self.tally = tally
        self.seen = Seen()
        self.unrated: set[str] = set()

    def take(self, connection: sa.Connection, drafts: Sequence[OrderDraft]) -> None:
        """Write one chunk of whole orders."""
        if not drafts:
            return
        bulk.lock(connection, "importing")
        known = self._load(connection, drafts)
        register = Register(connection, default_language=self.default_language, now=self.now)
        owners = {one.facts.customer_id for one in known.values() if one.facts.customer_id}
        register.load([draft.person for draft in drafts], owners)
        pairs = [
            (draft, record)
            for draft in drafts
            if (record := self._customer_of(register, draft, known.get(draft.key)))
        ]
        register.save(self.tally)
        self._save(connection, known, pairs)

    def _load(
        self, connection: sa.Connection, drafts: Sequence[OrderDraft]
    ) -> dict[tuple[str, str], store.StoredOrder]:
        wanted: dict[str, list[str]] = {}
        for draft in drafts:
            wanted.setdefault(draft.platform, []).append(draft.number)
        return {
            (platform, number): one
            for platform, numbers in wanted.items()
            for number, one in store.find_by_numbers(connection, platform, numbers).items()
        }

    def _customer_of(
        self, register: Register, draft: OrderDraft, known: store.StoredOrder | None
    ) -> Record | None:
        owner = known.facts.customer_id if known else None
        record = register.resolve(draft.person, self.tally, owner=owner)
        assert draft.placed_at is not None
        problem = ""
        if record is None:
            problem = "the order names no customer"
        elif draft.amount() < 0:
            problem = "the order's amount is less than nothing"
        if problem or record is None:
            hint = "fill email, buyer_id, phone or name; a return belongs into `refunded`"
            self.tally.problem(RowProblem(row=draft.row, column="", what=problem, hint=hint))
            self.tally.add(Count.ORDERS_LEFT_OUT)
            return None
        register.note_consent(record, draft.person, draft.placed_at, draft.platform)
        return record

    def _save(
        self,
        connection: sa.Connection,
        known: dict[tuple[str, str], store.StoredOrder],
        pairs: Sequence[tuple[OrderDraft, Record]],
    ) -> None:
        fresh = [pair for pair in pairs if pair[0].key not in known]
        ids = bulk.take_ids(connection, orders_table, len(fresh))
        batch = Batch()
        for order_id, (draft, record) in zip(ids, fresh, strict=True):
            batch.add(order_id, self._decide(draft, record.itself(), None))
            batch.review(order_id, draft, record.itself().id)
        for draft, record in pairs:
            if (old := known.get(draft.key)) is not None:
                decided = self._decide(draft, record.itself(), old)
                batch.change(old, decided, self.tally)
                batch.review(old.id, draft, record.itself().id)
        self.tally.add(Count.ORDERS_NEW, len(fresh))
        nameless = sum(not record.itself().customer.email for _, record in pairs)
        self.tally.add(Count.ORDERS_WITHOUT_ADDRESS, nameless)
        batch.write(connection, self.now)

    def _decide(self, draft: OrderDraft, record: Record, old: store.StoredOrder | None) -> Decided:
        is_continued = self.seen.add(draft.key) and old is not None
        return decide(
            draft,
            record.id,
            old,
            now=self.now,
            in_dollars=self._in_dollars,
            is_continued=is_continued,
        )

    def _in_dollars(self, minor: int, currency: str, day: date) -> int | None:
        if currency == "USD":
            return minor
        rate = self.rates.on(currency, day)
        if rate is not None:
            return Money(minor=minor, currency=currency).usd_cents(rate)
        if currency not in self.unrated:
            self.unrated.add(currency)
            self.tally.note(
                f"no rate for {currency} on {day} or before: such orders have no value in USD "
                "until rates.csv has one and they are imported again"
            )
        return None


class Batch:
    """Rows to write, gathered."""

    def __init__(self) -> None:
        self.new: list[tuple[int, store.OrderFacts]] = []
        self.changed: list[tuple[int, store.OrderFacts]] = []
        self.events: list[tuple[int, OrderState, datetime]] = []
        self.items: list[tuple[int, tuple[OrderItem, ...]]] = []
        self.replaced: list[tuple[int, tuple[OrderItem, ...]]] = []
        self.reviews: list[store.Review] = []

    def add(self, order_id: int, decided: Decided) -> None:
        """A new order."""
        self.new.append((order_id, decided.facts))
        self.events.extend((order_id, state, at) for state, at in decided.times.items())
        if decided.items:
            self.items.append((order_id, decided.items))

    def change(self, old: store.StoredOrder, decided: Decided, tally: Tally) -> None:
        """A known order: only what differs is written."""
        events = [
            (old.id, state, at) for state, at in decided.times.items() if old.times.get(state) != at
        ]
        items = decided.items if decided.items not in (None, old.items) else None
        if decided.facts == old.facts and not events and items is None:
            tally.add(Count.ORDERS_UNCHANGED)
            return
        tally.add(Count.ORDERS_CHANGED)
        self.changed.append((old.id, decided.facts))
        self.events.extend(events)
        if items is not None:
            self.replaced.append((old.id, items))

    def review(self, order_id: int, draft: OrderDraft, customer_id: int) -> None:
        """What the customer said of the order, where the file tells it."""
        at = draft.times.get(OrderState.REVIEWED)
        if draft.stars is not None and (at or draft.placed_at):
            self.reviews.append(
                store.Review(
                    order_id=order_id,
                    customer_id=customer_id,
                    stars=draft.stars,
                    comment=draft.review,
                    at=at or draft.placed_at,  # type: ignore[arg-type]
                )
            )

    def write(self, connection: sa.Connection, now: datetime) -> None:
        """All of it."""
        store.add(connection, self.new, now=now)
        store.change(connection, self.changed, now=now)
        store.put_events(connection, self.events, learnt_at=now)
        store.put_items(connection, self.items, replace=False)
        store.put_items(connection, self.replaced, replace=True)
        store.put_reviews(connection, self.reviews)


def decide(
    draft: OrderDraft,
    customer_id: int,
    old: store.StoredOrder | None,
    *,
    now: datetime,
    in_dollars: InDollars,
    is_continued: bool = False,
) -> Decided:
    """What an order is after this file: its facts, the times of its states, its items.

    Args:
        draft: what the file tells.
        customer_id: whose order it is.
        old: what is stored of it; None for a new one.
        now: the present instant.
        in_dollars: minor units, currency and day to US cents; None where no rate is known.
        is_continued: more lines of an order that the same file told of before.
    """
    assert draft.placed_at is not None
    amount, refund = draft.amount(), draft.refund()
    if is_continued and old is not None and draft.total is None:
        amount += old.facts.amount_minor
        refund += old.facts.refunded_minor
    life = _life(draft, old, amount, refund, now)
    placed_at, currency = draft.placed_at, draft.currency
    if old is not None:
        placed_at = min(placed_at, old.facts.placed_at)
    if old is not None and life.is_older:
        amount, refund = old.facts.amount_minor, old.facts.refunded_minor
        currency = old.facts.currency
    facts = store.OrderFacts(
        platform=draft.platform,
        number=draft.number,
        customer_id=customer_id,
        state=life.state,
        is_counted=states.is_counted(life, amount_minor=amount, refunded_minor=refund),
        placed_at=placed_at,
        paid_at=states.paid_at(life),
        currency=currency,
        amount_minor=amount,
        refunded_minor=refund,
        net_usd_cents=in_dollars(max(0, amount - refund), currency, placed_at.date()),
        **_words(draft, old, life),
    )
    return Decided(facts, dict(life.times), _items(draft, old, life, is_continued=is_continued))


def _words(draft: OrderDraft, old: store.StoredOrder | None, life: states.Life) -> dict[str, Any]:
    """What is told replaces what is stored, but emptiness replaces nothing.

    Of an older export only what is missing is taken. A note stays: agents write into it.
    """
    told: dict[str, Any] = {
        "buyer_id": draft.person.buyer_id,
        "promised_ship_at": draft.promised_ship_at,
        "expected_at": draft.expected_at,
        **draft.texts,
    }
    if old is None:
        return told
    for name in WORDS:
        stored = getattr(old.facts, name)
        if stored and (life.is_older or name == "note" or not told.get(name)):
            told[name] = stored
    return told


def _items(
    draft: OrderDraft, old: store.StoredOrder | None, life: states.Life, *, is_continued: bool
) -> tuple[OrderItem, ...] | None:
    """The order's items now; None where they stay as they are."""
    told = tuple(draft.items) or None
    if old is None or told is None:
        return told
    if is_continued:
        return (*old.items, *told)
    return None if life.is_older and old.items else told


def _life(
    draft: OrderDraft, old: store.StoredOrder | None, amount: int, refund: int, now: datetime
) -> states.Life:
    assert draft.placed_at is not None
    times, claimed = dict(draft.times), set(draft.words())
    if not claimed and not times.keys() - {OrderState.PLACED} and draft.default_state:
        claimed.add(draft.default_state)
    if draft.state_at and len(claimed) == 1:
        times.setdefault(next(iter(claimed)), draft.state_at)
    if refund > 0 and not claimed & {OrderState.REFUNDED, OrderState.PARTLY_REFUNDED}:
        claimed.add(OrderState.REFUNDED if refund >= amount else OrderState.PARTLY_REFUNDED)
    if old is None:
        return states.first_life(draft.placed_at, times, frozenset(claimed))
    known = states.Life(old.facts.state, old.times)
    return states.next_life(known, times, frozenset(claimed), now)
