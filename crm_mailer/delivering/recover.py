"""Puts right what a dead sender left behind: settled, in doubt, or free to be sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import crm_mailer.delivering.journal as journals
from crm_mailer.delivering import departed, settling
from crm_mailer.delivering.journal import Flights
from crm_mailer.model.touch import TouchState
from crm_mailer.store import claims
from crm_mailer.store.claims import Claimed
from crm_mailer.store.engine import Store


def recover(store: Store, journal_folder: Path, *, now: datetime) -> Counter[str]:
    """Settle the claims of every sender that died; returns how many ended in which state.

    A claim is touched only after its journal was locked, which a living process prevents. Claims
    from a machine whose journal cannot be read here are left alone until their time is over;
    then they are in doubt, until that journal can be read or its process wakes up. Doing it again
    changes nothing.
    """
    boot = journals.boot_id()
    counts: Counter[str] = Counter()
    for path, flights in journals.orphans(journal_folder):
        if flights.owner:
            counts += _settle(
                store, flights.owner, flights, boot=boot, now=now, folder=journal_folder
            )
        path.unlink(missing_ok=True)
    with store.read() as connection:
        late = claims.lapsed(connection, now)
    for owner in sorted(late - journals.living(journal_folder)) if late else ():
        counts += _settle(store, owner, None, boot=boot, now=now, folder=journal_folder)
    return counts


def _settle(
    store: Store,
    owner: str,
    flights: Flights | None,
    *,
    boot: str,
    now: datetime,
    folder: Path,
) -> Counter[str]:
    counts: Counter[str] = Counter()
    with store.write(durable=True) as connection:
        # without a journal to lock, the owner may still be at work on claims that are in time
        lapsed_at = now if flights is None else None
        if flights is not None:
            claims.take_back(connection, owner, now)
        rows = claims.held_by(connection, owner, lapsed_at=lapsed_at)
        ends = [(row, settling.after_a_crash(row, flights, boot=boot, now=now)) for row in rows]
        settled = [end for _row, end in ends if end is not None]
        left = [(row, end.outcome) for row, end in ends if end is not None and end.outcome]
        departed.note(folder, left, now)
        claims.settle(connection, owner, settled)
        unsent = _ids([row for row, end in ends if end is None])
        back = claims.release(connection, owner, unsent, now)
    counts.update(end.state.value for end in settled)
    ended = sum(state is TouchState.SKIPPED for state in back.values())
    counts.update({name: number for name, number in
                   (("skipped", ended), ("released", len(unsent) - ended)) if number})  # fmt: skip
    return counts


def _ids(rows: Sequence[Claimed]) -> list[int]:
    return [row.touch.id for row in rows]
