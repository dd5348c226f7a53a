"""Brings a database to the program's schema, and says so when it is older or newer.

Hosts are upgraded one after the other, so an older program may have to go on with a database that a
newer one has changed. It may where every migration that it does not know only adds: such a
migration says `works_from = "0019"`, which names the oldest schema whose programs may go on. One
that takes away or changes meanings says nothing, and older programs stop. What is named by the
strictest of all migrations stands in the database.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from crm_mailer.model.errors import AlreadyRunning, SchemaAhead, SchemaBehind, StoreError
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import bulk, facts, leases, witnesses
from crm_mailer.store.bundled import bundled
from crm_mailer.store.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

#: Alembic's own table.
VERSION = sa.table("alembic_version", sa.column("version_num", sa.Text))
#: The oldest schema whose programs may work with this database.
WORKS_FROM = "schema works from"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema. `before` is None for the first."""

    name: str
    before: str | None
    #: The oldest schema whose programs may go on after it.
    works_from: str


def upgrade(
    store: Store, *, folder: Path | None = None, now: datetime | None = None
) -> tuple[str, ...]:
    """Run every migration that is missing, in one transaction; which those were.

    Of several programs that do so at once, one does it, and the others find it done.

    Args:
        store: the database.
        folder: where the migrations lie; None: those that ship.
        now: the clock. Where it is known, a migration that older programs cannot live with is not
            run while one of them is alive.

    Raises:
        SchemaAhead: a newer program wrote this database.
        AlreadyRunning: a daemon or a worker of an older program is alive and could not go on.
        StoreError: the database is another program's.
    """
    from alembic import command  # takes as long as the rest of a small command

    config, _scripts = _config(folder)
    known = _migrations(folder)
    _make_private(store)
    with store.write() as connection:
        bulk.lock(connection, "crm-mailer schema")
        current = _current(connection)
        if current is not None and current not in known:
            raise _ahead(current)
        if current is None and set(sa.inspect(connection).get_table_names()) - {VERSION.name}:
            raise StoreError(
                Sentence(
                    "{database} holds tables, but not of a version that we know",
                    database=store.url.render_as_string(),
                ),
                hint="is it another program's? name another: `database` in crm-mailer.toml",
            )
        missing = _chain(known)[_place(known, current) + 1 :]
        if current is not None and missing and now is not None:
            _refuse_living(connection, known, missing, current, now)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if missing:
            told = {"schema": _chain(known)[-1], "works_from": _works_from(known)}
            at = now or _of_server(connection)
            facts.put(connection, WORKS_FROM, told, at)
            if current is None:
                witnesses.make_name(connection, at)
    return tuple(missing)


def _refuse_living(
    connection: sa.Connection,
    known: Mapping[str, Migration],
    missing: list[str],
    current: str,
    now: datetime,
) -> None:
    """No program is left behind at work: its statements would fail, or worse, succeed."""
    place = _place(known, current)
    breaking = [name for name in missing if _place(known, known[name].works_from) > place]
    if not breaking or not sa.inspect(connection).has_table("leases"):
        return
    # an old schema may lack columns of today's table of leases
    until = sa.column("until", sa.BigInteger) > int(now.timestamp())
    name = sa.column("name", sa.Text)
    is_ours = sa.or_(name.startswith("daemon"), name.startswith(leases.WORKER))
    alive: Any = connection.execute(
        sa.select(sa.column("pid"), sa.column("host")).select_from(sa.table("leases"))
        .where(until, is_ours)
    ).first()  # fmt: skip
    if alive is not None:
        raise AlreadyRunning(
            Sentence(
                "a program that cannot go on after this upgrade is at work: pid {pid} on {host}",
                pid=alive.pid,
                host=alive.host,
            ),
            hint="stop all daemons, upgrade, then start the new ones",
        )


def _make_private(store: Store) -> None:
    """A new SQLite file is its owner's alone: it will hold personal data."""
    place = store.url.database or ""
    if store.is_sqlite and place not in ("", ":memory:") and not place.startswith("file:"):
        with suppress(OSError):  # whatever hinders us, opening it says better
            Path(place).touch(mode=0o600, exist_ok=True)


def verify(store: Store, *, folder: Path | None = None) -> None:
    """Check that the database has the program's schema, or a later one with which it may work.

    Raises:
        SchemaBehind: migrations are missing.
        SchemaAhead: a newer program wrote this database, and this one cannot go on.
    """
    known = _migrations(folder)
    with store.read() as connection:
        current = _current(connection)
        works_from = None if current in known else _told(connection, current)
    if current in _heads(known):
        return
    if current is not None and current not in known:
        if works_from not in known:
            raise _ahead(current)
        return
    raise SchemaBehind(
        "the database is older than the program" if current else "the database is empty",
        hint="run `crm-mailer db upgrade` (or `crm-mailer init`)",
    )


def is_ahead(connection: sa.Connection) -> bool:
    """Whether a newer program has changed the database in a way that we may work with."""
    current = _current(connection)
    return current is not None and current not in _migrations(None)


def current(connection: sa.Connection) -> str:
    """The version of the database; empty for one that has no tables of ours."""
    return _current(connection) or ""


def _config(folder: Path | None = None) -> tuple[Config, ScriptDirectory]:
    """Alembic's settings and its view of our migrations."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    place = str(folder or bundled("migrations"))
    config.set_main_option("script_location", place.replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)


def _current(connection: sa.Connection) -> str | None:
    """The version of the database; None for one that has no tables of ours."""
    if not sa.inspect(connection).has_table(VERSION.name):
        return None
    found: str | None = connection.scalar(sa.select(VERSION.c.version_num))
    return found


def _told(connection: sa.Connection, current: str | None) -> str | None:
    """What whoever brought the database to its present schema said of older programs."""
    if not sa.inspect(connection).has_table("facts"):
        return None
    found = facts.find(connection, WORKS_FROM)
    is_told = isinstance(found, dict) and found.get("schema") == current
    return found.get("works_from") if is_told else None


@cache
def _migrations(folder: Path | None = None) -> Mapping[str, Migration]:
    """Each migration that ships, by name, read without importing any."""
    found: dict[str, Migration] = {}
    for path in sorted(((folder or bundled("migrations")) / "versions").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        [name] = re.findall(r'^revision = "(\w+)"', text, re.M)
        before = re.findall(r'^down_revision = "(\w+)"', text, re.M)
        works_from = re.findall(r'^works_from = "(\w+)"', text, re.M)
        found[name] = Migration(
            name=name,
            before=before[0] if before else None,
            works_from=works_from[0] if works_from else name,
        )
    return found


def _chain(known: Mapping[str, Migration]) -> list[str]:
    """Their names from the first to the last."""
    after = {one.before: one.name for one in known.values()}
    chain, name = [], after.get(None)
    while name is not None:
        chain.append(name)
        name = after.get(name)
    return chain


def _place(known: Mapping[str, Migration], name: str | None) -> int:
    """Where in the chain; -1 for nothing."""
    chain = _chain(known)
    return chain.index(name) if name in chain else -1


def _works_from(known: Mapping[str, Migration]) -> str:
    """The oldest schema whose programs may work with the last: the strictest migration says it."""
    return max((one.works_from for one in known.values()), key=lambda name: _place(known, name))


def _heads(known: Mapping[str, Migration]) -> set[str]:
    return set(known) - {one.before for one in known.values() if one.before}


def _ahead(current: str) -> SchemaAhead:
    return SchemaAhead(
        Sentence(
            "the database has schema {current}, which this program does not know", current=current
        ),
        hint="install the newer crm_mailer that wrote it, or restore a backup",
    )


def _of_server(connection: sa.Connection) -> datetime:
    """For marks of upgrades where nobody gave a clock."""
    seconds = connection.scalar(
        sa.text("SELECT strftime('%s', 'now')" if connection.dialect.name == "sqlite"
                else "SELECT extract(epoch FROM now())::bigint")
    )  # fmt: skip
    return datetime.fromtimestamp(int(seconds or 0), UTC)
