"""Verbs about whether mails may leave from this database, or an older copy took its place."""

from __future__ import annotations

from contextlib import suppress

from crm_mailer.app import optouts
from crm_mailer.app.wiring import App
from crm_mailer.delivering import lost, witness
from crm_mailer.delivering.witness import Witness
from crm_mailer.model.errors import Unreconciled
from crm_mailer.store import facts, migrate, restoring, witnesses
from crm_mailer.store.witnesses import Gap, Restored


def look(app: App) -> Restored | None:
    """Why nothing may leave from this database; None where all is well."""
    with app.store.read() as connection:
        return witness.look(connection, app.journal_folder, app.clock.now())


def why_not(app: App) -> tuple[str, str]:
    """Why nothing may leave from here and what to do about it; both are empty where all is well."""
    now = app.clock.now()
    with app.store.read() as connection:
        found = witness.look(connection, app.journal_folder, now)
        if found is None:
            return "", ""
        if witness.is_foreign(connection, found, now):
            return witness.FOREIGN, witness.FOREIGN_HINT
    return witness.SENTENCES[found.why], witness.hint_of(found)


def bear(app: App) -> str:
    """Count on, and write down who wants no mail: once a minute, whether mails leave or not.

    So what is lost with a database is known to the minute.

    Raises:
        Unreconciled: nothing may leave from this database.
        SchemaAhead: a newer program has changed it so that this one must not go on.
        CannotWrite: the folder cannot be written.
    """
    migrate.verify(app.store)
    now, mine = app.clock.now(), Witness(app.journal_folder)
    mine.check(app.store, now)
    with app.store.write(durable=True) as connection:
        mine.bear(connection, now)
    mine.keep()
    gap(app)
    optouts.write_down(app)
    return ""


def gap(app: App) -> Gap | None:
    """The time that this database does not know, while that matters."""
    with app.store.read() as connection:
        found = witnesses.gap(connection)
    if found is None or app.clock.now() < found.mended_at + lost.MINDED_FOR:
        return found
    with app.store.write() as connection:
        facts.forget(connection, witnesses.GAP)
        restoring.forget(connection)
    return None


def is_trusted(app: App) -> bool:
    """Whether mails may leave; where not, it is noted for all hosts."""
    with suppress(Unreconciled):
        Witness(app.journal_folder).check(app.store, app.clock.now())
        return True
    return False
