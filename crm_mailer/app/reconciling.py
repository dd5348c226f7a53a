"""Verbs about a database that was restored: what is missing in it, and what is done about that.

Nothing leaves from such a database until then. First comes who wants no mail, from every place that
still knows it; then the mails, so that none leaves twice; at the very end mails may leave again.
Each step may be broken off and done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from crm_mailer import listening as room
from crm_mailer.app import listening, mailboxes, operating, optouts, privacy
from crm_mailer.app.wiring import App
from crm_mailer.delivering import departed, witness
from crm_mailer.delivering.departed import Departure
from crm_mailer.delivering.witness import Mark, Unreadable
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import CrmMailerError, NotPossible, ServiceDown
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.staff import Noted
from crm_mailer.store import alerts, facts, restoring, staff, witnesses
from crm_mailer.store.bulk import batches, in_turns
from crm_mailer.store.engine import Connection
from crm_mailer.store.restoring import Left
from crm_mailer.store.witnesses import Gap, Restored, Why

#: Folders that were heard of within this time before the last one have their part to tell.
LATELY = timedelta(days=7)
#: Departures looked up at once.
TURN = 5_000
#: The watch of a host may run a little late.
SLACK = timedelta(minutes=2)


class OrderMail(StrEnum):
    """What becomes of order mail that was due and of which nobody knows whether it left."""

    #: A person looks at it and lets it go.
    HOLD = "hold"
    #: It leaves, perhaps for the second time.
    RESEND = "resend"


class Marketing(StrEnum):
    """What becomes of marketing that was due, and by what the folder knows did not leave."""

    #: It does not leave.
    SKIP = "skip"
    #: The folder is believed: it leaves.
    SEND = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """What a restored database does not know, and what reconciling makes of it."""

    why: Why | None
    #: From when on the database knows nothing; None: nobody knows from when.
    since: datetime | None
    #: Up to when mails left from this folder.
    until: datetime
    #: From which day on the folder has written down what left, and who wants no mail.
    departures_from: date | None
    wishes_from: date | None
    #: Mails that left in that time, or may have, as the folder knows.
    left: int
    in_doubt: int
    #: Of those: the database has them and takes them for unsent; it never knew the others.
    takes_for_unsent: int
    #: Due in that time, and the folder does not know that they left.
    marketing_to_skip: int
    order_mail: int
    held: int
    #: Who wanted no mail since, and the database does not know it.
    wishes: int
    mailboxes: tuple[str, ...]
    #: Hosts whose folders are to be reconciled, too.
    others: tuple[str, ...]

    @property
    def is_needed(self) -> bool:
        """Whether nothing may leave from this database until it is done."""
        return self.why is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What was done. `waits_for`: hosts whose folders are to be reconciled before mails leave."""

    missing: Missing
    accepted: int = 0
    in_doubt: int = 0
    skipped: int = 0
    order_mail: int = 0
    wishes: int = 0
    read: int = 0
    erased: int = 0
    waits_for: tuple[str, ...] = ()


def look(app: App, since: datetime | None = None) -> Missing:
    """What is missing; nothing is changed.

    Args:
        app: the shop.
        since: when the backup was made, where the database does not say so itself.
    """
    why, gap = _gap(app, since)
    return _missing(app, why, gap)


def reconcile(
    app: App,
    *,
    by: str,
    since: datetime | None = None,
    order_mail: OrderMail = OrderMail.HOLD,
    marketing: Marketing = Marketing.SKIP,
    is_mailbox_read: bool = True,
    is_alone: bool = False,
    on_step: Callable[[str], None] = lambda _what: None,
) -> Reconciled:
    """Bring a restored database to where mails may leave from it.

    Args:
        app: the shop.
        by: who does it, for the log.
        since: when the backup was made, where the database does not say so itself.
        order_mail: what becomes of order mail of which nobody knows whether it left.
        marketing: the same of marketing.
        is_mailbox_read: whether the mailboxes are read first; opt-outs by mail are in them.
        is_alone: the other hosts' folders are gone.
        on_step: told what is done next.

    Raises:
        NotPossible: the database is no restored one, and `since` was not given.
        Unreconciled: copying into it was broken off.
        AlreadyRunning: a daemon works on it.
        ServiceDown: a mailbox cannot be read.
    """
    with operating.hold_database(app) if app.store.is_sqlite else nullcontext():
        why, gap = _gap(app, since)
        if why is None and since is None:
            raise NotPossible(
                "nothing is to be reconciled: this is the database from which mails left last",
                hint="a copy that does not know it is one: say with --since when it was made",
            )
        gap = replace(
            gap,
            is_order_mail_held=order_mail is OrderMail.HOLD,
            is_marketing_skipped=marketing is Marketing.SKIP,
        )
        missing = _missing(app, why, gap)
        if marketing is Marketing.SEND:
            _refuse_gaps(app, missing)
        _distrust(app, why, gap)
        on_step(Sentence("opt-outs"))
        wishes = _put_wishes_back(app, gap)
        on_step(Sentence("erasures"))
        # before the mailboxes: a letter of who was erased opens no case of theirs
        erased = privacy.replay(app).erased
        read = _read_mailboxes(app, gap, on_step) if is_mailbox_read else 0
        if is_mailbox_read:  # what was erased may have come home, or waited to be understood
            erased += privacy.replay(app).erased
        on_step(Sentence("mails"))
        accepted, in_doubt = _settle_left(app, gap)
        skipped, held = _settle_rest(app, gap)
        done = Reconciled(
            missing=missing, accepted=accepted, in_doubt=in_doubt, skipped=skipped,
            order_mail=held, wishes=wishes, read=read, erased=erased,
        )  # fmt: skip
        return replace(done, waits_for=_trust(app, gap, done, by=by, is_alone=is_alone))


def _refuse_gaps(app: App, missing: Missing) -> None:
    """The folder is believed only where it knows the whole of the time."""
    known, since = missing.departures_from, missing.since
    mark = _mark(app)
    if not (mark and mark.number and known and since and known <= since.date()):
        raise NotPossible(
            "the folder does not know all that left since the backup",
            hint="leave out `--marketing send`: what may have left is skipped then",
        )


# ------------------------------------------------------------------ looking


def _gap(app: App, since: datetime | None) -> tuple[Why | None, Gap]:
    """What is wrong, and from when to when."""
    now = app.clock.now()
    with app.store.read() as connection:
        found = witness.look(connection, app.journal_folder, now)
        if found is not None and found.why is Why.HALF:
            raise witness.refuse(found)
        before = witnesses.gap(connection)
    mark = _mark(app)
    until = now if mark is None or not mark.number else mark.at + SLACK
    begin = since or (found.taken_at if found else None)
    if found and before and before.mended_at >= found.found_at:  # another host has begun
        until = max(until, before.until)
    gap = Gap(since=begin, until=min(until, now), mended_at=now, is_order_mail_held=True)
    return (found.why if found else None), gap


def _mark(app: App) -> Mark | None:
    try:
        return witness.read(app.journal_folder)
    except Unreadable:
        return None


def _missing(app: App, why: Why | None, gap: Gap) -> Missing:
    left = in_doubt = unsent = marketing = order_mail = 0
    for part in _departures(app, gap):
        left += sum(one.is_sure for one in part)
        in_doubt += sum(not one.is_sure for one in part)
        with app.store.read() as connection:
            unsent += len(restoring.known(connection, part, gap.until))
    with app.store.read() as connection:
        waiting = restoring.count(connection, gap.until)
        others = _others(connection, app)
    marketing, order_mail = waiting.marketing, waiting.order_mail
    folder = app.journal_folder
    return Missing(
        why=why,
        since=gap.since,
        until=gap.until,
        departures_from=departed.oldest(folder),
        wishes_from=optouts.oldest(folder),
        left=left,
        in_doubt=in_doubt,
        takes_for_unsent=unsent,
        marketing_to_skip=marketing,
        order_mail=order_mail,
        held=waiting.held,
        wishes=len(optouts.missing(app, gap.since)),
        mailboxes=tuple(box.name for box in app.settings.mailboxes),
        others=others,
    )


def _others(connection: Connection, app: App) -> tuple[str, ...]:
    """Hosts that share the database and sent from it lately."""
    if app.store.is_sqlite:
        return ()
    mark = _mark(app)
    every = witnesses.list_(connection)
    last = max((one.at for one in every), default=app.clock.now())
    return tuple(
        one.host
        for one in every
        if one.at >= last - LATELY and (mark is None or one.folder != mark.folder)
    )


def _departures(app: App, gap: Gap) -> Iterator[list[Left]]:
    """What the folder knows of mails that left in the gap: of this database, not of another."""
    mark = _mark(app)
    with app.store.read() as connection:
        if mark is not None and mark.number and witness.is_other(connection, mark):
            return
    begin = None if gap.since is None else gap.since - SLACK
    folder = app.journal_folder
    for part in batches(departed.read(folder, begin, gap.mended_at), TURN):
        yield _surest(part)
    if flying := list(departed.in_flight(folder)):
        yield _surest(flying)


def _surest(part: list[Departure]) -> list[Left]:
    best: dict[int, Left] = {}
    for one in part:
        if one.touch_id not in best or one.is_sure:
            best[one.touch_id] = Left(*one)
    return list(best.values())


# ------------------------------------------------------------------ who wants no mail


def _distrust(app: App, why: Why | None, gap: Gap) -> None:
    """Whatever happens from here on, nothing leaves before the end."""
    with app.store.write(durable=True) as connection:
        found = Restored(why=why or Why.COPY, taken_at=gap.since, found_at=gap.mended_at)
        witnesses.mark_copy(connection, found)


def _put_wishes_back(app: App, gap: Gap) -> int:
    number = len(optouts.missing(app, gap.since))
    optouts.put_back(app, gap.since, app.clock.now())
    return number


def _read_mailboxes(app: App, gap: Gap, on_step: Callable[[str], None]) -> int:
    """Read on from where the restored database is, and in the folders of what was done, too.

    Raises:
        ServiceDown: one cannot be read: opt-outs would be forgotten.
    """
    if not app.settings.mailboxes:
        return 0
    on_step(Sentence("mailboxes"))
    day = (gap.since or gap.until - departed.KEEP).date() - timedelta(days=1)
    done = listening.listen(app, since=day)
    for look in done.looks:
        if look.error:
            raise _unread(look.mailbox, look.error)
    read = done.fetched.new
    for box in app.settings.mailboxes:
        if box.move_done_to:
            read += _read_done(app, box, day)
    listening.understand(app)
    return read


def _read_done(app: App, box: Any, day: date) -> int:
    """What was understood before the loss was moved away, and is to be understood once more."""
    at = replace(mailboxes.account(app, box), folder=box.move_done_to)
    try:
        with room.ImapMailbox(at) as mailbox:
            return room.fetch(
                app.store, mailbox, account=box.account, folder=box.move_done_to,
                raw_folder=app.raw_folder, now=app.clock.now(), first_contact=day,
            ).new  # fmt: skip
    except CrmMailerError as error:
        name = Sentence("{name}, folder {folder}", name=box.name, folder=box.move_done_to)
        raise _unread(name, str(error)) from error


def _unread(name: str, why: str) -> ServiceDown:
    return ServiceDown(
        Sentence("the mailbox {name} cannot be read: {why}", name=name, why=why),
        hint="opt-outs that came by mail are in it; mend it and reconcile again, or say "
        "--without-mailbox where there are none",
    )


# ------------------------------------------------------------------ the mails


def _settle_left(app: App, gap: Gap) -> tuple[int, int]:
    """Mails of which the folder knows; how many were accepted, and are in doubt."""
    accepted = in_doubt = 0
    for part in _departures(app, gap):
        with app.store.write(durable=True) as connection:
            known = restoring.known(connection, part, gap.until)
            here = [one for one in part if one.touch_id in known]
            restoring.settle(connection, here, known)
            restoring.remember(connection, [one for one in part if one.touch_id not in known])
        accepted += sum(one.is_sure for one in here)
        in_doubt += sum(not one.is_sure for one in here)
    return accepted, in_doubt


def _settle_rest(app: App, gap: Gap) -> tuple[int, int]:
    """Mails that were due, and nobody knows whether they left: marketing, order mail."""
    until, now = gap.until, gap.mended_at
    with app.store.read() as connection:
        marketing = restoring.list_marketing(connection, until)
        order_mail = restoring.list_order_mail(connection, until)
        claimed = {one: restoring.list_claimed(connection, one, until) for one in Stream}
    if gap.is_marketing_skipped:
        skipped = in_turns(app.store, marketing, lambda at, ids: restoring.skip(at, ids, now))
    else:
        in_turns(app.store, claimed[Stream.MARKETING], restoring.free)
        skipped = 0
    if gap.is_order_mail_held:
        in_turns(app.store, order_mail, restoring.hold)
    else:
        in_turns(app.store, claimed[Stream.TRANSACTIONAL], restoring.free)
    with app.store.write(durable=True) as connection:
        if gap.is_order_mail_held:
            restoring.leave_in_doubt(connection)
        restoring.mark_held(connection, until)
    return skipped, len(order_mail)


# ------------------------------------------------------------------ the end


def _trust(app: App, gap: Gap, done: Reconciled, *, by: str, is_alone: bool) -> tuple[str, ...]:
    """Let mails leave, unless other hosts have their part to tell first: which those are."""
    now, before = app.clock.now(), _mark(app)
    with app.store.write(durable=True) as connection:
        if before is None or not before.number:
            mark = witness.introduce(connection, app.journal_folder, now, is_anew=True)
        else:
            mark = replace(before, database=witnesses.make_name(connection, now))
            witnesses.meet(connection, mark.folder, witness.host(), now)
        row = witnesses.find(connection, mark.folder)
        number = max(mark.number, row.number if row else 0) + 1
        if not app.store.is_sqlite:
            _call_others(connection, mark.folder, is_alone=is_alone)
        witnesses.set_number(connection, mark.folder, number, now)
        waits_for = tuple(one.host for one in witnesses.list_(connection) if one.is_awaited)
        witnesses.close_gap(connection, gap)
        if not waits_for:
            facts.forget(connection, witnesses.RESTORED)
            alerts.end(connection, witness.ALERT, now)
        staff.note(
            connection, Noted.ACT, at=now, who=by, path="db reconcile",
            said=_in_words(gap, done),
        )  # fmt: skip
    witness.write(app.journal_folder, replace(mark, number=number, at=now), is_anew=True)
    optouts.begin_anew(app.journal_folder)
    return waits_for


def _in_words(gap: Gap, done: Reconciled) -> Sentence:
    """What was done, for the log."""
    order_mail = (
        Sentence("{number} order mails held", number=done.order_mail)
        if gap.is_order_mail_held
        else Sentence("{number} order mails let go", number=done.order_mail)
    )
    return Sentence(
        "reconciled up to {time}: {accepted} mails had left, {in_doubt} may have, {skipped} "
        "skipped, {order_mail}, {wishes} wishes put back, {read} received mails read, {erased} "
        "persons erased again",
        time=f"{gap.until:%F %T}Z",
        accepted=done.accepted,
        in_doubt=done.in_doubt,
        skipped=done.skipped,
        order_mail=order_mail,
        wishes=done.wishes,
        read=done.read,
        erased=done.erased,
    )


def _call_others(connection: Connection, folder: str, *, is_alone: bool) -> None:
    """The first folder that is reconciled calls the others; the mark remembers that it has."""
    if is_alone:
        witnesses.forget_others(connection, folder)
        return
    told = facts.find(connection, witnesses.RESTORED)
    if told and not told.get("has_called"):
        every = witnesses.list_(connection)
        last = max((one.at for one in every), default=None)
        if last is not None:
            witnesses.await_others(connection, folder, last - LATELY)
        now = witnesses.instant(told["found_at"])
        facts.put(connection, witnesses.RESTORED, {**told, "has_called": True}, now)
