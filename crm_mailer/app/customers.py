"""Verbs about single customers: find, tell their story, tag, note, flag, review, correct."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from crm_mailer.app import cases as learn
from crm_mailer.app import course_fates, names, privacy, segmenting
from crm_mailer.app.segmenting import Explanation
from crm_mailer.app.wiring import App
from crm_mailer.model import customer_notes, zones
from crm_mailer.model.choices import Birthday
from crm_mailer.model.customer import BuyingBehaviour, Customer, Personality
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.flag import Flag, FlagKind, NewFlag
from crm_mailer.model.moment import local_day
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.reporting import customer_story
from crm_mailer.reporting.customer_story import CustomerStory
from crm_mailer.store import cases, customers, directory, flags, reviews, suppressions, tags
from crm_mailer.store.directory import Entry
from crm_mailer.store.engine import Connection
from crm_mailer.store.flags import ListedFlag
from crm_mailer.store.reviews import HeardReview

#: A tag is a short word or phrase.
LONGEST_TAG = 40


def list_customers(
    app: App, *, search: str, segment: str, tag: str, is_flagged: bool, limit: int
) -> list[Entry]:
    """Customers by their last order, the latest first.

    Raises:
        NotFound: there is no such segment.
    """
    if segment:
        names.segment(app, segment)
    with app.store.read() as connection:
        return directory.list_customers(
            connection,
            search=search,
            segment=segment,
            tag=tag,
            is_flagged=is_flagged,
            limit=limit,
        )


def story(app: App, who: str) -> CustomerStory:
    """The story of the customer with this mail address or number."""
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who)
    return story_of(app, customer_id)


def story_of(app: App, customer_id: int) -> CustomerStory:
    """The story of a customer who is there."""
    told = customer_story.customer_story(
        app.store,
        customer_id,
        now=app.clock.now(),
        place=app.zone,
        consent=app.shop_or_default.consent,
    )
    with app.store.read() as connection:
        return replace(told, courses=course_fates.of_customer(app, connection, customer_id))


def explain(app: App, who: str) -> list[Explanation]:
    """For every segment, whether the customer is in it and why."""
    return [segmenting.explain(app, id_, who) for id_ in app.definitions.segments]


def add_tag(app: App, who: str, tag: str, *, by: str, is_pinned: bool) -> str:
    """Tag a customer; returns what the tag stands for: personality, buying behaviour or tag.

    Raises:
        NotPossible: the tag is empty or too long.
    """
    word = " ".join(tag.split())
    if not word or len(word) > LONGEST_TAG:
        raise NotPossible(
            Sentence("a tag has 1 to {number} letters", number=LONGEST_TAG),
            hint="use `customer note` for more words",
        )
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        tags.add(connection, customer_id, word, now=app.clock.now(), by=by, is_pinned=is_pinned)
    return meaning(word)


def remove_tag(app: App, who: str, tag: str) -> bool:
    """Take a tag off; whether it was there."""
    with app.store.write() as connection:
        return tags.remove(connection, directory.find_customer(connection, who), tag)


def meaning(tag: str) -> str:
    """Which classification a tag belongs to, if any."""
    if tag in Personality.__members__.values():
        return "personality"
    return "buying behaviour" if tag in BuyingBehaviour.__members__.values() else "tag"


def add_note(app: App, who: str, text: str, *, by: str) -> None:
    """Write something down about a customer."""
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        tags.add_note(connection, customer_id, text, now=app.clock.now(), by=by)


def flag(
    app: App,
    who: str,
    reason: str,
    *,
    kind: FlagKind,
    evidence: str = "",
    case: int | None = None,
    by: str,
) -> bool:
    """Put a buyer on the blacklist: no marketing; False where the same flag stands already.

    Raises:
        NotFound: no such customer or case.
        NotPossible: there is no reason, or the case is another customer's.
    """
    if not reason.strip():
        raise NotPossible("a flag needs a reason", hint="write what the buyer did")
    now = app.clock.now()
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        if case is not None and cases.get(connection, case).customer_id != customer_id:
            raise NotPossible(
                Sentence("case {number} is another customer's", number=case),
                hint="`crm-mailer case list` has the numbers",
            )
        new = NewFlag(
            customer_id=customer_id,
            kind=kind,
            reason=reason.strip(),
            evidence=evidence.strip(),
            case_id=case,
            by=by,
        )
        is_new = flags.add(connection, new, now)
        if is_new:
            tags.add_note(connection, customer_id, customer_notes.flagged(new), now=now, by=by)
    return is_new


def unflag(app: App, who: str, why: str, *, by: str) -> list[Flag]:
    """Take a buyer off the blacklist; the flags that stood. They stay as history, with `why`.

    Raises:
        NotFound: there is no such customer.
        NotPossible: no flag stands, or nobody says why.
    """
    if not why.strip():
        raise NotPossible("say why the flag goes", hint="it is kept with the history")
    now = app.clock.now()
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        standing = flags.remove(connection, customer_id, why.strip(), by=by, now=now)
        if not standing:
            raise NotPossible(
                Sentence("customer {number} is on no blacklist", number=customer_id),
                hint="`crm-mailer customer flag list` has all",
            )
        note = customer_notes.unflagged(why.strip())
        tags.add_note(connection, customer_id, note, now=now, by=by)
    return standing


def list_flags(app: App, who: str, *, is_past: bool, limit: int) -> list[ListedFlag]:
    """The blacklist, or the flags of one customer; with `is_past` those that were taken off, too.

    Raises:
        NotFound: there is no such customer.
    """
    with app.store.read() as connection:
        customer_id = directory.find_customer(connection, who) if who else None
        return flags.list_all(connection, customer_id=customer_id, is_past=is_past, limit=limit)


def review(app: App, who: str, stars: int, comment: str, *, order: str, product: str) -> bool:
    """Log a review that a customer left on a platform, and do what it calls for.

    False where the same review is known.

    Raises:
        NotFound: no such customer, or no such order of theirs.
    """
    now = app.clock.now()
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        order_id = cases.find_order(connection, order, customer_id) if order else None
        heard = HeardReview(
            stars=stars,
            at=now,
            source="hand",
            comment=comment.strip(),
            customer_id=customer_id,
            order_id=order_id,
            product=product.strip(),
        )
        is_new = reviews.hear(connection, heard) is not None
    learn.learn(app)
    return is_new


def suppress(app: App, who: str, why: str, *, by: str) -> str:
    """Stop marketing mail to a customer, who asked for it or should not get any; the address.

    Raises:
        NotPossible: no address is known.
    """
    now = app.clock.now()
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        address = _address(connection, customer_id)
        suppressions.add(
            connection, address, SuppressionReason.BY_HAND, source=by, evidence=why, at=now
        )
        tags.add_note(connection, customer_id, customer_notes.suppressed(why), now=now, by=by)
    return address


def unsuppress(app: App, who: str, why: str, *, by: str) -> list[str]:
    """Mail a customer again; the reasons that held before. `why` is kept as evidence.

    Raises:
        NotPossible: no address is known, or nothing is held back.
    """
    now = app.clock.now()
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        address = _address(connection, customer_id)
        held = [one.reason for one in suppressions.find(connection, address)]
        if not held:
            raise NotPossible(
                Sentence("{address} is not suppressed", address=address),
                hint="nothing has to be done",
            )
        suppressions.lift(connection, address)
        note = customer_notes.mailed_again(held, why)
        tags.add_note(connection, customer_id, note, now=now, by=by)
        privacy.forget_erasure(app, connection, customer_id)
    return [reason.value for reason in held]


def _address(connection: Connection, customer_id: int) -> str:
    address = directory.address_of(connection, customer_id)
    if not address:
        raise NotPossible(
            Sentence("no mail address of customer {number} is known", number=customer_id),
            hint="`crm-mailer customer set --email` adds it",
        )
    return address


def correct(app: App, who: str, values: Mapping[str, Any]) -> None:
    """Write what a person told of a customer; keys are columns of the customer.

    Another country moves the customer's clock, unless the zone is told as well; the province that
    is known lies in the country of before. Mails about a birthday that was on another day end, and
    are planned for the right one. A birthday that is told without its year keeps the year that is
    known: leave `birth_year` out; None forgets it.

    Raises:
        NotFound: there is no such customer.
        NotPossible: nobody is born on such a day, or the address is another customer's.
    """
    now, told = app.clock.now(), dict(values)
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        held = customers.get(connection, customer_id)
        if told.get("birth_month"):
            told["birth_year"] = _year_of_birth(told, held, local_day(now, app.zone))
        has_moved = told.get("country", held.country).upper() != held.country.upper()
        if has_moved and "time_zone" not in told:
            told["time_zone"] = zones.likely(told["country"], told.get("region", ""))
        directory.correct(connection, customer_id, told, now=now)


def _year_of_birth(told: Mapping[str, Any], held: Customer, today: date) -> int | None:
    """The year that is told, else the one that is known, as far as it goes with the day."""
    month, day = told["birth_month"], told["birth_day"]
    if "birth_year" not in told:
        known = Birthday(month=month, day=day, year=held.birth_year)
        return known.year if known.is_real(today) else None  # 29 February of no leap year
    if not Birthday(month=month, day=day, year=told["birth_year"]).is_real(today):
        raise NotPossible(
            "nobody alive was born on this day", hint="look at the year, or leave it out: 02-28"
        )
    year: int | None = told["birth_year"]
    return year
