"""What is known of customers before a course of theirs begins, and of the shop's own half-life."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from crm_mailer.model.campaign import Campaign
from crm_mailer.store import curve_states, facts
from crm_mailer.store import tables as t
from crm_mailer.store.touches import sliced

#: The fact in which segmenting keeps its models.
MODELS = "values"


def of_customers(
    connection: sa.Connection, campaign: Campaign, customers: Sequence[int]
) -> dict[int, tuple[float | None, str]]:
    """The half-life that each customer brings along, and the class of value; none of strangers."""
    person, score = t.customers.c, t.scores.c
    found: dict[int, tuple[float | None, str]] = {}
    for ids in sliced(customers):
        query = (
            sa.select(person.id, curve_states.kept(campaign, person.id), score.value_class)
            .select_from(t.customers.outerjoin(t.scores, score.customer_id == person.id))
            .where(person.id.in_(ids))
        )
        for customer, half_life, value_class in connection.execute(query):
            if half_life is not None or value_class:
                found[customer] = half_life, value_class or ""
    return found


def half_life_of_shop(connection: sa.Connection) -> float | None:
    """The half-life in days that was fitted to the shop's orders with the values of customers;
    None before that.
    """
    known = facts.find(connection, MODELS)
    return float(known["models"]["half_life"]) if known else None
