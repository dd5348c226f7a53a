"""Which files that people keep in the shop's folder still name a person who was erased."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from crm_mailer.app.wiring import App

#: Files of people that are searched for the address of who was erased.
_SEARCHED = (".csv", ".tsv", ".txt", ".yaml", ".yml", ".json", ".jsonl", ".xlsx", ".eml")
_LARGEST_FILE = 64 * 1024 * 1024
#: How a database of SQLite begins, and how much of one is held at a time.
_SQLITE, _PART = b"SQLite format 3\0", 4 * 1024 * 1024


def naming(app: App, addresses: Iterable[str], *, but: str) -> Iterator[str]:
    """Files in the shop's folder that name one of the addresses; the file `but` is passed over."""
    wanted = [one.encode() for one in addresses]
    if not wanted:
        return
    own = Path(str(app.store.url.database)).resolve() if app.store.is_sqlite else None
    for path in sorted(app.home.rglob("*")):
        if path.name == but or not path.is_file() or path.resolve() == own:
            continue
        with suppress(OSError):
            if _names(path, wanted):
                yield str(path.relative_to(app.home))


def _names(path: Path, wanted: Iterable[bytes]) -> bool:
    if path.suffix.lower() not in _SEARCHED:
        return _is_database(path) and _is_in_database(path, wanted)
    if path.stat().st_size > _LARGEST_FILE:
        return False
    text = _text(path)
    return any(one in text for one in wanted)


def _is_database(path: Path) -> bool:
    """Whether it is one of SQLite: a backup, or what `crm-mailer db restore` has put aside."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _is_in_database(path: Path, wanted: Iterable[bytes]) -> bool:
    """Whether a database of any size says it; texts stand in it as they are."""
    overlap, before = max(map(len, wanted), default=0), b""
    with path.open("rb") as file:
        while part := file.read(_PART):
            text = before + part.lower()
            if any(one in text for one in wanted):
                return True
            before = text[-overlap:]
    return False


def _text(path: Path) -> bytes:
    """What a file says, in small letters; of a workbook what its sheets say."""
    if path.suffix.lower() != ".xlsx":
        return path.read_bytes().lower()
    try:
        with zipfile.ZipFile(path) as book:
            return b"\n".join(
                book.read(name) for name in book.namelist() if name.endswith(".xml")
            ).lower()
    except zipfile.BadZipFile:
        return b""
