"""Verbs of delivering: one round of sending, the outbox and its switches."""

from __future__ import annotations

import os
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial

from crm_mailer import delivering
from crm_mailer.app import rendering
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.delivering import (
    Account,
    DeliverReport,
    FolderTransport,
    Pace,
    Rules,
    SmtpTransport,
    Tls,
    Transport,
    Wanted,
)
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame
from crm_mailer.model.errors import DefinitionError, NotFound
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import lanes, outbox, touches
from crm_mailer.store.bulk import in_turns
from crm_mailer.store.lanes import Rest
from crm_mailer.store.outbox import Audit, OutboxLine, Record

_RUN = secrets.token_hex(3)


def owner() -> str:
    """The name of this process as a sender: no other process, past or present, has it."""
    return f"{socket.gethostname()}-{os.getpid()}-{_RUN}"


def transport(app: App) -> Transport:
    """The way out: the mail server, or the sandbox's folder where none is configured."""
    smtp = app.settings.smtp
    if app.settings.is_sandbox:
        return FolderTransport(app.outbox_folder, app.clock)
    return SmtpTransport(
        Account(
            host=smtp.host,
            port=smtp.port,
            username=smtp.username,
            password=smtp.password,
            tls=Tls(smtp.tls),
            ca_file=smtp.ca_file,
            hello=smtp.hello,
            connections=smtp.connections,
        )
    )


def send(
    app: App,
    *,
    limit: int | None = None,
    campaign: str | None = None,
    streams: Collection[Stream] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    way: Transport | None = None,
    is_by_hand: bool = False,
) -> DeliverReport:
    """One round: everything that is due, until nothing is left or something is wrong.

    After a fault of the mail server or of ours the next rounds leave it alone for a while.

    Args:
        limit: at most so many mails.
        campaign: only this one's.
        streams: only these.
        way: another transport than the configured one.
        is_by_hand: a person wants it now, whatever happened before.

    Raises:
        NotFound: there is no such campaign.
        DefinitionError: the shop's own file is wrong: it is not known who writes.
    """
    if campaign is not None:
        _known(app, campaign)
    if not app.definitions.has_shop:
        raise DefinitionError(
            "campaigns/shop.yaml is wrong: nothing is sent", hint="run `crm-mailer check`"
        )
    with app.store.read() as connection:
        rest = lanes.find(connection, lanes.SMTP)
    if rest is not None and not is_by_hand and app.clock.now() < rest.until:
        return DeliverReport(resting=rest.message)
    report = delivering.deliver(
        app.store,
        rendering.renderer(app),
        way or transport(app),
        clock=app.clock,
        owner=owner(),
        journal_folder=app.journal_folder,
        should_stop=should_stop,
        wanted=Wanted(limit=limit, campaign=campaign, streams=streams),
        pace=Pace(per_minute=app.settings.smtp.per_minute or None),
        rules=Rules(shop=app.shop, campaigns=app.definitions.campaigns),
    )
    _remember(app, report, rest)
    return report


def resting(app: App) -> Rest | None:
    """Why and until when the mail server is left alone; None when it is used."""
    with app.store.read() as connection:
        rest = lanes.find(connection, lanes.SMTP)
    return rest if rest is not None and app.clock.now() < rest.until else None


def recover(app: App) -> Counter[str]:
    """Put right what dead senders left behind; returns how many ended in which state.

    Meant for a start: a person may have mended what made the lane rest, so it is tried anew.
    """
    with app.store.write() as connection:
        lanes.wake(connection, lanes.SMTP)
    return delivering.recover(app.store, app.journal_folder, now=app.clock.now())


def outbox_list(
    app: App, *, states: Sequence[TouchState] = (), campaign: str | None = None, limit: int = 50
) -> list[OutboxLine]:
    """Planned mails and their fate, the newest first."""
    if campaign is not None:
        _known(app, campaign)
    with app.store.read() as connection:
        return outbox.list_(connection, states=states, campaign=campaign, limit=limit)


def outbox_show(app: App, number: int) -> Record:
    """The record of one mail.

    Raises:
        NotFound: there is no mail by this number.
    """
    with app.store.read() as connection:
        record = outbox.find(connection, number)
    if record is None:
        raise NotFound(f"there is no mail {number}", hint="crm-mailer outbox list")
    return record


def outbox_content(app: App, number: int) -> bytes:
    """The exact bytes of an order mail.

    Raises:
        NotFound: there is no such mail, or it is marketing, whose bytes are not kept.
    """
    outbox_show(app, number)
    with app.store.read() as connection:
        found = outbox.content(connection, number)
    if found is None:
        raise NotFound(
            f"the bytes of mail {number} were not kept",
            hint="they are kept of order mails; of marketing, `crm-mailer preview` shows the look",
        )
    return found


def audit(app: App) -> Audit:
    """Where every planned mail is, and whether the ledger adds up."""
    with app.store.read() as connection:
        return outbox.audit(connection, app.clock.now())


def release(app: App, campaign: str) -> int:
    """Let the held mails of a campaign go when they are due; returns how many."""
    _known(app, campaign)
    with app.store.read() as connection:
        held = touches.list_held(connection, campaign)
    return in_turns(app.store, held, touches.let_go)


def cancel(app: App, campaign: str) -> int:
    """End what has not left of a campaign; returns how many.

    Mails in a sender's hands may still go. An order mail in doubt stays in doubt, but its second
    attempt is called off.
    """
    _known(app, campaign)
    with app.store.write() as connection:
        outbox.call_off(connection, campaign)
        unsent = touches.list_unsent(connection, campaign)
    end = partial(touches.end, reason=SkipReason.CANCELLED, now=app.clock.now())
    return in_turns(app.store, unsent, end)


def retry(app: App, *, campaign: str | None = None, is_refused_too: bool = False) -> int:
    """Try deferred and mended mails again at once; returns how many."""
    if campaign is not None:
        _known(app, campaign)
    with app.store.write() as connection:
        return outbox.retry(
            connection, app.clock.now(), campaign=campaign, is_refused_too=is_refused_too
        )


def pause(app: App) -> None:
    """Stop all sending until `resume`."""
    with app.store.write() as connection:
        outbox.set_paused(connection, True, app.clock.now())


def resume(app: App) -> None:
    """Let sending go on."""
    with app.store.write() as connection:
        outbox.set_paused(connection, False, app.clock.now())


def _remember(app: App, report: DeliverReport, before: Rest | None) -> None:
    """Let the lane rest after a fault; the first mail that goes through ends it."""
    now, fault = app.clock.now(), report.lane_fault
    if fault is not None:
        # a server that took mails in between has a new trouble; where we are wrong we still are
        has_worked = report.outcomes["accepted"] and fault.outcome.blame is Blame.SITE
        faults = 1 if before is None or has_worked else before.faults + 1
        until = now + delivering.rest_after(fault, faults)
        with app.store.write() as connection:
            why = Rest(until=until, faults=faults, message=fault.message)
            lanes.rest(connection, lanes.SMTP, why, now)
    elif before is not None and report.outcomes:
        with app.store.write() as connection:
            lanes.wake(connection, lanes.SMTP)


def _known(app: App, campaign: str) -> None:
    with app.store.read() as connection:
        known = {*app.definitions.campaigns, *touches.campaigns(connection)}
    if campaign not in known:
        raise NotFound(
            f"there is no campaign `{campaign}`", hint=did_you_mean(campaign, sorted(known))
        )
