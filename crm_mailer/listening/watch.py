"""Stays at a mailbox: reads what comes, connects anew after a loss, ends at a wrong password."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from crm_mailer.listening import reconcile
from crm_mailer.listening.fetch import FetchReport, FirstContact, fetch
from crm_mailer.listening.mailbox import Mailbox
from crm_mailer.model.errors import (
    CrmMailerError,
    FetchBroken,
    LoginRefused,
    MailboxError,
    ServiceDown,
    SettingsError,
)
from crm_mailer.model.moment import Clock
from crm_mailer.store import inbound
from crm_mailer.store.engine import Store

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0


def watch(
    make_mailbox: Callable[[], AbstractContextManager[Mailbox]],
    store: Store,
    *,
    account: str,
    folder: str,
    raw_folder: Path,
    clock: Clock,
    stop: threading.Event,
    first_contact: FirstContact = "new",
    first_pause: float = FIRST_PAUSE,
    after_fetch: Callable[[FetchReport], None] = lambda _report: None,
    on_trouble: Callable[[CrmMailerError], None] = lambda _error: None,
) -> None:
    """Read a mailbox until `stop` is set. One thread a mailbox.

    Trouble stands in the mailbox's row as long as it lasts. A refused login ends the watch: going
    on would lock the account. So does a folder that is not there.

    Args:
        make_mailbox: a new connection each time.
        first_pause: seconds after the first loss; each further one doubles it, up to 5 minutes.
        after_fetch: called after each look, to understand what came.
        on_trouble: called with each loss, to log it.

    Raises:
        LoginRefused: the server does not take user name and password.
        SettingsError: the folder is not there, or certificates cannot be read.
    """
    pause = first_pause
    while not stop.is_set():
        try:
            with make_mailbox() as mailbox:
                while not stop.is_set():
                    # first: nothing may stand between the last look and the wait for news
                    reconcile.tend(
                        store, mailbox, account=account, folder=folder, raw_folder=raw_folder,
                        now=clock.now(),
                    )  # fmt: skip
                    report = fetch(
                        store,
                        mailbox,
                        account=account,
                        folder=folder,
                        raw_folder=raw_folder,
                        now=clock.now(),
                        first_contact=first_contact,
                    )
                    pause = first_pause
                    after_fetch(report)
                    if not stop.is_set():
                        mailbox.wait(stop)
        except (ServiceDown, MailboxError, SettingsError) as error:
            _note(store, account, folder, error)
            if isinstance(error, (LoginRefused, SettingsError)):
                raise
            on_trouble(error)
            if isinstance(error, FetchBroken):  # it works but for one mail
                pause = first_pause
            stop.wait(random.uniform(pause / 2, pause))
            pause = min(pause * 2, LONGEST_PAUSE)


def _note(store: Store, account: str, folder: str, error: CrmMailerError) -> None:
    with store.write() as connection:
        inbound.note_trouble(connection, account, folder, str(error))
