"""Whether what a rule's blocks ask happened: goods bought, mails that passed, being on a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from crm_mailer.model.segment import Compare
from crm_mailer.model.segment_blocks import (
    ONCE,
    Bounds,
    Contact,
    Day,
    Listed,
    Move,
    Purchase,
    day_of,
    window,
)
from crm_mailer.model.segment_fields import FIELDS, FieldType
from crm_mailer.segmenting.facts import Bought, Facts, Passed


def happened(rule: Compare, facts: Facts) -> bool:
    """Whether the block of `rule` holds."""
    wanted = rule.value
    match wanted:
        case Purchase():
            return _is_bought(wanted, facts)
        case Contact():
            return wanted.times.holds(len(list(_contacts(wanted, facts.passed[rule.field], facts))))
        case Move():
            risen = _risen(wanted, facts)
            return (risen if rule.field == "rose" else -risen) >= wanted.by
        case Listed():
            return facts.address in wanted.addresses or facts.number in wanted.numbers
        case _:
            raise TypeError(f"{rule.field} has no block")


def on_day(rule: Compare, today: date) -> Compare:
    """A comparison of days with the days of the calendar that it means on `today`."""
    if FIELDS[rule.field].type is not FieldType.DATE or isinstance(rule.value, bool):
        return rule
    wanted = rule.value
    if isinstance(wanted, tuple):
        return Compare(rule.field, rule.op, tuple(day_of(day, today) for day in wanted))
    return Compare(rule.field, rule.op, day_of(wanted, today))


def in_words(block: Purchase | Contact | Move | Listed) -> str:
    """A block in words."""
    match block:
        case Move():
            by = f" by {block.by} or more" if block.by > 1 else ""
            return f"{block.mark} within {block.within_days} days{by}"
        case Listed():
            return f"{block.file} ({len(block.addresses) + len(block.numbers)} entries)"
        case Purchase():
            named = (("sku", block.sku), ("category", block.category), ("title with", block.title))
            counts = _counts_of(block)
        case Contact():
            named = (("by campaign", block.campaign), ("about", block.intent), ("", ""))
            counts = [] if block.times == ONCE else [_many(block.times, "times")]
    words = [f"{name} {value}" for name, value in named if value]
    return " ".join((*words, *_days(block), *counts)).strip() or "anything"


def known_words(rule: Compare, facts: Facts) -> str:
    """What is known of the customer that a block asks for."""
    match rule.value:
        case Purchase():
            return f"{len(facts.paid)} paid orders, {len(facts.purchases)} lines"
        case Contact():
            mails = [one.on for one in facts.passed[rule.field] if one.on is not None]
            return f"{len(mails)} mails, the last on {max(mails)}" if mails else "no mail"
        case Move():
            risen = _risen(rule.value, facts)
            return f"{rule.value.mark} moved by {risen:+d}" if risen else "it did not move"
        case _:
            return facts.address


def _risen(wanted: Move, facts: Facts) -> int:
    """By how much the mark is higher than before the first change of those days; 0 if unknown."""
    start = day_of(wanted.within_days, facts.today)
    now = facts.values["rfm_total" if wanted.mark == "total" else wanted.mark]
    then = next((marks[wanted.mark] for day, marks in facts.moves if day >= start), None)
    return 0 if now is None or then is None else now - then


def _is_bought(wanted: Purchase, facts: Facts) -> bool:
    lines = [line for line in facts.purchases if _fits(wanted, line, facts.today)]
    orders = [one for one in facts.paid if _is_within(wanted, one.placed_on, facts.today)]
    asks_lines = wanted.names_goods or wanted.pieces is not None
    found = {line.order_id for line in lines} if asks_lines else {one.order_id for one in orders}
    money = [line.usd_cents for line in lines] if wanted.names_goods else [
        one.usd_cents for one in orders
    ]  # fmt: skip
    bounds = (
        (wanted.orders, len(found)),
        (wanted.pieces, sum(line.quantity for line in lines)),
        (wanted.spent_usd_cents, sum(money)),
    )
    asked = [(bound, number) for bound, number in bounds if bound is not None]
    if not asked:
        return bool(found)
    return all(bound.holds(number) for bound, number in asked)


def _fits(wanted: Purchase, line: Bought, today: date) -> bool:
    return (
        wanted.sku in ("", line.sku)
        and wanted.category in ("", line.category)
        and wanted.title in line.title
        and _is_within(wanted, line.placed_on, today)
    )


def _contacts(wanted: Contact, mails: Iterable[Passed], facts: Facts) -> Iterator[Passed]:
    for mail in mails:
        fits = wanted.campaign in ("", mail.campaign) and wanted.intent in ("", mail.intent)
        if fits and _is_within(wanted, mail.on, facts.today):
            yield mail


def _is_within(block: Purchase | Contact, day: date | None, today: date) -> bool:
    first, last = window(block, today)
    if day is None:
        return first is None and last is None
    return (first is None or first <= day) and (last is None or day <= last)


def _counts_of(block: Purchase) -> list[str]:
    counts = [(block.orders, "orders"), (block.pieces, "pieces")]
    words = [_many(bounds, name) for bounds, name in counts if bounds is not None]
    if block.spent_usd_cents is not None:
        words.append(_many(block.spent_usd_cents, "USD", cents=100))
    return words


def _many(bounds: Bounds, name: str, *, cents: int = 1) -> str:
    least, most = bounds.least / cents, (bounds.most or 0) / cents
    if bounds.most is None:
        return f"at least {least:g} {name}"
    if bounds.least == bounds.most:
        return f"{least:g} {name}"
    return f"at most {most:g} {name}" if not bounds.least else f"{least:g} to {most:g} {name}"


def _days(block: Purchase | Contact) -> Iterator[str]:
    if block.within_days is not None:
        yield f"within {block.within_days} days"
    if block.since is not None:
        yield f"since {day_words(block.since)}"
    if block.until is not None:
        yield f"until {day_words(block.until)}"


def day_words(day: Day) -> str:
    """A day as people say it."""
    if isinstance(day, int):
        return {0: "today", 1: "yesterday"}.get(day, f"{day} days ago")
    return day.isoformat()
