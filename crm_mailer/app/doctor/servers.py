"""Whether the mail servers let us in: nothing is sent, nothing is read."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from crm_mailer.app import mailboxes, ways
from crm_mailer.app.doctor.findings import Finding, fault, ok, skipped, warning
from crm_mailer.app.wiring import App
from crm_mailer.delivering.account import Account
from crm_mailer.delivering.line import Line
from crm_mailer.delivering.opening import Opening, OpeningFailed
from crm_mailer.listening.imap import ImapMailbox
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import AccountSettings, ImapSettings

#: Seconds for a whole greeting: somebody waits.
PATIENCE = 20.0
#: Days before the end of a certificate at which it should have been renewed.
RENEWED = 14


def accounts(app: App, now: datetime) -> Iterator[Finding]:
    """Each way out."""
    if not app.settings.accounts:
        yield skipped(
            "smtp",
            Sentence("no mail server is configured: mails go to a folder"),
            Sentence("set smtp.host in crm-mailer.toml"),
        )
    for one in app.settings.accounts:
        yield from _account(app, one, now)


def _account(app: App, settings: AccountSettings, now: datetime) -> Iterator[Finding]:
    about = f"smtp {settings.name}"
    if settings.kind != "smtp":
        yield _other(app, settings)
        return
    try:
        account = ways.smtp(app, settings)
        opening, ends = asyncio.run(_opened(account))
    except OpeningFailed as failure:
        outcome = failure.outcome
        yield fault(
            about,
            Sentence("{place}: {phase}: {why}", place=account.place, phase=outcome.phase.value,
                     why=outcome.text),
            Sentence("look at smtp.host, smtp.port, smtp.tls, smtp.username and its password"),
        )  # fmt: skip
        return
    except CrmMailerError as error:
        yield fault(about, str(error), error.hint)
        return
    told = [name for name in ("PIPELINING", "8BITMIME", "SMTPUTF8") if name in opening.extensions]
    size = opening.extensions.get("SIZE", "")
    if size.isdigit() and int(size):
        told.append(f"SIZE {int(size) // 1_000_000} MB")
    if "PIPELINING" not in opening.extensions:
        yield warning(
            about,
            Sentence("{place} lets us in, but takes one command at a time: it will be slow",
                     place=account.place),
        )  # fmt: skip
    else:
        yield ok(about, Sentence("{place} lets us in: {told}", place=account.place,
                                told=", ".join(told)))  # fmt: skip
    if ends is not None:
        yield _certificate(f"certificate {settings.host}", ends, now)


async def _opened(account: Account) -> tuple[Opening, datetime | None]:
    """A greeting and a login, then QUIT; and when the server's certificate ends."""
    line = Line()
    opening = Opening(account, account.context(), line)
    try:
        async with asyncio.timeout(PATIENCE):
            await opening.open()
            ends = _end_of(line.certificate())
            with suppress(Exception):
                await opening.ask(b"QUIT\r\n")
        return opening, ends
    finally:
        line.cut()
        await asyncio.sleep(0)


def _end_of(certificate: Mapping[str, object] | None) -> datetime | None:
    until = str((certificate or {}).get("notAfter", ""))
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if until else None


def _certificate(what: str, ends: datetime, now: datetime) -> Finding:
    days = (ends - now).days
    if days < RENEWED:
        return warning(
            what,
            Sentence("the server's certificate ends in {days} days", days=days),
            Sentence("renew it: afterwards no mail leaves"),
        )
    return ok(what, Sentence("valid until {day}", day=f"{ends:%Y-%m-%d}"))


def _other(app: App, settings: AccountSettings) -> Finding:
    about = f"{settings.kind} {settings.name}"
    if settings.kind == "folder":
        folder = Path(app.home / (settings.folder or f"{app.settings.outbox}/{settings.name}"))
        return ok(about, Sentence("mails become files in {folder}", folder=str(folder)))
    if settings.kind == "null":
        return warning(about, Sentence("mails go nowhere"), Sentence("for rehearsals only"))
    try:
        ways.ways(app)
    except CrmMailerError as error:
        return fault(about, str(error), error.hint)
    return skipped(about, Sentence("not asked: a look would cost a request"))


def inboxes(app: App) -> Iterator[Finding]:
    """Each mailbox that answers come to."""
    if not app.settings.mailboxes:
        yield skipped(
            "imap",
            Sentence("no mailbox is configured: answers and bounces are not read"),
            Sentence("set imap.host, imap.username and imap.password in crm-mailer.toml"),
        )
    for box in app.settings.mailboxes:
        yield _inbox(app, box)


def _inbox(app: App, box: ImapSettings) -> Finding:
    about = f"imap {box.name}"
    try:
        with ImapMailbox(mailboxes.account(app, box)) as mailbox:
            opened = mailbox.open()
            offers = mailbox.capabilities()
    except CrmMailerError as error:
        return fault(about, str(error), error.hint)
    told = [name for name in ("IDLE", "UIDPLUS", "MOVE") if name in offers]
    said = Sentence("{place}: {folder}, {told}, next UID {uid}", place=box.place, folder=box.folder,
                    told=", ".join(told) or "-", uid=opened.uidnext)  # fmt: skip
    if "IDLE" not in offers:
        return warning(about, said, Sentence("without IDLE we look every minute"))
    return ok(about, said)
