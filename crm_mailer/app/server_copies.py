"""Copies of a PostgreSQL database, by the programs that come with it: pg_dump and pg_restore."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.model.errors import CannotWrite, NotPossible, StoreError
from crm_mailer.model.sentence import Sentence

#: How a file of pg_dump in its custom format begins.
MAGIC = b"PGDMP"


def dump(url: sa.URL, file: Path) -> None:
    """Write the whole database into `file`, as it is at one moment.

    Raises:
        NotPossible: the program is not installed.
        StoreError: it could not do it; the message has its words.
    """
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


def check(file: Path) -> None:
    """See that a copy can be read to its end.

    Raises:
        NotPossible: the program is not installed.
        StoreError: it is damaged, or no copy of this kind.
    """
    program = _program("pg_restore")
    done = subprocess.run(
        [program, "--file=/dev/null", str(file)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StoreError(
            Sentence("{file} is damaged: {why}", file=file, why=_last(done.stderr)),
            hint="take another backup",
        )


def fill(url: sa.URL, file: Path) -> None:
    """Fill an empty database from a copy: all or nothing. Errors as for `dump`."""
    _run(
        "pg_restore", url, "--no-owner", "--no-privileges", "--single-transaction",
        "--exit-on-error", str(file),
    )  # fmt: skip


def is_copy(file: Path) -> bool:
    """Whether `file` is a copy of a PostgreSQL database."""
    with file.open("rb") as opened:
        return opened.read(len(MAGIC)) == MAGIC


def _run(name: str, url: sa.URL, *words: str) -> None:
    """The password travels in the environment: others on the machine can read a command line."""
    environment = dict(os.environ)
    if url.password:
        environment["PGPASSWORD"] = str(url.password)
    place = url.set(drivername="postgresql", password=None).render_as_string()
    try:
        done = subprocess.run(
            [_program(name), f"--dbname={place}", *words],
            capture_output=True, text=True, check=False, env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise CannotWrite(
            Sentence("{name} cannot be started: {why}", name=name, why=error.strerror or error)
        ) from error
    if done.returncode:
        raise StoreError(
            Sentence("{name} says: {said}", name=name, said=_last(done.stderr)),
            hint=Sentence(
                "the {name} of this machine must not be older than the server", name=name
            ),
        )


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NotPossible(
            Sentence("{name} is not installed on this machine", name=name),
            hint="install the clients of PostgreSQL (Debian: `postgresql-client`), or run "
            "`pg_dump --format=custom` on the server",
        )
    return found


def _last(words: str) -> str:
    """The program's own words: where it fails, the first line says why."""
    lines = [line for line in words.splitlines() if line.strip()]
    return " ".join(lines[0].split()) if lines else Sentence("nothing")
