"""Takes in what a file tells of customers: it completes those that are known and makes new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from crm_mailer.definitions.column_maps import ColumnMap
from crm_mailer.definitions.rates import Rates
from crm_mailer.importing.drafts import Person
from crm_mailer.importing.opening import make_report, open_file, turns, write_down
from crm_mailer.importing.people_reader import PeopleReader
from crm_mailer.importing.register import Register
from crm_mailer.importing.report import Count, ImportReport, RowProblem, Tally
from crm_mailer.model.collector import few_collections
from crm_mailer.model.moment import local_day
from crm_mailer.store import bulk
from crm_mailer.store.engine import Connection, Store

CHUNK = 10_000


def import_customers(
    store_: Store,
    path: Path,
    *,
    column_map: ColumnMap | None = None,
    maps: Sequence[ColumnMap] | None = None,
    platform: str = "",
    rates: Rates | None = None,
    shop_zone: ZoneInfo,
    shop_currency: str,
    default_language: str,
    now: datetime,
    is_dry_run: bool = False,
    encodings: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Take a customer file in: what it tells replaces what was known, an empty cell nothing.

    A row with a mail address and a buyer id, phone, or name and address completes the customer that
    orders made without an address; when the address belongs to another customer already, the two
    become one. The arguments are those of `import_orders`.

    Raises:
        SourceError: the file cannot be read or no map fits it; nothing was written.
    """
    opened = open_file(
        path,
        "customers",
        column_map=column_map,
        maps=maps,
        platform=platform,
        shop_zone=shop_zone,
        shop_currency=shop_currency,
        now=now,
        encodings=encodings,
    )
    tally = Tally()
    reader = PeopleReader(
        opened.binding, tally, file_name=path.name, today=local_day(now, shop_zone)
    )
    of = opened.binding.getter("platform")
    chunk: list[tuple[int, Person]] = []

    def save(connection: Connection) -> None:
        take_people(connection, chunk, default_language=default_language, now=now, tally=tally)
        chunk.clear()

    with turns(store_, is_dry_run=is_dry_run) as turn, few_collections():
        for number, cells in opened.rows(tally):
            tally.add(Count.ROWS)
            cells = opened.binding.padded(cells)
            named = (of(cells).lower() if of else "") or platform or opened.binding.map.platform
            person = reader.begin(named)
            reader.fill(person, number, cells)
            chunk.append((number, person))
            if len(chunk) == CHUNK:
                with turn() as connection:
                    save(connection)
                if progress:
                    progress(tally.counts["rows"])
        with turn() as connection:
            save(connection)
            report = make_report(opened, path, "customers", tally, is_dry_run=is_dry_run)
            write_down(connection, opened, report, now)
    return report


def take_people(
    connection: Connection,
    chunk: Sequence[tuple[int, Person]],
    *,
    default_language: str,
    now: datetime,
    tally: Tally,
) -> None:
    """Write what is told of customers, each with the number of its row."""
    bulk.lock(connection, "importing")
    register = Register(connection, default_language=default_language, now=now, is_thorough=True)
    register.load([person for _, person in chunk])
    for number, person in chunk:
        record = register.resolve(person, tally, overwrite=True)
        if record is None:
            tally.problem(
                RowProblem(
                    row=number,
                    column="",
                    what="the row names no customer",
                    hint="fill email, buyer_id, phone, or name with postcode and street",
                )
            )
            continue
        register.note_consent(record, person, now, person.platform)
    register.save(tally)
    tally.add(Count.CUSTOMERS_UNCHANGED, len(register.unchanged()))
