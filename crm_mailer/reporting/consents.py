"""Why marketing mail to a customer is lawful, or is not, in sentences."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from crm_mailer.model.consent import (
    FOREVER,
    NEVER,
    ConsentRules,
    CountryRule,
    Known,
    WriteTo,
    lawful_until,
)
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.model.sentence import Sentence


def told(rules: ConsentRules, known: Known, now: datetime, place: ZoneInfo) -> tuple[Sentence, ...]:
    """The verdict, what the customer said or did, and the rule of their country.

    Days are those of the shop's zone `place`.
    """
    found = [_verdict(lawful_until(rules, known), now, place), _said(known, place)]
    if rules.by_country and known.basis not in (ConsentBasis.NONE, ConsentBasis.CONSENT):
        found += [_done(known, place), _rule(known.country, rules.of(known.country))]
    return tuple(one for one in found if one)


def _verdict(until: datetime, now: datetime, place: ZoneInfo) -> Sentence:
    if until == FOREVER:
        return Sentence("marketing mail is lawful")
    if until == NEVER:
        return Sentence("marketing mail is not lawful")
    if until > now:
        return Sentence("marketing mail is lawful until {day}", day=_day(until, place))
    return Sentence("marketing mail was lawful until {day}", day=_day(until, place))


def _said(known: Known, place: ZoneInfo) -> Sentence:
    day = _day(known.given_at, place) if known.given_at is not None else "?"
    match known.basis:
        case ConsentBasis.NONE:
            return Sentence("the customer said no on {day}", day=day)
        case ConsentBasis.CONSENT if known.until is not None:
            end = _day(known.until, place)
            return Sentence("the customer said yes on {day}, until {end}", day=day, end=end)
        case ConsentBasis.CONSENT:
            return Sentence("the customer said yes on {day}", day=day)
        case _:
            return Sentence("the customer said neither yes nor no")


def _done(known: Known, place: ZoneInfo) -> Sentence:
    bought = known.last_purchase
    if bought is None:
        return Sentence("the customer never bought")
    return Sentence("the last purchase was on {day}", day=_day(bought, place))


def _rule(country: str, rule: CountryRule) -> Sentence:
    where: str = country or Sentence("country unknown")
    if rule.write_to is WriteTo.ANYBODY:
        return Sentence("{country}: whoever did not say no may be written to", country=where)
    if rule.write_to is WriteTo.CONSENTING:
        return Sentence("{country}: only who said yes may be written to", country=where)
    if rule.after_purchase is None:
        return Sentence("{country}: who bought may be written to", country=where)
    days = _days(rule.after_purchase)
    if rule.is_renewed:
        return Sentence(
            "{country}: who bought may be written to for {days} days after that, or after the last "
            "marketing mail",
            country=where,
            days=days,
        )
    if rule.after_inquiry is not None:
        return Sentence(
            "{country}: who bought may be written to for {days} days after that, who asked for "
            "{asked} days",
            country=where,
            days=days,
            asked=_days(rule.after_inquiry),
        )
    return Sentence(
        "{country}: who bought may be written to for {days} days after that",
        country=where,
        days=days,
    )


def _day(at: datetime, place: ZoneInfo) -> str:
    return at.astimezone(place).date().isoformat()


def _days(length: timedelta) -> int:
    return int(length.total_seconds() // 86_400)
