"""Gives benefits as mails leave, asks where a person must agree, takes back what never left."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from crm_mailer import logs
from crm_mailer.app.wiring import App
from crm_mailer.delivering.permission import Giving
from crm_mailer.learning import sayings
from crm_mailer.model import benefit as words
from crm_mailer.model.benefit import ALPHABET, Benefit, CodeSource, GrantState, OnEmpty
from crm_mailer.model.customer import Customer
from crm_mailer.model.moment import at_local, local_day
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.task import NewTask, TaskKind
from crm_mailer.model.token import KeyRing
from crm_mailer.model.touch import SkipReason, Touch, TouchKind
from crm_mailer.model.zones import home_zone
from crm_mailer.store import (
    alerts,
    benefit_approvals,
    benefit_figures,
    benefits,
    messages,
    tasks,
)
from crm_mailer.store.benefits import Letters, Wanted
from crm_mailer.store.engine import Connection

log = logs.get()

#: Why a mail may go all the same where its benefit says `send_without`.
NOTHING_LEFT = frozenset({SkipReason.BENEFIT_EMPTY, SkipReason.BENEFIT_LIMIT})


# ------------------------------------------------------------------ as mails leave


def giving(app: App) -> Giving | None:
    """What gives benefits in the last look before hand-over; None where no campaign gives any."""
    campaigns = {one.id: one for one in app.definitions.campaigns.values() if one.gives_anything}
    if not campaigns:
        return None

    def give(
        connection: Connection, leaving: Sequence[Touch], now: datetime
    ) -> Mapping[int, SkipReason]:
        by_benefit: dict[str, tuple[Benefit, list[Touch]]] = {}
        for touch in leaving:
            campaign = campaigns.get(touch.campaign)
            benefit = campaign.benefit_of(touch.step) if campaign is not None else None
            if benefit is not None and touch.kind is TouchKind.CAMPAIGN:
                by_benefit.setdefault(benefit.id, (benefit, []))[1].append(touch)
        found: dict[int, SkipReason] = {}
        for benefit, touches in by_benefit.values():
            found |= _give(app, connection, benefit, touches, now)
        return found

    return give


def _give(
    app: App, connection: Connection, benefit: Benefit, touches: Sequence[Touch], now: datetime
) -> dict[int, SkipReason]:
    whose = {one.customer_id for one in touches if one.customer_id is not None}
    people = messages.find_customers(connection, list(whose))
    wanted = [
        Wanted(
            touch_id=touch.id,
            customer_id=touch.customer_id,
            occasion=touch.anchor,
            campaign=touch.campaign,
            valid_until=_last_moment(app, people.get(touch.customer_id), benefit, now),
        )
        for touch in touches
        if touch.customer_id is not None
    ]
    refused = benefits.give(connection, benefit, wanted, letters_of(app.keys, benefit), now)
    if SkipReason.BENEFIT_EMPTY in refused.values():
        _tell_empty(connection, benefit, now)
    if benefit.on_empty is OnEmpty.SEND_WITHOUT:
        return {id_: why for id_, why in refused.items() if why not in NOTHING_LEFT}
    return refused


def _last_moment(app: App, customer: Customer | None, benefit: Benefit, now: datetime) -> datetime:
    """The end of its last day, where the customer lives: a mail names the day."""
    shop = app.shop
    place = home_zone(
        customer.time_zone if customer else "",
        customer.country if customer else "",
        shop.time_zone,
        region=customer.region if customer else "",
        overrides=shop.time_zones,
    )
    after = local_day(now + benefit.valid_for, place) + timedelta(days=1)
    return at_local(after, 0, 0, place) - timedelta(seconds=1)


def letters_of(keys: KeyRing, benefit: Benefit) -> Letters:
    """The codes of a pattern: nobody can guess them who does not know the shop's key, and a
    rehearsal makes the same ones.
    """
    places = words.pattern_chance(benefit.code)

    def code(wanted: Wanted, attempt: int) -> str:
        said = f"{benefit.id}|{wanted.customer_id}|{wanted.occasion}|{attempt}"
        digest = hashlib.blake2b(said.encode(), key=keys.keys[keys.current][:64], digest_size=64)
        number = int.from_bytes(digest.digest(), "big")
        letters = []
        for _place in range(places):
            number, letter = divmod(number, len(ALPHABET))
            letters.append(ALPHABET[letter])
        return words.code_from(benefit.code, "".join(letters))

    return code


def _tell_empty(connection: Connection, benefit: Benefit, now: datetime) -> None:
    if benefit.on_empty is OnEmpty.SEND_WITHOUT:
        message = Sentence(
            "nothing is left of the benefit {name}: its mails are sent without it", name=benefit.id
        )
    else:
        message = Sentence(
            "nothing is left of the benefit {name}: its mails are left out", name=benefit.id
        )
    hint = (
        Sentence("`crm-mailer benefit load {name} FILE`, then `crm-mailer outbox retry`",
                 name=benefit.id)
        if benefit.source is CodeSource.POOL
        else Sentence("raise its `limit` in campaigns/benefits.yaml, then "
                      "`crm-mailer outbox retry`")
    )  # fmt: skip
    alerts.raise_(connection, f"benefit:{benefit.id}/empty", message, hint=hint, now=now)


# ------------------------------------------------------------------ every minute


def attend(app: App) -> None:
    """Ask where a person must agree, take back codes of mails that never left, warn of a pool that
    runs dry.
    """
    asked, told = 0, sources(app)
    for benefit in (one for one in app.definitions.benefits.values() if one.id in told):
        if benefit.needs_approval:
            asked += _ask(app, benefit, told[benefit.id])
        _warn_short(app, benefit, told[benefit.id])
    returned = _tidy(app)
    if asked or returned:
        log.info("benefits", asked_for=asked, taken_back=returned)


def _tidy(app: App) -> int:
    """Take back what never left; how many that were. A shop that gives nothing writes nothing."""
    returned = 0
    with app.store.read() as connection:
        is_anything_open = benefits.is_anything_open(connection)
    while is_anything_open:
        with app.store.write() as connection:
            looked_at, back = benefits.tidy(connection)
        returned += back
        is_anything_open = looked_at == benefits.PAGE
    return returned


def sources(app: App) -> dict[str, list[tuple[str, str]]]:
    """The campaigns' steps that tell of each benefit."""
    found: dict[str, list[tuple[str, str]]] = {}
    for campaign in app.definitions.campaigns.values():
        for step in campaign.steps:
            if step.benefit is not None:
                found.setdefault(step.benefit.id, []).append((campaign.id, step.id))
    return found


def _ask(app: App, benefit: Benefit, told: Sequence[tuple[str, str]]) -> int:
    now, asked = app.clock.now(), 0
    while True:
        with app.store.write() as connection:
            due = benefit_approvals.ask(connection, benefit.id, told, now)
            if due:
                _add_task(connection, app, benefit, min(due), now)
        asked += len(due)
        if len(due) < benefits.PAGE:
            return asked


def _add_task(
    connection: Connection, app: App, benefit: Benefit, due_at: datetime, now: datetime
) -> None:
    """One task a day for each benefit: whoever opens it sees all who wait."""
    tasks.add(
        connection,
        NewTask(
            kind=TaskKind.APPROVE_BENEFIT,
            key=f"benefit:{benefit.id}:{local_day(now, app.zone)}",
            text=sayings.ALLOW_BENEFIT.format(
                name=benefit.id, command=f"`crm-mailer benefit show {benefit.id}`"
            ),
            due_at=due_at,
        ),
        now,
    )


def _warn_short(app: App, benefit: Benefit, told: Sequence[tuple[str, str]]) -> None:
    """An alert while more mails wait than there is to give."""
    if benefit.source is not CodeSource.POOL and benefit.total is None:
        return
    now, cause = app.clock.now(), f"benefit:{benefit.id}/short"
    with app.store.read() as connection:
        left = _left(connection, benefit)
        waiting = benefit_figures.count_waiting(connection, told, left + 1)
        told_of = {one.cause for one in alerts.list_open(connection)}
    if waiting > left:
        with app.store.write() as connection:
            alerts.raise_(
                connection,
                cause,
                Sentence(
                    "the benefit {name} has {number} left, and more mails wait that tell of it",
                    name=benefit.id,
                    number=left,
                ),
                hint=Sentence("load more codes with `crm-mailer benefit load`, or raise its limit"),
                now=now,
            )
    elif left and told_of & {cause, f"benefit:{benefit.id}/empty"}:
        with app.store.write() as connection:
            alerts.end_of(connection, f"benefit:{benefit.id}", now)


def _left(connection: Connection, benefit: Benefit) -> int:
    """How many may still be given: the fewer of its codes and its limit."""
    found: list[int] = []
    if benefit.source is CodeSource.POOL:
        found.append(benefits.count_free(connection, benefit.id))
    if benefit.total is not None:
        given = benefits.count(connection, benefit.id, GrantState.GRANTED)
        found.append(max(0, benefit.total - given))
    return min(found)
