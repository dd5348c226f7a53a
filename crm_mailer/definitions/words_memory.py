"""The word lists as they were read before: reading them takes a second, remembering them 15 ms."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pydantic

from crm_mailer.definitions import words_reader
from crm_mailer.definitions.words_reader import words_of
from crm_mailer.model import bounce, reply, words
from crm_mailer.model.words import Words

#: The last ones, by their key: nobody changes them.
_RECENT: dict[bytes, Words] = {}
#: What decides what comes of the files.
SOURCES = (words_reader, words, reply, bounce)


def remembered_words(folders: Sequence[Path], memory: Path) -> Words:
    """The words of these folders, out of `memory` where nothing has changed.

    Args:
        folders: those that ship, then the shop's own; one that is not there has none.
        memory: a file that is written when they were read anew; one that is broken or cannot be
            written only costs time.

    Raises:
        DefinitionError: a file is wrong, with each fault at its place.
    """
    key = _key(folders)
    found = _RECENT.get(key) or _recalled(memory, key)
    if found is None:
        found = words_of(folders)
        _keep(memory, key, found)
    _RECENT.clear()
    _RECENT[key] = found
    return found


@cache
def _shape() -> pydantic.TypeAdapter[Words]:
    return pydantic.TypeAdapter(Words)


def _key(folders: Sequence[Path]) -> bytes:
    """Changes with every file that is read, and with our own rules of reading."""
    told = hashlib.sha256()
    ours = [Path(str(one.__file__)) for one in SOURCES]
    for path in (*ours, *(one for folder in folders for one in sorted(folder.glob("*.yaml")))):
        told.update(f"{path.name}\0".encode())
        with suppress(OSError):  # reading it for what it says will tell
            told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest().encode()


def _recalled(memory: Path, key: bytes) -> Words | None:
    try:
        before, _line, said = memory.read_bytes().partition(b"\n")
        return _shape().validate_json(said) if before == key else None
    except (OSError, pydantic.ValidationError):
        return None


def _keep(memory: Path, key: bytes, found: Words) -> None:
    part = memory.with_name(f"{memory.name}.{os.getpid()}")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(key + b"\n" + _shape().dump_json(found))
        part.replace(memory)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
