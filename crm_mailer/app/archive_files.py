"""The files of an archive: a folder for each month, with a manifest that says what is in it.

A folder appears whole or not at all: it is written under another name and moved. Each file is
compressed JSON lines, one row each, and the manifest has its number of rows and SHA-256.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crm_mailer.model.errors import CannotWrite, NotPossible, StoreError
from crm_mailer.model.json_reasons import reason
from crm_mailer.model.sentence import Sentence

FOLDER, MANIFEST, PART, _LOCK = "archive", "manifest.json", ".part", ".lock"
#: More compression costs twice the time and saves a twentieth.
LEVEL = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file: rows of `table` for touches from `first` on and before `until`."""

    table: str
    name: str
    first: int
    until: int
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a folder holds. `kept`: touches of the month whose rows stayed in the database."""

    month: str
    first: int
    until: int
    is_whole: bool
    kept: tuple[int, ...]
    files: tuple[File, ...]
    written_at: str
    #: When the last of these rows had left the database; empty before.
    left_at: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """Rows by table."""
        found: dict[str, int] = {}
        for one in self.files:
            found[one.table] = found.get(one.table, 0) + one.rows
        return found


@contextmanager
def held(home: Path) -> Iterator[Path]:
    """The archive's folder, which nobody else changes meanwhile.

    Raises:
        NotPossible: somebody else changes it now.
        CannotWrite: it cannot be made.
    """
    folder = home / FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotWrite(
            Sentence(
                "{folder} cannot be written: {why}", folder=folder, why=error.strerror or error
            )
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    except BlockingIOError as error:
        raise NotPossible(
            "the archive is being written by another command", hint="try again when it has ended"
        ) from error
    finally:
        os.close(handle)


@contextmanager
def plain_errors(
    folder: Path,
    hint: str = Sentence(
        "is the disk full? nothing was deleted that is not in the archive; do it again"
    ),
) -> Iterator[None]:
    """Faults of the disk as one clear line."""
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            Sentence(
                "the archive cannot be written: {file}: {why}",
                file=error.filename or folder,
                why=error.strerror or error,
            ),
            hint=hint,
        ) from error


def clear(folder: Path) -> None:
    """Take away what was broken off: months that are not whole are still in the database."""
    for path in folder.glob(f"*{PART}"):
        shutil.rmtree(path)
    for path in folder.glob(f"*/{MANIFEST}"):
        named = {one.name for one in read_manifest(path.parent).files}
        for file in path.parent.iterdir():
            if file.name not in named and file != path:
                file.unlink()


def unfinished(folder: Path) -> Iterator[tuple[Path, Manifest]]:
    """Months that are written and have not left the database altogether."""
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        found = read_manifest(path.parent)
        if not found.left_at:
            yield path.parent, found


def begin(folder: Path, month: str) -> tuple[Path, Path]:
    """A new folder as it is called while it is written, and as it will be."""
    number, whole = 1, folder / month
    while whole.exists():
        number += 1
        whole = folder / f"{month}-{number}"
    part = whole.with_name(whole.name + PART)
    part.mkdir(mode=0o700)
    return part, whole


def end(part: Path, whole: Path, manifest: Manifest) -> None:
    """Write the manifest and let the folder appear."""
    write_manifest(part, manifest)
    part.rename(whole)
    _sync(whole.parent)


def write_file(
    folder: Path, name: str, table: str, first: int, until: int, lines: Sequence[str]
) -> File:
    """Write rows durably."""
    text = "".join(f"{one}\n" for one in lines).encode("utf-8", "surrogatepass")
    packed = gzip.compress(text, LEVEL, mtime=0)
    _write(folder / name, packed)
    return File(
        table=table,
        name=name,
        first=first,
        until=until,
        rows=len(lines),
        sha256=hashlib.sha256(packed).hexdigest(),
    )


def read_lines(folder: Path, file: File) -> list[str]:
    """The rows of a file.

    Raises:
        StoreError: it is missing, or not as it was written.
    """
    try:
        packed = (folder / file.name).read_bytes()
        is_right = hashlib.sha256(packed).hexdigest() == file.sha256
        text = gzip.decompress(packed).decode("utf-8", "surrogatepass") if is_right else ""
    except (OSError, EOFError) as error:
        raise StoreError(
            Sentence(
                "the archive cannot be read: {file}: {why}",
                file=folder / file.name,
                why=error,
            ),
            hint="bring back the folder from a copy of it",
        ) from error
    lines = text.split("\n")[:-1]  # `splitlines` knows more line ends than JSON escapes
    if not is_right or len(lines) != file.rows:
        raise StoreError(
            Sentence(
                "a file of the archive is not as it was written: {file}", file=folder / file.name
            ),
            hint="bring it back from a copy; what it should hold is in the manifest beside it",
        )
    return lines


def read_manifest(folder: Path) -> Manifest:
    """What a folder holds.

    Raises:
        StoreError: it has no manifest, or one that cannot be read.
    """
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = tuple(File(**one) for one in told.pop("files"))
        return Manifest(**{**told, "kept": tuple(told["kept"]), "files": files})
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(
            Sentence(
                "the manifest of an archive cannot be read: {file}: {why}",
                file=folder / MANIFEST,
                why=reason(error),
            ),
            hint="bring back the folder from a copy of it",
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Put a manifest in the place of the one before, in one step."""
    part = folder / f"{MANIFEST}{PART}"
    _write(part, (json.dumps(asdict(manifest), indent=1) + "\n").encode())
    part.rename(folder / MANIFEST)
    _sync(folder)


def rows(folder: Path, touch_ids: Set[int]) -> dict[str, list[Any]]:
    """The rows of these touches, by table."""
    found: dict[str, list[Any]] = {}
    for file in read_manifest(folder).files:
        if any(file.first <= one < file.until for one in touch_ids):
            every = (json.loads(one) for one in read_lines(folder, file))
            mine = [row for row in every if row["touch_id"] in touch_ids]
            found.setdefault(file.table, []).extend(mine)
    return {name: held_ for name, held_ in found.items() if held_}


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
