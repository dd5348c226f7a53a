"""Verbs of segmenting: bring segments up to date, look at them, say why somebody is in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from crm_mailer import segmenting
from crm_mailer.app import figures, privacy, rfm, segments
from crm_mailer.app.wiring import App
from crm_mailer.model.moment import zone
from crm_mailer.model.segment import Rule
from crm_mailer.segmenting import SegmentReport, rules
from crm_mailer.segmenting.rules import Finding
from crm_mailer.store import directory, memberships, selection, stories
from crm_mailer.store.directory import Entry
from crm_mailer.store.homes import of_all
from crm_mailer.store.look import Look

#: Members that `segment show` names.
SAMPLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLine:
    """A segment in one line, with its members at the last run."""

    id: str
    name: str
    members: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPage:
    """All about one segment. `rule` holds each part with its depth; `sql` finds the members."""

    id: str
    name: str
    note: str
    rule: tuple[tuple[int, str], ...]
    members: int
    sample: tuple[Entry, ...]
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a customer is, or is not, in a segment; `since` when, by the last run."""

    segment: str
    customer_id: int
    customer: str
    holds: bool
    since: datetime | None
    findings: tuple[Finding, ...]


def run(app: App) -> SegmentReport:
    """Bring scores, attributes and memberships up to date.

    While a file has an error, memberships of segments that cannot be read stay as they are.

    Raises:
        DefinitionError: the shop's file is wrong, so that nobody knows when its days begin.
    """
    privacy.sweep(app)
    found = app.definitions
    report = segmenting.segment(
        app.store,
        tuple(found.segments.values()),
        zone=zone(app.shop.time_zone),
        now=app.clock.now(),
        time_zones=app.shop.time_zones,
        leap_day=app.shop.leap_day,
        profile=rfm.profile_in_use(app),
        is_complete=not found.errors,
        is_valued=True,
    )
    figures.refresh(app, is_changed=_has_changed(report))
    return replace(report, grown=segments.note_growth(app))


def catch_up(app: App) -> None:
    """Work out who is in segments whose files were edited since that was done last.

    Whoever chooses by segments asks for it first: else a mail would go to those whom the old rule
    meant, until the next run.

    Raises:
        DefinitionError: the shop's file is wrong, so that nobody knows when its days begin.
    """
    every = tuple(app.definitions.segments.values())
    stale = segmenting.find_stale(app.store, every)
    if not stale:
        return
    look = Look.of(app.shop, app.clock.now(), of_all(app.store))
    changes = segmenting.catch_up(app.store, every, stale, look)
    figures.refresh(app, is_changed=any(one.came_in or one.left for one in changes))


def _has_changed(report: SegmentReport) -> bool:
    """Whether any mark or membership is another."""
    moved = any(one.came_in or one.left for one in report.changes)
    return bool(moved or report.scored or report.rolled or report.unscored or report.closed)


def rebuild(app: App) -> int:
    """Score every customer anew from the orders; returns how many scores changed."""
    return segmenting.rebuild_scores(
        app.store,
        zone=zone(app.shop.time_zone),
        now=app.clock.now(),
        profile=rfm.profile_in_use(app),
    )


def list_segments(app: App) -> list[SegmentLine]:
    """All segments by id."""
    edited = segments.edited(app)
    look = segments.look(app)
    with app.store.read() as connection:
        sizes = memberships.sizes(connection)
        sizes |= {one: selection.count(connection, rule, look) for one, rule in edited.items()}
    return [
        SegmentLine(id=one.id, name=one.name, members=sizes.get(one.id, 0), note=one.note)
        for one in app.definitions.segments.values()
    ]


def show(app: App, segment_id: str) -> SegmentPage:
    """All about one segment, with its members at the last run.

    Of a file, and of a segment that was edited since, as of now.
    """
    one, _problems = segments.find(app, segment_id)
    look, edited = segments.look(app, one), segments.edited(app)
    with app.store.read() as connection:
        sizes = memberships.sizes(connection)
        chosen = None
        if segment_id != one.id or one.id in edited:
            sizes = {one.id: selection.count(connection, one.rule, look)}
            chosen = selection.customers_in(one.rule, look)
        sample = directory.list_customers(
            connection, segment=one.id if chosen is None else "", among=chosen, limit=SAMPLE
        )
    return SegmentPage(
        id=one.id,
        name=one.name,
        note=one.note,
        rule=tuple((depth, rules.in_words(part)) for depth, part in rules.parts(one.rule)),
        members=sizes.get(one.id, 0),
        sample=tuple(sample),
        sql=selection.as_sql(one.rule, look, app.store.engine.dialect),
    )


def count(app: App, segment_id: str) -> int:
    """How many customers the rule holds for now; nothing is saved."""
    return segments.count(app, segment_id).customers


def explain(app: App, segment_id: str, who: str) -> Explanation:
    """Why the customer (mail address or number) is in the segment now, or not."""
    one, _problems = segments.find(app, segment_id)
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
        known = stories.known(connection, customer_id)
        stays = memberships.list_stays(connection, customer_id)
    asked = segments.facts_of(app, known)
    others = _rules(app)
    since = [stay.since for stay in stays if stay.segment == one.id and stay.until is None]
    return Explanation(
        segment=one.id,
        customer_id=customer_id,
        customer=known.customer["name"] or known.customer["email"] or str(customer_id),
        holds=rules.matches(one.rule, asked, others),
        since=since[0] if since else None,
        findings=tuple(rules.explain(one.rule, asked, others)),
    )


def _rules(app: App) -> Mapping[str, Rule]:
    return {id_: one.rule for id_, one in app.definitions.segments.items()}
