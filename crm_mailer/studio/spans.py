"""Filters of the pages of cases and reports: what is left, what is too late, money, figures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from crm_mailer.cli.spans import span_in_words
from crm_mailer.i18n import _, say
from crm_mailer.model.money import Money
from crm_mailer.model.sentence import Sentence
from crm_mailer.studio.formats import word
from crm_mailer.studio.report_charts import chart


def left(value: timedelta | None) -> str:
    """`in 3 h 20 min`, `2 d overdue`, or a dash where nothing is owed."""
    if value is None:
        return "–"
    span = span_in_words(abs(value))
    told = _("{span} overdue") if value < timedelta(0) else _("in {span}")
    return told.format(span=span)


def heard(value: str) -> str:
    """A composed sentence, or a code or words of ours, in the reader's language."""
    return say(value) if isinstance(value, Sentence) else word(value)


def span(value: timedelta) -> str:
    """`3 h 20 min`."""
    return span_in_words(abs(value))


def money(value: Money | None) -> str:
    """`1,234.50 USD`; nothing for nothing."""
    return f"{value.amount:,} {value.currency}" if value else ""


def size(value: int) -> str:
    """Bytes as people read them."""
    if value < 1_000:
        return _("{number} bytes").format(number=value)
    if value < 1_000_000:
        return _("{number} kB").format(number=round(value / 1_000))
    return _("{number} MB").format(number=round(value / 1_000_000, 1))


def cell(value: object, kind: str) -> str:
    """A figure of a report by what its column holds; other values as they are."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        forms = {"count": ",.0f", "share": ".1%", "decimal": ",.2f", "money": ",.2f"}
        return format(value, forms.get(kind, ""))
    return str(value)


FILTERS: dict[str, Callable[..., str]] = {
    "left": left,
    "span": span,
    "money": money,
    "size": size,
    "heard": heard,
    "report_chart": chart,
    "cell": cell,
}
