"""Where on the server each kept mail lies, so that none is missed, doubled or moved in error.

The bytes of a mail are kept once. Where they lie in a mailbox a second time, or lie elsewhere
after the mailbox was replaced, only the place is noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import inbound, inbound_places, mailboxes

#: How the digest of a mail begins that the server would not give.
UNFETCHED = "unfetched:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawMail:
    """One fetched mail, to be kept. Exactly one of `raw` and `raw_path` has the bytes."""

    uid: int
    digest: str
    size: int
    received_at: datetime
    raw: bytes | None = None
    raw_path: str = ""
    is_truncated: bool = False


def insert(
    connection: sa.Connection, mailbox_id: int, uidvalidity: int, mail: RawMail, **more: Any
) -> bool:
    """Keep a mail; false where its bytes or its place are known already."""
    statement = (
        upsert(connection, inbound)
        .values(
            **({"state": "new"} | more),
            **_content(mail),
            mailbox_id=mailbox_id,
            uidvalidity=uidvalidity,
            uid=mail.uid,
        )
        .on_conflict_do_nothing()
        .returning(inbound.c.id)
    )
    return connection.execute(statement).first() is not None


def meet_again(connection: sa.Connection, mailbox_id: int, uidvalidity: int, mail: RawMail) -> bool:
    """A mail whose bytes or place are known: note what is new about it; true where it is new.

    A server that gives a known uid to other bytes breaks its promise; both are kept.
    """
    here = _at(connection, mailbox_id, uidvalidity, mail.uid)
    same = connection.execute(
        sa.select(inbound.c.id, inbound.c.uidvalidity, inbound.c.uid).where(
            inbound.c.mailbox_id == mailbox_id, inbound.c.digest == mail.digest
        )
    ).first()
    if same is not None and here is not None and same.id == here.id:
        return False
    if here is not None and here.digest.startswith(UNFETCHED):
        if same is None:
            values = {"state": "new", "strikes": 0, "error": "", **_content(mail)}
            connection.execute(sa.update(inbound).where(inbound.c.id == here.id).values(values))
            return True
        connection.execute(sa.delete(inbound).where(inbound.c.id == here.id))
    elif here is not None:
        connection.execute(
            sa.update(inbound).where(inbound.c.id == here.id).values(uidvalidity=0, uid=here.id)
        )
    if same is None:
        return insert(connection, mailbox_id, uidvalidity, mail)
    _note_place(connection, mailbox_id, uidvalidity, mail.uid, same)
    return False


def add_unfetched(
    connection: sa.Connection,
    mailbox_id: int,
    uidvalidity: int,
    uid: int,
    *,
    error: str,
    strikes: int,
    now: datetime,
) -> None:
    """Note a mail that the server would not give, so that somebody sees it and others come."""
    digest = f"{UNFETCHED}{uidvalidity}:{uid}"
    mail = RawMail(uid=uid, digest=digest, size=0, received_at=now)
    told = {"state": "quarantined", "strikes": strikes, "error": error[:1_000]}
    insert(connection, mailbox_id, uidvalidity, mail, **told)


def forget_before(connection: sa.Connection, mailbox_id: int, uidvalidity: int) -> None:
    """The mailbox was replaced: what only an older numbering knew means nothing any more."""
    connection.execute(
        sa.delete(inbound_places).where(
            inbound_places.c.mailbox_id == mailbox_id,
            inbound_places.c.uidvalidity != uidvalidity,
        )
    )
    connection.execute(
        sa.delete(inbound).where(
            inbound.c.mailbox_id == mailbox_id,
            inbound.c.uidvalidity != uidvalidity,
            inbound.c.digest.startswith(UNFETCHED),
        )
    )


def forget_unfetched(connection: sa.Connection, inbound_id: int) -> bool:
    """A mail that could not be fetched has gone from the server; false where it was fetched."""
    statement = sa.delete(inbound).where(
        inbound.c.id == inbound_id, inbound.c.digest.startswith(UNFETCHED)
    )
    return connection.execute(statement).rowcount > 0


def states(
    connection: sa.Connection, mailbox_id: int, uidvalidity: int, first: int, last: int
) -> dict[int, str]:
    """Uid -> state of each mail kept of the uids from `first` to `last`.

    Beside the states of `inbound` there are `unfetched` and `moved`.
    """
    state = sa.case(
        (inbound.c.digest.startswith(UNFETCHED), "unfetched"),
        (inbound.c.moved_at.is_not(None), "moved"),
        else_=inbound.c.state,
    )
    own = sa.select(inbound.c.uid, state).where(
        inbound.c.mailbox_id == mailbox_id,
        inbound.c.uidvalidity == uidvalidity,
        inbound.c.uid.between(first, last),
    )
    place = inbound_places
    further = (
        sa.select(
            place.c.uid, sa.case((place.c.moved_at.is_not(None), "moved"), else_=inbound.c.state)
        )
        .join(inbound, inbound.c.id == place.c.inbound_id)
        .where(
            place.c.mailbox_id == mailbox_id,
            place.c.uidvalidity == uidvalidity,
            place.c.uid.between(first, last),
        )
    )
    return {int(uid): str(word) for uid, word in connection.execute(sa.union_all(own, further))}


def count_gone(connection: sa.Connection, mailbox_id: int, uidvalidity: int) -> int:
    """How many kept mails are in no place of the present numbering."""
    query = sa.select(sa.func.count()).where(
        inbound.c.mailbox_id == mailbox_id, inbound.c.uidvalidity != uidvalidity
    )
    return connection.scalar(query) or 0


def list_movable(
    connection: sa.Connection, mailbox_id: int, uidvalidity: int, *, limit: int = 200
) -> list[int]:
    """Uids of mails that were understood and lie where they came, the oldest first."""
    own = (
        sa.select(inbound.c.uid)
        .where(
            inbound.c.mailbox_id == mailbox_id,
            inbound.c.state == "done",
            inbound.c.moved_at.is_(None),
            inbound.c.uidvalidity == uidvalidity,
        )
        .order_by(inbound.c.id)
        .limit(limit)
    )
    place = inbound_places
    further = (
        sa.select(place.c.uid)
        .join(inbound, inbound.c.id == place.c.inbound_id)
        .where(
            place.c.mailbox_id == mailbox_id,
            place.c.uidvalidity == uidvalidity,
            place.c.moved_at.is_(None),
            inbound.c.state == "done",
        )
        .order_by(place.c.uid)
        .limit(limit)
    )
    found = [uid for query in (own, further) for uid in connection.execute(query).scalars()]
    return sorted(int(uid) for uid in found)[:limit]


def note_moved(
    connection: sa.Connection, mailbox_id: int, uidvalidity: int, uids: Sequence[int], at: datetime
) -> None:
    """These mails are out of the way."""
    for table in (inbound, inbound_places):
        connection.execute(
            sa.update(table)
            .where(
                table.c.mailbox_id == mailbox_id,
                table.c.uidvalidity == uidvalidity,
                table.c.uid.in_(uids),
            )
            .values(moved_at=at)
        )


def note_comparison(
    connection: sa.Connection, mailbox_id: int, *, on_server: int, missing: int, at: datetime
) -> None:
    """What a comparison with the server found."""
    connection.execute(
        sa.update(mailboxes)
        .where(mailboxes.c.id == mailbox_id)
        .values(on_server=on_server, missing=missing, reconciled_at=at)
    )


def _content(mail: RawMail) -> dict[str, Any]:
    return {
        "digest": mail.digest,
        "size": mail.size,
        "received_at": mail.received_at,
        "raw": mail.raw,
        "raw_path": mail.raw_path,
        "is_truncated": mail.is_truncated,
    }


def _at(
    connection: sa.Connection, mailbox_id: int, uidvalidity: int, uid: int
) -> sa.Row[int, str] | None:
    return connection.execute(
        sa.select(inbound.c.id, inbound.c.digest).where(
            inbound.c.mailbox_id == mailbox_id,
            inbound.c.uidvalidity == uidvalidity,
            inbound.c.uid == uid,
        )
    ).first()


def _note_place(
    connection: sa.Connection,
    mailbox_id: int,
    uidvalidity: int,
    uid: int,
    same: sa.Row[int, int, int],
) -> None:
    """Known bytes at a new place: their own where the old one is void, else a further one."""
    if same.uidvalidity != uidvalidity:
        connection.execute(
            sa.update(inbound)
            .where(inbound.c.id == same.id)
            .values(uidvalidity=uidvalidity, uid=uid, moved_at=None)
        )
        return
    connection.execute(
        upsert(connection, inbound_places)
        .values(mailbox_id=mailbox_id, uidvalidity=uidvalidity, uid=uid, inbound_id=same.id)
        .on_conflict_do_nothing(index_elements=["mailbox_id", "uidvalidity", "uid"])
    )
