"""The mailboxes of the settings: how to reach them, what ails them, what they hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from crm_mailer import listening
from crm_mailer.app import tokens
from crm_mailer.app.mailbox_states import states
from crm_mailer.app.wiring import App
from crm_mailer.listening import (
    Account,
    Comparison,
    FetchReport,
    FirstContact,
    ImapMailbox,
    ImapMover,
)
from crm_mailer.model.errors import (
    CrmMailerError,
    FetchBroken,
    MailboxReplaced,
    NotFound,
    NotPossible,
    SettingsError,
)
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import ImapSettings, mailbox_table
from crm_mailer.store import alerts, inbound, places
from crm_mailer.store.inbound import InboundMail

#: A mailbox that could not be read for so long is an alert.
SILENCE = timedelta(minutes=15)
#: How often one look begins anew where the server stumbles over mails.
TRIES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at one mailbox by hand brought, or why it did not."""

    mailbox: str
    fetched: FetchReport
    error: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """One mailbox compared with what we have of it, or why it could not be."""

    mailbox: str
    folder: str
    found: Comparison | None = None
    error: str = ""
    hint: str = ""


def chosen(app: App, names: Sequence[str] = ()) -> tuple[ImapSettings, ...]:
    """The mailboxes of these names; all of them where none is named.

    Raises:
        SettingsError: none is configured.
        NotFound: there is none of this name.
    """
    every = app.settings.mailboxes
    if not every:
        raise SettingsError(
            "no mailbox is configured, so no answers can be read",
            hint="set imap.host, imap.username and imap.password in crm-mailer.toml "
            "(or CRM_MAILER_IMAP_HOST and so on)",
        )
    known = [one.name for one in every]
    for name in names:
        if name not in known:
            raise NotFound(
                Sentence("there is no mailbox `{name}`", name=name),
                hint=Sentence("there is: {names}", names=", ".join(known)),
            )
    return tuple(one for one in every if not names or one.name in names)


def account(app: App, box: ImapSettings) -> Account:
    """How to reach a mailbox."""
    return Account(
        host=box.host,
        port=box.port,
        username=box.username,
        password=box.password,
        auth=box.auth,
        token=tokens.for_mailbox(app, box),
        tls=box.tls,
        ca_file=box.ca_file,
        folder=box.folder,
        move_done_to=box.move_done_to,
        table=mailbox_table(box),
    )


def first_contact(written: str) -> FirstContact:
    """The setting `first_contact`: new, all, or a day.

    Raises:
        SettingsError: it is none of these.
    """
    if written in ("new", "all"):
        return written
    try:
        return date.fromisoformat(written)
    except ValueError as error:
        raise SettingsError(
            Sentence("imap.first_contact is `{written}`", written=written),
            hint="write new, all, or a day such as 2026-11-01",
        ) from error


# ---------------------------------------------------------------------------- fetching


def fetch(app: App, since: FirstContact | None = None, names: Sequence[str] = ()) -> list[Look]:
    """Look once into each mailbox; one that fails does not hinder the others.

    Args:
        since: at the very first contact only: new, all, or a day; None asks the settings.
        names: only these mailboxes.

    Raises:
        SettingsError, NotFound: as `chosen`.
        CrmMailerError: where none of them could be read, what ails the first.
    """
    looks, errors = [], []
    boxes = chosen(app, names)
    for box in boxes:
        report = FetchReport()
        try:
            _fetch(app, box, since or first_contact(box.first_contact), report)
            looks.append(Look(mailbox=box.name, fetched=report))
        except CrmMailerError as error:
            errors.append(error)
            looks.append(Look(mailbox=box.name, fetched=report, error=str(error), hint=error.hint))
    if len(errors) == len(boxes):
        raise errors[0]
    return looks


def _fetch(app: App, box: ImapSettings, start: FirstContact, total: FetchReport) -> None:
    """Fetch into `total`, with a new connection wherever the server stumbles over a mail."""
    with _noting_trouble(app, box):
        for tries_left in reversed(range(TRIES)):
            try:
                with ImapMailbox(account(app, box)) as mailbox:
                    listening.fetch(
                        app.store,
                        mailbox,
                        account=box.account,
                        folder=box.folder,
                        raw_folder=app.raw_folder,
                        now=app.clock.now(),
                        first_contact=start,
                        report=total,
                    )
                return
            except FetchBroken:
                if not tries_left:
                    raise


@contextmanager
def _noting_trouble(app: App, box: ImapSettings) -> Iterator[None]:
    try:
        yield
    except CrmMailerError as error:
        with app.store.write() as connection:
            inbound.note_trouble(connection, box.account, box.folder, str(error))
        raise


def move_done(app: App, box: ImapSettings) -> int:
    """Put what was understood into the folder that the settings name; how many were moved.

    Raises:
        SettingsError: the server cannot do it.
        ServiceDown, MailboxError: the server; the next time goes on from here.
    """
    at = box.account
    if not box.move_done_to or not listening.has_done(app.store, account=at, folder=box.folder):
        return 0
    with ImapMover(account(app, box)) as mover:
        return listening.move_done(
            app.store, mover, account=at, folder=box.folder, now=app.clock.now()
        )


# ---------------------------------------------------------------------------- alerts


def raise_alert(app: App, box: ImapSettings, what: str, error: CrmMailerError) -> None:
    """Something with a mailbox that a person should look at: `login`, `move`."""
    with app.store.write() as connection:
        alerts.raise_(
            connection,
            _cause(box, what),
            Sentence("mailbox {name}: {why}", name=box.name, why=str(error)),
            hint=error.hint,
            now=app.clock.now(),
        )


def end_alerts(app: App, box: ImapSettings, *whats: str) -> None:
    """These are over."""
    with app.store.read() as connection:
        is_open = {alert.cause for alert in alerts.list_open(connection)}
    for cause in {_cause(box, what) for what in whats} & is_open:
        with app.store.write() as connection:
            alerts.end(connection, cause, app.clock.now())


def watchdog(app: App, since: datetime) -> str:
    """Raise an alert for each mailbox without a successful look for 15 minutes; end it when over.

    Args:
        since: when watching began; before that nobody looked.

    Returns:
        The mailboxes that have just fallen silent.
    """
    now, fallen = app.clock.now(), []
    for box, state in zip(app.settings.mailboxes, states(app), strict=True):
        last = max(state.synced_at or since, since)
        if now - last <= SILENCE:
            end_alerts(app, box, "silent")
            continue
        with app.store.write() as connection:
            is_new = alerts.raise_(
                connection,
                _cause(box, "silent"),
                Sentence(
                    "mailbox {name} ({place}) was not read since {when}",
                    name=box.name,
                    place=box.place,
                    when=f"{last:%F %H:%M}Z",
                ),
                hint=state.trouble or Sentence("is the daemon able to reach it?"),
                now=now,
            )
        fallen += [box.name] if is_new else []
    return f"not read for 15 minutes: {', '.join(fallen)}" if fallen else ""


def _cause(box: ImapSettings, what: str) -> str:
    return f"mailbox:{box.name}/{what}"


# ---------------------------------------------------------------------------- reconciling


def reconcile(app: App, *, brings: bool = False, names: Sequence[str] = ()) -> list[Reconciled]:
    """Compare each mailbox with what we have of it.

    Args:
        brings: fetch what is missing, too.
        names: only these mailboxes.

    Raises:
        SettingsError, NotFound: as `chosen`.
    """
    found = []
    for box in chosen(app, names):
        told: dict[str, str] = {}
        comparison = None
        try:
            comparison = _reconcile(app, box, brings)
        except CrmMailerError as error:
            told = {"error": str(error), "hint": error.hint}
        found.append(Reconciled(mailbox=box.name, folder=box.folder, found=comparison, **told))
    return found


def _reconcile(app: App, box: ImapSettings, brings: bool) -> Comparison:
    if brings:
        _fetch(app, box, first_contact(box.first_contact), FetchReport())
    with ImapMailbox(account(app, box)) as mailbox:

        def compare() -> Comparison:
            return listening.compare(
                app.store, mailbox, account=box.account, folder=box.folder, now=app.clock.now()
            )

        found = compare()
        if not brings or not found.missing:
            return found
        brought = listening.bring(
            app.store, mailbox, found.missing, account=box.account, folder=box.folder,
            raw_folder=app.raw_folder, now=app.clock.now(),
        )  # fmt: skip
        again = compare()
    again.brought = brought
    return again


def fetch_again(app: App, mail: InboundMail) -> None:
    """Try once more to fetch a mail that the server would not give.

    Raises:
        NotPossible: its mailbox is not configured any more, or the mail is gone from it.
        ServiceDown, MailboxError: the server, as before.
    """
    with app.store.read() as connection:
        row = inbound.get_mailbox(connection, mail.mailbox_id)
    place = (row.account, row.folder)
    boxes = [one for one in app.settings.mailboxes if (one.account, one.folder) == place]
    box = next(iter(boxes), None)
    if box is None:
        raise NotPossible(
            Sentence(
                "mail {number} lies in {account}, which is not configured any more",
                number=mail.id,
                account=row.account,
            ),
            hint="add the mailbox to crm-mailer.toml again",
        )
    try:
        with ImapMailbox(account(app, box)) as mailbox:
            listening.bring(
                app.store, mailbox, [mail.uid], account=row.account, folder=row.folder,
                raw_folder=app.raw_folder, now=app.clock.now(),
            )  # fmt: skip
    except MailboxReplaced:
        pass  # whatever is there now is read anew by the next look
    with app.store.write() as connection:
        is_gone = places.forget_unfetched(connection, mail.id)
    if is_gone:
        raise NotPossible(
            Sentence("mail {number} is not on the server any more", number=mail.id),
            hint="it is not in quarantine any longer",
        )
