"""Takes orders in: load what is known, decide what is new, save it, chunk by chunk.

Each chunk is one transaction with whole orders, so that a program that dies leaves no half order
and the same import, run again, completes. What an order becomes is decided in `changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer.definitions.column_maps import ColumnMap
from crm_mailer.definitions.rates import Rates
from crm_mailer.importing.changes import Decided, decide
from crm_mailer.importing.drafts import OrderDraft
from crm_mailer.importing.opening import make_report, open_file, turns, write_down
from crm_mailer.importing.order_reader import OrderReader
from crm_mailer.importing.register import Record, Register
from crm_mailer.importing.report import Count, ImportReport, RowProblem, Tally
from crm_mailer.importing.seen import Seen
from crm_mailer.model.collector import few_collections
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.money import Money
from crm_mailer.model.order import OrderItem, OrderState
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import benefit_uses, bulk, customers
from crm_mailer.store import orders as store
from crm_mailer.store.engine import Connection, Store

#: Rows read between two transactions.
CHUNK = 25_000


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
    chunk_rows: int = CHUNK,
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
        chunk_rows: rows read between two transactions.

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
    taking = TakingIn(
        rates=rates,
        default_language=default_language,
        now=now,
        tally=tally,
        may_lack_customers=not opened.binding.has(*TELLS_WHO),
    )
    with turns(store_, is_dry_run=is_dry_run) as turn, few_collections():
        done = 0
        for number, cells in opened.rows(tally):
            reader.take(number, cells)
            done += 1
            if done % chunk_rows == 0:
                with turn() as connection:
                    taking.take(connection, reader.give(is_last=False))
                if progress:
                    progress(done)
        tally.add(Count.ROWS, done)
        with turn() as connection:
            taking.take(connection, reader.give(is_last=True))
            report = make_report(opened, path, "orders", tally, is_dry_run=is_dry_run)
            write_down(connection, opened, report, now)
    if progress:
        progress(done)
    return report


# ------------------------------------------------------------------ load, decide, save


#: Columns that tell who a customer is. A file that has none of them (Amazon's report of all orders)
#: brings orders without customers, which another file completes; in other files each row needs one.
TELLS_WHO = ("email", "buyer_id", "customer_name", "given_name", "family_name", "phone", "street")
#: An order and its customer; None where the platform's file tells of none.
Pair = tuple[OrderDraft, Record | None]


class TakingIn:
    """One import of orders, chunk after chunk."""

    def __init__(
        self,
        *,
        rates: Rates,
        default_language: str,
        now: datetime,
        tally: Tally,
        may_lack_customers: bool,
        became: dict[tuple[str, str], str] | None = None,
    ) -> None:
        """`became`: told of each order what became of it; a file has too many for that."""
        self.became = became
        self.rates = rates
        self.may_lack_customers = may_lack_customers
        self.default_language = default_language
        self.now = now
        self.tally = tally
        self.seen = Seen()
        self.unrated: set[str] = set()

    def take(self, connection: Connection, drafts: Sequence[OrderDraft]) -> None:
        """Write one chunk of whole orders."""
        if not drafts:
            return
        bulk.lock(connection, "importing")
        known = self._load(connection, drafts)
        register = Register(connection, default_language=self.default_language, now=self.now)
        owners = {one.facts.customer_id for one in known.values() if one.facts.customer_id}
        register.load([draft.person for draft in drafts], owners)
        pairs: list[Pair] = []
        for draft in drafts:
            record = self._customer_of(register, draft, known.get(draft.key))
            if record is not None or self.may_lack_customers:
                pairs.append((draft, record))
            else:
                self._leave_out(draft, Sentence("the order names no customer"))
        register.save(self.tally)
        self._save(connection, known, pairs)

    def _load(
        self, connection: Connection, drafts: Sequence[OrderDraft]
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
        if record is not None and draft.placed_at is not None:
            register.note_consent(record, draft.person, draft.placed_at, draft.platform)
        return record

    def _tell(self, draft: OrderDraft, became: str) -> None:
        if self.became is not None:
            self.became[draft.key] = became

    def _leave_out(self, draft: OrderDraft, what: str) -> None:
        hint = "fill email, buyer_id, phone or name"
        self.tally.problem(RowProblem(row=draft.row, column="", what=what, hint=hint))
        self.tally.add(Count.ORDERS_LEFT_OUT)

    def _save(
        self,
        connection: Connection,
        known: dict[tuple[str, str], store.StoredOrder],
        pairs: Sequence[Pair],
    ) -> None:
        fresh = [pair for pair in pairs if pair[0].key not in known]
        ids = store.take_ids(connection, len(fresh))
        batch = Batch()
        for order_id, (draft, record) in zip(ids, fresh, strict=True):
            decided = self._decide(draft, record, None)
            batch.add(order_id, decided)
            batch.review(order_id, draft, decided.facts.customer_id)
            self._tell(draft, "created")
        for draft, record in pairs:
            if (old := known.get(draft.key)) is not None:
                decided = self._decide(draft, record, old)
                is_news = batch.change(old, decided, self.tally)
                self._tell(draft, "changed" if is_news else "unchanged")
                batch.review(old.id, draft, decided.facts.customer_id)
        self.tally.add(Count.ORDERS_NEW, len(fresh))
        nameless = sum(record is None or not record.itself().customer.email for _, record in pairs)
        self.tally.add(Count.ORDERS_WITHOUT_ADDRESS, nameless)
        batch.write(connection, self.now)

    def _decide(
        self, draft: OrderDraft, record: Record | None, old: store.StoredOrder | None
    ) -> Decided:
        is_continued = self.seen.add(draft.key) and old is not None
        return decide(
            draft,
            record.itself().id if record else None,
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
                Sentence(
                    "no rate for {currency} on {day} or before: such orders have no value in USD "
                    "until rates.csv has one and they are imported again",
                    currency=currency,
                    day=day,
                )
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

    def change(self, old: store.StoredOrder, decided: Decided, tally: Tally) -> bool:
        """A known order: only what differs is written. Whether anything does."""
        events = [
            (old.id, state, at) for state, at in decided.times.items() if old.times.get(state) != at
        ]
        items = decided.items if decided.items not in (None, old.items) else None
        if decided.facts == old.facts and not events and items is None:
            tally.add(Count.ORDERS_UNCHANGED)
            return False
        tally.add(Count.ORDERS_CHANGED)
        self.changed.append((old.id, decided.facts))
        self.events.extend(events)
        if items is not None:
            self.replaced.append((old.id, items))
        return True

    def review(self, order_id: int, draft: OrderDraft, customer_id: int | None) -> None:
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
                    platform=draft.platform,
                )
            )

    def write(self, connection: Connection, now: datetime) -> None:
        """All of it."""
        store.add(connection, self.new, now=now)
        store.change(connection, self.changed, now=now)
        store.put_events(connection, self.events, learnt_at=now)
        store.put_items(connection, self.items, replace=False)
        store.put_items(connection, self.replaced, replace=True)
        store.put_reviews(connection, self.reviews)
        customers.put_consents(connection, self._bought())
        told = [order_id for order_id, _facts in (*self.new, *self.changed)]
        benefit_uses.match(connection, told, now)

    def _bought(self) -> list[customers.Consent]:
        """Of each customer the first purchase that counts: it allows marketing softly."""
        first: dict[int, store.OrderFacts] = {}
        for _order_id, facts in (*self.new, *self.changed):
            if facts.is_counted and facts.customer_id is not None:
                held = first.get(facts.customer_id)
                if held is None or facts.placed_at < held.placed_at:
                    first[facts.customer_id] = facts
        return [
            customers.Consent(
                customer_id=number,
                basis=ConsentBasis.SOFT_OPT_IN,
                given_at=facts.placed_at,
                source=facts.platform,
            )
            for number, facts in first.items()
        ]
