"""The front door of sending: one round, from what a dead sender left to the last settled mail."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

from crm_mailer.delivering import loops
from crm_mailer.delivering.air import Air
from crm_mailer.delivering.booking import Desk
from crm_mailer.delivering.guards import Guards
from crm_mailer.delivering.journal import Journal, boot_id
from crm_mailer.delivering.logbook import Logbook
from crm_mailer.delivering.pacing import Pacer
from crm_mailer.delivering.permission import FREE, Rules
from crm_mailer.delivering.port import Transport
from crm_mailer.delivering.recover import recover
from crm_mailer.delivering.report import DeliverReport, Progress
from crm_mailer.delivering.routing import Outlet, Ways
from crm_mailer.delivering.signs import DEFAULTS, GuardLimits
from crm_mailer.delivering.terms import EVERYTHING, USUAL_PACE, Pace, Wanted
from crm_mailer.delivering.tower import Tower
from crm_mailer.delivering.typesetting import Typesetter
from crm_mailer.delivering.witness import Witness
from crm_mailer.model.message import Renderer
from crm_mailer.model.moment import Clock
from crm_mailer.store import claims, pauses
from crm_mailer.store.engine import Connection, Store

#: The name of an outlet that was given as a bare transport.
ONLY = "main"


def deliver(
    store: Store,
    renderer: Renderer,
    ways: Ways | Transport,
    *,
    clock: Clock,
    owner: str,
    journal_folder: Path,
    should_stop: Callable[[], bool] = lambda: False,
    wanted: Wanted = EVERYTHING,
    pace: Pace = USUAL_PACE,
    rules: Rules = FREE,
    fence: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    limits: GuardLimits = DEFAULTS,
    probing: Collection[str] = (),
) -> DeliverReport:
    """Send what is due until nothing is left, something is wrong, or `should_stop` says so.

    What a dead sender left behind is put right first. A stop lets the mails in flight finish and
    gives back the rest.

    Args:
        ways: the accounts to send by, or one transport for everything.
        owner: unique for this process; its journal is named after it.
        rules: the shop's quiet hours and caps, and its campaigns as they are now.
        fence: the epoch of the lease under which we work.
        on_progress: told a few times a second where the round stands.
        limits: when a breaker trips.
        probing: accounts that failed last time: each is tried with one mail first.

    Raises:
        Unreconciled: this is not the database from which mails left last.
        StoreError: the database cannot be written. Nothing is lost: the journal tells the next
            round what was sent.
    """
    started = time.monotonic()
    witness = Witness(journal_folder)
    witness.check(store, clock.now())
    report = DeliverReport(recovered=recover(store, journal_folder, now=clock.now()))
    with store.read() as connection:
        stops = pauses.load(connection)
        report.is_paused = stops.everything is not None
        if report.is_paused or not claims.has_due(connection, clock.now()):
            return report
        logbook = Logbook(
            owner=owner, report=report, folder=journal_folder, on_progress=on_progress
        )
        if on_progress is not None:
            logbook.progress.due = _due(connection, wanted, clock)
    journal = Journal(journal_folder, owner)
    ways = _ways(ways, pace)
    guards = Guards([outlet.name for outlet in ways.outlets], limits)
    if probing:
        with store.read() as connection:
            guards.recall(connection, probing)
    desk = Desk(ways=ways, pacer=Pacer(ways))
    air = Air(
        desk=desk,
        guards=guards,
        logbook=logbook,
        journal=journal,
        clock=clock,
        should_stop=should_stop,
        paused=stops,
        probing=probing,
    )
    tower = Tower(
        store=store,
        desk=desk,
        typesetter=Typesetter(renderer=renderer, journal=journal, guards=guards),
        guards=guards,
        logbook=logbook,
        journal=journal,
        witness=witness,
        clock=clock,
        wanted=wanted,
        pace=pace,
        rules=rules,
        fence=fence,
        boot=boot_id(),
        report=report,
        air=air,
    )
    is_settled = False
    try:
        loops.run(tower.run())
        is_settled = True
    finally:
        journal.close(is_settled=is_settled)
        report.seconds = time.monotonic() - started
    return report


def _due(connection: Connection, wanted: Wanted, clock: Clock) -> int:
    """How many mails a watcher may expect."""
    due = claims.count_due(connection, clock.now(), wanted.campaign)
    return due if wanted.limit is None else min(due, wanted.limit)


def _ways(given: Ways | Transport, pace: Pace) -> Ways:
    """The accounts; a bare transport is the only one."""
    if isinstance(given, Ways):
        return given
    return Ways(outlets=[Outlet(name=ONLY, transport=given, per_minute=pace.per_minute)])
