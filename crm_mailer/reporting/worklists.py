"""What agents have to do today: lists of orders, cases, reviews and tasks, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from crm_mailer.learning import sayings
from crm_mailer.model.money import Money
from crm_mailer.model.order import OrderState
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.reporting.cases import REMEDIES
from crm_mailer.store import report_orders, report_work
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.report_orders import OrderAtWork
from crm_mailer.store.report_work import Waiting


class WorklistName(StrEnum):
    """The lists, in the order in which a day is best begun."""

    CASES = "cases"
    LATE = "late"
    OUT_OF_STOCK = "out-of-stock"
    UNCONFIRMED = "unconfirmed"
    ABNORMAL = "abnormal"
    REVIEWS = "reviews"
    UNPAID = "unpaid"
    NO_ADDRESS = "no-address"
    TASKS = "tasks"


#: What a list is, in a sentence.
MEANINGS: Mapping[WorklistName, str] = {
    WorklistName.CASES: "unhappy customers whom we owe an answer",
    WorklistName.LATE: "orders past the promised day, not shipped",
    WorklistName.OUT_OF_STOCK: "orders whose goods are missing or there again",
    WorklistName.UNCONFIRMED: "paid orders that the buyer has not confirmed",
    WorklistName.ABNORMAL: "orders with which something is wrong",
    WorklistName.REVIEWS: "reviews that nobody answered",
    WorklistName.UNPAID: "orders placed in the last 30 days and not paid",
    WorklistName.NO_ADDRESS: "orders under way whose buyer has no mail address",
    WorklistName.TASKS: "tasks due by the end of today",
}
#: Why a row is on a list -> what to do about it.
TODO: Mapping[str, str] = {
    "late": "ship it today, or tell the buyer the new date and let them choose: wait, replace, "
    "refund",
    "delayed": "say sorry, give the new date, offer to wait, to replace or to refund",
    "out_of_stock": "offer to wait, another item or a refund",
    "restocked": "check the goods and ship within the hour",
    "unconfirmed": "ask for colour, size, quantity and address before shipping",
    "funds_pending": "ask for the receiver's full name, address, postcode and phone",
    "unpaid": "ask kindly what keeps them from paying, and note the reason",
    "no_address": "write on the platform, or import a customer file with addresses",
    "flagged_buyer": "a buyer on the blacklist: ask the lead before shipping",
    "disputed": "a dispute without a case: open one",
    "cancel_requested": "ask for the reason and offer another way",
    "amount_mismatch": "amount and prices of the goods differ: compare them with the platform",
    "many_buyers": "several buyers with one address or phone: check before shipping",
    "many_orders": "many orders of one buyer in a day: ask whether to join them",
    "address_missing": "no street: ask the buyer for the full address",
    "no_movement": "paid over a week ago and nothing happened: find out why",
    "no_arrival": "on its way for too long: trace the parcel and write to the buyer",
    "review_bad": "answer today, find the cause, offer a remedy",
    "review_middling": "thank them and ask what was missing",
    "review_good": "thank them",
    "answer": "answer the question",
    "confirmed": "confirmed: check the order and ship it",
    "change_order": "change the order before it leaves",
    "read": "read it: no rule understood it",
    "review": "answer the review",
    "who_is_it": "find out who wrote this",
    "key_customer": "thank them in person and open a direct channel",
}
#: For a task of a kind that has no sentence here.
DO_IT = "do it, then `crm-mailer case done`"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRow:
    """One line of a list: what it is about, why it is there and what to do.

    `number` is an order's, or that of a case, review or task. `todo` has a sentence a reason.
    """

    number: str
    customer: str
    country: str
    order_number: str
    since: datetime
    due_at: datetime | None
    reasons: tuple[str, ...]
    todo: tuple[str, ...]
    amount: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worklist:
    """A list with its number of rows, of which `rows` are the first."""

    name: WorklistName
    meaning: str
    count: int
    rows: tuple[WorkRow, ...] = ()


def worklist(
    store: Store, name: WorklistName, *, now: datetime, place: ZoneInfo, limit: int
) -> Worklist:
    """One list; days end when they do in `place`. At most `limit` rows are told."""
    with store.read() as connection:
        return _worklist(connection, name, now, place, limit)


def overview(store: Store, *, now: datetime, place: ZoneInfo, limit: int = 0) -> list[Worklist]:
    """Every list, with as many rows as asked for."""
    with store.read() as connection:
        return [_worklist(connection, name, now, place, limit) for name in WorklistName]


def _worklist(
    connection: Connection, name: WorklistName, now: datetime, place: ZoneInfo, limit: int
) -> Worklist:
    query, rows = _query(name, now, place)
    return Worklist(
        name=name,
        meaning=MEANINGS[name],
        count=report_orders.count(connection, query),
        rows=rows(connection, query, limit) if limit else (),
    )


_Rows = Callable[[Connection, Any, int], tuple[WorkRow, ...]]


def _query(name: WorklistName, now: datetime, place: ZoneInfo) -> tuple[Any, _Rows]:
    match name:
        case WorklistName.CASES:
            return report_work.cases(), _cases
        case WorklistName.REVIEWS:
            return report_work.reviews(now), _waiting
        case WorklistName.TASKS:
            return report_work.tasks(_midnight(now, place)), _waiting
        case WorklistName.LATE:
            return report_orders.late(now), _orders
        case WorklistName.OUT_OF_STOCK:
            return report_orders.out_of_stock(now), _orders
        case WorklistName.UNCONFIRMED:
            return report_orders.unconfirmed(now), _orders
        case WorklistName.ABNORMAL:
            return report_orders.odd(now), _orders
        case WorklistName.UNPAID:
            return report_orders.unpaid(now), _orders
        case WorklistName.NO_ADDRESS:
            return report_orders.without_address(now), _orders


def _midnight(now: datetime, place: ZoneInfo) -> datetime:
    """When today is over."""
    return datetime.combine(now.astimezone(place).date() + timedelta(days=1), time(), place)


def _orders(connection: Connection, query: Any, limit: int) -> tuple[WorkRow, ...]:
    return tuple(map(_order_row, report_orders.rows(connection, query, limit)))


def _order_row(order: OrderAtWork) -> WorkRow:
    money = Money(minor=order.amount_minor, currency=order.currency)
    return WorkRow(
        number=order.number,
        customer=order.customer,
        country=order.country,
        order_number=order.number,
        since=order.placed_at,
        due_at=order.promised_ship_at,
        reasons=order.reasons,
        todo=tuple(TODO[reason] for reason in order.reasons),
        amount=f"{money.amount} {money.currency}",
        text=_note(order),
    )


def _note(order: OrderAtWork) -> str:
    """The order's note, after what keeps the buyer from paying."""
    is_unpaid = order.state == OrderState.PLACED and order.unpaid_reason
    why = Sentence(order.unpaid_reason.replace("_", " ")) if is_unpaid else ""
    note = Sentences(*map(sayings.heard, order.note.split("\n")), between="\n")
    return Sentences(why, note, between=": ") if why else note


def _waiting(connection: Connection, query: Any, limit: int) -> tuple[WorkRow, ...]:
    rows = report_work.rows(connection, query, limit)
    return tuple(_waiting_row(row, TODO.get(row.code, DO_IT)) for row in rows)


def _cases(connection: Connection, query: Any, limit: int) -> tuple[WorkRow, ...]:
    rows = report_work.rows(connection, query, limit)
    usual = "find out what would help"
    return tuple(_waiting_row(row, REMEDIES.get(row.code.partition(".")[0], usual)) for row in rows)


def _waiting_row(row: Waiting, todo: str) -> WorkRow:
    return WorkRow(
        number=str(row.id),
        customer=row.customer,
        country=row.country,
        order_number=row.order_number,
        since=row.at,
        due_at=row.due_at,
        reasons=(row.code,),
        todo=(todo,),
        text=sayings.heard(row.text),
    )
