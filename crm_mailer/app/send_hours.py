"""Learns the hours for `send_at: best`, each night what is new and each week everything."""

from __future__ import annotations

from datetime import datetime, timedelta

from crm_mailer.app.wiring import App
from crm_mailer.model import send_hours as rules
from crm_mailer.model.zones import home_zone
from crm_mailer.store import send_hours
from crm_mailer.store.send_hours import Known, Lesson

#: How long what was learnt of single customers, and of everybody, is good enough.
A_NIGHT, A_WEEK = timedelta(hours=20), timedelta(days=7)
#: Customers in one transaction.
TURN = 5_000
LONG_AGO = timedelta(days=36_500)


def learn_if_due(app: App) -> int:
    """Learn what a night brought; the hours of how many customers are new.

    Only for shops in which a campaign asks for the best hour.
    """
    if not any(one.is_best_hour for one in app.definitions.campaigns.values()):
        return 0
    now = app.clock.now()
    with app.store.read() as connection:
        known = send_hours.known(connection)
    # a clock that was set back must not wait until it gets there again
    if known is not None and timedelta(0) <= now - known.learnt_at < A_NIGHT:
        return 0
    return learn(app, known)


def learn(app: App, known: Known | None = None) -> int:
    """Learn the hours of customers who bought, wrote or clicked; without `known`, of all."""
    now, shop = app.clock.now(), app.shop
    allowed = rules.allowed(shop.quiet_from, shop.quiet_until)
    with app.store.read() as connection:
        homes = send_hours.homes(connection)
    places = {home: home_zone(*home, shop.time_zone) for home in homes}
    lesson = Lesson(now=now, places=places, shop=app.zone)
    if known is None or known.allowed != allowed or not _is_fresh(known, now):
        counts, since = _count(app, lesson, allowed), now - LONG_AGO
    else:
        counts, since = known.counts, known.learnt_at
    if not counts:
        return 0
    everybody = {country: counts.get(country, counts[""]) for _zone, country in homes}
    with app.store.read() as connection:
        people = send_hours.seen_since(connection, since)
    learnt = 0
    for start in range(0, len(people), TURN):
        with app.store.write() as connection:
            part = people[start : start + TURN]
            learnt += send_hours.learn(connection, part, everybody, lesson, allowed)
    with app.store.write() as connection:
        send_hours.note(connection, now)
    return learnt


def _is_fresh(known: Known, now: datetime) -> bool:
    return timedelta(0) <= now - known.counted_at < A_WEEK


def _count(app: App, lesson: Lesson, allowed: tuple[int, ...]) -> dict[str, list[int]]:
    """The hours of everybody, by country where there is enough and of the shop under ""."""
    with app.store.read() as connection:
        by_country = send_hours.counts_by_country(connection, lesson)
    if not by_country:
        return {}
    shop = [sum(numbers) for numbers in zip(*by_country.values(), strict=True)]
    enough = {
        country: numbers
        for country, numbers in by_country.items()
        if country and sum(numbers) >= rules.ENOUGH_FOR_A_COUNTRY
    }
    counts = {**enough, "": shop}
    with app.store.write() as connection:
        send_hours.set_countries(connection, counts, lesson, allowed)
    return counts
