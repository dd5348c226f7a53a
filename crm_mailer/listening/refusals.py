"""What servers refused while we handed over, judged by the reasons of bounces.

A relay sends back later what another server refuses at once: why an address is given up must not
depend on that.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from crm_mailer.listening import counting, ourfaults
from crm_mailer.listening.bounces import verdicts
from crm_mailer.listening.bounces.told import Told
from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.delivery import Blame
from crm_mailer.model.reply import BounceKind
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.words import Words
from crm_mailer.store import expiries, refusals, suppressions
from crm_mailer.store.engine import Store
from crm_mailer.store.refusals import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Refusals that are read in one transaction.
BATCH = 200
#: Whose fault an expired mail may be, of what kind its reason then is, and which it is at least.
_COUNTED = {
    Blame.RECIPIENT: (BounceKind.SOFT, BounceReason.EXPIRED),
    Blame.US: (BounceKind.OURS, BounceReason.SYSTEMERROR),
}
#: Phases that speak of a mail or its recipient, as the command that a report would name.
_COMMANDS = {"mail": "MAIL", "rcpt": "RCPT", "data": "DATA", "body": "DATA", "dot": "DATA"}


def reason_of(refusal: Refusal, words: Words) -> BounceReason:
    """Why the server refused: as if its answer had come back in a report."""
    said = " ".join(f"{refusal.code or ''} {refusal.status} {refusal.text}".split())
    if refusal.phase == "mail":
        said = f"{said} (in reply to MAIL FROM command)"
    told = Told(
        recipient=refusal.address,
        action="failed",
        status=refusal.status,
        diagnostic=said,
        remote_host=refusal.host,
        command=_COMMANDS.get(refusal.phase, ""),
    )
    return verdicts.judge(told, words)


def understand(store: Store, words: Words, now: datetime) -> int:
    """Read every refusal once, with its effect; how many addresses were given up by it."""
    number = 0
    while True:
        with store.read() as connection:
            found = refusals.list_new(connection, BATCH)
        if not found:
            return number
        told = [(one, reason_of(one, words)) for one in found]
        with store.write() as connection:
            number += sum(_apply(connection, one, reason, now) for one, reason in told)
            refusals.mark_read(connection, found[-1].delivery_id, now)


def count_expiries(store: Store, words: Words, now: datetime) -> int:
    """Count each mail that was put off to the end: where its recipient is to blame, as one soft
    bounce; where we are, as a fault of ours. How many addresses were given up by it.
    """
    number = 0
    while True:
        with store.read() as connection:
            found = expiries.list_new(connection, BATCH)
        if not found:
            return number
        with store.write() as connection:
            for one, blame in found:
                kind, otherwise = _COUNTED[blame]
                said = reason_of(one, words)
                number += _apply(connection, one, said if said.kind is kind else otherwise, now)
            expiries.mark_read(connection, now)


def _apply(connection: Connection, one: Refusal, reason: BounceReason, now: datetime) -> int:
    """Keep the reason; give a dead address up, and one that was refused on three days."""
    if not refusals.add(connection, one, reason):
        return 0
    if reason.kind is BounceKind.OURS:
        ourfaults.tell_refused(connection, reason, one, now)
    if reason.kind is BounceKind.HARD:
        return _give_up(connection, one)
    refusals.spare(connection, one)
    if reason.kind is BounceKind.SOFT and counting.is_enough(connection, one.address, one.at):
        return _give_up(connection, one, f": {counting.WHY}")
    return 0


def _give_up(connection: Connection, one: Refusal, why: str = "") -> int:
    return suppressions.add(
        connection,
        one.address,
        SuppressionReason.HARD_BOUNCE,
        source=f"{refusals.source_of(one.touch_id)}{why}",
        at=one.at,
        evidence=f"{one.code} {one.status} {one.text}",
    )
