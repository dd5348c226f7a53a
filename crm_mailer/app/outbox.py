"""Verbs of the outbox: every planned mail with its fate, and the switches over them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import (
    bells,
    benefit_approvals,
    campaign_figures,
    directory,
    outbox,
    pauses,
    touches,
)
from crm_mailer.store.bulk import in_turns
from crm_mailer.store.outbox import Audit, OutboxLine, Pulse, Record, Wanted

# ------------------------------------------------------------------ looking


def wanted(
    app: App,
    *,
    states: Sequence[TouchState] = (),
    campaign: str | None = None,
    provider: str | None = None,
    customer: str | None = None,
    number: int | None = None,
    since: datetime | None = None,
) -> Wanted:
    """Which mails are meant.

    Args:
        app: the shop.
        states: only in one of these states.
        campaign: only of this one.
        provider: only to this receiving group, such as `gmail`.
        customer: only to this one: a mail address, a number, a name on a platform.
        number: only this mail.
        since: settled, or else planned for, then or later.

    Raises:
        NotFound: there is no such campaign or customer.
    """
    if campaign is not None:
        known_campaign(app, campaign)
    customer_id = None
    if customer is not None:
        with app.store.read() as connection:
            customer_id = directory.find_customer(connection, customer)
    return Wanted(
        states=states,
        campaign=campaign,
        provider=provider,
        customer_id=customer_id,
        number=number,
        since=since,
    )


def list_(app: App, which: Wanted = outbox.EVERYTHING, *, limit: int = 50) -> list[OutboxLine]:
    """Planned mails and their fate, the newest first."""
    with app.store.read() as connection:
        return outbox.list_(connection, which, limit=limit)


def show(app: App, number: int) -> Record:
    """The record of one mail.

    Raises:
        NotFound: there is no mail by this number.
    """
    with app.store.read() as connection:
        record = outbox.find(connection, number)
    if record is None:
        raise NotFound(
            Sentence("there is no mail {number}", number=number), hint="crm-mailer outbox list"
        )
    return record


def audit(app: App) -> Audit:
    """Where every planned mail is, and whether the ledger adds up."""
    with app.store.picture() as connection:
        return outbox.audit(connection, app.clock.now())


def pulse(app: App) -> Pulse:
    """What was sent in the last minute, by whichever process, and what is due."""
    with app.store.read() as connection:
        return outbox.pulse(connection, app.clock.now())


# ------------------------------------------------------------------ switches

#: `cancel` looks again so often at most: senders claim and give back while it is at work.
LOOKS = 5
#: About as long as a sender's write turn lasts, in seconds.
TURN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """How many held mails may leave, and how many go on waiting until their benefit is allowed."""

    mails: int
    unallowed: int
    #: What those tell of.
    benefits: tuple[str, ...] = ()


def count_held(app: App, campaign: str) -> int:
    """How many mails of a campaign are held."""
    with app.store.read() as connection:
        return campaign_figures.states(connection, campaign).get(TouchState.HELD, 0)


def release(app: App, campaign: str) -> Released:
    """Let the held mails of a campaign go when they are due.

    What a pause holds goes on with the pause's end, not before; what tells of a benefit that
    somebody must allow leaves with that word.

    Raises:
        NotFound: there is no such campaign.
    """
    known_campaign(app, campaign)
    with app.store.read() as connection:
        held = touches.list_held(connection, campaign)
        paused = set(pauses.list_held(connection, campaign))
        unallowed = benefit_approvals.list_held(connection, campaign)
        asked = benefit_approvals.list_asked(connection) if unallowed else []
    stays = paused.union(unallowed)
    waiting = [one for one in unallowed if one not in paused]
    mails = in_turns(app.store, [one for one in held if one not in stays], touches.let_go)
    bells.ring(app.store)
    return Released(
        mails=mails,
        unallowed=in_turns(app.store, waiting, benefit_approvals.keep),
        benefits=tuple(sorted({one.benefit for one in asked if one.campaign == campaign})),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """How many mails ended.

    `marked`: so many are in a sender's hands; they end there unless they have begun to leave.
    `called_off`: so many in doubt are not tried again.
    """

    ended: int
    marked: int = 0
    called_off: int = 0

    @property
    def is_nothing(self) -> bool:
        """Whether there was nothing to end."""
        return not (self.ended or self.marked or self.called_off)


def count_open(app: App, which: Wanted) -> int:
    """How many mails `cancel` would end.

    Raises:
        NotFound: there is no mail by the number that is asked for.
        NotPossible: nothing says which mails are meant.
    """
    _narrowed(which)
    if which.number is not None:
        show(app, which.number)
    with app.store.read() as connection:
        return outbox.count_open(connection, which)


def cancel(app: App, which: Wanted) -> Cancelled:
    """End what has not left.

    An order mail in doubt stays in doubt, but its second attempt is called off.

    Raises:
        NotPossible: nothing says which mails are meant.
    """
    _narrowed(which)
    end = partial(touches.end, reason=SkipReason.CANCELLED, now=app.clock.now())
    ended = marked = called_off = 0
    for _look in range(LOOKS):
        with app.store.write() as connection:
            called_off += outbox.call_off(connection, which)
            taken = outbox.cancel_claimed(connection, which)
            unsent = outbox.list_unsent(connection, which)
            is_held_up = outbox.is_any_claimed(connection, which)
        ended += in_turns(app.store, unsent, end)
        marked += taken
        if is_held_up:
            time.sleep(TURN)  # a sender writes about them at this moment
        elif not (taken or unsent):
            break
    return Cancelled(ended=ended, marked=marked, called_off=called_off)


def _narrowed(which: Wanted) -> None:
    if which == outbox.EVERYTHING:
        raise NotPossible(
            "say which mails are to end", hint="name a campaign, or use --customer or --number"
        )


def retry(app: App, *, campaign: str | None = None, is_refused_too: bool = False) -> int:
    """Try deferred and mended mails again at once; returns how many."""
    if campaign is not None:
        known_campaign(app, campaign)
    with app.store.write() as connection:
        mails = outbox.retry(
            connection, app.clock.now(), campaign=campaign, is_refused_too=is_refused_too
        )
    bells.ring(app.store)
    return mails


def known_campaign(app: App, campaign: str) -> None:
    """Whether a campaign is defined, or was when it planned mails.

    Raises:
        NotFound: there is none by this name; the hint has the nearest.
    """
    with app.store.read() as connection:
        known = {*app.definitions.campaigns, *touches.campaigns(connection)}
    if campaign not in known:
        raise NotFound(
            Sentence("there is no campaign `{name}`", name=campaign),
            hint=did_you_mean(campaign, sorted(known)),
        )
