"""Verbs about marks and values: who the customers are by RFM, what they are likely to bring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean, raise_all
from crm_mailer.definitions.rfm_reader import RfmProfiles
from crm_mailer.model.errors import NotFound
from crm_mailer.model.moment import at_local, local_day, zone
from crm_mailer.model.score import (
    CHINESE_NAMES,
    ChurnState,
    RfmProfile,
    RfmSegment,
    Score,
    ValueClass,
    english_name,
)
from crm_mailer.model.sentence import Sentence
from crm_mailer.segmenting import churn, profiles, rfm, valuing
from crm_mailer.segmenting.valuing import Models
from crm_mailer.store import (
    directory,
    score_figures,
    score_history,
    score_standing,
    scores,
    values,
)
from crm_mailer.store.score_figures import Counted
from crm_mailer.store.score_history import ScoreChange
from crm_mailer.store.scores import Cell, Scoring
from crm_mailer.store.values import InChurn, Valued


@dataclass(frozen=True, slots=True, kw_only=True)
class RfmPage:
    """How many customers have which marks; groups by their code, with their names."""

    as_of: date
    profile: str
    limits: RfmProfile
    customers: int
    r: Mapping[int, int]
    f: Mapping[int, int]
    m: Mapping[int, int]
    total: Mapping[int, int]
    cells: tuple[Cell, ...]
    segments: Mapping[str, int]
    value_classes: Mapping[str, int]
    #: The same by the trade's own words.
    value_names: Mapping[str, int]
    names: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerScore:
    """One customer's marks with their reasons; None and nothing without a paid order."""

    customer_id: int
    customer: str
    score: Score | None
    words: tuple[str, ...]
    rfm_segment: str
    value_class: str
    valued: Valued | None
    value_words: tuple[str, ...]
    #: No score, and paid orders: marks were not worked out since.
    is_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreHistory:
    """How one customer's marks changed, oldest first."""

    customer_id: int
    customer: str
    changes: tuple[ScoreChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLine:
    """A profile of rfm.yaml; `is_used` is the one that holds."""

    name: str
    is_used: bool
    profile: RfmProfile
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePage:
    """What the models say; `models` is None before the first look."""

    day: date | None
    fitted_on: date | None
    models: Models | None
    limits: Mapping[str, int]
    states: tuple[InChurn, ...]


def hint(app: App) -> Sentence | None:
    """What to know before marks or segments are believed; None: they are up to date."""
    with app.store.read() as connection:
        if score_standing.are_missing(connection):
            return Sentence(
                "marks are not worked out yet: run `crm-mailer segment run`; until then nobody has "
                "a score and rules that ask for one hold for nobody"
            )
        standing = score_standing.standing(connection)
        imported = score_standing.newer_orders(connection)
    if standing is None or imported is None:
        return None
    return Sentence(
        "marks are of {then}, orders were imported on {since}: run `crm-mailer segment run`",
        then=f"{standing.seen_at.astimezone(app.zone):%Y-%m-%d %H:%M}",
        since=f"{imported.astimezone(app.zone):%Y-%m-%d %H:%M}",
    )


def page(app: App, as_of: date | None = None) -> RfmPage:
    """How many customers have which marks: as last given, or as they were on the day `as_of`."""
    if as_of is not None:
        return _page_as_of(app, _profiles(app).use, as_of)
    with app.store.read() as connection:
        profile = score_standing.profile_in_force(connection)
        counted = score_figures.counts_stored(connection)
        standing = score_standing.standing(connection)
    day = standing.day if standing else local_day(app.clock.now(), zone(app.shop.time_zone))
    return _page(counted, profile, day)


def try_profile(app: App, name: str) -> RfmPage:
    """What a profile of rfm.yaml would make of the customers today; nothing is saved.

    Raises:
        NotFound: there is no such profile.
    """
    found = _profiles(app).profiles
    if name not in found:
        raise NotFound(
            Sentence("there is no profile `{name}`", name=name), hint=did_you_mean(name, found)
        )
    return _page_as_of(app, found[name], local_day(app.clock.now(), zone(app.shop.time_zone)))


def cells(app: App) -> list[Cell]:
    """The pairs of R and F that occur, with customers and money."""
    with app.store.read() as connection:
        return scores.cells(connection)


def list_profiles(app: App) -> list[ProfileLine]:
    """The profiles of rfm.yaml; the one in use with the limits in force."""
    found = _profiles(app)
    with app.store.read() as connection:
        in_force = score_standing.profile_in_force(connection)
    return [
        ProfileLine(
            name=name,
            is_used=name == found.use.name,
            profile=in_force if name == found.use.name == in_force.name else one,
            note=found.notes.get(name, ""),
        )
        for name, one in found.profiles.items()
    ]


def customer_score(app: App, who: str) -> CustomerScore:
    """One customer's marks and why."""
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
        name = directory.name_of(connection, customer_id)
        score = scores.find(connection, customer_id, now=app.clock.now(), place=app.zone)
        profile = score_standing.profile_in_force(connection)
        valued = values.find(connection, customer_id)
        unpriced = scores.unpriced(connection, customer_id)
        is_waiting = score is None and scores.has_paid(connection, customer_id)
    return CustomerScore(
        customer_id=customer_id,
        customer=name,
        score=score,
        words=(*rfm.in_words(score, profile), *rfm.unpriced_in_words(unpriced)) if score else (),
        rfm_segment=rfm.segment(score.r, score.f).value if score else "",
        value_class=score.value_class if score else "",
        valued=valued,
        value_words=valuing.words_of(app.store, valued, score),
        is_waiting=is_waiting,
    )


def history(app: App, who: str) -> ScoreHistory:
    """When and why a customer's marks changed."""
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
        return ScoreHistory(
            customer_id=customer_id,
            customer=directory.name_of(connection, customer_id),
            changes=tuple(score_history.list_changes(connection, customer_id)),
        )


def value(app: App, *, is_forced: bool = False) -> int:
    """Bring churn, chance to buy and value up to date; returns how many customers changed."""
    place = zone(app.shop.time_zone)
    return valuing.value_customers(app.store, zone=place, now=app.clock.now(), is_forced=is_forced)


def value_page(app: App) -> ValuePage:
    """What the models say of the shop, and how far its customers have gone."""
    standing = valuing.standing(app.store)
    with app.store.read() as connection:
        states = values.by_churn(connection)
    half_life = standing.models.half_life if standing else churn.DEFAULT_HALF_LIFE
    order = [state.value for state in ChurnState]
    return ValuePage(
        day=standing.day if standing else None,
        fitted_on=standing.fitted_on if standing else None,
        models=standing.models if standing else None,
        limits={state.value: day for state, day in churn.limits(half_life)},
        states=tuple(sorted(states, key=lambda one: order.index(one.churn))),
    )


def profile_in_use(app: App) -> RfmProfile:
    """What rfm.yaml says; while it is wrong, what it said when marks were last given."""
    found = app.definitions.rfm
    if found is not None:
        return found.use
    with app.store.read() as connection:
        return score_standing.profile_written(connection)


def _profiles(app: App) -> RfmProfiles:
    """What rfm.yaml says.

    Raises:
        DefinitionError: it is wrong.
    """
    found = app.definitions.rfm
    if found is None:
        raise_all([one for one in app.definitions.errors if one.file.endswith("/rfm.yaml")])
    return found


def _page_as_of(app: App, written: RfmProfile, day: date) -> RfmPage:
    place = zone(app.shop.time_zone)
    look = Scoring(profile=written, now=at_local(day, 12, 0, place), place=place)
    figures = score_figures.as_of(look)
    with app.store.read() as connection:
        profile = profiles.resolve(connection, figures, written, look)
        counted = score_figures.counts(connection, figures, replace(look, profile=profile))
    return _page(counted, profile, day)


def _page(counted: Iterable[Counted], profile: RfmProfile, day: date) -> RfmPage:
    rows = list(counted)

    def by(key: Callable[[Counted], int], lowest: int, highest: int) -> dict[int, int]:
        found: Counter[int] = Counter()
        for row in rows:
            found[key(row)] += row.customers
        return {mark: found[mark] for mark in range(lowest, highest + 1)}

    named: Counter[str] = Counter()
    for row in rows:
        named[rfm.segment(row.r, row.f).value] += row.customers
        named[row.value_class] += row.customers
    return RfmPage(
        as_of=day,
        profile=profile.name,
        limits=profile,
        customers=sum(row.customers for row in rows),
        r=by(lambda row: row.r, 1, 5),
        f=by(lambda row: row.f, 1, 5),
        m=by(lambda row: row.m, 1, 5),
        total=by(lambda row: row.r + row.f + row.m, 3, 15),
        cells=tuple(_cells(rows)),
        segments={one.value: named[one.value] for one in RfmSegment},
        value_classes={one.value: named[one.value] for one in ValueClass},
        value_names={CHINESE_NAMES[one]: named[one.value] for one in ValueClass},
        names={code: {"en": english_name(code), "zh": zh} for code, zh in CHINESE_NAMES.items()},
    )


def _cells(rows: Iterable[Counted]) -> Iterable[Cell]:
    customers: Counter[tuple[int, int]] = Counter()
    spent: Counter[tuple[int, int]] = Counter()
    for row in rows:
        customers[row.r, row.f] += row.customers
        spent[row.r, row.f] += row.spent_usd_cents
    for r, f in sorted(customers):
        yield Cell(r=r, f=f, customers=customers[r, f], spent_usd_cents=spent[r, f])
