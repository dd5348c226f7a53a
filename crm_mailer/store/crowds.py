"""A calendar day's touches for a whole crowd by one statement, as the pure rules plan them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.model import address
from crm_mailer.model.address import AddressKind
from crm_mailer.model.campaign import Campaign, Mode, Step, Stream
from crm_mailer.model.chance import BUCKETS, PRIME, salts
from crm_mailer.model.touch import SkipReason, TouchState
from crm_mailer.store import exits
from crm_mailer.store import tables as t
from crm_mailer.store.bulk import as_rows, by_index
from crm_mailer.store.engine import upsert
from crm_mailer.store.homes import Home
from crm_mailer.store.look import Look
from crm_mailer.store.selection import condition
from crm_mailer.store.touches import UNSENT, standing_columns
from crm_mailer.store.unplanned import no_gone


def bucket_of(customer_id: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[int]:
    """`chance.bucket` of each row's customer."""
    shift, factor = salts(name)
    x: sa.ColumnElement[Any] = (customer_id + shift) % PRIME * factor % PRIME
    x = (x * x + shift) % PRIME
    x = (x * x + factor) % PRIME
    return x % BUCKETS


@dataclass(frozen=True, slots=True)
class Moment:
    """When one step leaves for those who live alike and are alike warm; instants as seconds.

    `reason`: why it does not leave for any of them.
    """

    home: Home
    warmth: int
    anchored_at: int
    due_at: int
    expires_at: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Touches of one step for all plain customers of a calendar day's audience.

    A customer is plain who asked for no pause, no fewer mails and no topic less, and has no other
    marketing mail near: for such a one nothing depends on who they are but what stands here.
    """

    campaign: Campaign
    step: Step
    place: int
    anchor: str
    moments: Sequence[Moment]
    #: The arms' parts of the crowd, as (end, arm, template); one of all without a test.
    arms: Sequence[tuple[int, str, str]]
    #: Suppression as `scope:reason` -> why there is no mail.
    refusals: Mapping[str, SkipReason]
    look: Look
    #: Marketing mail since then is near.
    since: datetime
    #: Steps of the campaign's touches that its file has no more.
    gone: Sequence[str] = ()
    countries: Collection[str] = ()
    is_for_others: bool = True


def homes_of(connection: sa.Connection, ids: Collection[int]) -> dict[int, tuple[str, Home]]:
    """The addresses and homes of these few customers."""
    person = t.customers.c
    query = sa.select(
        person.id, person.email, person.time_zone, person.country, person.region
    ).where(person.id.in_(sorted(ids)))
    return {row[0]: (row[1] or "", Home(*row[2:])) for row in connection.execute(query)}


def largest_id(connection: sa.Connection) -> int:
    """The last customer's number."""
    return connection.scalar(sa.select(sa.func.max(t.customers.c.id))) or 0


def list_plain(connection: sa.Connection, crowd: Crowd, first: int, last: int) -> sa.Select[Any]:
    """The rows of `add`, for customers with numbers from `first` to `last`."""
    campaign, now = crowd.campaign, int(crowd.look.now.timestamp())
    person = _decided(crowd, _people(connection, crowd, first, last)).c
    reason = person.why
    is_out, valid_for = reason != "", int(campaign.valid_for.total_seconds())
    # a mail that will not be was never moved to a slot
    due_at = sa.case((is_out, person.expires_at - valid_for), else_=person.due_at)
    state = TouchState.HELD if campaign.mode is Mode.MANUAL else TouchState.PLANNED
    values = {
        "campaign": sa.literal(campaign.id),
        "step": sa.literal(crowd.step.id),
        "anchor": sa.literal(crowd.anchor),
        "customer_id": person.id,
        "stream": sa.literal(campaign.stream.value),
        "provider": _provider(person.host),
        "template": _by_arm(crowd, person.id, 2),
        "arm": _by_arm(crowd, person.id, 1),
        "campaign_version": sa.literal(campaign.version),
        "place": sa.literal(crowd.place),
        "places": sa.literal(len(campaign.steps)),
        "anchored_at": person.anchored_at,
        "due_at": due_at,
        "expires_at": person.expires_at,
        "state": sa.case((is_out, TouchState.SKIPPED.value), else_=state.value),
        "reason": reason,
        "next_at": sa.case((is_out, None), else_=person.due_at),
        "planned_at": sa.literal(now),
        "settled_at": sa.case((is_out, now), else_=None),
    }
    # who moved a moment ago to where nobody lived before is left to the pages
    return sa.select(*(values[name] for name in _COLUMNS)).where(person.expires_at.is_not(None))


def _decided(crowd: Crowd, people: sa.CTE) -> sa.CTE:
    """The same people, each with `why` there is no mail: asked once, though it is used often."""
    query = sa.select(people, _reason(crowd, people.c).label("why"))
    return query.cte("decided").prefix_with("MATERIALIZED")


def _people(connection: sa.Connection, crowd: Crowd, first: int, last: int) -> sa.CTE:
    """The plain customers with what decides, worked out once for each."""
    person, dialect = t.customers.c, connection.dialect.name
    given = _given(dialect)
    warmth = sa.func.coalesce(t.scores.c.r, 0) if crowd.campaign.warm_first else sa.literal(0)
    standing = {column.name: column for column in standing_columns(crowd.look.consent)}
    met = exits.conditions(
        crowd.campaign,
        customer_id=person.id,
        order_id=sa.cast(sa.null(), sa.BigInteger),
        anchored_at=sa.literal(crowd.look.now, t.orders.c.placed_at.type),
    )
    place = sa.func.strpos if dialect == "postgresql" else sa.func.instr
    lives_there = sa.and_(
        given.c.time_zone == person.time_zone,
        given.c.country == person.country,
        given.c.region == person.region,
        given.c.warmth == warmth,
    )
    query = (
        sa.select(
            person.id,
            sa.or_(sa.false(), *met).label("is_exited"),
            person.email_key.is_(None).label("is_nobody"),
            person.is_flagged,
            person.address_kind,
            standing["suppression"].label("suppression"),
            standing["lawful_until"].label("lawful_until"),
            sa.func.lower(sa.func.substr(person.email, place(person.email, "@") + 1)).label("host"),
            given.c.anchored_at,
            given.c.due_at,
            given.c.expires_at,
            given.c.reason,
        )
        .select_from(
            t.customers.outerjoin(t.scores, t.scores.c.customer_id == person.id).outerjoin(
                given, lives_there
            )
        )
        .where(person.id.between(first, last), *_plain(crowd))
    )
    return query.cte("plain").prefix_with("MATERIALIZED")


def _given(dialect: str) -> sa.CTE:
    """The moments. SQLite makes an index of them only if they are a table of its own with typed
    columns, and an outer join keeps it from walking along them first: else it would read them
    through for each customer.
    """
    rows = as_rows(dialect, _GIVEN).c
    typed = [sa.cast(rows[name], type_).label(name) for name, type_ in _GIVEN.items()]
    return sa.select(*typed).cte("moments").prefix_with("MATERIALIZED")


def add(connection: sa.Connection, crowd: Crowd, first: int, last: int) -> int:
    """Save the touches of plain customers with these numbers; how many are new.

    Those whose key is there already stay as they are.
    """
    rows = [
        [one.home.time_zone, one.home.country, one.home.region, one.warmth, one.anchored_at,
         one.due_at, one.expires_at, one.reason]
        for one in crowd.moments
    ]  # fmt: skip
    statement = (
        upsert(connection, t.touches)
        .from_select(list(_COLUMNS), list_plain(connection, crowd, first, last))
        .on_conflict_do_nothing(index_elements=["campaign", "step", "anchor", "customer_id"])
    )
    counting = {"preserve_rowcount": True}
    with by_index(connection):
        done = connection.execute(
            statement, {"rows": json.dumps(rows)}, execution_options=counting
        ).rowcount
    if connection.dialect.name == "sqlite":  # counts nothing for what begins with WITH
        done = connection.scalar(sa.select(sa.func.changes())) or 0
    return done


_COLUMNS = (
    "campaign", "step", "anchor", "customer_id", "stream", "provider", "template", "arm",
    "campaign_version", "place", "places", "anchored_at", "due_at", "expires_at", "state",
    "reason", "next_at", "planned_at", "settled_at",
)  # fmt: skip
_GIVEN: dict[str, Any] = {
    "time_zone": sa.Text(),
    "country": sa.Text(),
    "region": sa.Text(),
    "warmth": sa.Integer(),
    "anchored_at": sa.BigInteger(),
    "due_at": sa.BigInteger(),
    "expires_at": sa.BigInteger(),
    "reason": sa.Text(),
}


def _plain(crowd: Crowd) -> list[sa.ColumnElement[bool]]:
    """Who is in the audience and plain."""
    person, touch = t.customers.c, t.touches.c
    near = sa.exists().where(
        touch.customer_id == person.id,
        touch.due_at >= crowd.since,
        touch.stream == Stream.MARKETING.value,
        touch.state.in_((*UNSENT, TouchState.CLAIMED, TouchState.ACCEPTED, TouchState.IN_DOUBT)),
        # what this act has just planned of the same day was placed beside its other steps
        sa.or_(
            touch.campaign != crowd.campaign.id,
            touch.anchor != crowd.anchor,
            touch.planned_at != crowd.look.now,
        ),
    )
    found = [
        person.erased_at.is_(None),
        sa.or_(person.email_key.is_(None), person.email.not_like("%@%@%")),
        sa.or_(person.snoozed_until.is_(None), person.snoozed_until <= crowd.look.now),
        # who chose something of their own is asked one by one
        person.topics_off == "",
        ~person.wants_fewer,
        ~near,
        condition(crowd.campaign.audience, crowd.look),
    ]
    if crowd.gone:
        anchor = sa.literal(crowd.anchor)
        found.append(no_gone(crowd.campaign.id, crowd.gone, anchor, person.id))
    if crowd.countries or not crowd.is_for_others:
        is_there = person.country.in_(sorted(crowd.countries))
        found.append(~is_there if crowd.is_for_others else is_there)
    return found


def _reason(crowd: Crowd, person: Any) -> sa.ColumnElement[str]:
    """An exit, then `standing.refusal` as SQL, in its order; then chance, then what holds for all
    who live alike. A mail that is too late is that before all else. Empty: nothing stands against
    it.
    """
    told: dict[SkipReason, list[str]] = {}
    for suppression, reason in crowd.refusals.items():
        told.setdefault(reason, []).append(suppression)
    cases: list[tuple[Any, str]] = [
        (person.reason == SkipReason.LATE.value, SkipReason.LATE.value),
        (person.is_exited, SkipReason.EXITED.value),
        (person.is_nobody, SkipReason.NO_ADDRESS.value),
    ]
    cases += [(person.suppression.in_(sorted(ones)), reason.value) for reason, ones in told.items()]
    if crowd.campaign.stream is Stream.MARKETING:
        cases += [
            (person.is_flagged, SkipReason.FLAGGED.value),
            (person.address_kind == AddressKind.RELAY.value, SkipReason.RELAY_ADDRESS.value),
            (person.lawful_until <= int(crowd.look.now.timestamp()), SkipReason.NO_CONSENT.value),
        ]
    if crowd.campaign.hold_out:
        place = bucket_of(person.id, f"{crowd.campaign.id}:hold-out")
        end = crowd.campaign.hold_out * BUCKETS // 100
        cases.append((place < end, SkipReason.HOLD_OUT.value))
    return sa.case(*cases, else_=person.reason)


def _by_arm(crowd: Crowd, customer_id: Any, what: int) -> sa.ColumnElement[str]:
    """The arm (1) or the template (2) that chance gives a customer."""
    last = crowd.arms[-1][what]
    if len(crowd.arms) == 1:
        return sa.literal(last)
    bucket = bucket_of(customer_id, f"{crowd.campaign.id}:{crowd.step.id}:test")
    return sa.case(*((bucket < arm[0], str(arm[what])) for arm in crowd.arms[:-1]), else_=last)


def _provider(host: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """`address.provider` as SQL."""
    return sa.case(
        *((host.in_(sorted(hosts)), name) for name, hosts in address.PROVIDERS.items()),
        else_=address.OTHER,
    )
