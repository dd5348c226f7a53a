"""Customers, and the names under which platforms know them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import address as addresses
from crm_mailer.model.consent import BY, PAGE, Word, is_reported, stronger
from crm_mailer.model.customer import ConsentBasis, Customer, Gender, Occupation
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import (
    benefits,
    birthday_mails,
    bulk,
    curve_states,
    flags,
    reopening,
    wishes,
)
from crm_mailer.store.tables import (
    cases,
    consents,
    customer_flags,
    customer_identities,
    customer_notes,
    customer_tags,
    customer_values,
    customers,
    feedback,
    memberships,
    orders,
    replies,
    reviews,
    score_changes,
    scores,
    send_hours,
    spam_reports,
    tasks,
    touches,
)

#: What an import may tell of a customer; the rest is decided in other rooms or by people.
TOLD = (
    "email email_key address_kind name given_name family_name patronymic phone gender birth_year "
    "birth_month birth_day language country region city postcode street time_zone source_platform"
).split()
#: What is read of a customer: the fields of `Customer`, each from the column of its name.
KNOWN = Customer._fields
KNOWN_COLUMNS = tuple(customers.c[name] for name in KNOWN)
MARKETING = "marketing"
#: Which of two words stands when one is told, `excluded`, of whom another is known; as
#: `model.consent.stronger` has it, but the same yes or no reported again changes nothing.
_TOLD = (
    "ON CONFLICT (customer_id, purpose) DO UPDATE SET basis = excluded.basis, "
    "source = excluded.source, evidence = excluded.evidence, given_at = excluded.given_at, "
    "until = excluded.until, text_version = excluded.text_version, ip_hash = excluded.ip_hash "
    "WHERE consents.basis = 'soft_opt_in' OR "
)
_LATER = (
    "(consents.given_at < excluded.given_at "
    "OR (consents.given_at = excluded.given_at AND excluded.basis = 'none'))"
)
#: A word of the customer's own replaces what was reported, unless that is a later no.
_OWN = (
    f"{_TOLD} {_LATER} OR ((consents.basis = 'consent' OR excluded.basis = 'none') AND "
    f"consents.source <> '{PAGE}' AND substr(consents.source, 1, {len(BY)}) <> '{BY}')"
)
_REPORTED = (
    f"{_TOLD} (consents.basis <> excluded.basis AND {_LATER} "
    "AND (excluded.basis = 'none' OR consents.source = excluded.source))"
)
#: Tables whose rows simply move when two customers turn out to be one.
MOVED = (
    customer_flags,
    customer_identities,
    customer_notes,
    orders,
    reviews,
    replies,
    spam_reports,
    cases,
    feedback,
    tasks,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A platform's name for a customer."""

    customer_id: int
    platform: str
    buyer_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """Why marketing mail to a customer is lawful, since when, and how we know."""

    customer_id: int
    basis: ConsentBasis
    given_at: datetime
    source: str = ""
    evidence: str = ""
    #: When it ends by itself; None: not at all.
    until: datetime | None = None
    #: The version of the words that were agreed to, and the keyed hash of the address they came
    #: from.
    text_version: str = ""
    ip_hash: str = ""


def get(connection: sa.Connection, customer_id: int) -> Customer:
    """The customer with this id.

    Raises:
        NotFound: there is none.
    """
    found = find_by_ids(connection, [customer_id]).get(customer_id)
    if found is None:
        raise NotFound(Sentence("there is no customer {customer_id}", customer_id=customer_id))
    return found


def find_by_emails(connection: sa.Connection, keys: Iterable[str]) -> dict[str, Customer]:
    """Address key -> customer."""
    found: dict[str, Customer] = {}
    for batch in bulk.batches(keys):
        query = sa.select(customers.c.email_key, *KNOWN_COLUMNS).where(
            bulk.among(connection, customers.c.email_key, batch)
        )
        for key, *values in connection.execute(query):
            found[key] = _customer(values)
    return found


def find_by_ids(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Customer]:
    """Id -> customer."""
    found: dict[int, Customer] = {}
    for batch in bulk.batches(ids):
        query = sa.select(*KNOWN_COLUMNS).where(bulk.among(connection, customers.c.id, batch))
        for values in connection.execute(query):
            found[values.id] = _customer(values)
    return found


def find_identities(
    connection: sa.Connection, wanted: Mapping[str, Iterable[str]]
) -> dict[tuple[str, str], int]:
    """(platform, buyer id) -> customer id, for the buyer ids of each platform in `wanted`."""
    table = customer_identities.c
    found: dict[tuple[str, str], int] = {}
    for platform, buyer_ids in wanted.items():
        for batch in bulk.batches(buyer_ids):
            query = sa.select(table.buyer_id, table.customer_id).where(
                table.platform == platform, bulk.among(connection, table.buyer_id, batch)
            )
            for buyer_id, customer_id in connection.execute(query):
                found[platform, buyer_id] = customer_id
    return found


def take_ids(connection: sa.Connection, count: int) -> Sequence[int]:
    """Ids for new customers."""
    return bulk.take_ids(connection, customers, count)


def add(connection: sa.Connection, new: Iterable[Customer], *, now: datetime) -> None:
    """Insert customers that have ids from `take_ids`."""
    at = bulk.seconds(now)
    rows = [(one.id, *_told(one), bulk.maybe_seconds(one.created_at) or at, at) for one in new]
    bulk.insert(connection, customers, ("id", *TOLD, "created_at", "changed_at"), rows)


def change(connection: sa.Connection, changed: Iterable[Customer], *, now: datetime) -> None:
    """Write what is told of customers that are known."""
    changed = list(changed)
    reopening.by_addresses(connection, [one.id for one in changed if one.email], now)
    days = {one.id: (one.birth_month, one.birth_day) for one in changed if one.has_birthday}
    birthday_mails.follow(connection, days, now=now)
    rows = [(*_told(one), bulk.seconds(now), one.id) for one in changed]
    bulk.update(connection, customers, (*TOLD, "changed_at"), rows)


def add_identities(connection: sa.Connection, new: Iterable[Identity]) -> None:
    """Keep new names of customers; a name that belongs to somebody already stays with them."""
    rows = [(one.customer_id, one.platform, one.buyer_id) for one in new]
    columns = ("customer_id", "platform", "buyer_id")
    bulk.insert(connection, customer_identities, columns, rows, conflict="ON CONFLICT DO NOTHING")


def put_consents(connection: sa.Connection, told: Iterable[Consent]) -> None:
    """Keep why marketing is lawful; what was said wins over an assumption, later over earlier.

    `soft_opt_in` is an assumption: it is kept only where nothing is known yet. What a file or
    another program reports says the same again with each import: a yes replaces only a no of its
    own source, and what is known already keeps its moment and its proof.
    """
    columns = (
        "customer_id", "purpose", "basis", "source", "evidence", "given_at", "until",
        "text_version", "ip_hash",
    )  # fmt: skip
    assumed: list[tuple[Any, ...]] = []
    reported: list[tuple[Any, ...]] = []
    own: list[tuple[Any, ...]] = []
    for one in told:
        at = bulk.seconds(one.given_at)
        row = (
            one.customer_id, MARKETING, one.basis.value, one.source, one.evidence, at,
            bulk.maybe_seconds(one.until), one.text_version, one.ip_hash,
        )  # fmt: skip
        if one.basis is ConsentBasis.SOFT_OPT_IN:
            assumed.append(row)
        else:
            (reported if is_reported(one.source) else own).append(row)
    bulk.insert(connection, consents, columns, assumed, conflict="ON CONFLICT DO NOTHING")
    bulk.insert(connection, consents, columns, reported, conflict=_REPORTED)
    bulk.insert(connection, consents, columns, own, conflict=_OWN)


def find_word(connection: sa.Connection, customer_id: int) -> Word | None:
    """What is recorded of marketing to the customer; None: nothing."""
    return _words(connection, customer_id).get(customer_id)


def _words(connection: sa.Connection, *customer_ids: int) -> dict[int, Word]:
    row = consents.c
    query = sa.select(row.customer_id, row.basis, row.given_at, row.source, row.evidence).where(
        row.customer_id.in_(customer_ids), row.purpose == MARKETING
    )
    return {
        number: Word(ConsentBasis(basis), *rest)
        for number, basis, *rest in connection.execute(query)
    }


def merge(connection: sa.Connection, loser: int, winner: int, *, now: datetime) -> None:
    """Make two customers one: everything of `loser` moves to `winner`, then `loser` is gone.

    What both have once only (a score, an open membership, a tag) stays the winner's; of two
    consents the stronger word stays.
    A mail that both would get is settled for the loser and keeps its trace under another key.
    """
    _merge_tags(connection, loser, winner)
    _merge_touches(connection, loser, winner, now)
    reopening.by_merging(connection, winner, now)
    _merge_memberships(connection, loser, winner)
    curve_states.merge(connection, loser, winner)
    benefits.merge(connection, loser, winner)
    wishes.merge(connection, loser, winner)
    _merge_consents(connection, loser, winner)
    # made of orders and answers: made anew of them
    for table in (scores, score_changes, customer_values, send_hours):
        connection.execute(sa.delete(table).where(table.c.customer_id == loser))
    connection.execute(
        sa.update(orders).where(orders.c.customer_id == loser).values(changed_at=now)
    )
    for table in (*MOVED, consents):
        connection.execute(
            sa.update(table).where(table.c.customer_id == loser).values(customer_id=winner)
        )
    if flags.list_of(connection, winner):
        flags.refresh(connection, winner, now)
    connection.execute(sa.delete(customers).where(customers.c.id == loser))


def _merge_consents(connection: sa.Connection, loser: int, winner: int) -> None:
    """The weaker of two goes; the other moves with all that the loser has."""
    words = _words(connection, loser, winner)
    if len(words) == 2:
        stays = stronger(words[winner], words[loser])
        goes = loser if stays is words[winner] else winner
        connection.execute(
            sa.delete(consents).where(
                consents.c.customer_id == goes, consents.c.purpose == MARKETING
            )
        )


def _merge_tags(connection: sa.Connection, loser: int, winner: int) -> None:
    theirs = sa.select(customer_tags.c.tag).where(customer_tags.c.customer_id == winner)
    connection.execute(
        sa.delete(customer_tags).where(
            customer_tags.c.customer_id == loser, customer_tags.c.tag.in_(theirs.scalar_subquery())
        )
    )
    connection.execute(
        sa.update(customer_tags)
        .where(customer_tags.c.customer_id == loser)
        .values(customer_id=winner)
    )


def _merge_memberships(connection: sa.Connection, loser: int, winner: int) -> None:
    is_open = memberships.c.until.is_(None)
    theirs = sa.select(memberships.c.segment).where(memberships.c.customer_id == winner, is_open)
    connection.execute(
        sa.delete(memberships).where(
            memberships.c.customer_id == loser,
            is_open,
            memberships.c.segment.in_(theirs.scalar_subquery()),
        )
    )
    connection.execute(
        sa.update(memberships).where(memberships.c.customer_id == loser).values(customer_id=winner)
    )


def _merge_touches(connection: sa.Connection, loser: int, winner: int, now: datetime) -> None:
    """What both would get only one gets: none, where the other has it already."""
    waiting = touches.c.state.in_(("planned", "held", "deferred"))
    skipped = {"state": "skipped", "reason": "cancelled", "detail": "merged"}
    ended = sa.update(touches).values(**skipped, next_at=None, settled_at=now)
    mine, theirs = touches.c.customer_id == loser, touches.c.customer_id == winner
    connection.execute(ended.where(theirs, _also_of(loser, is_gone=True), waiting))
    connection.execute(ended.where(mine, _also_of(winner), waiting))
    connection.execute(
        sa.update(touches)
        .where(mine, _also_of(winner))
        .values(anchor=touches.c.anchor + sa.literal(f"#merged:{loser}"))
    )
    connection.execute(sa.update(touches).where(mine).values(customer_id=winner))


def _also_of(customer_id: int, *, is_gone: bool = False) -> sa.ColumnElement[bool]:
    """Whether this customer has the same touch too; with `is_gone`, one that may have left."""
    other = touches.alias("other")
    same = sa.exists().where(
        other.c.customer_id == customer_id,
        other.c.campaign == touches.c.campaign,
        other.c.step == touches.c.step,
        other.c.anchor == touches.c.anchor,
    )
    gone = ("accepted", "in_doubt", "claimed")
    return same.where(other.c.state.in_(gone)) if is_gone else same


def _told(one: Customer) -> tuple[Any, ...]:
    return (
        one.email,
        addresses.key(one.email) if one.email else None,
        one.address_kind,
        one.name,
        one.given_name,
        one.family_name,
        one.patronymic,
        one.phone,
        one.gender.value if one.gender else None,
        one.birth_year,
        one.birth_month,
        one.birth_day,
        one.language,
        one.country,
        one.region,
        one.city,
        one.postcode,
        one.street,
        one.time_zone,
        one.source_platform,
    )


def _customer(values: Iterable[Any]) -> Customer:
    told = dict(zip(KNOWN, values, strict=True))
    if told["gender"]:
        told["gender"] = Gender(told["gender"])
    if told["occupation"]:
        told["occupation"] = Occupation(told["occupation"])
    return Customer(**told)
