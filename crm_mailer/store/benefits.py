"""Who is given which code: one for a customer and an occasion, never one code twice.

A code is given in the write turn of the last look before its mail leaves, so that planning a
million mails takes none, and a process that dies there has given all of a batch or nothing. Its
mail may be made again as often as it must: the grant is found again by its key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.benefit import Benefit, CodeSource, GrantState, code_key
from crm_mailer.model.delivery import OutcomeKind
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import bulk
from crm_mailer.store.bulk import given_ids, seconds
from crm_mailer.store.tables import (
    benefit_codes,
    benefit_grants,
    benefit_touches,
    deliveries,
    touches,
)

#: The lock of all that gives codes or takes them back.
LOCK = "benefits"
#: So many times a made code may meet one that is there already.
TRIES = 20
#: Grants that one turn of `tidy` looks at.
PAGE = 5_000

#: Letters for a made code: of a wanted grant, at the nth try.
Letters = Callable[["Wanted", int], str]


class Wanted(NamedTuple):
    """A mail that is about to leave and tells of a benefit."""

    touch_id: int
    customer_id: int
    occasion: str
    campaign: str
    valid_until: datetime

    @property
    def key(self) -> tuple[int, str]:
        """With the benefit, what is unique."""
        return self.customer_id, self.occasion


class Code(NamedTuple):
    """A code, and its row where it has one."""

    id: int | None
    code: str


class Grant(NamedTuple):
    """What a customer was given."""

    id: int
    benefit: str
    code: str
    valid_until: datetime | None


def give(
    connection: sa.Connection,
    benefit: Benefit,
    wanted: Sequence[Wanted],
    letters: Letters,
    now: datetime,
) -> dict[int, SkipReason]:
    """Give the benefit for each of these mails; in a write transaction.

    Returns:
        Touch -> why it is not given; those that are not in the answer have their grant.
    """
    bulk.lock(connection, LOCK)
    held = _held(connection, benefit.id, wanted)
    fates: dict[tuple[int, str], SkipReason | None] = {}
    fresh: dict[tuple[int, str], Wanted] = {}
    for one in wanted:
        row = held.get(one.key)
        if row is not None and row.state == GrantState.GRANTED:
            is_over = row.redeemed_at is not None or row.valid_until < now
            fates[one.key] = SkipReason.BENEFIT_LIMIT if is_over else None
        elif (reason := _undecided(benefit, row)) is not None:
            fates[one.key] = reason
        else:
            fresh.setdefault(one.key, one)
    fates |= _give_new(connection, benefit, list(fresh.values()), held, letters, now)
    _link(connection, benefit.id, [one for one in wanted if fates[one.key] is None])
    _unlink(connection, [one.touch_id for one in wanted if fates[one.key] in _NOTHING])
    return {one.touch_id: why for one in wanted if (why := fates[one.key]) is not None}


def find(connection: sa.Connection, touch_ids: Sequence[int]) -> dict[int, Grant]:
    """What the mails of these touches tell of; a code that went back is told of no more."""
    grant = benefit_grants.c
    query = (
        sa.select(
            benefit_touches.c.touch_id, grant.id, grant.benefit, grant.code, grant.valid_until
        )
        .join_from(benefit_touches, benefit_grants, grant.id == benefit_touches.c.grant_id)
        .where(
            benefit_touches.c.touch_id.in_(given_ids(connection.dialect.name)),
            grant.state == GrantState.GRANTED.value,
        )
    )
    rows = connection.execute(query, {"ids": json.dumps(list(touch_ids))})
    return {touch: Grant(*rest) for touch, *rest in rows}


def find_usable(connection: sa.Connection, benefit: str, customer_id: int) -> int | None:
    """The customer's oldest grant of the benefit that was not used."""
    grant = benefit_grants.c
    query = (
        sa.select(grant.id)
        .where(
            grant.benefit == benefit,
            grant.customer_id == customer_id,
            grant.state == GrantState.GRANTED.value,
            grant.redeemed_at.is_(None),
        )
        .order_by(grant.granted_at, grant.id)
        .limit(1)
    )
    return connection.scalar(query)


def load(
    connection: sa.Connection, benefit: str, codes: Sequence[str], now: datetime
) -> tuple[int, int]:
    """Put codes into the pool: how many are new, and how many of the others are another benefit's.

    A code that is there already, given or not, stays as it is.
    """
    rows = {code_key(code): code for code in codes}
    at = seconds(now)
    new = bulk.insert(
        connection,
        benefit_codes,
        ("benefit", "code", "code_key", "loaded_at"),
        [(benefit, code, key, at) for key, code in rows.items()],
        conflict="ON CONFLICT (code_key) DO NOTHING",
    )
    others = 0
    for keys in bulk.batches(rows):
        others += connection.scalar(
            sa.select(sa.func.count()).where(
                bulk.among(connection, benefit_codes.c.code_key, keys),
                benefit_codes.c.benefit != benefit,
            )
        ) or 0  # fmt: skip
    return new, others


def is_anything_open(connection: sa.Connection) -> bool:
    """Whether any mail that tells of a benefit may still end without having left."""
    query = sa.select(benefit_grants.c.id).where(sa.text("is_open")).limit(1)
    return connection.scalar(query) is not None


def tidy(connection: sa.Connection) -> tuple[int, int]:
    """Take back the codes of mails that never left, a page of them.

    What may have left keeps its code: a mail in doubt, and one of which any attempt might have
    been accepted.

    Returns:
        How many grants were looked at, and how many of them were taken back.
    """
    bulk.lock(connection, LOCK)
    grant, link, touch = benefit_grants.c, benefit_touches.c, touches.c
    mails = benefit_touches.join(touches, touch.id == link.touch_id)
    left = sa.exists(
        sa.select(1)
        .select_from(mails)
        .where(link.grant_id == grant.id, touch.state == TouchState.ACCEPTED.value)
    )
    waits = sa.exists(
        sa.select(1).select_from(mails).where(link.grant_id == grant.id, touch.state.not_in(_ENDED))
    )
    may_have_left = sa.exists(
        sa.select(1)
        .select_from(benefit_touches.join(deliveries, deliveries.c.touch_id == link.touch_id))
        .where(
            link.grant_id == grant.id,
            deliveries.c.outcome.in_((OutcomeKind.ACCEPTED.value, OutcomeKind.UNKNOWN.value)),
        )
    )
    query = (
        sa.select(grant.id, sa.or_(left, may_have_left).label("has_left"), grant.state)
        .where(sa.text("is_open"), sa.or_(left, ~waits))
        .order_by(grant.id)
        .limit(PAGE)
    )
    rows = connection.execute(query).all()
    _close(connection, [row.id for row in rows if row.has_left])
    back = [row.id for row in rows if not row.has_left]
    _take_back(connection, back)
    return len(rows), len(back)


def merge(connection: sa.Connection, loser: int, winner: int) -> None:
    """What one customer was given belongs to another now; the same benefit may be there twice."""
    other = benefit_grants.alias("other")
    also = sa.exists().where(
        other.c.customer_id == winner,
        other.c.benefit == benefit_grants.c.benefit,
        other.c.occasion == benefit_grants.c.occasion,
    )
    mine = benefit_grants.c.customer_id == loser
    grants = sa.update(benefit_grants)
    named = benefit_grants.c.occasion + sa.literal(f"#merged:{loser}")
    connection.execute(grants.where(mine, also).values(occasion=named))
    connection.execute(grants.where(mine).values(customer_id=winner))


#: Why a mail that may leave all the same tells of nothing.
_NOTHING = (SkipReason.BENEFIT_EMPTY, SkipReason.BENEFIT_LIMIT)
_ENDED = (TouchState.REFUSED.value, TouchState.EXPIRED.value, TouchState.SKIPPED.value)

# ------------------------------------------------------------------ giving


def _held(
    connection: sa.Connection, benefit: str, wanted: Sequence[Wanted]
) -> dict[tuple[int, str], Any]:
    """What these customers have of the benefit for these occasions, whatever its state."""
    grant = benefit_grants.c
    people = sorted({one.customer_id for one in wanted})
    query = sa.select(
        grant.id,
        grant.customer_id,
        grant.occasion,
        grant.state,
        grant.valid_until,
        grant.redeemed_at,
        grant.decided_at,
    ).where(grant.benefit == benefit, bulk.among(connection, grant.customer_id, people))
    keys = {one.key for one in wanted}
    rows = connection.execute(query).all()
    return {key: row for row in rows if (key := (row.customer_id, row.occasion)) in keys}


def _undecided(benefit: Benefit, row: Any) -> SkipReason | None:
    """Why a person stands before the benefit; None where nobody does, or it is allowed."""
    if row is not None and row.state == GrantState.DENIED:
        return SkipReason.BENEFIT_DENIED
    is_allowed = row is not None and row.decided_at is not None
    return SkipReason.BENEFIT_APPROVAL if benefit.needs_approval and not is_allowed else None


def _give_new(
    connection: sa.Connection,
    benefit: Benefit,
    fresh: Sequence[Wanted],
    held: Mapping[tuple[int, str], Any],
    letters: Letters,
    now: datetime,
) -> dict[tuple[int, str], SkipReason | None]:
    """Codes for those who may have one, in the order of the mails."""
    if not fresh:
        return {}
    fates: dict[tuple[int, str], SkipReason | None] = {}
    room = _room(connection, benefit)
    had = _had(connection, benefit, fresh, now)
    going: list[Wanted] = []
    for one in fresh:
        so_far = had.get(one.customer_id, 0)
        if benefit.per_customer is not None and so_far >= benefit.per_customer:
            fates[one.key] = SkipReason.BENEFIT_LIMIT
        elif room is not None and len(going) >= room:
            fates[one.key] = SkipReason.BENEFIT_EMPTY
        else:
            had[one.customer_id] = so_far + 1
            going.append(one)
    codes = _codes(connection, benefit, going, letters, now)
    for one in going:  # a pool may have run dry
        fates[one.key] = None if one.key in codes else SkipReason.BENEFIT_EMPTY
    given = [(one, codes[one.key]) for one in going if one.key in codes]
    _save(connection, benefit, given, held, now)
    return fates


def _room(connection: sa.Connection, benefit: Benefit) -> int | None:
    """How many more may be given in all; None: as many as there are."""
    if benefit.total is None:
        return None
    return max(0, benefit.total - count(connection, benefit.id, GrantState.GRANTED))


def count(connection: sa.Connection, benefit: str, state: GrantState) -> int:
    """How many grants of the benefit are in this state."""
    query = sa.select(sa.func.count()).where(
        benefit_grants.c.benefit == benefit, benefit_grants.c.state == state.value
    )
    return connection.scalar(query) or 0


def count_free(connection: sa.Connection, benefit: str) -> int:
    """How many codes are left in the pool."""
    query = sa.select(sa.func.count()).where(benefit_codes.c.benefit == benefit, _is_free())
    return connection.scalar(query) or 0


def _is_free() -> sa.TextClause:
    """The words of the partial index."""
    return sa.text("grant_id IS NULL AND spent_at IS NULL")


def _had(
    connection: sa.Connection, benefit: Benefit, fresh: Sequence[Wanted], now: datetime
) -> dict[int, int]:
    """How often each of these customers was given it, as far back as its limit counts."""
    if benefit.per_customer is None:
        return {}
    grant = benefit_grants.c
    people = sorted({one.customer_id for one in fresh})
    query = (
        sa.select(grant.customer_id, sa.func.count())
        .where(
            grant.benefit == benefit.id,
            grant.state == GrantState.GRANTED.value,
            bulk.among(connection, grant.customer_id, people),
        )
        .group_by(grant.customer_id)
    )
    if benefit.per is not None:
        query = query.where(grant.granted_at > now - benefit.per)
    return {row[0]: row[1] for row in connection.execute(query)}


def _codes(
    connection: sa.Connection,
    benefit: Benefit,
    going: Sequence[Wanted],
    letters: Letters,
    now: datetime,
) -> dict[tuple[int, str], Code]:
    """A code for each, as far as there are any."""
    match benefit.source:
        case CodeSource.SHARED:
            return {one.key: Code(None, benefit.code) for one in going}
        case CodeSource.NONE:
            return {one.key: Code(None, "") for one in going}
        case CodeSource.POOL:
            query = (
                sa.select(benefit_codes.c.id, benefit_codes.c.code)
                .where(benefit_codes.c.benefit == benefit.id, _is_free())
                .order_by(benefit_codes.c.id)
                .limit(len(going))
            )
            codes = [Code(*row) for row in connection.execute(query)]
            return dict(zip((one.key for one in going), codes, strict=False))
        case CodeSource.PATTERN:
            return _make_codes(connection, benefit, going, letters, now)


def _make_codes(
    connection: sa.Connection,
    benefit: Benefit,
    going: Sequence[Wanted],
    letters: Letters,
    now: datetime,
) -> dict[tuple[int, str], Code]:
    """New codes, none of which is there already; a code that came back is taken again."""
    found: dict[tuple[int, str], Code] = {}
    used: set[str] = set()
    for attempt in range(TRIES):
        open_ = [one for one in going if one.key not in found]
        if not open_:
            break
        tried = {one.key: letters(one, attempt) for one in open_}
        known = _known_codes(connection, [code_key(code) for code in tried.values()])
        new: dict[tuple[int, str], str] = {}
        for key, code in tried.items():
            row = known.get(code_key(code))
            if code_key(code) in used or not (row is None or _may_take(row, benefit.id)):
                continue
            used.add(code_key(code))
            if row is None:
                new[key] = code
            else:
                found[key] = Code(row.id, code)
        found |= _add_codes(connection, benefit.id, new, now)
    return found


def _may_take(row: Any, benefit: str) -> bool:
    return row.benefit == benefit and row.grant_id is None and row.spent_at is None


def _add_codes(
    connection: sa.Connection, benefit: str, new: Mapping[tuple[int, str], str], now: datetime
) -> dict[tuple[int, str], Code]:
    ids = bulk.take_ids(connection, benefit_codes, len(new))
    found = {key: Code(id_, code) for id_, (key, code) in zip(ids, new.items(), strict=True)}
    rows = [(one.id, benefit, one.code, code_key(one.code), seconds(now)) for one in found.values()]
    columns = ("id", "benefit", "code", "code_key", "loaded_at")
    bulk.insert(connection, benefit_codes, columns, rows)
    return found


def _known_codes(connection: sa.Connection, keys: Sequence[str]) -> dict[str, Any]:
    code = benefit_codes.c
    query = sa.select(code.id, code.benefit, code.code_key, code.grant_id, code.spent_at).where(
        bulk.among(connection, code.code_key, keys)
    )
    return {row.code_key: row for row in connection.execute(query)}


def _save(
    connection: sa.Connection,
    benefit: Benefit,
    given: Sequence[tuple[Wanted, Code]],
    held: Mapping[tuple[int, str], Any],
    now: datetime,
) -> None:
    new = [one for one, _code in given if one.key not in held]
    ids = dict(
        zip((one.key for one in new), bulk.take_ids(connection, benefit_grants, len(new)),
            strict=True)
    )  # fmt: skip
    at, proofs = seconds(now), " ".join(sorted(benefit.proofs))
    granted = GrantState.GRANTED.value

    def values(one: Wanted, code: str) -> tuple[Any, ...]:
        return (granted, True, code, code_key(code), proofs, seconds(one.valid_until), at)

    columns = ("state", "is_open", "code", "code_key", "proofs", "valid_until", "granted_at")
    bulk.insert(
        connection,
        benefit_grants,
        ("id", "benefit", "customer_id", "occasion", "campaign", *columns),
        [
            (ids[one.key], benefit.id, one.customer_id, one.occasion, one.campaign,
             *values(one, code))
            for one, (_id, code) in given if one.key in ids
        ],
    )  # fmt: skip
    bulk.update(
        connection,
        benefit_grants,
        columns,
        [(*values(one, code), held[one.key].id) for one, (_id, code) in given
         if one.key not in ids],
    )  # fmt: skip
    taken = [
        (ids[one.key] if one.key in ids else held[one.key].id, id_)
        for one, (id_, _code) in given
        if id_ is not None
    ]
    bulk.update(connection, benefit_codes, ("grant_id",), taken)


def _link(connection: sa.Connection, benefit: str, wanted: Sequence[Wanted]) -> None:
    """Each mail with its grant."""
    grants = _held(connection, benefit, wanted) if wanted else {}
    bulk.insert(
        connection,
        benefit_touches,
        ("touch_id", "grant_id"),
        [(one.touch_id, grants[one.key].id) for one in wanted],
        conflict="ON CONFLICT (touch_id) DO UPDATE SET grant_id = excluded.grant_id",
    )


def _unlink(connection: sa.Connection, touch_ids: Sequence[int]) -> None:
    """What an earlier attempt of these mails told of, they cannot tell any more."""
    if touch_ids:
        connection.execute(
            sa.delete(benefit_touches).where(
                bulk.among(connection, benefit_touches.c.touch_id, touch_ids)
            )
        )


# ------------------------------------------------------------------ taking back


def _close(connection: sa.Connection, ids: Sequence[int]) -> None:
    _change(connection, ids, {"is_open": False})


def _take_back(connection: sa.Connection, ids: Sequence[int]) -> None:
    """The codes are free again; who waited for a person's word waits no longer."""
    _change(connection, ids, {"is_open": False, "state": GrantState.RETURNED.value})
    for part in bulk.batches(ids):
        connection.execute(
            sa.update(benefit_codes)
            .where(bulk.among(connection, benefit_codes.c.grant_id, part))
            .values(grant_id=None)
        )


def _change(connection: sa.Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    for part in bulk.batches(ids):
        connection.execute(
            sa.update(benefit_grants)
            .where(bulk.among(connection, benefit_grants.c.id, part))
            .values(values)
        )
