"""Until when marketing is lawful: SQL says of each customer what the pure rule says."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.definitions.consent_reader import LAWS
from crm_mailer.model.consent import (
    FOREVER,
    NEVER,
    OTHERS,
    RECORDED,
    ConsentRules,
    CountryRule,
    Known,
    WriteTo,
    lawful_until,
)
from crm_mailer.model.customer import ConsentBasis
from crm_mailer.store import lawful
from crm_mailer.store import tables as t
from crm_mailer.store.engine import Store
from tests.planning.people import NOON, add, customer, order

DAY = timedelta(days=1)
HOMES = ("US", "DE", "IE", "CA", "CN", "KR", "RU", "")
RULES = {
    "by the laws": ConsentRules(LAWS),
    "only a no counts": RECORDED,
    "a shop's own": ConsentRules(
        {
            "RU": CountryRule(write_to=WriteTo.CONSENTING),
            "DE": CountryRule(after_purchase=40 * DAY, after_inquiry=20 * DAY, is_renewed=True),
            "CN": CountryRule(after_inquiry=30 * DAY),
            OTHERS: CountryRule(write_to=WriteTo.ANYBODY),
        }
    ),
}


def people_of_all_kinds(store: Store) -> None:
    """Every mixture of what is recorded, bought, asked and mailed, with times by chance."""
    chance = random.Random(7)

    def ago() -> datetime:
        return NOON - timedelta(hours=chance.randrange(24 * 900))

    for number in range(240):
        person = customer(store, f"c{number}", country=HOMES[number % len(HOMES)])
        if number % 5:
            basis = (*ConsentBasis, ConsentBasis.SOFT_OPT_IN)[number % 5]
            until = NOON + chance.randrange(-9, 9) * DAY if number % 3 == 0 else None
            add(store, t.consents, customer_id=person, purpose="marketing", basis=basis.value,
                given_at=ago(), until=until)  # fmt: skip
        for place in range(chance.randrange(3)):
            order(store, person, number=f"{number}-{place}", placed_at=ago(),
                  is_counted=chance.random() < 0.7)  # fmt: skip
        if chance.random() < 0.4:
            kind = chance.choice(["human", "auto_reply"])
            add(store, t.replies, customer_id=person, kind=kind, received_at=ago())
        if chance.random() < 0.5:
            add(store, t.touches, campaign=f"x{number}", step="s", anchor="a", customer_id=person,
                stream=chance.choice(["marketing", "transactional"]), template="t",
                state=chance.choice(["accepted", "skipped"]), settled_at=ago(), due_at=NOON,
                anchored_at=NOON, planned_at=NOON, provider="other")  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_sql_says_what_the_rule_says(store: Store, name: str) -> None:
    people_of_all_kinds(store)
    query = sa.select(t.customers.c.id, lawful.column(RULES[name])).order_by(t.customers.c.id)

    with store.read() as connection:
        by_sql = {row[0]: row[1] for row in connection.execute(query)}
        by_rule = {
            one: int(lawful_until(RULES[name], lawful.known(connection, one)).timestamp())
            for one in by_sql
        }

    assert by_sql == by_rule
    kinds = {0, int(FOREVER.timestamp())}
    assert kinds <= set(by_sql.values())
    assert name == "only a no counts" or len(set(by_sql.values())) > 10


BOUGHT = datetime(2024, 11, 1, tzinfo=UTC)
SOFT = Known(basis=ConsentBasis.SOFT_OPT_IN, given_at=BOUGHT)


@pytest.mark.parametrize(
    ("known", "until"),
    [
        pytest.param(SOFT._replace(country="US"), FOREVER, id="us-opt-out"),
        pytest.param(Known(country="US"), FOREVER, id="us-never-bought"),
        pytest.param(SOFT._replace(country="DE"), FOREVER, id="eu-buyer"),
        pytest.param(Known(country="DE"), NEVER, id="eu-never-bought"),
        pytest.param(
            SOFT._replace(country="DE", has_ordered=True), NEVER, id="eu-only-order-cancelled"
        ),
        pytest.param(
            SOFT._replace(country="CA", has_ordered=True, bought_at=BOUGHT - DAY),
            BOUGHT + 729 * DAY,
            id="canada-last-order-cancelled",
        ),
        pytest.param(SOFT._replace(country=""), FOREVER, id="country-unknown"),
        pytest.param(SOFT._replace(country="IE"), BOUGHT + 365 * DAY, id="ireland"),
        pytest.param(
            SOFT._replace(country="IE", mailed_at=BOUGHT + 300 * DAY),
            BOUGHT + 665 * DAY,
            id="ireland-mailed-in-time",
        ),
        pytest.param(SOFT._replace(country="CA"), BOUGHT + 730 * DAY, id="canada"),
        pytest.param(
            SOFT._replace(country="CA", bought_at=BOUGHT + DAY), BOUGHT + 731 * DAY,
            id="canada-bought-again",
        ),
        pytest.param(
            Known(country="CA", asked_at=BOUGHT), BOUGHT + 180 * DAY, id="canada-asked"
        ),
        pytest.param(SOFT._replace(country="CN"), NEVER, id="china-buyer"),
        pytest.param(
            Known(country="CN", basis=ConsentBasis.CONSENT, given_at=BOUGHT), FOREVER,
            id="china-consent",
        ),
        pytest.param(
            Known(country="US", basis=ConsentBasis.NONE, given_at=BOUGHT, bought_at=NOON), NEVER,
            id="a-no-holds-everywhere",
        ),
        pytest.param(
            Known(country="CN", basis=ConsentBasis.CONSENT, given_at=BOUGHT, until=NOON), NOON,
            id="a-yes-with-an-end",
        ),
    ],
)  # fmt: skip
def test_the_laws_of_countries(known: Known, until: Any) -> None:
    assert lawful_until(ConsentRules(LAWS), known) == until
