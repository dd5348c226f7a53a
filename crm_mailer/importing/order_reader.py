"""Turns the rows of an export into order drafts; several rows may be one order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import TypeVar

from crm_mailer.definitions.column_maps import LINE_FIELDS, ORDER_FIELDS, fold
from crm_mailer.importing import cells as values
from crm_mailer.importing.cells import CellError, clean
from crm_mailer.importing.dates import Dates
from crm_mailer.importing.drafts import OrderDraft
from crm_mailer.importing.header import Binding, Getter
from crm_mailer.importing.opening import Reading
from crm_mailer.importing.people_reader import PeopleReader
from crm_mailer.importing.products import items_in
from crm_mailer.importing.report import COUNT, Count, RowProblem, Tally
from crm_mailer.model.moment import local_day
from crm_mailer.model.order import OrderItem, OrderState
from crm_mailer.model.sentence import Sentence

T = TypeVar("T")

TEXTS = {"payment_method": 100, "carrier": 100, "tracking_number": 100, "tracking_url": 500,
         "note": 2000, "coupons": 500}  # fmt: skip
#: Carrier and number in one cell, as AliExpress writes them; of several parcels the first.
PARCEL = re.compile(r"([^:：;\n]{2,100})[:：]\s*([A-Z0-9-]{6,40})\b[\s\S]*", re.I)
#: Our own words for states need no map.
OWN_STATES = {fold(state.value): state for state in OrderState}
STATE_WORDS = ("state", "payment_state", "shipping_state")
LINE_AMOUNTS = ("price", "line_total")
#: Lines remembered, so that a product which is bought often is read once.
CACHED = 50_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an order: the item, what it is worth with its extras, its own state."""

    item: OrderItem | None
    total: int | None
    state: OrderState | None


NO_LINE = Line(None, None, None)


class OrderReader:
    """Reads rows; `open` holds the drafts of the present chunk."""

    def __init__(self, binding: Binding, reading: Reading, tally: Tally) -> None:
        self.binding = binding
        self.reading = reading
        self.tally = tally
        self.map = binding.map
        self.dates = Dates(reading.place, reading.day_order, reading.now)
        self.people = PeopleReader(
            binding,
            tally,
            file_name=reading.file_name,
            today=local_day(reading.now, reading.place),
        )
        self.open: dict[tuple[str, str], OrderDraft] = {}
        self.latest: OrderDraft | None = None
        self.latest_number: str | None = None
        self._bind()

    def _bind(self) -> None:
        get = self.binding.getter
        self.number, self.placed = get("order_number"), get("placed_at")
        self.platform, self.currency = get("platform"), get("currency")
        self.amount, self.fee, self.refunded = get("amount"), get("shipping_fee"), get("refunded")
        self.words = [(n, g) for n in STATE_WORDS if (g := get(n))]
        self.times = [(s, f"{s}_at", g) for s in OrderState if (g := get(f"{s.value}_at"))
                      and s is not OrderState.PLACED]  # fmt: skip
        self.state_at = get("state_at")
        self.soft_times = [(n, g) for n in ("promised_ship_at", "expected_at") if (g := get(n))]
        self.texts = [(n, limit, g) for n, limit in TEXTS.items() if (g := get(n))]
        self.stars, self.review = get("stars"), get("review")
        self.products = get("products")
        self.item = {n: g for n in ("sku", "title", "category", "quantity", "price", "line_total",
                                    "line_state") if (g := get(n))}  # fmt: skip
        self.extras = self.binding.getters("line_extra")
        self.discounts = self.binding.getters("line_discount")
        self.head = _picker(
            [p for n, ps in self.binding.places.items() if n in ORDER_FIELDS for p in ps]
        )
        self.line = _picker(
            [p for n, ps in self.binding.places.items() if n in LINE_FIELDS for p in ps]
        )
        self.lines: dict[tuple[str, tuple[str, ...]], Line] = {}
        self.width = self.binding.width
        #: Where the order number stands, if it alone tells whether two rows are one order.
        number = self.binding.places.get("order_number", ())
        self.same = number[0] if len(number) == 1 and not self.platform else None
        self.ignored = re.compile("|".join(self.map.ignore), re.I) if self.map.ignore else None

    def take(self, row: int, cells: list[str]) -> None:
        """Read one row into its order's draft; a bad one is complained of and breaks its order."""
        if self._is_no_order(cells):
            return
        if len(cells) < self.width:
            cells = self.binding.padded(cells)
        self.field = "order_number"
        draft: OrderDraft | None = None
        try:
            if self.latest and self.same is not None and cells[self.same] == self.latest_number:
                draft = self.latest
            else:
                key = self._key(cells)
                draft = self.open.get(key)
            head = self.head(cells) if self.head else ()
            if draft is None:
                draft = self.open[key] = self._begin(row, key, head, cells)
            elif head != draft.head and any(head):
                self._read_head(draft, cells)
            self._add_line(draft, cells)
            self.latest = draft
            if self.same is not None:
                self.latest_number = cells[self.same]
        except CellError as error:
            self._complain(row, str(error), error.hint)
            if draft is not None:
                draft.is_broken = True
            elif self.field != "order_number":
                self._break(row, cells)

    def give(self, *, is_last: bool) -> list[OrderDraft]:
        """The drafts read so far; the latest order stays open until the file ends."""
        kept = self.latest if not is_last else None
        given = [draft for draft in self.open.values() if draft is not kept]
        self.open = {kept.key: kept} if kept is not None else {}
        for draft in given:
            if draft.amount() < 0 and not draft.is_broken:
                self.field = "amount"
                hint = "a return belongs into `refunded` of the order it belongs to"
                self._complain(draft.row, "the order's amount is less than nothing", hint)
                draft.is_broken = True
        broken = sum(draft.is_broken for draft in given)
        if broken:
            self.tally.add(Count.ORDERS_LEFT_OUT, broken)
        return [draft for draft in given if not draft.is_broken]

    # ------------------------------------------------------------------ an order's head

    def _is_no_order(self, cells: list[str]) -> bool:
        if not any(cells):
            return True
        if self.ignored and self.ignored.search(" ".join(cells).strip()):
            return True
        return not any(map(str.strip, cells))

    def _key(self, cells: list[str]) -> tuple[str, str]:
        platform = self.reading.platform or self.map.platform
        if self.platform and (named := clean(self.platform(cells), 40)):
            platform = named.lower()
        if self.number:
            number = clean(self.number(cells), 100)
            if not number:
                raise CellError("the row names no order", "fill the cell, or take the row out")
            return platform, number
        self.field = "placed_at"
        at = self.placed and self._time("placed_at", self.placed, cells)
        if not at:
            raise CellError("the row has no day", "without order numbers, each row needs one")
        who = self.people.who(cells)
        if not who:
            self.field = "buyer_id"
            raise CellError("the row names no customer", "fill buyer_id or email")
        return platform, f"{who}-{at.astimezone(self.reading.place):%Y%m%d}"

    def _begin(
        self, row: int, key: tuple[str, str], head: tuple[str, ...], cells: list[str]
    ) -> OrderDraft:
        draft = OrderDraft(
            row=row,
            platform=key[0],
            number=key[1],
            head=head,
            person=self.people.begin(key[0]),
            currency=self._currency(cells),
            default_state=self.map.default_state,
        )
        self._read_head(draft, cells)
        if draft.placed_at is None:
            draft.placed_at = draft.times.get(OrderState.PAID)
        if draft.placed_at is None:
            self.field = "placed_at"
            raise CellError("the order has no date", "fill the cell, or take the row out")
        return draft

    def _read_head(self, draft: OrderDraft, cells: list[str]) -> None:
        """Read what belongs to the order as a whole; what is known stays."""
        self._read_times(draft, cells)
        self._read_amounts(draft, cells)
        for name, get in self.words:
            if word := get(cells):
                self._claim(draft.claimed, name, word)
        for name, limit, get in self.texts:
            if name not in draft.texts and (text := clean(get(cells), limit)):
                draft.texts[name] = text
        if parcel := PARCEL.fullmatch(draft.texts.get("tracking_number", "")):
            draft.texts["carrier"], draft.texts["tracking_number"] = parcel.groups()
        if self.products and not draft.items and (text := self.products(cells)):
            draft.items.extend(items_in(text))
        self.people.fill(draft.person, draft.row, cells)
        if self.stars and draft.stars is None and (text := self.stars(cells)):
            self.field = "stars"
            draft.stars = values.stars(text)
            draft.review = clean(self.review(cells), 5000) if self.review else ""

    def _read_times(self, draft: OrderDraft, cells: list[str]) -> None:
        if self.placed and draft.placed_at is None:
            draft.placed_at = self._time("placed_at", self.placed, cells)
        for state, name, get in self.times:
            if state not in draft.times and (at := self._time(name, get, cells)):
                draft.times[state] = at
        if self.state_at and draft.state_at is None:
            draft.state_at = self._time("state_at", self.state_at, cells)
        for name, get in self.soft_times:
            if getattr(draft, name) is None:
                setattr(draft, name, self._soft_time(name, get, cells))

    def _read_amounts(self, draft: OrderDraft, cells: list[str]) -> None:
        if self.amount and self.number and draft.total is None:
            draft.total = self._money("amount", self.amount, cells, draft.currency)
        if self.fee and not draft.shipping_fee:
            fee = self._money("shipping_fee", self.fee, cells, draft.currency)
            draft.shipping_fee = draft.shipping_fee if fee is None else fee
        if self.refunded and draft.refunded is None:
            refunded = self._money("refunded", self.refunded, cells, draft.currency)
            draft.refunded = None if refunded is None else abs(refunded)

    def _time(self, name: str, get: Getter, cells: list[str]) -> datetime | None:
        text = get(cells)
        if not text:
            return None
        self.field = name
        return self.dates.read(text)

    def _soft_time(self, name: str, get: Getter, cells: list[str]) -> datetime | None:
        """A time that some platforms tell in words; a note counts those."""
        try:
            return self._time(name, get, cells)
        except CellError:
            label = self.binding.label(name)
            self.tally.note(
                Sentence(
                    "{count} cells of `{label}` are no dates and were left empty",
                    count=COUNT,
                    label=label,
                ),
                one=Sentence("1 cell of `{label}` is no date and was left empty", label=label),
            )
            return None

    def _money(self, name: str, get: Getter, cells: list[str], currency: str) -> int | None:
        text = get(cells)
        if not text or text.casefold() in values.NOTHING:
            return None
        self.field = name
        return values.minor(text, currency, self.reading.decimal_mark)

    def _currency(self, cells: list[str]) -> str:
        if self.currency and (text := self.currency(cells)):
            code = text.upper()
            if len(code) == 3 and code.isascii() and code.isalpha():
                return code
            if found := values.currency_in(text):
                return found
            self.field = "currency"
            raise CellError(
                Sentence("`{text}` is no currency", text=clean(text, 20)), "such as USD"
            )
        for get in (self.amount, self.item.get("line_total"), self.item.get("price")):
            text = get(cells) if get else ""
            is_bare = not text or (text[0].isdigit() and text[-1].isdigit())
            if not is_bare and (found := values.currency_in(text)):
                return found
        return self.map.currency or self.reading.currency

    def _claim(self, into: set[OrderState], name: str, word: str) -> None:
        state = self.map.states.get(fold(word)) or OWN_STATES.get(fold(word))
        if state is None:
            label = self.binding.label(name)
            known = {"state": clean(word, 60), "label": label, "map": self.map.name}
            self.tally.note(
                Sentence(
                    "{count} rows have the state `{state}` in `{label}`, which the map `{map}` "
                    "does not know: add it to a map of your own",
                    count=COUNT,
                    **known,
                ),
                one=Sentence(
                    "1 row has the state `{state}` in `{label}`, which the map `{map}` does not "
                    "know: add it to a map of your own",
                    **known,
                ),
            )
        else:
            into.add(state)

    # ------------------------------------------------------------------ an order's lines

    def _add_line(self, draft: OrderDraft, cells: list[str]) -> None:
        if self.amount and not self.number:
            draft.line_sum += self._money("amount", self.amount, cells, draft.currency) or 0
            draft.has_line_amounts = True
        if self.line is None:
            return
        key = (draft.currency, self.line(cells))
        line = self.lines.get(key)
        if line is None:
            line = self._read_line(cells, draft.currency)
            if len(self.lines) >= CACHED:
                self.lines.clear()
            self.lines[key] = line
        if line.item is not None:
            draft.items.append(line.item)
        if line.state is not None:
            draft.line_states.add(line.state)
        if line.total is not None and self.number and line.state is not OrderState.CANCELLED:
            draft.line_sum += line.total
            draft.has_line_amounts = True
            if line.state is OrderState.REFUNDED:
                draft.line_refunds += line.total

    def _read_line(self, cells: list[str], currency: str) -> Line:
        texts = {name: get(cells) for name, get in self.item.items()}
        if not any(texts.values()):
            return NO_LINE
        pieces = 1
        if text := texts.get("quantity", ""):
            self.field = "quantity"
            pieces = values.quantity(text)
        price, total = self._line_amounts(cells, currency, pieces)
        states: set[OrderState] = set()
        if word := texts.get("line_state", ""):
            self._claim(states, "line_state", word)
        item = None
        if any(texts.get(name) for name in ("sku", "title", "quantity", *LINE_AMOUNTS)):
            item = OrderItem(
                sku=clean(texts.get("sku", ""), 100),
                title=clean(texts.get("title", "")),
                category=clean(texts.get("category", ""), 100),
                quantity=pieces,
                price_minor=price,
            )
        return Line(item, total, next(iter(states), None))

    def _line_amounts(self, cells: list[str], currency: str, pieces: int) -> tuple[int, int | None]:
        """Price of one piece and value of the line; None where the file tells no amount."""
        item = self.item
        price = total = None
        if "price" in item:
            price = self._money("price", item["price"], cells, currency)
        if "line_total" in item:
            total = self._money("line_total", item["line_total"], cells, currency)
        if total is None and price is not None:
            total = price * pieces
        if price is None and total is not None:
            price = total // pieces if pieces else total
        if total is not None:
            for get in self.extras:
                total += self._money("line_extra", get, cells, currency) or 0
            for get in self.discounts:
                total -= abs(self._money("line_discount", get, cells, currency) or 0)
        return price or 0, total

    # ------------------------------------------------------------------ bad rows

    def _break(self, row: int, cells: list[str]) -> None:
        """Remember that the order of a bad row is not to be imported."""
        try:
            key = self._key(cells)
        except CellError:
            return
        self.latest_number = None
        self.open[key] = self.latest = OrderDraft(
            row=row,
            platform=key[0],
            number=key[1],
            head=(),
            person=self.people.begin(key[0]),
            currency="USD",
            is_broken=True,
        )

    def _complain(self, row: int, what: str, hint: str) -> None:
        self.tally.problem(
            RowProblem(row=row, column=self.binding.label(self.field), what=what, hint=hint)
        )


def _picker(places: list[int]) -> Callable[[list[str]], tuple[str, ...]] | None:
    """A function from a row to the cells at `places`; None where there are none."""
    if not places:
        return None
    if len(places) == 1:
        place = places[0]
        return lambda cells: (cells[place],)
    return itemgetter(*places)
