"""Verbs of importing: orders, customers, suppressions, reviews and ratings from files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from crm_mailer import importing as room
from crm_mailer.app.wiring import App
from crm_mailer.definitions.column_maps import ColumnMap, choose_map, read_maps
from crm_mailer.definitions.rates import read_rates
from crm_mailer.importing import ImportReport

MAPS, RATES = "maps", "rates.csv"
#: Where text that is not UTF-8 is most likely Chinese.
CHINESE = frozenset({"CN", "SG", "MO", "HK"})

Progress = Callable[[int], None]


def maps(app: App) -> list[ColumnMap]:
    """The shipped column maps and the shop's own, by name.

    Raises:
        DefinitionError: one of the shop's maps is wrong.
    """
    return sorted(read_maps(app.home / MAPS).values(), key=lambda one: one.name)


def import_orders(
    app: App,
    path: Path,
    *,
    map_name: str = "",
    platform: str = "",
    encoding: str = "",
    is_dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Take the orders of an export in.

    Args:
        app: the shop.
        path: csv, tsv, txt, xlsx or xls.
        map_name: a map's name or a YAML file; empty: the one that fits the header best.
        platform: the platform's name where it is not the map's.
        encoding: of the text; empty: found.
        is_dry_run: tell what would happen and write nothing.
        progress: told how many rows are done.

    Raises:
        SourceError: the file cannot be read, or no map fits it.
        NotFound: there is no map of that name.
    """
    return room.import_orders(
        app.store,
        path,
        rates=read_rates(app.home / RATES),
        shop_currency=app.shop.currency,
        default_language=app.shop.languages[0],
        shop_zone=app.zone,
        progress=progress,
        **_common(app, map_name, platform, encoding, is_dry_run=is_dry_run),
    )


def import_customers(
    app: App,
    path: Path,
    *,
    map_name: str = "",
    platform: str = "",
    encoding: str = "",
    is_dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Take a customer file in; arguments and errors as for `import_orders`."""
    return room.import_customers(
        app.store,
        path,
        shop_currency=app.shop.currency,
        default_language=app.shop.languages[0],
        shop_zone=app.zone,
        progress=progress,
        **_common(app, map_name, platform, encoding, is_dry_run=is_dry_run),
    )


def import_reviews(
    app: App,
    path: Path,
    *,
    map_name: str = "",
    platform: str = "",
    encoding: str = "",
    is_dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Take reviews in; arguments and errors as for `import_orders`."""
    return room.import_reviews(
        app.store,
        path,
        shop_zone=app.zone,
        progress=progress,
        **_common(app, map_name, platform, encoding, is_dry_run=is_dry_run),
    )


def import_ratings(
    app: App,
    path: Path,
    *,
    platform: str = "",
    encoding: str = "",
    is_dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Take the detailed ratings of the shop in; those of a known period take the new figures.

    Raises:
        SourceError: the file cannot be read, or has no period or no figure.
    """
    return room.import_ratings(
        app.store,
        path,
        platform=platform.strip().lower(),
        shop_zone=app.zone,
        now=app.clock.now(),
        is_dry_run=is_dry_run,
        encodings=_encodings(app, encoding),
        progress=progress,
    )


def import_suppressions(
    app: App,
    path: Path,
    *,
    encoding: str = "",
    is_dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Stop marketing to each address in a file.

    Raises:
        SourceError: the file cannot be read or has no addresses.
    """
    return room.import_suppressions(
        app.store,
        path,
        now=app.clock.now(),
        is_dry_run=is_dry_run,
        encodings=_encodings(app, encoding),
        progress=progress,
    )


class _Common(TypedDict):
    column_map: ColumnMap | None
    maps: list[ColumnMap]
    platform: str
    now: datetime
    is_dry_run: bool
    encodings: tuple[str, ...]


def _common(app: App, map_name: str, platform: str, encoding: str, *, is_dry_run: bool) -> _Common:
    known = read_maps(app.home / MAPS)
    return _Common(
        column_map=choose_map(map_name, known) if map_name else None,
        maps=list(known.values()),
        platform=platform.strip().lower(),
        now=app.clock.now(),
        is_dry_run=is_dry_run,
        encodings=_encodings(app, encoding),
    )


def _encodings(app: App, encoding: str) -> tuple[str, ...]:
    """What to try for text that is not UTF-8: as asked, as set, as the place suggests."""
    wanted = (encoding,) if encoding else ()
    is_chinese = app.settings.language.startswith("zh") or app.shop.country in CHINESE
    usual = ("gb18030",) if is_chinese and "gb18030" not in app.settings.encodings else ()
    return (*wanted, *app.settings.encodings, *usual)
