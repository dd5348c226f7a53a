"""Takes in the detailed ratings of the shop: a platform, a period, three averages, a count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer.definitions.column_maps import fold
from crm_mailer.importing import cells as values
from crm_mailer.importing import periods, runs
from crm_mailer.importing.cells import CellError, clean
from crm_mailer.importing.dates import Dates, day_order
from crm_mailer.importing.opening import turns
from crm_mailer.importing.report import Count, ImportReport, RowProblem, Tally
from crm_mailer.importing.sheets import open_sheet, peek
from crm_mailer.model.errors import SourceError
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import ratings
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.ratings import Kept, ShopRating

CHUNK = 1_000
#: The header is among the first rows.
_SEARCHED = 10
_FIGURES = ("item_as_described", "communication", "shipping_speed")
#: Field -> headers that mean it, as the platforms and agents write them.
HEADERS: Mapping[str, tuple[str, ...]] = {
    "platform": ("platform", "marketplace", "store", "channel", "平台", "платформа"),
    "period": ("period", "month", "quarter", "week", "year", "时间", "周期", "月份", "период"),
    "from_on": ("from", "start", "start date", "from on", "开始", "开始日期", "с"),
    "until_on": ("until", "to", "end", "end date", "until on", "结束", "结束日期", "по"),
    "item_as_described": ("item as described", "as described", "description", "item description",
                          "product as described", "描述相符", "商品描述", "соответствие описанию"),
    "communication": ("communication", "service", "seller communication", "沟通", "沟通质量",
                      "服务态度", "общение"),
    "shipping_speed": ("shipping speed", "shipping", "delivery speed", "dispatch time",
                       "shipping time", "发货速度", "物流速度", "скорость доставки"),
    "count": ("count", "ratings", "number", "number of ratings", "reviews", "votes", "评价数",
              "数量", "количество"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Where the fields stand, and how the file writes days and numbers."""

    first: int
    places: Mapping[str, int]
    names: Mapping[str, str]
    dates: Dates
    decimal_mark: str
    platform: str

    def cell(self, cells: Sequence[str], name: str) -> str:
        """The text of a field; empty where the file or the row has none."""
        place = self.places.get(name, len(cells))
        return cells[place].strip() if place < len(cells) else ""


def import_ratings(
    store_: Store,
    path: Path,
    *,
    platform: str = "",
    shop_zone: ZoneInfo,
    now: datetime,
    is_dry_run: bool = False,
    encodings: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take detailed ratings in; a period that is known takes the new figures.

    Raises:
        SourceError: the file cannot be read, or has no period or no figure; nothing was written.
    """
    sheet = open_sheet(path, encodings)
    rows = peek(sheet)
    layout = _layout(path, rows, platform, shop_zone, now)
    tally = Tally()
    chunk: list[ShopRating] = []

    def save(connection: Connection) -> None:
        for one in chunk:
            tally.add(_COUNTS[ratings.put(connection, one, now)])
        chunk.clear()

    with turns(store_, is_dry_run=is_dry_run) as turn:
        for number, cells in enumerate(sheet.rows(tally.problem), start=1):
            if number <= layout.first or not cells or not any(cells):
                continue
            tally.add(Count.ROWS)
            if (told := _read(layout, number, cells, tally)) is not None:
                chunk.append(told)
            if len(chunk) == CHUNK:
                with turn() as connection:
                    save(connection)
                if progress:
                    progress(tally.counts["rows"])
        with turn() as connection:
            save(connection)
            report = runs.report("ratings", path, sheet, tally, rows, is_dry_run=is_dry_run)
            runs.write_down(connection, sheet.digest, report, now)
    return report


_COUNTS = {
    Kept.NEW: Count.RATINGS_NEW,
    Kept.CHANGED: Count.RATINGS_CHANGED,
    Kept.UNCHANGED: Count.RATINGS_UNCHANGED,
}


def _layout(
    path: Path, rows: Sequence[Sequence[str]], platform: str, zone: ZoneInfo, now: datetime
) -> _Layout:
    number, places = max(
        ((number, _places(cells)) for number, cells in enumerate(rows[:_SEARCHED], start=1)),
        key=lambda found: len(found[1]),
        default=(1, {}),
    )
    header = rows[number - 1] if rows else ()
    _check(path, header, places, platform)
    body = rows[number:]

    def column(*names: str) -> list[str]:
        wanted = [places[name] for name in names if name in places]
        return [cells[place] for cells in body for place in wanted if place < len(cells)]

    order, _is_sure = day_order(column("from_on", "until_on"))
    return _Layout(
        first=number,
        places=places,
        names={name: header[place].strip() for name, place in places.items()},
        dates=Dates(zone, order, now),
        decimal_mark=values.decimal_mark(column(*_FIGURES)),
        platform=platform,
    )


def _places(cells: Sequence[str]) -> dict[str, int]:
    there = {fold(cell): place for place, cell in reversed(list(enumerate(cells)))}
    return {
        name: there[fold(header)]
        for name, headers in HEADERS.items()
        for header in reversed(headers)
        if fold(header) in there
    }


def _check(path: Path, header: Sequence[str], places: Mapping[str, int], platform: str) -> None:
    lacks: list[str] = []
    if "period" not in places and not {"from_on", "until_on"} <= places.keys():
        lacks.append(Sentence("`period` (or `from` and `until`)"))
    if not places.keys() & set(_FIGURES):
        lacks.append(Sentence("`item as described`, `communication` or `shipping speed`"))
    if "platform" not in places and not platform:
        lacks.append("`platform`")
    if lacks:
        columns = ", ".join(cell.strip() for cell in header[:40] if cell.strip()) or Sentence(
            "none"
        )
        raise SourceError(
            Sentence(
                "{path} has no column {lacks}; its columns are: {columns}",
                path=path,
                lacks=_in_a_row(lacks),
                columns=columns,
            ),
            hint="name the columns so; a file of one platform can do with --platform",
        )


def _in_a_row(columns: Sequence[str]) -> str:
    said = columns[0]
    for column in columns[1:]:
        said = Sentence("{columns} and none {more}", columns=said, more=column)
    return said


def _read(layout: _Layout, number: int, cells: Sequence[str], tally: Tally) -> ShopRating | None:
    """One row; a bad one is told with its number and column, and left out as a whole."""
    field = "platform"
    try:
        platform = clean(layout.cell(cells, "platform"), 60).lower() or layout.platform
        if not platform:
            raise CellError("no platform is named", "fill it in, or say --platform")
        field = "period" if "period" in layout.places else "from_on"
        first, last = _period(layout, cells)
        figures: dict[str, int | None] = {}
        for field in _FIGURES:
            figures[field] = _hundredths(layout.cell(cells, field), layout.decimal_mark)
        field = "count"
        count = clean(layout.cell(cells, "count"))
        told = ShopRating(
            platform=platform,
            from_on=first,
            until_on=last,
            ratings=values.quantity(count) if count else 0,
            **figures,
        )
        field = "item_as_described"
        if all(one is None for one in figures.values()):
            raise CellError("no figure is told", "1 to 5, such as 4.8")
        return told
    except CellError as error:
        column = layout.names.get(field, field)
        tally.problem(RowProblem(row=number, column=column, what=str(error), hint=error.hint))
        return None


def _period(layout: _Layout, cells: Sequence[str]) -> periods.Period:
    def day(text: str) -> date:
        moment = layout.dates.read(text)
        if moment is None:
            raise CellError("a day is missing", "such as 2026-10-01")
        return moment.astimezone(layout.dates.place).date()

    told = layout.cell(cells, "period")
    if told:
        return periods.period(told, day)
    return periods.span(day(layout.cell(cells, "from_on")), day(layout.cell(cells, "until_on")))


def _hundredths(text: str, mark: str) -> int | None:
    """An average of 1 to 5 stars in hundredths; None where the cell is empty.

    Raises:
        CellError: it is none.
    """
    body = clean(text.split("/")[0])
    if not body:
        return None
    try:
        number = values.amount(body, mark)
    except CellError:
        number = Decimal(0)
    if not 1 <= number <= 5 or "%" in body:
        raise CellError(
            Sentence("`{text}` is no average of stars", text=clean(text, 40)),
            "1 to 5, such as 4.8",
        )
    return int((number * 100).to_integral_value())
