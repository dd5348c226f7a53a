"""Cases and what was done about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.case import Case, CaseEvent, CaseEventKind, CaseState, Channel
from crm_mailer.model.errors import NotFound
from crm_mailer.model.order import OrderState
from crm_mailer.model.reply import Severity
from crm_mailer.store.tables import case_events, cases, customers, order_events, orders


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


def get(connection: sa.Connection, case_id: int, *, for_change: bool = False) -> Case:
    """The case with this number.

    Raises:
        NotFound: there is none.
    """
    query = sa.select(cases).where(cases.c.id == case_id)
    row = connection.execute(query.with_for_update() if for_change else query).first()
    if row is None:
        raise NotFound(
            f"there is no case {case_id}", hint="`crm-mailer case list` shows the open ones"
        )
    return _case(row)


def list_of_customer(connection: sa.Connection, customer_id: int) -> list[Case]:
    """All cases of a customer, newest first."""
    rows = connection.execute(
        sa.select(cases)
        .where(cases.c.customer_id == customer_id)
        .order_by(cases.c.opened_at.desc(), cases.c.id.desc())
    )
    return [_case(row) for row in rows]


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
    owed = sa.case((cases.c.state.in_([CaseState.NEW, CaseState.OPEN]), 0), else_=1)
    query = (
        sa.select(cases, customers.c.name, customers.c.email, orders.c.number)
        .join(customers, customers.c.id == cases.c.customer_id)
        .outerjoin(orders, orders.c.id == cases.c.order_id)
        .where(cases.c.state.in_([state.value for state in states]))
        .order_by(owed, cases.c.due_at, cases.c.id)
        .limit(limit)
    )
    if owner is not None:
        query = query.where(cases.c.owner == owner)
    if overdue_at is not None:
        query = query.where(owed == 0, cases.c.due_at < overdue_at)
    return [
        ListedCase(
            case=_case(row),
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


def list_events(connection: sa.Connection, case_id: int) -> list[CaseEvent]:
    """What was done about a case, oldest first."""
    rows = connection.execute(
        sa.select(case_events)
        .where(case_events.c.case_id == case_id)
        .order_by(case_events.c.at, case_events.c.id)
    )
    return [
        CaseEvent(
            kind=CaseEventKind(row.kind),
            at=row.at,
            by=row.by,
            text=row.text,
            reply_id=row.reply_id,
        )
        for row in rows
    ]


def order_facts(connection: sa.Connection, order_id: int | None) -> dict[OrderState, datetime]:
    """When an order reached which state."""
    if order_id is None:
        return {}
    rows = connection.execute(
        sa.select(order_events.c.state, order_events.c.at).where(
            order_events.c.order_id == order_id
        )
    )
    return {OrderState(row.state): row.at for row in rows}


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
            f"this customer has no order {number!r}",
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
    }


def _case(row: sa.Row[Any]) -> Case:
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
    )
