"""How each mailbox is, from our own rows: no server is asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crm_mailer.app.wiring import App
from crm_mailer.store import inbound


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxState:
    """One mailbox on the status screen."""

    name: str
    place: str
    folder: str
    synced_at: datetime | None
    trouble: str
    #: What the last comparison with the server found; None before the first.
    on_server: int | None
    missing: int | None


def states(app: App) -> list[MailboxState]:
    """Every configured mailbox, with its trouble where it has any."""
    found = []
    with app.store.read() as connection:
        for box in app.settings.mailboxes:
            row = inbound.find_mailbox(connection, box.account, box.folder)
            found.append(
                MailboxState(
                    name=box.name,
                    place=box.place,
                    folder=box.folder,
                    synced_at=row.synced_at if row else None,
                    trouble=row.trouble if row else "",
                    on_server=row.on_server if row else None,
                    missing=row.missing if row else None,
                )
            )
    return found
