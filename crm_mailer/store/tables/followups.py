"""Cases, feedback and tasks: what learning writes."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import Id, count, id_, metadata, text, to, yes

cases = sa.Table(
    "cases",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False, index=True),
    to("order_id", "orders"),
    #: The reply that opened it; NULL for a case opened by hand.
    to("reply_id", "replies", unique=True),
    to("touch_id", "touches"),
    sa.Column("channel", sa.Text, nullable=False, server_default="email"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    text("asks"),
    text("owner"),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("first_response_at", Instant),
    sa.Column("closed_at", Instant),
    #: The marketplace's own deadline: wall clock, no calendar.
    sa.Column("deadline_at", Instant),
    #: Whether the customer threatens with something: then it is handled as serious.
    yes("is_threat"),
    #: When a clock of it is next to be told of, as nearly or wholly run out.
    sa.Column("tell_at", Instant, index=True),
    #: The case that this one goes on with, and the one that it was merged into.
    sa.Column("follows_id", Id),
    sa.Column("merged_into_id", Id, index=True),
    #: The dispute's number on the marketplace, and how its arbitration stands: opened, decided.
    text("dispute_number", index=True),
    text("arbitration"),
    #: Whether the seller was found liable; NULL while nobody decided.
    sa.Column("is_liable", sa.Boolean),
    #: The remedy that the customer chose, and what it costs.
    text("remedy"),
    sa.Column("compensation_cents", sa.BigInteger),
    text("compensation_currency"),
    #: How and when the customer is best reached.
    text("best_channel"),
    text("best_time"),
    #: The customer's word on how it was handled, 1 to 5.
    sa.Column("satisfaction", sa.Integer),
    sa.Index("ix_cases_state_due_at", "state", "due_at"),
    sa.Index("ix_cases_state_closed_at", "state", "closed_at"),
    sa.Index("ix_cases_state_owner_due_at", "state", "owner", "due_at"),
)

case_events = sa.Table(
    "case_events",
    metadata,
    id_(),
    to("case_id", "cases", nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    text("by"),
    text("text"),
    #: What the act is about: the step of the checklist, the remedy, the link or file of evidence.
    text("ref"),
    to("reply_id", "replies"),
    sa.UniqueConstraint("case_id", "kind", "reply_id"),
)

#: A warning or a breach is told once for each clock and level.
case_escalations = sa.Table(
    "case_escalations",
    metadata,
    to("case_id", "cases", primary_key=True),
    sa.Column("clock", sa.Text, primary_key=True),
    sa.Column("level", sa.Text, primary_key=True),
    #: When the clock began to run: a new turn may be told again.
    sa.Column("since", Instant, primary_key=True),
    sa.Column("at", Instant, nullable=False),
)

#: What an agent wrote to a customer: the text of a touch of kind `case_reply`.
agent_replies = sa.Table(
    "agent_replies",
    metadata,
    to("touch_id", "touches", primary_key=True),
    to("case_id", "cases", index=True),
    to("task_id", "tasks"),
    #: The customer's letter that is answered.
    to("reply_id", "replies"),
    text("subject"),
    text("text"),
    text("in_reply_to"),
    text("references"),
    text("template"),
    text("language"),
    text("by"),
    sa.Column("at", Instant, nullable=False, index=True),
    #: When we saw that it did not get through, and gave its case or task back to a person.
    sa.Column("failed_at", Instant),
)

#: Everything a customer said about us, by mail or any other channel.
feedback = sa.Table(
    "feedback",
    metadata,
    id_(),
    to("customer_id", "customers", index=True),
    to("order_id", "orders"),
    to("reply_id", "replies", unique=True),
    to("review_id", "reviews", unique=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("rating", sa.Integer),
    text("reason"),
    text("campaign"),
    #: What it is about, where one product is named: its sku, else its title.
    text("product"),
    text("text"),
    sa.Column("at", Instant, nullable=False, index=True),
)

#: Buyers to beware of: who, why, on what evidence, and when the flag was taken off again.
customer_flags = sa.Table(
    "customer_flags",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    text("reason"),
    text("evidence"),
    to("case_id", "cases"),
    text("by"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("removed_at", Instant),
    text("removed_by"),
    text("removed_why"),
)

#: Detailed ratings of the shop (1 to 5, in hundredths): anonymous, by platform and period.
shop_ratings = sa.Table(
    "shop_ratings",
    metadata,
    id_(),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("from_on", sa.Date, nullable=False),
    sa.Column("until_on", sa.Date, nullable=False),
    sa.Column("item_as_described", sa.Integer),
    sa.Column("communication", sa.Integer),
    sa.Column("shipping_speed", sa.Integer),
    count("ratings"),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("platform", "from_on", "until_on"),
)

#: An agent's word on whether a reply is a complaint; the learner is trained on these alone.
judgements = sa.Table(
    "judgements",
    metadata,
    to("reply_id", "replies", primary_key=True),
    sa.Column("is_complaint", sa.Boolean, nullable=False),
    text("reason"),
    text("severity"),
    text("by"),
    sa.Column("at", Instant, nullable=False),
    #: What the program had understood: kind, intent, reasons, severity.
    sa.Column("before", JsonText, nullable=False),
)

#: What the second-stage learner knows.
learners = sa.Table(
    "learners",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("trained_at", Instant, nullable=False),
    count("judged"),
    sa.Column("weights", sa.LargeBinary, nullable=False),
    sa.Column("figures", JsonText),
)

#: Something an agent should do that is no complaint.
tasks = sa.Table(
    "tasks",
    metadata,
    id_(),
    sa.Column("kind", sa.Text, nullable=False),
    #: What makes it unique, such as `reply:17` or `order:4:unconfirmed`.
    sa.Column("key", sa.Text, nullable=False, unique=True),
    to("customer_id", "customers", index=True),
    to("order_id", "orders"),
    text("text"),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("due_at", Instant),
    sa.Column("done_at", Instant),
    sa.Index("ix_tasks_state_due_at", "state", "due_at"),
)
