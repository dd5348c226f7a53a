"""Answers that are being written: kept in the shop's folder until they leave or are thrown away."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from crm_mailer.model.errors import CannotWrite
from crm_mailer.model.sentence import Sentence

FOLDER = "drafts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The words of an answer as somebody left them, and what they began with."""

    template: str
    language: str
    subject: str
    text: str


def find(home: Path, what: str, who: str) -> Kept | None:
    """What somebody has written so far; None for nothing, or where the file is damaged.

    Args:
        home: the shop's folder.
        what: what is answered, such as `case-12`.
        who: whose words.
    """
    try:
        return Kept(**json.loads(_path(home, what, who).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep(home: Path, what: str, who: str, words: Kept) -> None:
    """Keep words, at once or not at all.

    Raises:
        CannotWrite: the shop's folder takes no more.
    """
    path = _path(home, what, who)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part.write_text(json.dumps(asdict(words), ensure_ascii=False), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise CannotWrite(
            Sentence(
                "your words cannot be kept in {path}: {why}",
                path=path,
                why=error.strerror or error,
            ),
            hint="make room or correct the folder's rights",
        ) from error


def drop(home: Path, what: str, who: str) -> None:
    """Forget the words: they have left, or were thrown away."""
    with suppress(OSError):
        _path(home, what, who).unlink()


def _path(home: Path, what: str, who: str) -> Path:
    """A name may hold anything, so it does not stand in the path."""
    digest = hashlib.sha256(who.encode()).hexdigest()[:12]
    return home / FOLDER / f"{what}-{digest}.json"
