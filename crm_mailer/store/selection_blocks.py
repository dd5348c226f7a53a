"""What a rule's blocks are in SQL: paid orders, mails that passed, lists of addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.curve import Signal
from crm_mailer.model.reply import ReplyKind
from crm_mailer.model.segment import Compare
from crm_mailer.model.segment_blocks import (
    ONCE,
    Bounds,
    Contact,
    Listed,
    Move,
    Passage,
    Purchase,
    window,
)
from crm_mailer.model.touch import TouchState
from crm_mailer.store import tables as t
from crm_mailer.store.look import Look
from crm_mailer.store.selection_values import Condition, is_among, place_of

_A_DAY = timedelta(days=1)


def bought(rule: Compare, look: Look) -> Condition:
    """Who has paid orders that fit: one, or so many (pieces, dollars) as the block says."""
    wanted: Purchase = rule.value
    order, item = t.orders.c, t.order_items.c
    lines = t.orders.join(t.order_items, item.order_id == order.id)
    is_at_once = look.is_of_all and wanted.names_goods
    goods = _goods(wanted, is_by_index=is_at_once)
    money = _share_of_order() if goods else order.net_usd_cents
    with_lines = lines if goods else t.orders
    asked: list[tuple[sa.ColumnElement[int], sa.FromClause, Bounds | None]] = [
        (sa.func.count(order.id.distinct()), with_lines, wanted.orders),
        (sa.func.coalesce(sa.func.sum(item.quantity), 0), lines, wanted.pieces),
        (sa.func.coalesce(sa.func.sum(money), 0), with_lines, wanted.spent_usd_cents),
    ]
    figures = [(figure, source, bounds) for figure, source, bounds in asked if bounds is not None]
    tests = [order.is_counted, *_in_window(order.placed_at, wanted, look), *goods]
    if is_at_once:
        return _buyers(tests, lines, [(figure, bounds) for figure, _source, bounds in figures])
    own = [order.customer_id == t.customers.c.id, *tests]
    if figures:
        return sa.and_(
            *(_holds(_figure(figure, source, own), bounds) for figure, source, bounds in figures)
        )
    return sa.exists().select_from(with_lines).where(*own)


def _goods(wanted: Purchase, *, is_by_index: bool) -> list[Condition]:
    """Tests of a line. One customer's lines are found by their orders: the index of products
    would lead an engine without statistics through all that was sold of one.
    """
    item = t.order_items.c
    tests: list[Condition] = []
    if wanted.sku:
        sku = item.sku if is_by_index else sa.func.coalesce(item.sku, "")
        tests.append(sku == wanted.sku)
    if wanted.category:
        tests.append(item.category == wanted.category)
    if wanted.title:
        tests.append(place_of(item.title, sa.literal(wanted.title)) > 0)
    return tests


def _share_of_order() -> sa.ColumnElement[int]:
    """What a line brought, net: whole cents, rounded down on each engine and in the pure rule."""
    order, item = t.orders.c, t.order_items.c
    share = order.net_usd_cents * item.price_minor * item.quantity
    return sa.case((order.amount_minor > 0, share.op("/")(order.amount_minor)), else_=0)


def _buyers(
    tests: Sequence[Condition],
    source: sa.FromClause,
    figures: Sequence[tuple[sa.ColumnElement[int], Bounds]],
) -> Condition:
    """Buyers of goods, found all at once: many times quicker than customer by customer."""
    buyer = t.orders.c.customer_id
    customer = t.customers.c.id
    all_ = sa.select(buyer).select_from(source).where(buyer.is_not(None), *tests)
    if not figures:
        return customer.in_(all_)
    fitting = all_.group_by(buyer).having(
        sa.and_(*(_holds(figure, bounds) for figure, bounds in figures))
    )
    if all(bounds.holds(0) for _figure, bounds in figures):
        return sa.or_(customer.in_(fitting), customer.not_in(all_))
    return customer.in_(fitting)


def mailed(rule: Compare, look: Look) -> Condition:
    """Whom we wrote to, by mails that a server took."""
    wanted: Contact = rule.value
    touch = t.touches.c
    tests = [
        touch.customer_id == t.customers.c.id,
        touch.state == TouchState.ACCEPTED.value,
        *_in_window(touch.settled_at, wanted, look),
    ]
    if wanted.campaign:
        tests.append(touch.campaign == wanted.campaign)
    return _times(t.touches, tests, wanted)


def clicked(rule: Compare, look: Look) -> Condition:
    """Who followed a link in a mail of ours; each mail counts once."""
    return _seen(rule, look, Signal.CLICK)


def opened(rule: Compare, look: Look) -> Condition:
    """Who opened a mail of ours, by a person's hand; each mail counts once."""
    return _seen(rule, look, Signal.HUMAN_OPEN)


def _seen(rule: Compare, look: Look, kind: Signal) -> Condition:
    wanted: Contact = rule.value
    signal, touch = t.signals.c, t.touches.c
    source: sa.FromClause = t.signals
    tests = [
        signal.customer_id == t.customers.c.id,
        signal.kind == kind.value,
        *_in_window(signal.at, wanted, look),
    ]
    if wanted.campaign:
        source = t.signals.join(t.touches, touch.id == signal.touch_id)
        tests.append(touch.campaign == wanted.campaign)
    return _times(source, tests, wanted)


def replied(rule: Compare, look: Look) -> Condition:
    """Who wrote to us, or answered a campaign."""
    wanted: Contact = rule.value
    reply, touch = t.replies.c, t.touches.c
    source: sa.FromClause = t.replies
    tests = [
        reply.customer_id == t.customers.c.id,
        reply.kind == ReplyKind.HUMAN.value,
        ~reply.is_copy,
        *_in_window(reply.received_at, wanted, look),
    ]
    if wanted.intent:
        tests.append(reply.intent == wanted.intent)
    if wanted.campaign:
        source = t.replies.join(t.touches, touch.id == reply.touch_id)
        tests.append(touch.campaign == wanted.campaign)
    return _times(source, tests, wanted)


def _times(source: sa.FromClause, tests: Sequence[Condition], wanted: Contact) -> Condition:
    if wanted.times == ONCE:
        return sa.exists().select_from(source).where(*tests)
    return _holds(_figure(sa.func.count(), source, tests), wanted.times)


def _in_window(
    column: sa.ColumnElement[Any], block: Purchase | Contact | Passage, look: Look
) -> list[Condition]:
    first, last = window(block, look.today)
    tests: list[Condition] = []
    if first is not None:
        tests.append(column >= look.begin_of(first))
    if last is not None:
        tests.append(column < look.begin_of(last + _A_DAY))
    return tests


def _figure(
    figure: sa.ColumnElement[int], source: sa.FromClause, tests: Sequence[Condition]
) -> sa.ScalarSelect[Any]:
    query = sa.select(figure).select_from(source).where(*tests)
    return query.correlate(t.customers).scalar_subquery()


def _holds(figure: sa.ColumnElement[int], bounds: Bounds) -> Condition:
    if bounds.most is None:
        return figure >= bounds.least
    if bounds.least == bounds.most:
        return figure == bounds.least
    return figure.between(bounds.least, bounds.most)


def rose(rule: Compare, look: Look) -> Condition:
    """Whose mark is higher than it was."""
    wanted: Move = rule.value
    return sa.func.coalesce(_mark(wanted) - _mark_then(wanted, look), 0) >= wanted.by


def fell(rule: Compare, look: Look) -> Condition:
    """Whose mark is lower than it was."""
    wanted: Move = rule.value
    return sa.func.coalesce(_mark_then(wanted, look) - _mark(wanted), 0) >= wanted.by


def _mark(wanted: Move) -> sa.ColumnElement[int]:
    return t.scores.c[wanted.mark]


def _mark_then(wanted: Move, look: Look) -> sa.ScalarSelect[Any]:
    """The mark when those days began: what the first change since then changed."""
    change = t.score_changes.c
    query = (
        sa.select(change[f"{wanted.mark}_before"])
        .where(
            change.customer_id == t.customers.c.id, change.at >= look.midnight(wanted.within_days)
        )
        .order_by(change.at, change.id)
        .limit(1)
    )
    return query.correlate(t.customers).scalar_subquery()


def entered(rule: Compare, look: Look) -> Condition:
    """Who came into the segment on one of the days, whether still in it or not."""
    return _passed(t.memberships.c.since, rule.value, look)


def left(rule: Compare, look: Look) -> Condition:
    """Who left the segment on one of the days, whether back in it or not."""
    return _passed(t.memberships.c.until, rule.value, look)


def _passed(at: sa.ColumnElement[Any], wanted: Passage, look: Look) -> Condition:
    stay = t.memberships.c
    return sa.exists().where(
        stay.customer_id == t.customers.c.id,
        stay.segment == wanted.segment,
        at.is_not(None),
        *_in_window(at, wanted, look),
    )


# ------------------------------------------------------------------ lists


def listed(rule: Compare, _look: Look) -> Condition:
    """Whose address or number stands on the list."""
    wanted: Listed = rule.value
    customer = t.customers.c
    key = sa.func.coalesce(customer.email_key, "")
    number = sa.cast(customer.id, sa.Text)
    tests = [
        is_among(column, sorted(values))
        for column, values in (
            (key, wanted.addresses),
            (number, [str(one) for one in wanted.numbers]),
        )
        if values
    ]
    return sa.or_(sa.false(), *tests)


BLOCKS: dict[str, Callable[[Compare, Look], Condition]] = {
    "bought": bought,
    "mailed": mailed,
    "replied": replied,
    "clicked": clicked,
    "opened": opened,
    "rose": rose,
    "fell": fell,
    "entered": entered,
    "left": left,
    "list": listed,
}
