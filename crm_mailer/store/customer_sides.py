"""What pages show beside a customer's story: what was seen, what is planned, who they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import UNDER_WAY
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import TouchState
from crm_mailer.store import tables as t

#: Touches that are still to come.
WAITING = (TouchState.PLANNED, TouchState.HELD, TouchState.DEFERRED, TouchState.CLAIMED)
#: Of one customer never more rows than this are read of a table.
MOST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands above every page of a customer."""

    id: int
    name: str
    email: str
    country: str
    language: str
    is_flagged: bool
    #: Reason, source, since when of each suppression of the address.
    suppressed: tuple[tuple[str, str, datetime], ...]
    open_cases: tuple[int, ...]
    erased_at: datetime | None
    r: int | None
    f: int | None
    m: int | None
    value_class: str
    order_count: int
    spent_usd_cents: int
    last_order_at: datetime | None


def head(connection: sa.Connection, customer_id: int) -> Head:
    """Who it is.

    Raises:
        NotFound: there is no such customer.
    """
    person, score, case = t.customers.c, t.scores.c, t.cases.c
    query = (
        sa.select(t.customers, *(score[name] for name in _OF_SCORE))
        .outerjoin_from(t.customers, t.scores, score.customer_id == person.id)
        .where(person.id == customer_id)
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(Sentence("there is no customer {customer_id}", customer_id=customer_id))
    stop = t.suppressions.c
    stops = connection.execute(
        sa.select(stop.reason, stop.source, stop.at)
        .where(stop.address_key == row.email_key)
        .order_by(stop.at)
    )
    cases = connection.scalars(
        sa.select(case.id)
        .where(case.customer_id == customer_id, case.state.in_(sorted(UNDER_WAY)))
        .order_by(case.id)
    )
    return Head(
        id=row.id,
        name=row.name,
        email=row.email or "",
        country=row.country,
        language=row.language,
        is_flagged=bool(row.is_flagged),
        suppressed=tuple((one.reason, one.source, one.at) for one in stops),
        open_cases=tuple(cases),
        erased_at=row.erased_at,
        r=row.r,
        f=row.f,
        m=row.m,
        value_class=row.value_class or "",
        order_count=row.order_count or 0,
        spent_usd_cents=row.spent_usd_cents or 0,
        last_order_at=row.last_order_at,
    )


_OF_SCORE = ("r", "f", "m", "value_class", "order_count", "spent_usd_cents", "last_order_at")


def person(connection: sa.Connection, customer_id: int) -> Any:
    """The customer's own row."""
    query = sa.select(t.customers).where(t.customers.c.id == customer_id)
    return connection.execute(query).one()


def signals(connection: sa.Connection, customer_id: int) -> Sequence[Any]:
    """Opens and clicks with the mail that they are of, oldest first."""
    signal, touch = t.signals.c, t.touches.c
    return connection.execute(
        sa.select(
            signal.kind, signal.at, signal.detail, signal.touch_id, touch.campaign, touch.step
        )
        .join_from(t.signals, t.touches, touch.id == signal.touch_id)
        .where(signal.customer_id == customer_id)
        .order_by(signal.at)
        .limit(MOST)
    ).all()


def consents(connection: sa.Connection, customer_id: int) -> Sequence[Any]:
    """Why marketing mail is lawful."""
    query = sa.select(t.consents).where(t.consents.c.customer_id == customer_id)
    return connection.execute(query.order_by(t.consents.c.given_at)).all()


def notes(connection: sa.Connection, customer_id: int, *, limit: int) -> Sequence[Any]:
    """What people wrote down, the latest first."""
    note = t.customer_notes.c
    query = sa.select(t.customer_notes).where(note.customer_id == customer_id)
    return connection.execute(query.order_by(note.at.desc(), note.id.desc()).limit(limit)).all()


def waiting(connection: sa.Connection, customer_id: int) -> Sequence[Any]:
    """Mails that are planned and have not left, the first due first."""
    touch = t.touches.c
    query = sa.select(t.touches).where(
        touch.customer_id == customer_id, touch.state.in_([one.value for one in WAITING])
    )
    return connection.execute(query.order_by(touch.due_at).limit(MOST)).all()
