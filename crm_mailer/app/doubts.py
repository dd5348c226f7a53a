"""Verbs about mails in doubt: list them, ask a relay's log, settle them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from functools import partial
from pathlib import Path

from crm_mailer.app import outbox
from crm_mailer.app.wiring import App
from crm_mailer.delivering.relay_log import RelayLog, Trace, read_relay_log, with_older
from crm_mailer.model.delivery import EvidenceKind, Verdict
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import doubts
from crm_mailer.store.doubts import Doubt
from crm_mailer.store.engine import Connection
from crm_mailer.store.outbox import Record

#: Mails that are shown unless more are asked for, and settled in one transaction.
SHOWN = 100


class Next(StrEnum):
    """What happens to a mail in doubt if nothing is learnt of it."""

    #: Nothing, for now.
    HELD = "held"
    #: Order mail is tried once more, at the doubt's `next_at`.
    ONCE_MORE = "once_more"
    LEAVING = "leaving"
    #: Nothing was heard for so long that it is counted as sent.
    PROBABLY_SENT = "probably_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtLine:
    """A mail in doubt and what happens to it."""

    doubt: Doubt
    next: Next


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """Mails in doubt: how many, how many of them are counted as sent, and the oldest."""

    total: int
    probably_sent: int
    lines: tuple[DoubtLine, ...]


@dataclass(slots=True, kw_only=True)
class LogFindings:
    """What a relay's log told. Mails by number."""

    files: tuple[Path, ...]
    lines: int
    covered: tuple[tuple[datetime, datetime], ...]
    #: Mails of ours that it names, in doubt or not.
    ours: int
    accepted: dict[int, str] = field(default_factory=dict)
    not_sent: dict[int, str] = field(default_factory=dict)
    #: Without a trace, though the log covers their time wholly.
    absent: list[Doubt] = field(default_factory=list)
    #: It says nothing that decides.
    open: list[Doubt] = field(default_factory=list)


def in_doubt(app: App, *, campaign: str | None = None, limit: int = SHOWN) -> Doubts:
    """Mails in doubt, the oldest first."""
    if campaign is not None:
        outbox.known_campaign(app, campaign)
    now = app.clock.now()
    with app.store.read() as connection:
        found = doubts.list_(connection, campaign=campaign, limit=limit)
        return Doubts(
            total=doubts.count(connection, campaign),
            probably_sent=doubts.count_probably_sent(connection, now),
            lines=tuple(DoubtLine(doubt=one, next=_next(one, now)) for one in found),
        )


def _next(one: Doubt, now: datetime) -> Next:
    if one.is_claimed:
        return Next.LEAVING
    if one.next_at is not None:
        return Next.ONCE_MORE
    return Next.PROBABLY_SENT if one.is_probably_sent(now) else Next.HELD


def read_log(
    app: App,
    paths: Sequence[Path],
    *,
    zone: tzinfo | None = None,
    campaign: str | None = None,
) -> LogFindings:
    """Settle mails in doubt by the log of the relay; older rotated files beside it are read too.

    Raises:
        SourceError: a file cannot be read, or is no log of Postfix.
    """
    if campaign is not None:
        outbox.known_campaign(app, campaign)
    now = app.clock.now()
    with app.store.read() as connection:
        open_ = doubts.list_(connection, campaign=campaign)
    oldest = min((one.earliest_at for one in open_), default=now)
    files = tuple(dict.fromkeys(one for path in paths for one in with_older(path, oldest)))
    log = read_relay_log(
        files,
        [one.message_id for one in open_],
        near=min((one.since for one in open_), default=now),
        zone=zone,
        domains=sorted({one.message_id.rpartition("@")[2].rstrip(">") for one in open_} - {""}),
    )
    found = LogFindings(files=files, lines=log.lines, covered=tuple(log.covered), ours=log.ours)
    for start in range(0, len(open_), SHOWN):
        with app.store.write() as connection:
            for one in open_[start : start + SHOWN]:
                _judge(connection, one, log, found, now)
    return found


def _judge(
    connection: Connection, one: Doubt, log: RelayLog, found: LogFindings, now: datetime
) -> None:
    """One mail in doubt by what the log says of it."""
    trace = log.traces.get(one.message_id.strip("<>"), Trace(one.message_id))
    settle = partial(doubts.settle_by_evidence, connection, one.id, EvidenceKind.RELAY_LOG)
    if trace.is_taken:
        if settle(trace.at or now, trace.line):
            found.accepted[one.id] = trace.line
    elif trace.rejects and trace.rejects - one.refusals >= one.doubts:
        # every attempt of which we heard nothing was answered with a no
        if settle(now, trace.line, Verdict.NOT_SENT):
            found.not_sent[one.id] = trace.line
    elif not trace.seen and log.ours and log.covers(one.earliest_at, one.since):
        found.absent.append(one)
    else:
        found.open.append(one)


def resolve(app: App, number: int, *, is_sent: bool, by: str) -> Record:
    """Settle one mail in doubt, because a person knows; its record afterwards.

    Raises:
        NotFound: there is no such mail.
        NotPossible: it is not in doubt.
    """
    record = outbox.show(app, number)
    if not _settle_by_hand(app, number, is_sent=is_sent, by=by):
        state = record.touch.state.value.replace("_", " ")
        raise NotPossible(
            Sentence(
                "mail {number} is not in doubt: it is {state}", number=number, state=Sentence(state)
            ),
            hint="`crm-mailer outbox doubt` lists those that are",
        )
    return outbox.show(app, number)


def resolve_all(app: App, *, campaign: str, is_sent: bool, by: str) -> int:
    """Settle every mail of a campaign that is in doubt; returns how many.

    Not sent, all of them leave once more: those that had arrived arrive twice.
    """
    outbox.known_campaign(app, campaign)
    with app.store.read() as connection:
        numbers = [one.id for one in doubts.list_(connection, campaign=campaign)]
    return sum(_settle_by_hand(app, number, is_sent=is_sent, by=by) for number in numbers)


def _settle_by_hand(app: App, number: int, *, is_sent: bool, by: str) -> bool:
    verdict = Verdict.ACCEPTED if is_sent else Verdict.NOT_SENT
    with app.store.write() as connection:
        return doubts.settle_by_evidence(
            connection,
            number,
            EvidenceKind.OPERATOR,
            app.clock.now(),
            f"by {by}" if by else "",
            verdict,
        )
