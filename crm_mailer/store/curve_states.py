"""Courses of adaptive curves: begun, heard, judged and moved on, each in one statement for all.

The rules are those of `model.curve`, written as SQL: a campaign may have a million courses. The
pure functions are the oracle in tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign
from crm_mailer.model.curve import GAINS, MISSES, RETRY, Adaptive, Ending, Signal
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import facts, reopening
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Instant
from crm_mailer.store.touches import UNSENT

Condition = sa.ColumnElement[bool]
Value = sa.ColumnElement[Any]

SECONDS = 86_400.0
#: `todo` of a course: nothing; what is known of it changed; its next touch is to be planned; the
#: one that was planned is not wanted any more.
RESTS, TO_JUDGE, TO_PLAN, TO_END = 0, 1, 2, 3
#: A touch that did not leave for such a reason ends its course; for another, the next step comes.
FINAL = frozenset(
    {
        SkipReason.UNSUBSCRIBED,
        SkipReason.HARD_BOUNCE,
        SkipReason.SPAM_REPORT,
        SkipReason.SUPPRESSED,
        SkipReason.RELAY_ADDRESS,
        SkipReason.NO_CONSENT,
        SkipReason.TOPIC,
        SkipReason.FLAGGED,
        SkipReason.EXITED,
        SkipReason.NEW_ANCHOR,
        SkipReason.NOT_IN_AUDIENCE,
        SkipReason.CANCELLED,
    }
)
#: What was learnt so long before the last hearing is heard again: imports bear the time they began.
OVERLAP = timedelta(hours=1)
#: How the facts are named that say when a campaign was last heard.
_HEARD = "heard:"
#: Bounces are dated by the receiving server: we may learn of them so much later.
LATE_BOUNCE = timedelta(days=3)
#: Touches that left, as far as can be known.
LEFT = (TouchState.ACCEPTED, TouchState.IN_DOUBT)

_course, _touch = t.curve_states.c, t.touches.c
_own = sa.and_(
    _touch.campaign == _course.campaign,
    _touch.step == _course.step,
    _touch.anchor == _course.anchor,
    _touch.customer_id == _course.customer_id,
)
#: The conditions of the partial indexes, word for word: engines do not work them out.
IS_OPEN = _course.ended == sa.literal_column("''")
HAS_TODO = _course.todo > sa.literal_column("0")
_left_at = sa.func.coalesce(_touch.settled_at, _touch.due_at)


def begin(connection: sa.Connection, campaign: Campaign, adaptive: Adaptive) -> None:
    """A course for each first touch that was planned and has none.

    A customer's half-life is kept from earlier courses of the campaign, and from any that ended
    with a purchase: memory does not begin anew with each order.
    """
    first = campaign.steps[0].id
    half_life = sa.func.coalesce(kept(campaign, _touch.customer_id), 0.0)
    start = sa.case(
        (half_life > adaptive.first_half_life, half_life), else_=_real(adaptive.first_half_life)
    )
    known = t.curve_states.alias("known").c
    has_one = sa.exists().where(
        known.customer_id == _touch.customer_id,
        known.campaign == _touch.campaign,
        known.anchor == _touch.anchor,
    )
    found = sa.select(
        _touch.customer_id,
        _touch.campaign,
        _touch.anchor,
        _touch.order_id,
        _touch.anchored_at,
        retention(adaptive, _touch.customer_id),
        start,
        start,
        start,
        _touch.anchored_at,
        _touch.step,
        _touch.due_at,
        _touch.due_at,
    ).where(
        _touch.campaign == campaign.id,
        _touch.state.in_((*UNSENT, TouchState.CLAIMED)),
        _touch.step == first,
        ~has_one,
    )
    columns = (
        "customer_id campaign anchor order_id anchored_at retention "
        "first_half_life half_life next_half_life "
        "last_at step due_at wanted_at"
    ).split()
    connection.execute(sa.insert(t.curve_states).from_select(columns, found))


def kept(campaign: Campaign, customer_id: Value) -> Any:
    """The half-life that the customer brings along; NULL where nothing is known yet."""
    past = t.curve_states.alias("past").c
    return (
        sa.select(sa.func.max(past.next_half_life))
        .where(
            past.customer_id == customer_id,
            sa.or_(past.campaign == campaign.id, past.ended == Ending.CONVERTED),
        )
        .scalar_subquery()
    )


def retention(adaptive: Adaptive, customer_id: Value) -> Value:
    """The recall at which customers of this one's class of value are written to again."""
    value_class = (
        sa.select(t.scores.c.value_class)
        .where(t.scores.c.customer_id == customer_id)
        .scalar_subquery()
    )
    by_class = {one.value: aim for one, aim in adaptive.retention_by_value.items()}
    if not by_class:
        return _real(adaptive.retention)
    whens = {name: _real(aim) for name, aim in by_class.items()}
    return sa.case(whens, value=value_class, else_=_real(adaptive.retention))


# ------------------------------------------------------------------ hearing


def hear(
    connection: sa.Connection, campaign: Campaign, *, since: datetime | None, now: datetime
) -> int:
    """Note the strongest signal that each course has had since its last touch. How many changed.

    A course that is paused or done still listens until its next touch would have been due; one
    whose next touch has left already, until then.

    Args:
        connection: in a write transaction.
        campaign: whose courses.
        since: only customers of whom something was learnt since then; None: all.
        now: the clock; what is dated later is not believed yet.
    """
    until = sa.case(
        (_course.ended == "", sa.func.coalesce(_left_at, _instant(now))),
        else_=_course.listens_until,
    )
    is_listening = sa.or_(
        _course.ended == "",
        sa.and_(
            _course.ended.in_((Ending.PAUSED, Ending.DONE)),
            _course.listens_until > (since or datetime.fromtimestamp(0, now.tzinfo)),
        ),
    )
    gone = t.curve_states.outerjoin(t.touches, sa.and_(_own, _touch.state.in_(LEFT)))
    strongest = _strongest(until, now).label("heard")
    query = (
        sa.select(_course.customer_id, _course.campaign, _course.anchor, strongest)
        .select_from(gone)
        .where(_course.campaign == campaign.id, is_listening)
    )
    if since is not None:
        query = query.where(_course.customer_id.in_(_in_the_news(since)))
    found = query.subquery("found")
    statement = (
        sa.update(t.curve_states)
        .values(signal=found.c.heard, todo=TO_JUDGE)
        .where(
            _course.customer_id == found.c.customer_id,
            _course.campaign == found.c.campaign,
            _course.anchor == found.c.anchor,
            _course.signal != found.c.heard,
        )
    )
    return connection.execute(statement).rowcount


def last_hearing(connection: sa.Connection, campaign: Campaign) -> datetime | None:
    """When the campaign's customers were last heard; None: never."""
    heard = facts.find(connection, _HEARD + campaign.id)
    return None if heard is None else datetime.fromtimestamp(heard, UTC)


def note_hearing(connection: sa.Connection, campaign: Campaign, now: datetime) -> None:
    """All that is known now was heard."""
    facts.put(connection, _HEARD + campaign.id, int(now.timestamp()), now)


def has_work(
    connection: sa.Connection, campaign: Campaign, *, since: datetime | None, now: datetime
) -> bool:
    """Whether anything is to be done for the campaign's courses: a quick question, nothing is
    written. `since` None: nobody was ever heard.
    """
    if since is None:
        return True
    of_campaign = _course.campaign == campaign.id
    is_there = sa.or_(
        sa.exists().where(of_campaign, HAS_TODO),
        sa.exists().where(of_campaign, IS_OPEN, _course.due_at <= now),
        sa.exists(_in_the_news(since).subquery().select()),
    )
    return bool(connection.scalar(sa.select(is_there)))


def _in_the_news(since: datetime) -> Any:
    """Customers of whom something was learnt."""
    reply, order = t.replies.c, t.orders.c
    bounced = sa.select(_touch.customer_id).join(t.bounces, t.bounces.c.touch_id == _touch.id)
    return sa.union(
        sa.select(t.signals.c.customer_id).where(t.signals.c.learnt_at >= since),
        sa.select(reply.customer_id).where(reply.received_at >= since),
        sa.select(reply.customer_id).where(reply.learnt_at >= since),
        sa.select(order.customer_id).where(order.changed_at >= since),
        bounced.where(t.bounces.c.kind == "soft", t.bounces.c.at >= since - LATE_BOUNCE),
    )


def _strongest(until: Value, now: datetime) -> Value:
    """The strongest signal after the course's last touch; a purchase after the anchor."""
    reply, order = t.replies.alias("heard_reply").c, t.orders.alias("heard_order").c
    wrote = sa.exists().where(
        reply.customer_id == _course.customer_id,
        reply.kind == "human",
        reply.is_copy.is_(sa.false()),
        reply.received_at > _course.last_at,
        reply.received_at <= until,
    )
    bought = sa.exists().where(
        order.customer_id == _course.customer_id,
        order.is_counted,
        order.placed_at > _course.anchored_at,
        order.placed_at <= until,
        sa.or_(_course.order_id.is_(None), order.id != _course.order_id),
    )
    return sa.case(
        (wrote.where(reply.intent == "complaint"), Signal.STOP.value),
        (bought, Signal.PURCHASE.value),
        (wrote, Signal.REPLY.value),
        *((_seen(kind, until), kind.value) for kind in (Signal.CLICK, Signal.HUMAN_OPEN)),
        (_seen(Signal.MACHINE_OPEN, until), Signal.MACHINE_OPEN.value),
        (_came_back(now), Signal.BOUNCED.value),
        else_="",
    )


def _seen(kind: Signal, until: Value) -> Condition:
    """Whether a mail of the course was clicked or opened."""
    signal, mail = t.signals.alias(f"seen_{kind}").c, t.touches.alias(f"mail_{kind}").c
    return sa.exists().where(
        signal.customer_id == _course.customer_id,
        signal.at > _course.last_at,
        signal.at <= until,
        signal.kind == kind.value,
        mail.id == signal.touch_id,
        mail.campaign == _course.campaign,
        mail.anchor == _course.anchor,
    )


def _came_back(now: datetime) -> Condition:
    """Whether the course's last touch was given back by a mailbox that could not take it then."""
    bounce, mail = t.bounces.alias("came_back").c, t.touches.alias("mail_back").c
    return sa.exists().where(
        mail.customer_id == _course.customer_id,
        mail.campaign == _course.campaign,
        mail.anchor == _course.anchor,
        mail.place == _course.place,
        bounce.touch_id == mail.id,
        bounce.kind == "soft",
        bounce.at <= now,
    )


# ------------------------------------------------------------------ judging


def judge(
    connection: sa.Connection, campaign: Campaign, adaptive: Adaptive, *, now: datetime
) -> int:
    """Work out the memory, the next time and the end of courses of which something changed.

    What a course that had paused was not to get can be planned again if it wakes up.
    """
    changed = sa.and_(_course.campaign == campaign.id, HAS_TODO, _course.todo == TO_JUDGE)
    memory = sa.update(t.curve_states).values(
        next_half_life=next_half_life(adaptive), next_misses=next_misses()
    )
    connection.execute(memory.where(changed))
    wanted = _course.last_at + _whole(wait(adaptive) * SECONDS)
    ended = _ending(adaptive, len(campaign.steps))
    is_open = ended == ""
    woken = _list_silent(connection, sa.and_(changed, _course.ended == Ending.PAUSED, is_open))
    reopening.make_room(connection, woken)
    judged = sa.update(t.curve_states).values(
        wanted_at=wanted,
        listens_until=wanted,
        ended=ended,
        why=sa.case((is_open, ""), else_=_course.signal),
        ended_at=sa.case((is_open, None), else_=sa.func.coalesce(_course.ended_at, _instant(now))),
        todo=sa.case(
            (is_open, TO_PLAN),
            # who is done has had all that was to come
            (sa.and_(ended == Ending.DONE, _course.step == ""), RESTS),
            else_=TO_END,
        ),
    )
    return connection.execute(judged.where(changed)).rowcount


def _list_silent(connection: sa.Connection, condition: Condition) -> Sequence[int]:
    """The touches that say of these courses that they have paused."""
    query = (
        sa.select(_touch.id)
        .join(t.curve_states, _touch.customer_id == _course.customer_id)
        .where(
            condition,
            (_touch.campaign + "") == _course.campaign,  # see `of_campaign`
            _touch.anchor == _course.anchor,
            _touch.state == TouchState.SKIPPED,
            _touch.reason == SkipReason.SILENT,
        )
    )
    return connection.scalars(query).all()


def next_half_life(adaptive: Adaptive) -> Value:
    """`model.curve.heard` for the half-life."""
    k = 2 ** (1 / adaptive.decay) - 1
    left = sa.func.power(1.0 + k * _course.elapsed / _course.half_life, -adaptive.decay)
    gain = sa.case(
        {signal.value: _real(gain) for signal, gain in GAINS.items()},
        value=_course.signal,
        else_=_real(0.0),
    )
    longer = _course.half_life * (1.0 + 2.0 * gain * (1.0 - left))
    capped = _least(longer, _real(adaptive.longest_half_life))
    return sa.case(
        (_course.touches == 0, _course.half_life), else_=_most(_course.half_life, capped)
    )


def next_misses() -> Value:
    """`model.curve.heard` for the misses."""
    silent, machine = MISSES[Signal.NOTHING], MISSES[Signal.MACHINE_OPEN]
    return sa.case(
        (_course.touches == 0, _course.misses),
        (_course.signal.in_(("", Signal.NOTHING)), _course.misses + silent),
        (_course.signal == Signal.MACHINE_OPEN, _course.misses + machine),
        (_course.signal.in_((Signal.BOUNCED, Signal.STOP)), _course.misses),
        else_=_real(0.0),
    )


def wait(adaptive: Adaptive) -> Value:
    """`model.curve.wait` in days, of courses whose memory is up to date."""
    k = 2 ** (1 / adaptive.decay) - 1
    stretch = (sa.func.power(_course.retention, -1 / adaptive.decay) - 1.0) / k
    days = _course.next_half_life * stretch * sa.func.power(adaptive.backoff, _course.next_misses)
    within = _least(_most(days, _real(adaptive.shortest)), _real(adaptive.longest))
    return sa.case((_course.signal == Signal.BOUNCED, _real(RETRY)), else_=within)


def _ending(adaptive: Adaptive, steps: int) -> Value:
    """`model.curve.ending`; a course is done as well when the campaign has no further step."""
    return sa.case(
        (_course.signal == Signal.STOP, Ending.STOPPED.value),
        (_course.signal == Signal.PURCHASE, Ending.CONVERTED.value),
        (
            sa.and_(_course.touches > 0, _course.next_misses >= adaptive.misses),
            Ending.PAUSED.value,
        ),
        (_course.touches - _bounced() >= adaptive.touches, Ending.DONE.value),
        (_course.place >= steps, Ending.DONE.value),
        else_="",
    )


# ------------------------------------------------------------------ moving on


def move_on(
    connection: sa.Connection, campaign: Campaign, adaptive: Adaptive, *, now: datetime
) -> int:
    """Count touches that have left since; see about those that never will. How many left."""
    is_due = sa.and_(_course.campaign == campaign.id, IS_OPEN, _course.due_at <= now, _own)
    since = (_left_at - _course.last_at) / SECONDS
    left = sa.update(t.curve_states).values(
        half_life=_course.next_half_life,
        misses=_course.next_misses,
        touches=_course.touches - _bounced() + 1,
        elapsed=since + _course.elapsed * _bounced(),
        last_at=_left_at,
        place=_touch.place,
        signal="",
        step="",
        due_at=None,
        retention=retention(adaptive, _course.customer_id),
        todo=TO_JUDGE,
    )
    moved = connection.execute(left.where(is_due, _touch.state.in_(LEFT))).rowcount
    final = sa.update(t.curve_states).values(
        ended=Ending.STOPPED, why=_touch.reason, ended_at=now, due_at=None, todo=RESTS
    )
    skipped = _touch.state == TouchState.SKIPPED
    connection.execute(final.where(is_due, skipped, _touch.reason.in_(sorted(FINAL))))
    missed = sa.update(t.curve_states).values(
        place=_touch.place,
        step="",
        due_at=None,
        wanted_at=_touch.due_at + int(RETRY * SECONDS),
        todo=TO_PLAN,
    )
    never = _touch.state.in_((TouchState.EXPIRED, TouchState.REFUSED, TouchState.SKIPPED))
    connection.execute(missed.where(is_due, never))
    return moved


def merge(connection: sa.Connection, loser: int, winner: int) -> None:
    """The courses of a customer who turned out to be another: that one's own stay."""
    own = t.curve_states.alias("own").c
    has_one = sa.exists().where(
        own.customer_id == winner, own.campaign == _course.campaign, own.anchor == _course.anchor
    )
    mine = _course.customer_id == loser
    connection.execute(sa.delete(t.curve_states).where(mine, has_one))
    connection.execute(sa.update(t.curve_states).where(mine).values(customer_id=winner))
    seen = sa.update(t.signals).where(t.signals.c.customer_id == loser)
    connection.execute(seen.values(customer_id=winner))


# ------------------------------------------------------------------ words of SQL


def _real(value: float) -> Value:
    return sa.literal(float(value), sa.Float)


def _instant(value: datetime) -> Value:
    return sa.literal(value, Instant)


def _bounced() -> Value:
    return sa.case((_course.signal == Signal.BOUNCED, 1), else_=0)


def _least(one: Value, other: Value) -> Value:
    return sa.case((one < other, one), else_=other)


def _most(one: Value, other: Value) -> Value:
    return sa.case((one > other, one), else_=other)


def _whole(value: Value) -> Value:
    """The nearest whole number, alike on both engines."""
    return sa.cast(sa.func.floor(value + 0.5), sa.BigInteger)
