"""Verbs of listening: fetch, understand, watch, and look at what came."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from crm_mailer import listening, logs
from crm_mailer.app import cases, mailboxes, web_events
from crm_mailer.app.mailboxes import Look
from crm_mailer.app.wiring import App
from crm_mailer.learning import LearnReport
from crm_mailer.listening import (
    FaultLimits,
    FetchReport,
    FirstContact,
    ImapMailbox,
    ListenReport,
)
from crm_mailer.model.errors import (
    CrmMailerError,
    LoginRefused,
    MailboxError,
    ServiceDown,
    SettingsError,
)
from crm_mailer.settings import ImapSettings
from crm_mailer.store import inbound, replies
from crm_mailer.store.engine import Store
from crm_mailer.store.inbound import InboundMail
from crm_mailer.store.replies import ReplyRow

#: Seconds before moving is tried again after it failed.
MOVE_REST = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a mail was understood as it was. `bounces` has one mapping for each address."""

    reply: ReplyRow
    bounces: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round by hand brought, from all mailboxes together and from each."""

    fetched: FetchReport
    understood: ListenReport
    learnt: LearnReport
    looks: tuple[Look, ...]
    moved: int = 0


def is_configured(app: App) -> bool:
    """Whether there is a mailbox to read."""
    return bool(app.settings.mailboxes)


class _Turn:
    """Who understands at present: several threads may bring mail home, one reads it at a time."""

    def __init__(self) -> None:
        self.is_wanted = threading.Event()
        self.lock = threading.Lock()


_TURNS: WeakKeyDictionary[App, _Turn] = WeakKeyDictionary()


def understand(
    app: App, limit: int | None = None, between: Callable[[], None] | None = None
) -> ListenReport:
    """Find out what the fetched mails are and say; `between` is called in a long round.

    While another thread does so nothing is done here: it goes on with what has come meanwhile.
    """
    turn = _TURNS.setdefault(app, _Turn())
    report = ListenReport()
    turn.is_wanted.set()
    while turn.is_wanted.is_set() and turn.lock.acquire(blocking=False):
        try:
            turn.is_wanted.clear()
            report.absorb(_understand(app, limit, between))
        finally:
            turn.lock.release()
    return report


def _understand(
    app: App, limit: int | None, between: Callable[[], None] | None = None
) -> ListenReport:
    return listening.understand(
        app.store,
        keys=app.keys,
        words=app.words,
        order_pattern=app.shop.order_number_pattern,
        raw_folder=app.raw_folder,
        now=app.clock.now(),
        limit=limit,
        fault_limits=FaultLimits(least=app.settings.guards.policy),
        between=between,
    )


def hear(app: App) -> int:
    """Read what servers said at hand-over, for a shop that sends by hand and reads no mailbox.

    The daemon does so with every mail that it understands. How many addresses were given up.
    """
    return listening.hear(
        app.store,
        words=app.words,
        now=app.clock.now(),
        fault_limits=FaultLimits(least=app.settings.guards.policy),
    )


def listen(
    app: App,
    since: FirstContact | None = None,
    names: Sequence[str] = (),
    on_way: Callable[[LearnReport], None] = lambda _learnt: None,
) -> Round:
    """One round by hand: fetch, understand, and learn, so that a complaint is a case at once.

    Args:
        app: the shop.
        since: how far back to look in a mailbox that is met for the first time.
        names: mailboxes; all where there are none.
        on_way: called now and then in a long round, with what was learnt so far.

    Raises:
        SettingsError: no mailbox is configured.
        ServiceDown, MailboxError: no mailbox could be read.
    """
    looks = mailboxes.fetch(app, since, names)
    total = FetchReport()
    for look in looks:
        total.absorb(look.fetched)
    turns: list[LearnReport] = []

    def learn() -> None:
        turns.append(cases.learn(app))
        on_way(sum(turns, LearnReport()))

    understood = understand(app, between=learn)
    learnt = sum(turns, cases.learn(app))
    web_events.digest(app)
    moved, after = 0, []
    for box, look in zip(mailboxes.chosen(app, names), looks, strict=True):
        try:
            moved += 0 if look.error else mailboxes.move_done(app, box)
            after.append(look)
        except CrmMailerError as error:
            after.append(replace(look, error=str(error), hint=error.hint))
    return Round(
        fetched=total, understood=understood, learnt=learnt, looks=tuple(after), moved=moved
    )


def watch(
    app: App,
    stop: threading.Event,
    box: ImapSettings,
    after_round: Callable[[ListenReport], None] | None = None,
    store: Store | None = None,
    on_look: Callable[[CrmMailerError | None], None] = lambda _error: None,
) -> None:
    """Stay at a mailbox until `stop` is set. One thread a mailbox.

    Args:
        stop: set it to end within a second or two.
        box: the mailbox, as the settings have it.
        after_round: called after each round that understood something, for example to learn.
        store: where to keep what is fetched, behind the fence of a lease; None: the shop's.
        on_look: called after each look, with what went wrong.

    Raises:
        LoginRefused: the server does not take user name and password.
        SettingsError: the folder is not there.
    """
    at, log = mailboxes.account(app, box), logs.get()
    tidy = _Tidy(app, box)

    def in_trouble(error: CrmMailerError) -> None:
        log.warning("listen", mailbox=box.name, error=str(error), hint=error.hint)
        on_look(error)

    def after_fetch(fetched: FetchReport) -> None:
        on_look(None)
        mailboxes.end_alerts(app, box, "login", "silent")
        report = understand(app)
        if fetched.new or report.handled:
            log.info(
                "listen", mailbox=box.name, new=fetched.new, handled=report.handled, **report.kinds
            )
        if report.handled and after_round is not None:
            after_round(report)
        tidy()

    try:
        listening.watch(
            lambda: ImapMailbox(at),
            store or app.store,
            account=at.name,
            folder=at.folder,
            raw_folder=app.raw_folder,
            clock=app.clock,
            stop=stop,
            first_contact=mailboxes.first_contact(box.first_contact),
            after_fetch=after_fetch,
            on_trouble=in_trouble,
        )
    except (LoginRefused, SettingsError) as error:
        mailboxes.raise_alert(app, box, "login", error)
        raise


class _Tidy:
    """Moves what was understood; after a failure it rests, so that reading goes on."""

    def __init__(self, app: App, box: ImapSettings) -> None:
        self.app, self.box = app, box
        self.rests_until = 0.0

    def __call__(self) -> None:
        if not self.box.move_done_to or time.monotonic() < self.rests_until:
            return
        try:
            mailboxes.move_done(self.app, self.box)
            mailboxes.end_alerts(self.app, self.box, "move")
        except (MailboxError, ServiceDown, SettingsError) as error:
            self.rests_until = time.monotonic() + MOVE_REST
            mailboxes.raise_alert(self.app, self.box, "move", error)


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
    """Mails that broke the reader or the fetching three times; they wait and hinder nobody."""
    with app.store.read() as connection:
        return inbound.list_quarantined(connection)


def retry(app: App, numbers: Sequence[int]) -> ListenReport:
    """Read mails from quarantine once more, or fetch those again that the server would not give.

    Raises:
        NotFound: one is not in quarantine; then nothing was done.
        NotPossible: one is gone from the server, or its mailbox is not configured any more.
        ServiceDown, MailboxError: the server, as before.
    """
    with app.store.read() as connection:
        mails = [inbound.get(connection, number) for number in numbers]
    with app.store.write() as connection:
        for mail in mails:
            inbound.retry(connection, mail.id)
    for mail in mails:
        if mail.is_unfetched:
            mailboxes.fetch_again(app, mail)
    return understand(app)
