"""Takes in reviews: an order's number, one to five stars, a comment, a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer.definitions.column_maps import ColumnMap
from crm_mailer.importing import cells as values
from crm_mailer.importing import states
from crm_mailer.importing.cells import CellError, clean
from crm_mailer.importing.dates import Dates
from crm_mailer.importing.opening import Opened, make_report, open_file, turns, write_down
from crm_mailer.importing.report import Count, ImportReport, RowProblem, Tally
from crm_mailer.model.order import OrderState
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import orders as store
from crm_mailer.store.engine import Connection, Store

CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Told:
    """One review as the file tells it."""

    row: int
    number: str
    platform: str
    stars: int
    comment: str
    at: datetime | None
    product: str = ""


def import_reviews(
    store_: Store,
    path: Path,
    *,
    column_map: ColumnMap | None = None,
    maps: Sequence[ColumnMap] | None = None,
    platform: str = "",
    shop_zone: ZoneInfo,
    now: datetime,
    is_dry_run: bool = False,
    encodings: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take reviews in, each to its order; the order becomes `reviewed`.

    Raises:
        SourceError: the file cannot be read or has no order number or stars; nothing was written.
    """
    opened = open_file(
        path,
        "reviews",
        column_map=column_map,
        maps=maps,
        platform=platform,
        shop_zone=shop_zone,
        shop_currency="USD",
        now=now,
        encodings=encodings,
    )
    tally = Tally()
    read = _reader(opened, tally)
    chunk: list[Told] = []
    with turns(store_, is_dry_run=is_dry_run) as turn:
        for number, cells in opened.rows(tally):
            tally.add(Count.ROWS)
            if told := read(number, opened.binding.padded(cells)):
                chunk.append(told)
            if len(chunk) == CHUNK:
                with turn() as connection:
                    _take(connection, chunk, tally, now)
                chunk.clear()
                if progress:
                    progress(tally.counts["rows"])
        with turn() as connection:
            _take(connection, chunk, tally, now)
            report = make_report(opened, path, "reviews", tally, is_dry_run=is_dry_run)
            write_down(connection, opened, report, now)
    return report


def _reader(opened: Opened, tally: Tally) -> Callable[[int, list[str]], Told | None]:
    binding, reading = opened.binding, opened.reading
    dates = Dates(reading.place, reading.day_order, reading.now)
    number_of, stars_of = binding.getter("order_number"), binding.getter("stars")
    comment_of, platform_of = binding.getter("review"), binding.getter("platform")
    comment_of = comment_of or binding.getter("note")
    at_of = binding.getter("reviewed_at") or binding.getter("placed_at")
    product_of = binding.getter("sku") or binding.getter("title")
    assert number_of is not None
    assert stars_of is not None

    def read(row: int, cells: list[str]) -> Told | None:
        field = "stars"
        try:
            stars = values.stars(stars_of(cells))
            field = "reviewed_at"
            at = dates.read(at_of(cells)) if at_of else None
        except CellError as error:
            tally.problem(
                RowProblem(row=row, column=binding.label(field), what=str(error), hint=error.hint)
            )
            return None
        return Told(
            row=row,
            number=clean(number_of(cells), 100),
            platform=(platform_of(cells).lower() if platform_of else "") or reading.platform,
            stars=stars,
            comment=clean(comment_of(cells), 5000) if comment_of else "",
            at=at,
            product=clean(product_of(cells), 300) if product_of else "",
        )

    return read


def _take(connection: Connection, chunk: Sequence[Told], tally: Tally, now: datetime) -> None:
    found = []
    for told in chunk:
        orders = [
            one
            for one in store.find_by_number(connection, told.number)
            if told.platform in ("", one[1])
        ]
        if len(orders) == 1:
            found.append((told, orders[0]))
            continue
        tally.problem(
            RowProblem(
                row=told.row,
                column="order_number",
                what=Sentence("more than one platform has order {number}", number=told.number)
                if orders
                else Sentence("there is no order {number}", number=told.number),
                hint="add a column `platform`" if orders else "import the orders first",
            )
        )
    store.put_reviews(
        connection,
        [
            store.Review(
                order_id=order_id,
                customer_id=customer_id,
                stars=told.stars,
                comment=told.comment,
                at=told.at or now,
                platform=platform,
                product=told.product,
            )
            for told, (order_id, platform, customer_id) in found
        ],
    )
    tally.add(Count.REVIEWS, len(found))
    _reach(connection, {(p, told.number): told.at for told, (_, p, _) in found}, now)


def _reach(
    connection: Connection, reviewed: dict[tuple[str, str], datetime | None], now: datetime
) -> None:
    """Move the orders to `reviewed`, by the rules of any other news."""
    for platform in {platform for platform, _ in reviewed}:
        numbers = [number for name, number in reviewed if name == platform]
        known = store.find_by_numbers(connection, platform, numbers)
        for number, order in known.items():
            at = reviewed[platform, number]
            times = {OrderState.REVIEWED: at} if at else {}
            life = states.next_life(
                states.Life(order.facts.state, order.times),
                times,
                frozenset({OrderState.REVIEWED}),
                now,
            )
            if life.times != order.times:
                facts = store.with_state(order.facts, life.state)
                store.change(connection, [(order.id, facts)], now=now)
                store.put_events(
                    connection,
                    [(order.id, state, at) for state, at in life.times.items()],
                    learnt_at=now,
                )
