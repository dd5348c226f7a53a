"""What customers complain about, and what they praise: for the people who improve products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crm_mailer.model.period import Period
from crm_mailer.model.reply import REASONS
from crm_mailer.store import report_complaints, report_sql
from crm_mailer.store.engine import Connection, Store
from crm_mailer.store.report_complaints import Complaint, Said, Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What was said about one product; `sold` are the period's paid orders in which it was."""

    product: str
    title: str
    complaints: int
    praise: int
    before: int
    sold: int

    @property
    def rate(self) -> float | None:
        """Complaints for each paid order; None where nothing was sold in the period."""
        return self.complaints / self.sold if self.sold else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintReport:
    """Counts of one period, each list with the most complained of first."""

    period: Period
    totals: Totals
    by_reason: tuple[Said, ...]
    by_product: tuple[Product, ...]
    by_country: tuple[Said, ...]
    by_campaign: tuple[Said, ...]
    by_channel: tuple[Said, ...]
    by_agent: tuple[Said, ...]
    by_month: tuple[Said, ...]
    newest: tuple[Complaint, ...]


def complaint_report(
    store: Store, period: Period, *, newest: int, products: int | None = None
) -> ComplaintReport:
    """All counts, and so many of the complaints themselves.

    Args:
        products: at most so many products, the most complained of; None: all. What was sold of a
            few is known at once, of all in seconds.
    """
    with store.read() as connection, report_sql.mapped(connection):
        cube = report_complaints.by_what(connection, period)
        return ComplaintReport(
            period=period,
            totals=report_complaints.totals(connection, period),
            by_reason=tuple(cube.by_reason()),
            by_product=_products(connection, period, products),
            by_country=tuple(cube.by_country()),
            by_campaign=tuple(cube.by_campaign()),
            by_channel=tuple(cube.by_channel()),
            by_agent=tuple(cube.by_agent()),
            by_month=tuple(report_complaints.by_month(connection, period)),
            newest=tuple(report_complaints.list_complaints(connection, period, limit=newest)),
        )


def every_complaint(store: Store, period: Period, *, limit: int) -> Iterator[Complaint]:
    """The complaints one by one, the newest first: there may be more than memory holds."""
    with store.read() as connection, report_sql.mapped(connection):
        yield from report_complaints.list_complaints(connection, period, limit=limit)


def reason_in_words(code: str) -> str:
    """What a reason's code means, in English; a shop's own code stands for itself."""
    return REASONS[code][1] if code in REASONS else code


def _products(connection: Connection, period: Period, most: int | None) -> tuple[Product, ...]:
    said = report_complaints.by_product(connection, period)[:most]
    names = [one.key for one in said if one.key]
    sold = report_complaints.sold(connection, period, names)
    titles = report_sql.titles(connection, names)
    return tuple(
        Product(
            product=one.key,
            title=titles.get(one.key, ""),
            complaints=one.complaints,
            praise=one.praise,
            before=one.before,
            sold=sold.get(one.key, 0),
        )
        for one in said
    )
