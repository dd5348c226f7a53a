"""Load, decide, save: brings scores, attributes and memberships up to date.

Each part is a transaction of its own that may run twice, so a crash leaves nothing half done and
nobody waits long for the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import crm_mailer.segmenting.attributes as rules
from crm_mailer.model.birthday import LEAP_DAY_STAND_IN
from crm_mailer.model.score import DEFAULT_PROFILE, RfmProfile
from crm_mailer.model.segment import Segment
from crm_mailer.model.segment_order import digests, parts_first
from crm_mailer.model.zones import Overrides
from crm_mailer.segmenting.scoring import update_scores
from crm_mailer.segmenting.valuing import value_customers
from crm_mailer.store import attributes, bulk, memberships, scores, selection, tags
from crm_mailer.store.attributes import Address, Described
from crm_mailer.store.engine import Store
from crm_mailer.store.homes import of_all
from crm_mailer.store.selection import Look

BATCH = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentChange:
    """What became of one segment."""

    segment: str
    came_in: int
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReport:
    """What one run changed.

    `scored`: marks that are new or other; `rolled`: R that fell as days passed; `unscored`: no
    paid order is left; `described`: address kind or occupation; `classified`: shopping age,
    buying behaviour or personality; `valued`: chance to buy, value or churn; `closed`:
    memberships of segments that are no more.
    """

    scored: int
    rolled: int
    unscored: int
    described: int
    classified: int
    closed: int
    changes: tuple[SegmentChange, ...]
    #: Customers who grew into key customers, each a task; for whoever makes the tasks to fill in.
    grown: int = 0
    valued: int = 0


def segment(
    store: Store,
    segments: Sequence[Segment],
    *,
    zone: ZoneInfo,
    now: datetime,
    time_zones: Overrides = (),
    leap_day: tuple[int, int] = LEAP_DAY_STAND_IN,
    profile: RfmProfile = DEFAULT_PROFILE,
    is_complete: bool = True,
    is_valued: bool = False,
) -> SegmentReport:
    """Bring everything that is known about customers up to `now`.

    Args:
        store: the shop's database.
        segments: what the shop's files define.
        zone: where the shop counts its days.
        now: the present instant.
        time_zones: the shop's word on where customers' clocks hang, for birthdays.
        leap_day: when those born on 29 February celebrate in other years.
        profile: where the marks change.
        is_complete: `segments` are all there are; memberships of others end. Say False when a
            segment's file cannot be read.
        is_valued: also bring up to date what customers are likely to bring, once a day.

    Raises:
        Ring: segments speak of each other.
    """
    in_order = parts_first(segments)
    marked = update_scores(store, zone=zone, now=now, profile=profile)
    described = _describe(store, marked.since)
    classified = _classify(store, marked.since, has_new_scores=marked.is_new)
    valued = value_customers(store, zone=zone, now=now) if is_valued else 0
    look = Look(now=now, zone=zone, homes=of_all(store), time_zones=time_zones, leap_day=leap_day)
    changes = tuple(_members(store, one, look) for one in in_order)
    _note_rules(store, segments, now)
    closed = _close_others(store, segments, now) if is_complete else 0
    marked.stand(store, now)
    return SegmentReport(
        scored=marked.scored,
        rolled=marked.rolled,
        unscored=marked.unscored,
        described=described,
        classified=classified,
        valued=valued,
        closed=closed,
        changes=changes,
    )


def find_stale(store: Store, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Those whose members follow from an older rule, or were never worked out; parts first.

    Raises:
        Ring: segments speak of each other.
    """
    with store.read() as connection:
        stale = memberships.list_stale(connection, digests(segments))
    return tuple(one for one in parts_first(segments) if one.id in stale)


def catch_up(
    store: Store, segments: Sequence[Segment], stale: Sequence[Segment], look: Look
) -> tuple[SegmentChange, ...]:
    """Work out the members of segments whose rules were edited, before anybody is chosen by them.

    Args:
        store: the shop's database.
        segments: all that the shop's files define.
        stale: those of them that `find_stale` found.
        look: now, from the shop.
    """
    changes = tuple(_members(store, one, look) for one in stale)
    _note_rules(store, segments, look.now)
    return changes


def _note_rules(store: Store, segments: Sequence[Segment], now: datetime) -> None:
    """Once all members are saved: after a crash they are worked out again."""
    rules = digests(segments)
    with store.read() as connection:
        stale = memberships.list_stale(connection, rules)
    if stale:
        with store.write() as connection:
            memberships.note_worked_out(connection, {one: rules[one] for one in stale}, now)


def _describe(store: Store, since: datetime | None) -> int:
    """Conclude from addresses, a batch at a time; nothing is written where nothing changes."""
    done, after = 0, 0
    while True:
        with store.read() as connection:
            batch = attributes.list_addresses(connection, since=since, after=after, limit=BATCH)
        if not batch:
            return done
        after = batch[-1].id
        changes = _conclusions(batch)
        if changes:
            with store.write() as connection:
                done += attributes.describe(connection, changes)


def _conclusions(batch: Sequence[Address]) -> dict[Described, list[int]]:
    """Who is to be described otherwise, by how."""
    changes: dict[Described, list[int]] = {}
    for address in batch:
        described = rules.describe(address.email, address.street)
        if described != address.described:
            changes.setdefault(described, []).append(address.id)
    return changes


def _classify(store: Store, since: datetime | None, *, has_new_scores: bool) -> int:
    """Shopping age by orders, buying behaviour by marks and tags, personality by tags."""
    changed = scores.changed_since(since) if since else None
    with store.write() as connection:
        count = attributes.set_shopping_ages(connection, changed=changed)
        has_new_tags = tags.has_new(connection, since)
        if has_new_scores or has_new_tags:
            count += attributes.set_behaviours(connection)
        if has_new_tags:
            count += attributes.set_personalities(connection)
    return count


def _members(store: Store, one: Segment, look: Look) -> SegmentChange:
    """Look at everybody while others write; all that is other changes at once.

    A segment that is half filled would leave the others out of a campaign that is planned now.
    """
    chosen, now = selection.customers_in(one.rule, look), look.now
    with store.picture() as connection:  # one moment for both questions
        leaving = memberships.leavers(connection, one.id, chosen)
        coming = memberships.newcomers(connection, one.id, chosen)
    if not leaving and not coming:
        return SegmentChange(segment=one.id, came_in=0, left=0)
    with store.write() as turn:
        left = sum(memberships.leave(turn, one.id, ids, now) for ids in bulk.batches(leaving))
        came = sum(memberships.come_in(turn, one.id, ids, now) for ids in bulk.batches(coming))
    return SegmentChange(segment=one.id, came_in=came, left=left)


def _close_others(store: Store, segments: Sequence[Segment], now: datetime) -> int:
    with store.read() as connection:
        others = memberships.others(connection, [one.id for one in segments])
    return sum(_empty(store, name, now) for name in others)


def _empty(store: Store, segment: str, now: datetime) -> int:
    with store.read() as connection:
        leaving = memberships.members(connection, segment)
    return bulk.in_turns(
        store, leaving, lambda turn, ids: memberships.leave(turn, segment, ids, now)
    )
