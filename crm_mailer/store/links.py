"""Where the links of mails lead: saved with the mails that have them, looked up when followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from crm_mailer.model.message import Message
from crm_mailer.store import bulk
from crm_mailer.store import tables as t

_SAVED = ("id", "target", "touch_id", "added_at")


def save(connection: sa.Connection, mails: Iterable[Message], at: int) -> None:
    """Keep the targets of these mails' links; those that are known stay as they are.

    Args:
        connection: the write turn in which the mails themselves are saved: a link that nobody knows
            must never leave.
        mails: what was rendered.
        at: when, in seconds.
    """
    tracked = [mail for mail in mails if mail.links or mail.own_links]
    if not tracked:
        return
    shared = dict(one for links in {mail.links for mail in tracked} for one in links)
    rows: list[tuple[int, str, int | None, int]] = [
        (link, target, None, at) for link, target in shared.items()
    ]
    rows += [
        (link, target, mail.touch_id, at) for mail in tracked for link, target in mail.own_links
    ]
    # in one order everywhere, so that two senders never wait for each other
    bulk.insert(connection, t.links, _SAVED, sorted(rows, key=_number), conflict=_ONCE)


_ONCE = "ON CONFLICT (id) DO NOTHING"


def _number(row: tuple[int, str, int | None, int]) -> int:
    return row[0]


def find(connection: sa.Connection, link: int) -> str | None:
    """Where a link leads; None for one that no mail had."""
    query = sa.select(t.links.c.target).where(t.links.c.id == link)
    return connection.execute(query).scalar()


def find_all(connection: sa.Connection, ids: Sequence[int]) -> dict[int, str]:
    """Where links lead, by number."""
    link = t.links.c
    query = sa.select(link.id, link.target).where(bulk.among(connection, link.id, ids))
    return {row.id: row.target for row in connection.execute(query)}
