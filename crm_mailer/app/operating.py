"""Verbs of the operator: make a shop, look at its state, hold the database."""

from __future__ import annotations

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from crm_mailer import home as homes
from crm_mailer.app import clocks, delivering, fleet, mailbox_states, rfm, witnessing
from crm_mailer.app.fleet import Fleet
from crm_mailer.app.mailbox_states import MailboxState
from crm_mailer.app.wiring import App
from crm_mailer.delivering import witness
from crm_mailer.delivering.warming import HeldBack
from crm_mailer.model.errors import AlreadyRunning, StoreError
from crm_mailer.model.sentence import Sentence, Sentences, sentence
from crm_mailer.store import alerts, doubts, health, lanes, leases, migrate, pauses
from crm_mailer.store.alerts import Alert
from crm_mailer.store.engine import open_store
from crm_mailer.store.pauses import Pause


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The shop on one screen."""

    home: Path
    database: str
    now: datetime
    is_sandbox: bool
    is_paused: bool
    #: Why nothing leaves from this database until it is reconciled; empty where all is well.
    restored: str
    #: Whatever is stopped, everything or a part.
    pauses: list[Pause]
    #: What a person should look at.
    alerts: list[Alert]
    daemon: str
    #: Mails in doubt of which nothing was heard for so long that they count as sent.
    probably_sent: int
    #: The sending processes that are alive.
    workers: list[str]
    #: All processes, leases and lanes, on whichever host, and how far behind they are.
    fleet: Fleet
    figures: health.Figures
    campaigns_live: int
    campaigns: int
    problems: int
    mail_server: str
    #: Why the mail server is left alone for a while, and until when; empty when it is used.
    resting: str
    #: What waits for the next day of an account that warms up.
    held_back: list[HeldBack]
    mailbox: str
    #: Each of them, with its trouble.
    mailboxes: list[MailboxState]
    next_step: str
    #: That marks are not worked out, or are behind of the orders; empty when they are as they
    #: should be.
    marks: str = ""


def init(folder: Path) -> list[Path]:
    """Make a shop in `folder`; returns the files written (none when all was there)."""
    return homes.make_home(folder)


def upgrade_database(app: App) -> tuple[str, ...]:
    """Bring the database to the program's schema; which migrations were run.

    Raises:
        AlreadyRunning: a program that could not go on with it is at work.
    """
    store = open_store(app.database_url)
    done = migrate.upgrade(store, now=app.clock.now())
    store.close()
    return done


def status(app: App) -> Status:
    """What is going on, and the next sensible command."""
    clocks.ahead(app)  # puts our clock right
    now = app.clock.now()
    with app.store.read() as connection:
        figures = health.figures(connection, now)
        daemon = health.daemon(connection, now)
        workers = leases.list_in_force(connection, leases.WORKER, now)
        stopped = pauses.list_(connection)
        open_alerts = alerts.list_open(connection)
        working = fleet.look(app, connection, now)
        probably_sent = doubts.count_probably_sent(connection, now)
    why_not, mend = witnessing.why_not(app)
    definitions = app.definitions
    live = [one for one in definitions.campaigns.values() if one.mode == "live"]
    return Status(
        home=app.home,
        database=app.store.url.render_as_string(),
        now=now,
        is_sandbox=app.settings.is_sandbox,
        is_paused=any(one.scope == pauses.ALL for one in stopped),
        restored=why_not,
        pauses=stopped,
        alerts=open_alerts,
        probably_sent=probably_sent,
        daemon=daemon,
        workers=[_process(one.pid, one.host, f"{one.since:%F %T}Z") for one in workers],
        fleet=working,
        figures=figures,
        campaigns_live=len(live),
        campaigns=len(definitions.campaigns),
        problems=len(definitions.errors),
        mail_server=app.settings.way_out,
        resting=_resting(app),
        held_back=delivering.held_back(app),
        mailbox=", ".join(box.place for box in app.settings.mailboxes),
        mailboxes=mailbox_states.states(app),
        next_step=_next_step(
            app, figures, live=len(live), daemon=daemon, is_restored=mend == witness.HINT
        ),
        marks=rfm.hint(app) or "",
    )


@contextmanager
def hold_database(app: App) -> Iterator[None]:
    """Be the one daemon of an SQLite database for as long as the block runs.

    The lock is the operating system's, so that it ends with the process, however that ends.

    Raises:
        AlreadyRunning: another process holds it; the message names it.
        StoreError: the file of the lock, which lies beside the database, cannot be written.
    """
    if not app.store.is_sqlite:
        yield
        return
    with hold_file(app, Path(str(app.store.url.database)).resolve()):
        yield


@contextmanager
def hold_file(app: App, database: Path) -> Iterator[None]:
    """The same of an SQLite file that may be damaged, or not there."""
    with _opened(database.with_suffix(".lock")) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise AlreadyRunning(
                Sentence(
                    "another daemon works on this database: {daemon}", daemon=_holder(file.read())
                ),
                hint="stop it first; PostgreSQL allows several",
            ) from None
        file.truncate(0)
        file.write(f"pid {os.getpid()} on {socket.gethostname()} since {app.clock.now():%F %T}Z")
        file.flush()
        yield
        file.truncate(0)


def _process(pid: object, host: str, since: str) -> Sentence:
    """Which process it is."""
    return Sentence("pid {pid} on {host} since {time}", pid=pid, host=host, time=since)


def _holder(written: str) -> str:
    """Who holds a lock, by what they wrote into its file."""
    known = re.fullmatch(r"pid (\d+) on (.+) since (\S+ \S+)", written.strip())
    if known is None:
        return sentence(written.strip()) or Sentence("unknown")
    return _process(*known.groups())


def _opened(path: Path) -> TextIO:
    try:
        return path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            Sentence("cannot write {path}: {why}", path=path, why=error.strerror or error),
            hint="the daemon needs a folder that it may write in",
        ) from error


def _resting(app: App) -> str:
    now, names = app.clock.now(), [one.name for one in app.settings.accounts] or [lanes.SANDBOX]
    with app.store.read() as connection:
        rests = [lanes.find(connection, name) for name in names]
    told = (
        Sentence(
            "{why} (until {time})",
            why=rest.message,
            time=f"{rest.until.astimezone(app.zone):%F %H:%M %Z}",
        )
        for rest in rests
        if rest and now < rest.until
    )
    return Sentences(*told, between="; ")


def _next_step(
    app: App, figures: health.Figures, *, live: int, daemon: str, is_restored: bool
) -> str:
    if is_restored:
        return "crm-mailer db reconcile"
    if app.definitions.errors:
        return "crm-mailer check"
    if not figures.customers:
        return "crm-mailer import orders FILE"
    if figures.cases_overdue:
        return "crm-mailer case list --overdue"
    if not live:
        return "crm-mailer plan, then set `mode: live` in a campaign"
    if app.settings.is_sandbox:
        return "set smtp.host in crm-mailer.toml"
    return "" if daemon else "crm-mailer run"
