"""Whether what a rule's blocks ask happened: goods bought, mails, segments passed, lists."""

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
    Passage,
    Purchase,
    day_of,
    window,
)
from crm_mailer.model.segment_fields import FIELDS, FieldType
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.segmenting.facts import Bought, Facts, Passed
from crm_mailer.segmenting.rfm import days_ago


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
        case Passage():
            return any(
                _is_within(wanted, day, facts.today) for day in _passages(rule.field, wanted, facts)
            )
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


def in_words(block: Purchase | Contact | Move | Passage | Listed) -> Sentence:
    """A block in words."""
    match block:
        case Move():
            days = Sentence("within {days} days", days=block.within_days)
            by = Sentence("by {by} or more", by=block.by) if block.by > 1 else ""
            return Sentences(block.mark, days, by)
        case Listed():
            entries = len(block.addresses) + len(block.numbers)
            return Sentence("{file} ({entries} entries)", file=block.file, entries=entries)
        case Passage():
            return Sentences(block.segment, *_days(block))
        case Purchase():
            words = [
                Sentence("sku {value}", value=block.sku) if block.sku else "",
                Sentence("category {value}", value=block.category) if block.category else "",
                Sentence("title with {value}", value=block.title) if block.title else "",
            ]
            counts = _counts_of(block)
        case Contact():
            words = [
                Sentence("by campaign {value}", value=block.campaign) if block.campaign else "",
                Sentence("about {value}", value=Sentence(block.intent)) if block.intent else "",
            ]
            counts = [] if block.times == ONCE else [_many(block.times, "times")]
    return Sentences(*words, *_days(block), *counts) or Sentence("anything")


def known_words(rule: Compare, facts: Facts) -> str:
    """What is known of the customer that a block asks for."""
    match rule.value:
        case Purchase():
            orders, lines = len(facts.paid), len(facts.purchases)
            return Sentence(
                "{orders} paid orders in all, with {lines} lines", orders=orders, lines=lines
            )
        case Contact():
            mails = [one.on for one in facts.passed[rule.field] if one.on is not None]
            if not mails:
                return Sentence("no mail")
            number, last = len(mails), max(mails)
            return Sentence("{number} mails in all, the last on {day}", number=number, day=last)
        case Move():
            risen = _risen(rule.value, facts)
            if not risen:
                return Sentence("it did not move")
            return Sentence("{mark} moved by {by}", mark=rule.value.mark, by=f"{risen:+d}")
        case Passage():
            days = _passages(rule.field, rule.value, facts)
            return Sentence("the last time on {day}", day=max(days)) if days else Sentence("never")
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


def _passages(field: str, wanted: Passage, facts: Facts) -> list[date]:
    """The days on which the customer came into the segment, or left it."""
    days = [(first, last) for segment, first, last in facts.stays if segment == wanted.segment]
    if field == "entered":
        return [first for first, _last in days]
    return [last for _first, last in days if last is not None]


def _is_within(block: Purchase | Contact | Passage, day: date | None, today: date) -> bool:
    first, last = window(block, today)
    if day is None:
        return first is None and last is None
    return (first is None or first <= day) and (last is None or day <= last)


def _counts_of(block: Purchase) -> list[Sentence]:
    counts = [(block.orders, "orders"), (block.pieces, "pieces")]
    words = [_many(bounds, name) for bounds, name in counts if bounds is not None]
    if block.spent_usd_cents is not None:
        words.append(_many(block.spent_usd_cents, "USD", cents=100))
    return words


def _many(bounds: Bounds, name: str, *, cents: int = 1) -> Sentence:
    what = Sentence(name)
    least, most = f"{bounds.least / cents:g}", f"{(bounds.most or 0) / cents:g}"
    if bounds.most is None:
        return Sentence("at least {least} {what}", least=least, what=what)
    if bounds.least == bounds.most:
        return Sentence("{number} {what}", number=least, what=what)
    if not bounds.least:
        return Sentence("at most {most} {what}", most=most, what=what)
    return Sentence("{least} to {most} {what}", least=least, most=most, what=what)


def _days(block: Purchase | Contact | Passage) -> Iterator[Sentence]:
    if block.within_days is not None:
        days = block.within_days
        yield Sentence("within {days} days", days=days) if days != 1 else Sentence("within a day")
    if block.since is not None:
        yield Sentence("since {day}", day=day_words(block.since))
    if block.until is not None:
        yield Sentence("until {day}", day=day_words(block.until))


def day_words(day: Day) -> str:
    """A day as people say it."""
    return days_ago(day) if isinstance(day, int) else day.isoformat()
