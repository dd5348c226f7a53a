"""What happened in the shop: the file's invoices, and by seeded chance what the file lacks.

The invoices (customer, moment, country, pieces, amount in GBP) are real. They are all paid; so
unpaid orders, waiting funds, parcels, delays, arrivals and reviews are made up, each by a chance
that depends only on the seed and the order, never on the run.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from crm_mailer.model.order import OrderState as S

INVOICES = Path(__file__).parent / "data" / "online_retail_ii_invoices.csv.gz"
START = datetime(2011, 9, 1, tzinfo=UTC)
DAYS = 90
END = START + timedelta(days=DAYS)

#: What goes wrong with a parcel that was paid: chance, the complaint's reason.
TROUBLES = (
    (0.012, "nr.in_transit"),
    (0.006, "nr.no_tracking"),
    (0.004, "nr.customs"),
    (0.005, "nr.marked_delivered"),
    (0.010, "nad.quality"),
    (0.008, "nad.damaged"),
    (0.006, "nad.description"),
    (0.004, "nad.short"),
    (0.005, "order.wrong_item"),
    (0.004, "order.size"),
    (0.003, "pay.refund"),
    (0.001, "threat.dispute"),
)
#: Troubles of a parcel that has not come; the others need one that has.
BEFORE_ARRIVAL = {"nr.in_transit", "nr.no_tracking", "nr.customs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """One line of the file."""

    number: str
    customer: str
    at: datetime
    country: str
    items: int
    pence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """An order with all that will happen to it. `trouble` is a complaint's reason, or empty."""

    number: str
    customer: str
    placed_at: datetime
    pence: int
    items: int
    states: dict[S, datetime] = field(default_factory=dict)
    refunded: int = 0
    trouble: str = ""
    stars: int = 0
    is_made_up: bool = False
    payment: str = "card"

    def known_at(self, now: datetime) -> dict[S, datetime]:
        """The states that it had reached by `now`."""
        return {state: at for state, at in self.states.items() if at <= now}


def chance(seed: int, *about: object) -> float:
    """A number in 0..1 that depends on the seed and the thing alone."""
    text = "\0".join(map(str, (seed, *about))).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2**64


@cache
def invoices() -> tuple[Invoice, ...]:
    """The file's invoices with a customer, by time."""
    with gzip.open(INVOICES, "rt", encoding="utf-8", newline="") as file:
        rows = [_invoice(row) for row in csv.DictReader(file) if row["customer"]]
    return tuple(sorted(rows, key=lambda one: (one.at, one.number)))


@cache
def countries() -> dict[str, str]:
    """Customer number -> the country of the first invoice, as the file writes it."""
    found: dict[str, str] = {}
    for invoice in invoices():
        found.setdefault(invoice.customer, invoice.country)
    return found


def purchases(seed: int) -> list[Purchase]:
    """Every order of the story, by time: real invoices up to the end, and the made-up ones."""
    refunds = _refunds()
    story = [
        _life(seed, invoice, refunds.get(invoice.number, (0, None)))
        for invoice in invoices()
        if invoice.pence > 0 and invoice.at < END
    ]
    story += _made_up(seed)
    return sorted(story, key=lambda one: (one.placed_at, one.number))


def _invoice(row: dict[str, str]) -> Invoice:
    return Invoice(
        number=row["invoice"],
        customer=row["customer"],
        at=datetime.fromisoformat(row["ts"]).replace(tzinfo=UTC),
        country=row["country"],
        items=int(row["items"]),
        pence=round(float(row["amount"]) * 100),
    )


@cache
def _refunds() -> dict[str, tuple[int, datetime | None]]:
    """Invoice -> pence given back and when. A cancellation names its customer, not its invoice:

    it is taken for the latest earlier invoice of the customer that is large enough.
    """
    earlier: dict[str, list[Invoice]] = defaultdict(list)
    found: dict[str, tuple[int, datetime | None]] = {}
    for invoice in invoices():
        if invoice.pence > 0:
            earlier[invoice.customer].append(invoice)
        elif invoice.pence < 0 and invoice.at < END:
            for candidate in reversed(earlier[invoice.customer][-8:]):
                back = found.get(candidate.number, (0, None))[0] - invoice.pence
                if back <= candidate.pence:
                    found[candidate.number] = (back, invoice.at)
                    break
    return found


def _life(seed: int, invoice: Invoice, refund: tuple[int, datetime | None]) -> Purchase:
    order = Purchase(
        number=invoice.number,
        customer=invoice.customer,
        placed_at=invoice.at,
        pence=invoice.pence,
        items=invoice.items,
        refunded=refund[0],
    )
    states = {S.PLACED: invoice.at, S.PAID: invoice.at}
    if invoice.at < START:
        states[S.RECEIVED] = invoice.at + timedelta(days=7)
    else:
        order = _with_parcel(seed, order, states)
    if refund[1] is not None:
        states[S.REFUNDED if refund[0] >= invoice.pence else S.PARTLY_REFUNDED] = refund[1]
    return replace(order, states=dict(sorted(states.items(), key=lambda one: one[1])))


def _with_parcel(seed: int, order: Purchase, states: dict[S, datetime]) -> Purchase:
    """Add what happens between payment and review."""
    luck = chance(seed, "payment", order.number)
    if luck < 0.03:
        states[S.FUNDS_PENDING] = order.placed_at + timedelta(minutes=1)
        states[S.PAID] = order.placed_at + timedelta(days=2)
    trouble = _trouble(seed, order.number)
    packing = timedelta(hours=20 + 40 * chance(seed, "packing", order.number))
    if chance(seed, "delay", order.number) < 0.04:
        states[S.DELAYED] = states[S.PAID] + timedelta(days=3)
        packing += timedelta(days=5)
    shipped = states[S.PAID] + packing
    states[S.SHIPPED] = shipped
    travel = timedelta(days=_travel_days(seed, order.customer, order.number))
    if trouble in BEFORE_ARRIVAL:
        travel += timedelta(days=25)
        states[S.IN_TRANSIT_LONG] = shipped + timedelta(days=16)
    states[S.ARRIVED] = shipped + travel
    stars = _stars(seed, order.number, trouble)
    if stars:
        states[S.REVIEWED] = states[S.ARRIVED] + timedelta(days=9)
    payment = "bank transfer" if luck < 0.03 else "card"
    return replace(order, trouble=trouble, stars=stars, payment=payment)


def _travel_days(seed: int, customer: str, number: str) -> float:
    country = countries()[customer]
    least, most = (2, 6) if country == "United Kingdom" else (5, 14)
    return least + (most - least) * chance(seed, "travel", number)


def _trouble(seed: int, number: str) -> str:
    luck = chance(seed, "trouble", number)
    for share, reason in TROUBLES:
        if luck < share:
            return reason
        luck -= share
    return ""


def _stars(seed: int, number: str, trouble: str) -> int:
    if chance(seed, "reviews", number) >= 0.12:
        return 0
    luck = chance(seed, "stars", number)
    if trouble:
        return 1 if luck < 0.5 else 2
    return 5 if luck < 0.7 else 4 if luck < 0.93 else 3


def _made_up(seed: int) -> list[Purchase]:
    """Orders that were placed and not paid at once: the file has none."""
    found = []
    for invoice in invoices():
        if not (START <= invoice.at < END and invoice.pence > 0):
            continue
        if chance(seed, "unpaid", invoice.number) < 0.05:
            found.append(_unpaid(seed, invoice))
    return found


def _unpaid(seed: int, invoice: Invoice) -> Purchase:
    number = "D" + invoice.number[1:]
    placed = invoice.at + timedelta(days=2 * chance(seed, "when", number))
    states = {S.PLACED: placed}
    order = Purchase(
        number=number,
        customer=invoice.customer,
        placed_at=placed,
        pence=max(500, invoice.pence // 3),
        items=min(invoice.items, 3),
        is_made_up=True,
    )
    luck = chance(seed, "pays", number)
    if luck < 0.55:
        states[S.PAID] = placed + timedelta(hours=2 + 60 * luck)
        order = _with_parcel(seed, order, states)
    elif luck < 0.7:
        states[S.CANCELLED] = placed + timedelta(days=1)
    else:
        states[S.EXPIRED] = placed + timedelta(days=7)
    return replace(order, states=dict(sorted(states.items(), key=lambda one: one[1])))


class Calendar:
    """All that happens, by time: quick to ask what is new since the last look."""

    def __init__(self, story: list[Purchase]) -> None:
        happens = sorted(
            ((at, place) for place, order in enumerate(story) for at in order.states.values()),
        )
        self.story = story
        self.times = [at for at, _place in happens]
        self.places = [place for _at, place in happens]

    def changes(self, since: datetime, until: datetime) -> list[Purchase]:
        """The orders to which something happened after `since` and not after `until`, by time."""
        span = slice(bisect_right(self.times, since), bisect_right(self.times, until))
        return [self.story[place] for place in sorted(set(self.places[span]))]
