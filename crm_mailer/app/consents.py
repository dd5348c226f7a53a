"""Verbs of consent: why marketing mail to a customer is lawful, and what the customer said."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from crm_mailer.app.wiring import App
from crm_mailer.model.consent import BY, Word, is_reported
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.moment import at_local
from crm_mailer.model.sentence import Sentence
from crm_mailer.reporting import consents
from crm_mailer.store import customers, directory, lawful

#: A proof is a line that says where to look, not the document.
LONGEST_PROOF = 500
#: Years in which a word can be given and can end: a day more or less must still be a moment.
YEARS = range(1970, 9999)


def told(app: App, who: str) -> tuple[Sentence, ...]:
    """Whether the shop may write to the customer, and why.

    Raises:
        NotFound: there is no such customer.
    """
    with app.store.read() as connection:
        known = lawful.known(connection, directory.find_customer(connection, who))
    return consents.told(app.shop_or_default.consent, known, app.clock.now(), app.zone)


def note(
    app: App,
    who: str,
    *,
    is_yes: bool,
    proof: str,
    on: date | None = None,
    until: date | None = None,
    text_version: str = "",
    by: str,
) -> tuple[Sentence, ...]:
    """Write down what a customer said to marketing mail; how things stand then.

    Args:
        app: the shop.
        who: the customer.
        is_yes: whether it was a yes.
        proof: where to see it: a form, a letter, a recording.
        on: the day on which it was said; None: now.
        until: the last day of a yes that ends.
        text_version: which words were agreed to.
        by: who writes it down.

    Raises:
        NotFound: there is no such customer.
        NotPossible: there is no proof, the days make no sense, or something later is known.
    """
    for day in (on, until):
        if day is not None and day.year not in YEARS:
            raise NotPossible(
                Sentence(
                    "{day} is no day of {first} to {last}",
                    day=day,
                    first=YEARS[0],
                    last=YEARS[-1],
                ),
                hint="a yes that never ends needs no --until",
            )
    now = app.clock.now()
    given_at = _given_at(app, on, now)
    ends_at = None if until is None else at_local(until, 23, 59, app.zone)
    if not proof.strip() or len(proof) > LONGEST_PROOF:
        raise NotPossible(
            Sentence("a consent needs a proof of 1 to {number} letters", number=LONGEST_PROOF),
            hint="say where it can be seen, such as `paper form 12, fair of May`",
        )
    if ends_at is not None and ends_at <= given_at:
        raise NotPossible("that yes ends before it begins", hint="look at --on and --until")
    with app.store.write() as connection:
        customer_id = directory.find_customer(connection, who)
        before = customers.find_word(connection, customer_id)
        given_at = _behind(app, before, given_at, is_yes=is_yes)
        one = customers.Consent(
            customer_id=customer_id,
            basis=ConsentBasis.CONSENT if is_yes else ConsentBasis.NONE,
            given_at=given_at,
            source=f"{BY}{by}" if by else f"{BY}hand",
            evidence=proof.strip(),
            until=ends_at if is_yes else None,
            text_version=text_version.strip(),
        )
        customers.put_consents(connection, [one])
    return told(app, who)


def _behind(app: App, before: Word | None, given_at: datetime, *, is_yes: bool) -> datetime:
    """Of two words of one day that counts which is written down last.

    The day of what a file reports is that of the file: only its no stands in the way of a yes.
    """
    if before is None or before.basis is ConsentBasis.SOFT_OPT_IN:
        return given_at
    if is_reported(before.source) and (before.basis is ConsentBasis.CONSENT or not is_yes):
        return given_at
    if before.at.astimezone(app.zone).date() > given_at.astimezone(app.zone).date():
        raise NotPossible(
            Sentence(
                "something later is known, of {day}", day=before.at.astimezone(app.zone).date()
            ),
            hint="`crm-mailer customer consent` without options shows it",
        )
    return max(given_at, before.at + timedelta(seconds=1))


def _given_at(app: App, on: date | None, now: datetime) -> datetime:
    if on is None:
        return now
    at = at_local(on, 12, 0, app.zone)
    if at.date() > now.astimezone(app.zone).date():
        raise NotPossible(
            Sentence("{day} has not come yet", day=on), hint="give the day on which it was said"
        )
    return min(at, now)
