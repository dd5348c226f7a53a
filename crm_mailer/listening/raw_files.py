"""Fetched bytes as rows: small ones in the database, large ones in files named by their digest.

A shop on PostgreSQL may have several hosts, so there the database has them all.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime
from pathlib import Path

from crm_mailer.listening.mailbox import Fetched
from crm_mailer.model.errors import CannotWrite
from crm_mailer.model.sentence import Sentence
from crm_mailer.store.inbound import RawMail

#: Larger mails lie in files beside the database.
IN_DATABASE = 64 * 1024


def raw_mail(mail: Fetched, size: int, folder: Path | None, now: datetime) -> RawMail:
    """The row of a fetched mail; a large one is safe on disk when this returns.

    Without a folder all of it goes into the database.

    Raises:
        CannotWrite: its file cannot be written.
    """
    digest = hashlib.sha256(mail.raw).hexdigest()
    kept_in = folder if len(mail.raw) > IN_DATABASE else None
    return RawMail(
        uid=mail.uid,
        digest=digest,
        size=max(size, len(mail.raw)),
        received_at=mail.received_at or now,
        raw=mail.raw if kept_in is None else None,
        raw_path="" if kept_in is None else _write(kept_in, digest, mail.raw),
        is_truncated=mail.is_truncated,
    )


def _write(folder: Path, digest: str, raw: bytes) -> str:
    """A file named by its content, safe on disk before the database speaks of it."""
    name = f"{digest[:2]}/{digest}.eml"
    path = folder / name
    try:
        if not path.exists():
            _write_anew(path, raw)
    except OSError as error:
        raise CannotWrite(
            Sentence(
                "the mail cannot be kept in {path}: {why}", path=path, why=error.strerror or error
            ),
            hint="make room or correct the folder's rights; until then it stays on the server",
        ) from error
    return name


def _write_anew(path: Path, raw: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
