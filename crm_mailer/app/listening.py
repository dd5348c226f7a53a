"""Verbs of listening: fetch, understand, watch, and look at what came."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from crm_mailer import listening, logs
from crm_mailer.app import cases
from crm_mailer.app.wiring import App
from crm_mailer.learning import LearnReport
from crm_mailer.listening import Account, FetchReport, FirstContact, ImapMailbox, ListenReport
from crm_mailer.model.errors import CrmMailerError, SettingsError
from crm_mailer.store import inbound, replies
from crm_mailer.store.inbound import InboundMail
from crm_mailer.store.replies import ReplyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a mail was understood as it was. `bounces` has one mapping for each address."""

    reply: ReplyRow
    bounces: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round by hand brought."""

    fetched: FetchReport
    understood: ListenReport
    learnt: LearnReport


def is_configured(app: App) -> bool:
    """Whether there is a mailbox to read."""
    return bool(app.settings.imap.host)


def account(app: App) -> Account:
    """The mailbox of the settings.

    Raises:
        SettingsError: none is configured.
    """
    imap = app.settings.imap
    if not imap.host:
        raise SettingsError(
            "no mailbox is configured, so no answers can be read",
            hint="set imap.host, imap.username and imap.password in crm-mailer.toml "
            "(or CRM_MAILER_IMAP_HOST and so on)",
        )
    return Account(
        host=imap.host,
        port=imap.port,
        username=imap.username,
        password=imap.password,
        tls=imap.tls,
        ca_file=imap.ca_file,
        folder=imap.folder,
    )


def first_contact(written: str) -> FirstContact:
    """The setting `imap.first_contact`: new, all, or a day.

    Raises:
        SettingsError: it is none of these.
    """
    if written in ("new", "all"):
        return written
    try:
        return date.fromisoformat(written)
    except ValueError as error:
        raise SettingsError(
            f"imap.first_contact is `{written}`",
            hint="write new, all, or a day such as 2026-11-01",
        ) from error


def fetch(app: App, since: FirstContact | None = None) -> FetchReport:
    """Bring home what is new in the mailbox.

    Args:
        since: at the very first contact only: new, all, or a day; None asks the settings.

    Raises:
        SettingsError: no mailbox is configured.
        ServiceDown, MailboxError: the server does not give it.
    """
    at = account(app)
    start = since or first_contact(app.settings.imap.first_contact)
    try:
        with ImapMailbox(at) as mailbox:
            return listening.fetch(
                app.store,
                mailbox,
                account=at.name,
                folder=at.folder,
                raw_folder=app.raw_folder,
                now=app.clock.now(),
                first_contact=start,
            )
    except CrmMailerError as error:
        with app.store.write() as connection:
            inbound.note_trouble(connection, at.name, at.folder, str(error))
        raise


def understand(app: App, limit: int | None = None) -> ListenReport:
    """Find out what the fetched mails are and say."""
    return listening.understand(
        app.store,
        keys=app.keys,
        words=app.words,
        order_pattern=app.shop.order_number_pattern,
        raw_folder=app.raw_folder,
        now=app.clock.now(),
        limit=limit,
    )


def listen(app: App, since: FirstContact | None = None) -> Round:
    """One round by hand: fetch, understand, and learn, so that a complaint is a case at once."""
    return Round(fetched=fetch(app, since), understood=understand(app), learnt=cases.learn(app))


def watch(
    app: App, stop: threading.Event, after_round: Callable[[ListenReport], None] | None = None
) -> None:
    """Stay at the mailbox until `stop` is set; returns at once where none is configured.

    Args:
        stop: set it to end within a second or two.
        after_round: called after each round that understood something, for example to learn.

    Raises:
        LoginRefused: the server does not take user name and password.
    """
    if not is_configured(app):
        return
    at, log = account(app), logs.get()

    def after_fetch(fetched: FetchReport) -> None:
        report = understand(app)
        if report.handled:
            log.info("listen", new=fetched.new, handled=report.handled, **report.kinds)
            if after_round is not None:
                after_round(report)

    listening.watch(
        lambda: ImapMailbox(at),
        app.store,
        account=at.name,
        folder=at.folder,
        raw_folder=app.raw_folder,
        clock=app.clock,
        stop=stop,
        first_contact=first_contact(app.settings.imap.first_contact),
        after_fetch=after_fetch,
        on_trouble=lambda error: log.warning("listen", error=str(error), hint=error.hint),
    )


def list_replies(
    app: App, *, kinds: tuple[str, ...] = (), intents: tuple[str, ...] = (), limit: int = 50
) -> list[ReplyRow]:
    """What came, newest first."""
    with app.store.read() as connection:
        return replies.list_(connection, kinds=kinds, intents=intents, limit=limit)


def show(app: App, reply_id: int) -> ReplyRow:
    """One reply.

    Raises:
        NotFound: there is none.
    """
    with app.store.read() as connection:
        return replies.get(connection, reply_id)


def explain(app: App, reply_id: int) -> Explanation:
    """Why a reply was understood as it was.

    Raises:
        NotFound: there is none.
    """
    with app.store.read() as connection:
        reply = replies.get(connection, reply_id)
        told = replies.list_bounces(connection, reply.inbound_id) if reply.inbound_id else []
    return Explanation(reply=reply, bounces=tuple(told))


def quarantine(app: App) -> list[InboundMail]:
    """Mails that broke the reader three times; they wait and hinder nobody."""
    with app.store.read() as connection:
        return inbound.list_quarantined(connection)


def retry(app: App, inbound_id: int) -> ListenReport:
    """Read a mail from quarantine once more.

    Raises:
        NotFound: it is not in quarantine.
    """
    with app.store.write() as connection:
        inbound.retry(connection, inbound_id)
    return understand(app)
