"""Verbs of delivering: one round of sending, and what is remembered of accounts."""

from __future__ import annotations

import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import astuple, fields, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from crm_mailer import delivering
from crm_mailer.app import giving, rendering, witnessing
from crm_mailer.app.clocks import refuse_wrong_clock
from crm_mailer.app.outbox import known_campaign
from crm_mailer.app.ways import ways
from crm_mailer.app.wiring import App
from crm_mailer.delivering import warming
from crm_mailer.delivering.deliver import ONLY
from crm_mailer.delivering.faults import LaneFault, rest_after
from crm_mailer.delivering.permission import Rules
from crm_mailer.delivering.port import Transport
from crm_mailer.delivering.report import DeliverReport, Progress
from crm_mailer.delivering.routing import Lane, Outlet, Ways
from crm_mailer.delivering.signs import GuardLimits
from crm_mailer.delivering.terms import Wanted
from crm_mailer.delivering.warming import HeldBack
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame
from crm_mailer.model.errors import DefinitionError
from crm_mailer.store import lag, lanes, migrate, paces, pauses
from crm_mailer.store.lanes import Rest

_RUN = secrets.token_hex(3)


def owner() -> str:
    """The name of this process as a sender: no other process, past or present, has it."""
    return f"{socket.gethostname()}-{os.getpid()}-{_RUN}"


def send(
    app: App,
    *,
    limit: int | None = None,
    campaign: str | None = None,
    streams: Collection[Stream] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    way: Transport | None = None,
    is_by_hand: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> DeliverReport:
    """One round: everything that is due, until nothing is left or something is wrong.

    After a fault of an account, its server's or ours, the next rounds leave it alone for a while.

    Args:
        limit: at most so many mails.
        campaign: only this one's.
        streams: only these.
        way: another transport than the configured ones.
        is_by_hand: a person wants it now, whatever happened before.
        on_progress: told a few times a second where the round stands.

    Raises:
        NotFound: there is no such campaign.
        DefinitionError: the shop's own file is wrong: it is not known who writes.
        SettingsError: this machine's clock is wrong.
        Unreconciled: this is not the database from which mails left last.
        SchemaAhead: a newer program has changed the database so that this one must not use it.
    """
    refuse_wrong_clock(app)
    migrate.verify(app.store)
    if campaign is not None:
        known_campaign(app, campaign)
    if not app.definitions.has_shop:
        raise DefinitionError(
            "campaigns/shop.yaml is wrong: nothing is sent", hint="run `crm-mailer check`"
        )
    if app.settings.hooks:
        from crm_mailer.app import hooks  # the rooms behind it: a tenth of a worker's memory

        hooks.digest(app)  # who has complained to a provider gets nothing more
    all_ways = ways(app) if way is None else Ways(outlets=[Outlet(name=ONLY, transport=way)])
    before = _rests(app, all_ways)
    open_ways = all_ways if is_by_hand else _without(all_ways, _now_resting(app, before))
    if not open_ways.outlets:
        return DeliverReport(resting=_first(before).message)
    report = delivering.deliver(
        app.store,
        rendering.renderer(app),
        open_ways,
        clock=app.clock,
        owner=owner(),
        journal_folder=app.journal_folder,
        should_stop=should_stop,
        wanted=Wanted(limit=limit, campaign=campaign, streams=streams),
        rules=Rules(
            shop=app.shop,
            campaigns=app.definitions.campaigns,
            give=giving.giving(app),
            gap=witnessing.gap(app),
        ),
        on_progress=on_progress,
        limits=guard_limits(app),
        probing=frozenset(before),
    )
    _remember(app, report, before)
    return report


def guard_limits(app: App) -> GuardLimits:
    """When sending is stopped by itself, as the settings say."""
    given = app.settings.guards
    return GuardLimits(
        policy=given.policy,
        doubts_least=given.doubts,
        doubt_share=given.doubts / 1_000,
        template_share=given.template_errors / 100,
        dead_share_first=given.dead_addresses / 100,
        dead_share=given.dead_addresses_later / 100,
    )


def resting(app: App) -> Rest | None:
    """Why and until when no mail can leave; None when an account may be used."""
    found = ways(app)
    rests = _now_resting(app, _rests(app, found))
    return _first(rests) if len(rests) == len(found.outlets) else None


def resting_accounts(app: App) -> dict[str, Rest]:
    """The accounts that are left alone for a while, by name."""
    return _now_resting(app, _rests(app, ways(app)))


def held_back(app: App) -> list[HeldBack]:
    """What waits for the next day of an account that warms up; empty while all is stopped."""
    found, now = ways(app), app.clock.now()
    if all(one.warm_since is None for one in found.outlets):
        return []
    with app.store.read() as connection:
        stops, rows = pauses.load(connection), paces.load(connection)
        due = {
            Lane(one.provider, Stream(one.stream)): one.due for one in lag.lanes(connection, now)
        }
    if stops.everything is not None:
        return []
    going = {lane: number for lane, number in due.items() if not stops.stops(lane.name)}
    away = {*stops.accounts, *_now_resting(app, _rests(app, found))}
    return warming.held_back(found, going, rows, now, away)


def told(app: App, report: DeliverReport) -> dict[str, Any]:
    """A round for scripts: its counts, and what the terminal says of accounts beside them.

    `resting_accounts`: those that are left alone after a fault, with `until` and `message`;
    `held_back`: mails that wait for the next day of an account that warms up.
    """
    counts = {one.name: getattr(report, one.name) for one in fields(report)}
    waits = [] if report.is_paused else held_back(app)
    return {**counts, "resting_accounts": resting_accounts(app), "held_back": waits}


def recover(app: App) -> Counter[str]:
    """Put right what dead senders left behind; returns how many ended in which state.

    Meant for a start. Accounts go on resting, or whoever starts a daemon again and again would
    have a wrong password tried each time; one that was set up otherwise meanwhile is tried at once.
    """
    _wake_changed(app)
    if not witnessing.is_trusted(app):
        return Counter()  # the journals are what tells of the mails that are missing here
    return delivering.recover(app.store, app.journal_folder, now=app.clock.now())


def _wake_changed(app: App) -> None:
    """Let accounts go on in which a person has changed something, or which ask no server."""
    local = {one.name for one in app.settings.accounts if one.writes_files} | {lanes.SANDBOX}
    woken = [
        name
        for name, rest in _rests(app, ways(app)).items()
        if name in local or (rest.mark and rest.mark != _mark(app, name))
    ]
    if woken:
        with app.store.write() as connection:
            for name in woken:
                lanes.wake(connection, name)


def _mark(app: App, name: str) -> str:
    """Changes with every setting of an account, and with what is in the files that they name.

    Nobody can read a password out of it.
    """
    for one in app.settings.accounts:
        if one.name == name:
            key = app.keys.keys[app.keys.current]
            made = blake2b(key=key, person=b"account", digest_size=10)
            made.update(repr(astuple(one)).encode("utf-8", "surrogatepass"))
            token = one.oauth.token_file and app.home / one.oauth.token_file  # as `ways` reads it
            for file in (one.ca_file, token):
                made.update(blake2b(_content(file)).digest())
            return made.hexdigest()
    return ""


def _content(file: str | Path) -> bytes:
    """What is in a file now; nothing where it cannot be read, which its use says better."""
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""


def _rests(app: App, given: Ways) -> dict[str, Rest]:
    """What is remembered of faults, by account; a rest may be over."""
    with app.store.read() as connection:
        found = {one.name: lanes.find(connection, one.name) for one in given.outlets}
    return {name: rest for name, rest in found.items() if rest is not None}


def _now_resting(app: App, rests: dict[str, Rest]) -> dict[str, Rest]:
    now = app.clock.now()
    return {name: rest for name, rest in rests.items() if now < rest.until}


def _first(rests: dict[str, Rest]) -> Rest:
    return min(rests.values(), key=lambda rest: rest.until)


def _without(given: Ways, rests: dict[str, Rest]) -> Ways:
    return replace(given, outlets=[one for one in given.outlets if one.name not in rests])


def _remember(app: App, report: DeliverReport, before: dict[str, Rest]) -> None:
    """Let accounts rest after a fault; the first mail that one takes ends it."""
    now = app.clock.now()
    woken = [name for name in before if name in report.by_outlet and name not in report.faults]
    if not report.faults and not woken:
        return
    with app.store.write() as connection:
        for name, fault in report.faults.items():
            faults = _faults_in_a_row(fault, report.by_outlet.get(name), before.get(name))
            until = now + rest_after(fault, faults)
            why = Rest(until=until, faults=faults, message=fault.message, mark=_mark(app, name))
            lanes.rest(connection, name, why, now)
        for name in woken:
            lanes.wake(connection, name)


def _faults_in_a_row(fault: LaneFault, answers: Counter[str] | None, before: Rest | None) -> int:
    """A server that took mails in between has a new trouble; where we are wrong we still are."""
    has_worked = answers and answers["accepted"] and fault.outcome.blame is Blame.SITE
    return 1 if before is None or has_worked else before.faults + 1
