"""Writes the shop's export files of the demo: one for the past, one for what is new each day."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from crm_mailer.demo import catalogue, people
from crm_mailer.demo.people import Person
from crm_mailer.demo.story import START, Purchase, chance, countries
from crm_mailer.model.order import OrderState as S

PLATFORM = "shop"
COMMENTS = {
    5: "Lovely, exactly as shown. Thank you!",
    4: "Good quality, a little slow to arrive.",
    3: "It is all right, nothing special.",
    2: "Not what I had hoped for.",
    1: "Very disappointed.",
}
#: Columns of the program's own map, one for each state included.
COLUMNS = (
    "order_number placed_at state platform buyer_id email customer_name given_name family_name "
    "patronymic gender birthday language phone country region city postcode street currency "
    "amount refunded payment_method promised_ship_at carrier tracking_number tracking_url "
    "expected_at sku title category quantity price stars review reviewed_at "
    + " ".join(f"{state}_at" for state in S if state not in (S.PLACED, S.REVIEWED))
).split()


def write(
    path: Path, orders: Iterable[Purchase], *, seed: int, since: datetime, now: datetime
) -> int:
    """Write what the shop knows of `orders` at `now`; the number of rows.

    The goods stand in the export in which an order is new, after `since`; later ones tell its
    states alone.
    """
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for order in orders:
            for row in _rows(order, seed, since, now):
                writer.writerow(row)
                count += 1
    return count


def person_of(order: Purchase, seed: int) -> Person:
    """The buyer."""
    return _person(order.customer, seed)


@cache
def _person(customer: str, seed: int) -> Person:
    return people.person(customer, countries()[customer], seed)


def _rows(order: Purchase, seed: int, since: datetime, now: datetime) -> Iterator[dict[str, Any]]:
    known = order.known_at(now)
    whole = _customer(person_of(order, seed)) | _order(order, known, seed)
    if order.placed_at <= max(since, START):
        yield whole
        return
    dice = random.Random(f"{seed} basket {order.number}")
    for place, item in enumerate(catalogue.basket(order.number, order.pence, dice)):
        line = {
            "sku": item.sku,
            "title": item.title,
            "category": item.category,
            "quantity": item.quantity,
            "price": f"{item.price_minor / 100:.2f}",
        }
        yield (whole if place == 0 else {"order_number": order.number,
                                         "placed_at": whole["placed_at"],
                                         "buyer_id": whole["buyer_id"],
                                         "platform": PLATFORM}) | line  # fmt: skip


def _customer(person: Person) -> dict[str, Any]:
    born = person.birthday
    birthday = ""
    if born is not None:
        year = "-" if born.year is None else str(born.year)
        birthday = f"{year}-{born.month:02}-{born.day:02}"
    return {
        "platform": PLATFORM,
        "buyer_id": person.number,
        "email": person.email,
        "customer_name": person.name,
        "given_name": person.given_name,
        "family_name": person.family_name,
        "patronymic": person.patronymic,
        "gender": person.gender or "",
        "birthday": birthday,
        "language": person.language,
        "phone": person.phone,
        "country": person.country,
        "region": person.region,
        "city": person.city,
        "postcode": person.postcode,
        "street": person.street,
    }


def _order(order: Purchase, known: dict[S, datetime], seed: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "order_number": order.number,
        "placed_at": _time(order.placed_at),
        "state": max(known, key=lambda state: known[state]),
        "currency": "GBP",
        "amount": f"{order.pence / 100:.2f}",
        "payment_method": order.payment,
    }
    row |= {f"{state}_at": _time(at) for state, at in known.items() if state is not S.PLACED}
    if S.PARTLY_REFUNDED in known or S.REFUNDED in known:
        row["refunded"] = f"{order.refunded / 100:.2f}"
    if S.PAID in known and order.placed_at >= START:
        row["promised_ship_at"] = _time(known[S.PAID] + timedelta(days=3))
    if S.SHIPPED in known and order.placed_at >= START:
        row |= _parcel(order, known, seed)
    if S.REVIEWED in known:
        row |= {"stars": order.stars, "review": COMMENTS[order.stars]}
    return row


def _parcel(order: Purchase, known: dict[S, datetime], seed: int) -> dict[str, Any]:
    number = f"RB{int(chance(seed, 'parcel', order.number) * 10**9):09}GB"
    return {
        "carrier": "Royal Mail International",
        "tracking_number": number,
        "tracking_url": f"https://track.example/{number}",
        "expected_at": _time(known[S.SHIPPED] + timedelta(days=10)),
    }


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
