"""Puts understood mails out of the way on the server; may be killed at any moment and run again."""

from __future__ import annotations

from datetime import datetime

from crm_mailer.listening.mailbox import Mover
from crm_mailer.store import inbound, places
from crm_mailer.store.engine import Store

#: Mails in one command.
GROUP = 200


def has_done(store: Store, *, account: str, folder: str) -> bool:
    """Whether there is anything to move: only then a session that may write is worth it."""
    with store.read() as connection:
        row = inbound.find_mailbox(connection, account, folder)
        if row is None or row.uidvalidity is None:
            return False
        return bool(places.list_movable(connection, row.id, row.uidvalidity, limit=1))


def move_done(store: Store, mover: Mover, *, account: str, folder: str, now: datetime) -> int:
    """Move what was understood, the oldest first; how many were moved.

    Mails in quarantine stay where they are. Of the first group a copy may lie there already: a
    process before us may have been killed between copying and removing.

    Raises:
        SettingsError: the server cannot do it.
        ServiceDown, MailboxError: the server; the next time goes on from here.
    """
    opened = mover.open()
    with store.write() as connection:
        row = inbound.open_mailbox(connection, account, folder)
    if row.uidvalidity != opened.uidvalidity:
        return 0  # replaced: the next look tells where the mails are
    moved, is_first = 0, True
    while uids := _next_group(store, row.id, opened.uidvalidity):
        there = mover.list_copied(uids) if is_first else dict.fromkeys(uids, False)
        is_first = False
        if there:
            mover.move(sorted(there), [uid for uid, is_copied in there.items() if is_copied])
        with store.write() as connection:
            places.note_moved(connection, row.id, opened.uidvalidity, uids, now)
        moved += len(there)
    return moved


def _next_group(store: Store, mailbox_id: int, uidvalidity: int) -> list[int]:
    with store.read() as connection:
        return places.list_movable(connection, mailbox_id, uidvalidity, limit=GROUP)
