"""Cases and what was done about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from crm_mailer.model.case import (
    Arbitration,
    Case,
    CaseEvent,
    CaseEventKind,
    CaseState,
    Channel,
    Remedy,
)
from crm_mailer.model.errors import NotFound
from crm_mailer.model.money import Money
from crm_mailer.model.order import OrderState
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.store.tables import case_events, cases, customers, order_events, orders, replies


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCase:
    """A case as a list shows it: with the names of its customer and order."""

    case: Case
    customer: str
    email: str
    order_number: str


def lock_customer(connection: sa.Connection, customer_id: int) -> None:
    """Keep others from opening a case for this customer until the transaction ends.

    Two letters that are learnt at the same time must not open two cases for one order.
    """
    connection.execute(
        sa.select(customers.c.id).where(customers.c.id == customer_id).with_for_update()
    ).all()


def add(connection: sa.Connection, case: Case, events: Iterable[CaseEvent]) -> int:
    """Open a case; its number."""
    values = {
        "customer_id": case.customer_id,
        "reply_id": case.reply_id,
        "touch_id": case.touch_id,
        "channel": case.channel.value,
        "opened_at": case.opened_at,
        "follows_id": case.follows_id,
        **_changeable(case),
    }
    done = connection.execute(cases.insert().values(**values).returning(cases.c.id))
    case_id: int = done.scalar_one()
    _log(connection, case_id, events)
    return case_id


def save(connection: sa.Connection, case: Case, events: Iterable[CaseEvent]) -> None:
    """Bring a case to its new state and write down why."""
    connection.execute(cases.update().where(cases.c.id == case.id).values(**_changeable(case)))
    _log(connection, case.id, events)


def set_times(
    connection: sa.Connection, case_id: int, *, due_at: datetime, tell_at: datetime | None
) -> None:
    """Keep what the log says about the clocks, for lists and for the next warning."""
    times = {"due_at": due_at, "tell_at": tell_at}
    connection.execute(cases.update().where(cases.c.id == case_id).values(**times))


def get(connection: sa.Connection, case_id: int, *, for_change: bool = False) -> Case:
    """The case with this number; with `for_change` it is ours until the transaction ends.

    The customer is locked before the case, as learning does: a fixed order, so that an agent and
    a letter never wait for each other.

    Raises:
        NotFound: there is none.
    """
    if for_change:
        whose = sa.select(cases.c.customer_id).where(cases.c.id == case_id).scalar_subquery()
        connection.execute(
            sa.select(customers.c.id).where(customers.c.id == whose).with_for_update()
        ).all()
    query = sa.select(cases).where(cases.c.id == case_id)
    row = connection.execute(query.with_for_update() if for_change else query).first()
    if row is None:
        raise NotFound(
            Sentence("there is no case {case_id}", case_id=case_id),
            hint="`crm-mailer case list` shows the open ones",
        )
    return case_of(row)


def list_of_customer(
    connection: sa.Connection, customer_id: int, *, for_change: bool = False
) -> list[Case]:
    """All cases of a customer, newest first; with `for_change`, agents wait until we are done."""
    query = (
        sa.select(cases)
        .where(cases.c.customer_id == customer_id)
        .order_by(cases.c.opened_at.desc(), cases.c.id.desc())
    )
    rows = connection.execute(query.with_for_update() if for_change else query)
    return [case_of(row) for row in rows]


_IS_OWED = cases.c.state.in_([CaseState.NEW, CaseState.OPEN])


def _chosen(
    states: Collection[CaseState], owner: str | None, overdue_at: datetime | None
) -> list[sa.ColumnElement[bool]]:
    """What `list_cases` and `count_cases` look for."""
    found: list[sa.ColumnElement[bool]] = [cases.c.state.in_([state.value for state in states])]
    if owner is not None:
        found.append(cases.c.owner == owner)
    if overdue_at is not None:
        is_late = sa.and_(_IS_OWED, cases.c.due_at < overdue_at)
        found.append(sa.or_(is_late, cases.c.deadline_at < overdue_at))
    return found


def count_cases(
    connection: sa.Connection,
    *,
    states: Collection[CaseState],
    owner: str | None = None,
    overdue_at: datetime | None = None,
) -> int:
    """How many cases `list_cases` would list without a limit."""
    query = sa.select(sa.func.count()).where(*_chosen(states, owner, overdue_at))
    return connection.scalar(query) or 0


def list_cases(
    connection: sa.Connection,
    *,
    states: Collection[CaseState],
    owner: str | None = None,
    overdue_at: datetime | None = None,
    limit: int = 500,
) -> list[ListedCase]:
    """Cases by due time, those that wait for the customer last.

    Args:
        connection: where to look.
        states: only cases in one of these.
        owner: only the cases of this person; "" means those without one.
        overdue_at: only cases whose answer was due before.
        limit: at most so many.
    """
    query = (
        sa.select(cases, customers.c.name, customers.c.email, orders.c.number)
        .join(customers, customers.c.id == cases.c.customer_id)
        .outerjoin(orders, orders.c.id == cases.c.order_id)
        .where(*_chosen(states, owner, overdue_at))
        .order_by(sa.case((_IS_OWED, 0), else_=1), cases.c.due_at, cases.c.id)
        .limit(limit)
    )
    return [
        ListedCase(
            case=case_of(row),
            customer=row.name,
            email=row.email or "",
            order_number=row.number or "",
        )
        for row in connection.execute(query)
    ]


def find_by_reply(connection: sa.Connection, reply_id: int) -> int | None:
    """The case that a reply opened or was written into."""
    return connection.execute(
        sa.select(case_events.c.case_id).where(case_events.c.reply_id == reply_id).limit(1)
    ).scalar()


def find_by_dispute(connection: sa.Connection, number: str) -> Case | None:
    """The case that is linked to this dispute; of merged ones the one that goes on."""
    row = connection.execute(
        sa.select(cases)
        .where(cases.c.dispute_number == number, cases.c.merged_into_id.is_(None))
        .order_by(cases.c.id)
        .limit(1)
    ).first()
    return None if row is None else case_of(row)


def list_merged(connection: sa.Connection, case_id: int) -> list[int]:
    """The cases that were merged into this one, directly or by way of others."""
    found: list[int] = []
    wave = [case_id]
    while wave:
        rows = connection.scalars(sa.select(cases.c.id).where(cases.c.merged_into_id.in_(wave)))
        wave = sorted(set(rows) - {case_id, *found})
        found += wave
    return found


def list_events(connection: sa.Connection, case_id: int) -> list[CaseEvent]:
    """What was done about a case and about those merged into it, oldest first."""
    numbers = [case_id, *list_merged(connection, case_id)]
    rows = connection.execute(
        sa.select(case_events, replies.c.received_at)
        .outerjoin(replies, replies.c.id == case_events.c.reply_id)
        .where(case_events.c.case_id.in_(numbers))
        .order_by(case_events.c.at, case_events.c.id)
    )
    return [_event(row) for row in rows]


def has_event(
    connection: sa.Connection, case_id: int, kind: CaseEventKind, *, ref: str = "", reply: int = 0
) -> bool:
    """Whether the log of this case has an act of this kind about the same thing or reply."""
    same = case_events.c.reply_id == reply if reply else case_events.c.ref == ref
    query = sa.select(case_events.c.id).where(
        case_events.c.case_id == case_id, case_events.c.kind == kind.value, same
    )
    return connection.execute(query.limit(1)).first() is not None


def _event(row: sa.Row[Any]) -> CaseEvent:
    said_at = None if row.received_at is None else min(row.received_at, row.at)
    return CaseEvent(
        kind=CaseEventKind(row.kind),
        at=row.at,
        by=row.by,
        text=row.text,
        ref=row.ref,
        reply_id=row.reply_id,
        said_at=said_at,
        case_id=row.case_id,
    )


def order_facts(
    connection: sa.Connection, order_id: int | None, place: ZoneInfo | None = None
) -> dict[OrderState, datetime]:
    """When an order reached which state; by the clocks of `place`, else in UTC."""
    if order_id is None:
        return {}
    rows = connection.execute(
        sa.select(order_events.c.state, order_events.c.at).where(
            order_events.c.order_id == order_id
        )
    )
    return {OrderState(row.state): row.at.astimezone(place or UTC) for row in rows}


def currency_of(connection: sa.Connection, case: Case) -> str:
    """The currency of the order in question; empty where there is none."""
    query = sa.select(orders.c.currency).where(orders.c.id == case.order_id)
    return connection.scalar(query) or ""


def find_order(connection: sa.Connection, number: str, customer_id: int) -> int:
    """The customer's order with this number.

    Raises:
        NotFound: the customer has none.
    """
    row = connection.execute(
        sa.select(orders.c.id).where(orders.c.number == number, orders.c.customer_id == customer_id)
    ).first()
    if row is None:
        raise NotFound(
            Sentence("this customer has no order {number!r}", number=number),
            hint="`crm-mailer customer show` lists the customer's orders",
        )
    return int(row.id)


def _log(connection: sa.Connection, case_id: int, events: Iterable[CaseEvent]) -> None:
    rows = [
        {
            "case_id": case_id,
            "at": event.at,
            "kind": event.kind.value,
            "by": event.by,
            "text": event.text,
            "ref": event.ref,
            "reply_id": event.reply_id,
        }
        for event in events
    ]
    if rows:
        connection.execute(case_events.insert(), rows)


def _changeable(case: Case) -> dict[str, Any]:
    return {
        "order_id": case.order_id,
        "state": case.state.value,
        "reason": case.reason,
        "severity": case.severity.value,
        "asks": case.asks,
        "owner": case.owner,
        "due_at": case.due_at,
        "first_response_at": case.first_response_at,
        "closed_at": case.closed_at,
        "is_threat": case.is_threat,
        "deadline_at": case.deadline_at,
        "merged_into_id": case.merged_into_id,
        "dispute_number": case.dispute_number,
        "arbitration": case.arbitration.value if case.arbitration else "",
        "is_liable": case.is_liable,
        "remedy": case.remedy.value if case.remedy else "",
        "compensation_cents": case.compensation.minor if case.compensation else None,
        "compensation_currency": case.compensation.currency if case.compensation else "",
        "best_channel": case.best_channel,
        "best_time": case.best_time,
        "satisfaction": case.satisfaction,
    }


def case_of(row: sa.Row[Any]) -> Case:
    """A row of the table as a case."""
    return Case(
        id=row.id,
        customer_id=row.customer_id,
        state=CaseState(row.state),
        reason=row.reason,
        severity=Severity(row.severity),
        opened_at=row.opened_at,
        due_at=row.due_at,
        order_id=row.order_id,
        owner=row.owner,
        channel=Channel(row.channel),
        first_response_at=row.first_response_at,
        closed_at=row.closed_at,
        asks=row.asks,
        reply_id=row.reply_id,
        touch_id=row.touch_id,
        is_threat=row.is_threat,
        deadline_at=row.deadline_at,
        follows_id=row.follows_id,
        merged_into_id=row.merged_into_id,
        dispute_number=row.dispute_number,
        arbitration=Arbitration(row.arbitration) if row.arbitration else None,
        is_liable=row.is_liable,
        remedy=Remedy(row.remedy) if row.remedy else None,
        compensation=_money(row),
        best_channel=row.best_channel,
        best_time=row.best_time,
        satisfaction=row.satisfaction,
    )


def _money(row: sa.Row[Any]) -> Money | None:
    if row.compensation_cents is None:
        return None
    return Money(minor=row.compensation_cents, currency=row.compensation_currency)
