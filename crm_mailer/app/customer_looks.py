"""What the studio shows of customers: leafing and searching, one timeline, who they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crm_mailer.app import course_fates, customers, names, segments
from crm_mailer.app.segmenting import Explanation
from crm_mailer.app.wiring import App
from crm_mailer.model.address import masked
from crm_mailer.model.score import RfmSegment
from crm_mailer.reporting import customer_timeline
from crm_mailer.reporting.courses import CourseFate
from crm_mailer.reporting.customer_story import CustomerStory
from crm_mailer.reporting.customer_timeline import KINDS, Beside, Moment
from crm_mailer.segmenting import rules
from crm_mailer.store import browsing, customer_sides, score_history, stories
from crm_mailer.store.browsing import Leaf, Wanted
from crm_mailer.store.customer_sides import Head
from crm_mailer.store.directory import Entry

__all__ = ["KINDS", "PAGE", "Head", "Moment", "Told", "Trait", "Wanted"]

#: Customers, and moments, on one page.
PAGE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """Something known of a customer, and where it comes from, both by their codes."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A customer's story, one page of the timeline, how many moments there are of each kind."""

    story: CustomerStory
    moments: tuple[Moment, ...]
    counts: dict[str, int]
    #: How many moments are older than those shown.
    older: int


def leaf(app: App, wanted: Wanted, *, after: str = "") -> Leaf:
    """A page of customers.

    Raises:
        NotFound: there is no such segment.
    """
    if wanted.segment:
        names.segment(app, wanted.segment)
    with app.store.read() as connection:
        return browsing.leaf(connection, wanted, after=after, limit=PAGE)


def search(app: App, text: str) -> list[Entry]:
    """Customers by number, address, order number, name on a platform, or name."""
    with app.store.read() as connection:
        return browsing.search(connection, text[:200], limit=PAGE)


def countries(app: App) -> list[str]:
    """Where customers live."""
    with app.store.read() as connection:
        return browsing.countries(connection)


def groups() -> list[str]:
    """The ten RFM segments."""
    return [one.value for one in RfmSegment]


def head(app: App, number: int) -> Head:
    """Who it is.

    Raises:
        NotFound: there is no such customer.
    """
    with app.store.read() as connection:
        return customer_sides.head(connection, number)


def told(app: App, number: int, *, kind: str = "", skip: int = 0) -> Told:
    """The story, and the timeline from the latest moment on.

    Args:
        app: the shop.
        number: the customer.
        kind: only moments of this kind, one of `customer_timeline.KINDS`.
        skip: how many of the latest to pass over.
    """
    now = app.clock.now()
    story = customers.story_of(app, number)
    with app.store.read() as connection:
        beside = Beside(
            signals=customer_sides.signals(connection, number),
            changes=score_history.list_changes(connection, number),
            consents=customer_sides.consents(connection, number),
        )
    whole = customer_timeline.timeline(story, beside, now)
    counts = dict.fromkeys(customer_timeline.KINDS, 0)
    for moment in whole:
        counts[moment.kind] = counts.get(moment.kind, 0) + 1
    shown = [one for one in whole if not kind or one.kind == kind]
    return Told(
        story=story,
        moments=tuple(shown[skip : skip + PAGE]),
        counts={one: number for one, number in counts.items() if number},
        older=max(0, len(shown) - skip - PAGE),
    )


def courses(app: App, number: int) -> tuple[CourseFate, ...]:
    """How the customer's courses on adaptive memory curves stand."""
    with app.store.read() as connection:
        return course_fates.of_customer(app, connection, number)


def waiting(app: App, number: int) -> Sequence[Any]:
    """The mails that are planned."""
    with app.store.read() as connection:
        return customer_sides.waiting(connection, number)


def notes(app: App, number: int, limit: int = 5) -> Sequence[Any]:
    """The latest notes."""
    with app.store.read() as connection:
        return customer_sides.notes(connection, number, limit=limit)


def explain(app: App, number: int) -> list[Explanation]:
    """For every segment, whether the customer is in it now, and why."""
    with app.store.read() as connection:
        known = stories.known(connection, number)
    facts = segments.facts_of(app, known)
    others = {id_: one.rule for id_, one in app.definitions.segments.items()}
    since = {stay["segment"]: stay["since"] for stay in known.stays if stay["until"] is None}
    return [
        Explanation(
            segment=id_,
            customer_id=number,
            customer=known.customer["name"] or known.customer["email"] or str(number),
            holds=rules.matches(rule, facts, others),
            since=since.get(id_),
            findings=tuple(rules.explain(rule, facts, others)),
        )
        for id_, rule in others.items()
    ]


def traits(app: App, number: int) -> list[Trait]:
    """What is known of a customer, each with where it comes from."""
    with app.store.read() as connection:
        row = customer_sides.person(connection, number)
    told_by = f"platform:{row.source_platform}" if row.source_platform else "import"
    birth = "-".join(
        f"{part:02}" for part in (row.birth_year, row.birth_month, row.birth_day) if part
    )
    found = [
        Trait(name=name, value=_shown(name, getattr(row, name)), origin=told_by)
        for name in (
            "name", "given_name", "family_name", "patronymic", "email", "phone", "country",
            "region", "city", "postcode", "street", "language",
        )
    ]  # fmt: skip
    found.append(Trait(name="birthday", value=birth, origin=told_by))
    zone_origin = told_by if row.time_zone else "country"
    found.append(Trait(name="time_zone", value=row.time_zone or "", origin=zone_origin))
    gender_origin = "first name" if row.is_gender_guessed else told_by
    found.append(Trait(name="gender", value=row.gender or "", origin=gender_origin))
    concluded = {
        "age_band": "birthday" if row.birth_year and not row.age_band else told_by,
        "address_kind": "mail address",
        "occupation": "delivery address",
        "personality": "tag",
        "buying_behaviour": "marks or tag",
        "shopping_age": "orders",
    }
    for name, origin in concluded.items():
        found.append(Trait(name=name, value=str(getattr(row, name) or ""), origin=origin))
    return [one for one in found if one.value]


def _shown(name: str, value: str | None) -> str:
    """A phone is masked: whoever needs it whole exports the customer."""
    return masked(value or "") if name == "phone" else str(value or "")
