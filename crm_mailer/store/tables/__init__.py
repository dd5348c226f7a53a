"""Every table, in the order of the path from an export to a case."""

from crm_mailer.store.tables.answers import (
    bounces,
    inbound,
    mailboxes,
    replies,
    spam_reports,
    suppressions,
)
from crm_mailer.store.tables.buyers import (
    consents,
    customer_identities,
    customer_notes,
    customer_tags,
    customers,
    import_runs,
    memberships,
    order_events,
    order_items,
    orders,
    reviews,
    scores,
)
from crm_mailer.store.tables.columns import Id, metadata
from crm_mailer.store.tables.followups import case_events, cases, feedback, tasks
from crm_mailer.store.tables.mails import deliveries, messages, plan_runs, touches
from crm_mailer.store.tables.sending import alerts, evidence, paces, pauses, tallies
from crm_mailer.store.tables.shop import facts, leases

__all__ = [
    "Id",
    "alerts",
    "bounces",
    "case_events",
    "cases",
    "consents",
    "customer_identities",
    "customer_notes",
    "customer_tags",
    "customers",
    "deliveries",
    "evidence",
    "facts",
    "feedback",
    "import_runs",
    "inbound",
    "leases",
    "mailboxes",
    "memberships",
    "messages",
    "metadata",
    "order_events",
    "order_items",
    "orders",
    "paces",
    "pauses",
    "plan_runs",
    "replies",
    "reviews",
    "scores",
    "spam_reports",
    "suppressions",
    "tallies",
    "tasks",
    "touches",
]
