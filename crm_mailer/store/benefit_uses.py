"""Orders that used what was given: found when they are imported, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.benefit import (
    GrantState,
    Held,
    Proof,
    Use,
    best_of,
    code_key,
    codes_in,
    use_of,
)
from crm_mailer.model.order import OrderState
from crm_mailer.store import bulk
from crm_mailer.store.benefits import LOCK
from crm_mailer.store.bulk import seconds
from crm_mailer.store.tables import benefit_codes, benefit_grants, benefit_uses, orders

#: An order that came to nothing used nothing.
DEAD = (OrderState.CANCELLED.value, OrderState.EXPIRED.value)


class _Grant(NamedTuple):
    id: int
    benefit: str
    code_key: str
    proofs: frozenset[str]
    held: Held


class _Found(NamedTuple):
    """An order that shows a code of ours, or what stands for one."""

    key: str
    benefit: str
    grant: _Grant | None
    proof: Proof


def match(connection: sa.Connection, order_ids: Iterable[int], now: datetime) -> int:
    """See which benefits these orders used; how many were redeemed. In a write transaction.

    Asking again about an order changes nothing; one that was cancelled gives its benefit back.
    """
    ids = list(order_ids)
    if not ids or not _is_anything_given(connection):
        return 0
    bulk.lock(connection, LOCK)  # a code that is given now cannot be found ungiven
    redeemed = 0
    for part in bulk.batches(ids):
        _reopen(connection, part)
        rows = _orders(connection, part)
        grants = _Grants(connection, rows)
        for row in rows:
            for found in grants.of(row):
                redeemed += _note(connection, row, found, grants, now)
    return redeemed


def redeem_by_hand(
    connection: sa.Connection, grant_id: int, order_id: int | None, now: datetime
) -> bool:
    """A person says that it was used; False where it had been already."""
    grant = benefit_grants.c
    return (
        connection.execute(
            sa.update(benefit_grants)
            .where(
                grant.id == grant_id,
                grant.state == GrantState.GRANTED.value,
                grant.redeemed_at.is_(None),
            )
            .values(redeemed_at=now, redeemed_order_id=order_id, redeemed_by=Proof.HAND.value)
        ).rowcount
        > 0
    )


def _is_anything_given(connection: sa.Connection) -> bool:
    any_grant = sa.exists(sa.select(benefit_grants.c.id))
    return bool(
        connection.scalar(sa.select(sa.or_(any_grant, sa.exists(sa.select(benefit_codes.c.id)))))
    )


def _reopen(connection: sa.Connection, ids: Sequence[int]) -> None:
    """Orders that came to nothing give back what they used."""
    order, grant, use = orders.c, benefit_grants.c, benefit_uses.c
    dead = sa.select(order.id).where(bulk.among(connection, order.id, ids), order.state.in_(DEAD))
    connection.execute(
        sa.update(benefit_grants)
        .where(grant.redeemed_order_id.in_(dead), sa.text("redeemed_order_id IS NOT NULL"))
        .values(redeemed_at=None, redeemed_order_id=None, redeemed_by="")
    )
    connection.execute(sa.delete(benefit_uses).where(use.order_id.in_(dead)))


def _orders(connection: sa.Connection, ids: Sequence[int]) -> list[Any]:
    """Those that may have used something, in the order of time."""
    order = orders.c
    query = (
        sa.select(
            order.id, order.customer_id, order.placed_at, order.coupons, order.note,
            order.shipping_minor,
        )
        .where(
            bulk.among(connection, order.id, ids),
            order.state.not_in(DEAD),
            sa.or_(order.coupons != "", order.note != "", order.shipping_minor == 0),
        )
        .order_by(order.placed_at, order.id)
    )  # fmt: skip
    return list(connection.execute(query).all())


class _Grants:
    """What these orders may have used."""

    def __init__(self, connection: sa.Connection, rows: Sequence[Any]) -> None:
        keys = {key for row in rows for key in codes_in(row.coupons)}
        people = {row.customer_id for row in rows if row.customer_id is not None}
        self.by_code: dict[str, list[_Grant]] = {}
        self.by_customer: dict[int, list[_Grant]] = {}
        for one in _grants(connection, benefit_grants.c.code_key, keys):
            self.by_code.setdefault(one.code_key, []).append(one)
        for one in _grants(connection, benefit_grants.c.customer_id, people):
            if one.proofs & {Proof.NOTE, Proof.FREE_SHIPPING}:
                self.by_customer.setdefault(one.held.customer_id, []).append(one)
        self.free = _free(connection, keys - self.by_code.keys())

    def of(self, row: Any) -> list[_Found]:
        """What one order shows: a code is worth more than what stands for one."""
        found = [one for key in codes_in(row.coupons) if (one := self._by_code(key, row))]
        used = {one.grant.id for one in found if one.grant is not None}
        for grant in self.by_customer.get(row.customer_id, ()):
            proof = _other_proof(grant, row)
            if grant.id not in used and proof is not None:
                found.append(_Found(grant.code_key or f"#{grant.id}", grant.benefit, grant, proof))
        return found

    def _by_code(self, key: str, row: Any) -> _Found | None:
        ours = self.by_code.get(key)
        if ours:
            best = best_of([one.held for one in ours], row.customer_id, row.placed_at)
            grant = next(one for one in ours if one.held is best)
            return _Found(key, grant.benefit, grant, Proof.CODE)
        return _Found(key, self.free[key], None, Proof.CODE) if key in self.free else None

    def redeemed(self, grant: _Grant, order_id: int) -> None:
        """Remember it for the orders that follow."""
        now_held = grant._replace(held=grant.held._replace(redeemed_order_id=order_id))
        for known in (self.by_code.get(grant.code_key), self.by_customer.get(
                grant.held.customer_id)):  # fmt: skip
            for place, one in enumerate(known or ()):
                if known is not None and one.id == grant.id:
                    known[place] = now_held


def _grants(
    connection: sa.Connection, column: sa.ColumnElement[Any], values: Iterable[Any]
) -> list[_Grant]:
    grant, wanted = benefit_grants.c, sorted(values)
    if not wanted:
        return []
    is_used_by_hand = sa.and_(grant.redeemed_at.is_not(None), grant.redeemed_order_id.is_(None))
    query = sa.select(
        grant.id, grant.benefit, grant.code_key, grant.proofs, grant.customer_id,
        grant.granted_at, grant.valid_until,
        sa.case((is_used_by_hand, 0), else_=grant.redeemed_order_id),
    ).where(
        bulk.among(connection, column, wanted),
        grant.state == GrantState.GRANTED.value,
    )  # fmt: skip
    if column is grant.code_key:
        query = query.where(sa.text("code_key <> ''"))
    return [
        _Grant(row[0], row[1], row[2], frozenset(row[3].split()), Held(*row[4:]))
        for row in connection.execute(query.order_by(grant.granted_at, grant.id))
    ]


def _free(connection: sa.Connection, keys: Iterable[str]) -> dict[str, str]:
    """Codes of the pools that nobody was given: code -> benefit."""
    wanted = sorted(keys)
    if not wanted:
        return {}
    query = sa.select(benefit_codes.c.code_key, benefit_codes.c.benefit).where(
        bulk.among(connection, benefit_codes.c.code_key, wanted)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _other_proof(grant: _Grant, row: Any) -> Proof | None:
    """How an order without the code in its column shows that the grant was used."""
    held = grant.held
    if Proof.NOTE in grant.proofs and grant.code_key and _names(row.note, grant.code_key):
        return Proof.NOTE
    is_in_time = held.granted_at <= row.placed_at and (
        held.valid_until is None or row.placed_at <= held.valid_until
    )
    is_free = row.shipping_minor == 0 and held.redeemed_order_id in (None, row.id)
    is_shown = Proof.FREE_SHIPPING in grant.proofs and is_free and is_in_time
    return Proof.FREE_SHIPPING if is_shown else None


def _names(note: str, key: str) -> bool:
    """Whether a note has the code as a word of its own."""
    words = {code_key(word.strip(".,;:!?()[]\"'")) for word in note.split()}
    return key in words


def _note(
    connection: sa.Connection, row: Any, found: _Found, grants: _Grants, now: datetime
) -> int:
    """Write down what the order is to the grant; 1 where it is redeemed by that."""
    grant = found.grant
    use = Use.NOT_GIVEN
    if grant is not None:
        use = use_of(
            grant.held,
            order_id=row.id,
            customer_id=row.customer_id,
            placed_at=row.placed_at,
        )
    new = bulk.insert(
        connection,
        benefit_uses,
        ("order_id", "key", "benefit", "grant_id", "use", "proof", "at", "learnt_at"),
        [(row.id, found.key, found.benefit, grant.id if grant else None, use.value,
          found.proof.value, seconds(row.placed_at), seconds(now))],
        conflict="ON CONFLICT (order_id, key) DO NOTHING",
    )  # fmt: skip
    if not new:
        return 0
    if grant is None:
        connection.execute(
            sa.update(benefit_codes)
            .where(benefit_codes.c.code_key == found.key)
            .values(spent_at=row.placed_at)
        )
        return 0
    if use is not Use.REDEEMED:
        return 0
    connection.execute(
        sa.update(benefit_grants)
        .where(benefit_grants.c.id == grant.id)
        .values(redeemed_at=row.placed_at, redeemed_order_id=row.id, redeemed_by=found.proof.value)
    )
    grants.redeemed(grant, row.id)
    return 1
