"""Puts mails that were understood into another folder of the server, where the shop wants that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from imapclient.exceptions import IMAPClientError

from crm_mailer.listening.imap import Session, opened
from crm_mailer.listening.imap_line import Client
from crm_mailer.listening.mailbox import Opened
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence

#: How many of the newest mails of the other folder are looked at for copies.
LOOK_BACK = 1_000

_Mark = tuple[Any, Any]


class ImapMover(Session):
    """A session of its own that may write; see `Session` for its errors.

    Where the server has MOVE a mail is moved in one step. Else it is copied, marked and removed,
    which needs UIDPLUS: a plain EXPUNGE would remove what people have marked.
    """

    def open(self) -> Opened:
        """SELECT the folder; the other one is made where it is missing.

        Raises:
            SettingsError: the server cannot remove single mails, or does not make the folder.
        """
        with self.asking() as client:
            if not client.has_capability("MOVE") and not client.has_capability("UIDPLUS"):
                raise SettingsError(
                    Sentence(
                        "{host} has neither MOVE nor UIDPLUS, so mails cannot be moved",
                        host=self.account.host,
                    ),
                    hint=Sentence(
                        "remove {table}.move_done_to from crm-mailer.toml", table=self.account.table
                    ),
                )
            self._make_folder(client)
            return opened(client, self.account.folder, readonly=False)

    def list_copied(self, uids: Sequence[int]) -> dict[int, bool]:
        """Compared by size, time of arrival and headers, which a copy keeps; MOVE leaves none."""
        with self.asking() as client:
            here = _marks(client, [int(uid) for uid in uids])
            if client.has_capability("MOVE"):
                return dict.fromkeys(here, False)
        with self.asking(self.account.move_done_to) as client:
            there = self._newest(client)
            alike = set(here.values()) & set(there.values())
            copies = Counter(_headers(client, _with(there, alike)).values())
        found = dict.fromkeys(here, False)
        with self.asking() as client:
            opened(client, self.account.folder, readonly=False)
            for uid, header in sorted(_headers(client, _with(here, alike)).items()):
                found[uid] = copies[header] > 0
                copies[header] -= 1
        return found

    def move(self, uids: Sequence[int], copied: Sequence[int] = ()) -> None:
        """MOVE, or COPY, STORE and UID EXPUNGE. Nothing is read into it where one is gone."""
        everything = [int(uid) for uid in uids]
        with self.asking(self.account.move_done_to) as client:
            if client.has_capability("MOVE"):
                client.move(everything, self.account.move_done_to)
                return
            fresh = [uid for uid in everything if uid not in set(copied)]
            if fresh:
                client.copy(fresh, self.account.move_done_to)
            client.add_flags(everything, [b"\\Deleted"], silent=True)
            client.uid_expunge(everything)

    def _make_folder(self, client: Client) -> None:
        target = self.account.move_done_to
        with suppress(IMAPClientError):
            client.folder_status(target, ["UIDNEXT"])
            return
        try:
            client.create_folder(target)
        except IMAPClientError as error:
            raise SettingsError(
                Sentence(
                    "{host} does not make the folder {target}: {error}",
                    host=self.account.host,
                    target=target,
                    error=error,
                ),
                hint=Sentence(
                    "correct {table}.move_done_to; some servers want INBOX.{target}",
                    table=self.account.table,
                    target=target,
                ),
            ) from error
        with suppress(IMAPClientError):
            client.subscribe_folder(target)

    def _newest(self, client: Client) -> dict[int, _Mark]:
        there = opened(client, self.account.move_done_to, readonly=True)
        first = max(1, there.uidnext - LOOK_BACK)
        found = client.search(["UID", f"{first}:{there.uidnext}"])
        return _marks(client, [int(uid) for uid in found if int(uid) >= first])


def _marks(client: Client, uids: Sequence[int]) -> dict[int, _Mark]:
    told = client.fetch(uids, ["RFC822.SIZE", "INTERNALDATE"]) if uids else {}
    return {
        int(uid): (one.get(b"RFC822.SIZE"), one.get(b"INTERNALDATE")) for uid, one in told.items()
    }


def _with(marks: dict[int, _Mark], wanted: set[_Mark]) -> list[int]:
    return [uid for uid, mark in marks.items() if mark in wanted]


def _headers(client: Client, uids: Sequence[int]) -> dict[int, Any]:
    told = client.fetch(uids, ["BODY.PEEK[HEADER]"]) if uids else {}
    return {int(uid): one.get(b"BODY[HEADER]") for uid, one in told.items()}
