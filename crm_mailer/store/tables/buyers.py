"""Customers and their orders, scores and segments: what importing and segmenting write."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import id_, metadata, text, to, yes

import_runs = sa.Table(
    "import_runs",
    metadata,
    id_(),
    sa.Column("kind", sa.Text, nullable=False),
    text("file_name"),
    text("digest"),
    text("mapping"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("counts", JsonText, nullable=False),
)

customers = sa.Table(
    "customers",
    metadata,
    id_(),
    sa.Column("email", sa.Text),
    #: The address without case: two customers never share it. Empty addresses are NULL.
    sa.Column("email_key", sa.Text, unique=True),
    text("address_kind"),
    text("name"),
    text("given_name"),
    text("family_name"),
    text("patronymic"),
    text("phone"),
    sa.Column("gender", sa.Text),
    yes("is_gender_guessed"),
    sa.Column("birth_year", sa.Integer),
    sa.Column("birth_month", sa.Integer),
    sa.Column("birth_day", sa.Integer),
    text("age_band"),
    text("language"),
    text("country"),
    text("region"),
    text("city"),
    text("postcode"),
    text("street"),
    text("time_zone"),
    sa.Column("occupation", sa.Text),
    sa.Column("personality", sa.Text),
    sa.Column("buying_behaviour", sa.Text),
    sa.Column("shopping_age", sa.Text),
    text("source_platform"),
    yes("is_flagged"),
    text("flag_reason"),
    sa.Column("snoozed_until", Instant),
    #: Topics of campaigns that the customer does not want, each with a comma after it.
    text("topics_off"),
    #: Asked for fewer mails: half of the shop's cap.
    yes("wants_fewer"),
    #: What only the customer changes, such as "language,birthday,": files leave it alone.
    text("told_by_self"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    #: When the person asked to be forgotten: only the number is left, for the mails that left.
    sa.Column("erased_at", Instant),
    sa.Index("ix_customers_birth_month_birth_day", "birth_month", "birth_day"),
    sa.Index("ix_customers_changed_at", "changed_at"),
    sa.Index("ix_customers_country_id", "country", "id"),
    #: Searching for the beginning of a name.
    sa.Index("ix_customers_name", "name", postgresql_ops={"name": "text_pattern_ops"}),
    sa.Index(
        "ix_customers_family_name",
        "family_name",
        postgresql_ops={"family_name": "text_pattern_ops"},
    ),
)

#: A buyer's id on a platform: how an order without a mail address finds its customer.
customer_identities = sa.Table(
    "customer_identities",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False, index=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("buyer_id", sa.Text, nullable=False, index=True),
    sa.UniqueConstraint("platform", "buyer_id"),
)

customer_tags = sa.Table(
    "customer_tags",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False),
    sa.Column("tag", sa.Text, nullable=False, index=True),
    yes("is_pinned"),
    text("set_by"),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("customer_id", "tag"),
)

customer_notes = sa.Table(
    "customer_notes",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    text("by"),
    text("text"),
)

#: Why marketing mail to a customer is lawful, with its proof.
consents = sa.Table(
    "consents",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("basis", sa.Text, nullable=False),
    text("source"),
    text("evidence"),
    sa.Column("given_at", Instant, nullable=False),
    sa.Column("until", Instant),
    #: The version of the words that were agreed to, and the keyed hash of where from.
    text("text_version"),
    text("ip_hash"),
    sa.UniqueConstraint("customer_id", "purpose"),
)

orders = sa.Table(
    "orders",
    metadata,
    id_(),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    to("customer_id", "customers", index=True),
    text("buyer_id"),
    sa.Column("state", sa.Text, nullable=False, index=True),
    #: Whether it counts for scores: paid, and not cancelled or wholly refunded.
    yes("is_counted"),
    sa.Column("placed_at", Instant, nullable=False),
    sa.Column("paid_at", Instant),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("refunded_minor", sa.BigInteger, nullable=False, server_default="0"),
    #: Net of refunds, at the rate of the order's day; NULL where no rate is known.
    sa.Column("net_usd_cents", sa.BigInteger),
    text("payment_method"),
    text("unpaid_reason"),
    sa.Column("promised_ship_at", Instant),
    text("carrier"),
    text("tracking_number"),
    text("tracking_url"),
    sa.Column("expected_at", Instant),
    text("note"),
    #: The codes that the order names, as the export writes them.
    text("coupons"),
    #: What the buyer paid for shipping; NULL where the export does not tell.
    sa.Column("shipping_minor", sa.BigInteger),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False, index=True),
    sa.UniqueConstraint("platform", "number"),
    sa.Index("ix_orders_number", "number"),
    #: What was bought today.
    sa.Index("ix_orders_placed_at", "placed_at"),
    #: Covers the RFM aggregate.
    sa.Index("ix_orders_rfm", "customer_id", "is_counted", "placed_at", "net_usd_cents"),
)

#: When an order reached a state, and when we learnt of it. Anchors of order campaigns.
order_events = sa.Table(
    "order_events",
    metadata,
    id_(),
    to("order_id", "orders", nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("learnt_at", Instant, nullable=False),
    sa.UniqueConstraint("order_id", "state"),
    sa.Index("ix_order_events_state_at", "state", "at"),
    #: What is new, whatever its date.
    sa.Index("ix_order_events_state_learnt_at", "state", "learnt_at"),
)

order_items = sa.Table(
    "order_items",
    metadata,
    to("order_id", "orders", primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    text("sku", index=True),
    text("title"),
    text("category"),
    sa.Column("quantity", sa.Integer, nullable=False, server_default="1"),
    sa.Column("price_minor", sa.BigInteger, nullable=False, server_default="0"),
)

reviews = sa.Table(
    "reviews",
    metadata,
    id_(),
    to("order_id", "orders", unique=True),
    to("customer_id", "customers", index=True),
    sa.Column("stars", sa.Integer, nullable=False),
    text("comment"),
    sa.Column("at", Instant, nullable=False),
    text("platform"),
    #: Sku, else title of what was reviewed.
    text("product"),
    #: file, mail or hand.
    sa.Column("source", sa.Text, nullable=False, server_default="file"),
    #: When somebody, or a mail of ours, answered it.
    sa.Column("answered_at", Instant),
    sa.Column("learnt_at", Instant),
    sa.CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
    sa.Index("ix_reviews_learnt_at_id", "learnt_at", "id"),
)

#: The figures and marks of each customer with a counted order.
scores = sa.Table(
    "scores",
    metadata,
    to("customer_id", "customers", primary_key=True),
    sa.Column("first_order_at", Instant, nullable=False),
    sa.Column("last_order_at", Instant, nullable=False, index=True),
    sa.Column("order_count", sa.Integer, nullable=False),
    sa.Column("spent_usd_cents", sa.BigInteger, nullable=False),
    sa.Column("days_since_last", sa.Integer, nullable=False),
    sa.Column("r", sa.SmallInteger, nullable=False),
    sa.Column("f", sa.SmallInteger, nullable=False),
    sa.Column("m", sa.SmallInteger, nullable=False),
    sa.Column("total", sa.SmallInteger, nullable=False),
    sa.Column("profile", sa.Text, nullable=False),
    sa.Column("scored_on", sa.Date, nullable=False),
    text("value_class"),
    #: Figures of the profile's window and its oldest order; NULL where all orders count.
    sa.Column("window_orders", sa.Integer),
    sa.Column("window_usd_cents", sa.BigInteger),
    sa.Column("window_first_at", Instant),
    sa.Index(
        "ix_scores_window_first_at",
        "window_first_at",
        sqlite_where=sa.text("window_first_at IS NOT NULL"),
        postgresql_where=sa.text("window_first_at IS NOT NULL"),
    ),
)

#: Each change of a customer's marks: when, why, from what to what. NULL: without a score.
score_changes = sa.Table(
    "score_changes",
    metadata,
    id_(),
    to("customer_id", "customers", nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    text("profile"),
    *(
        sa.Column(f"{mark}{when}", sa.SmallInteger)
        for when in ("_before", "")
        for mark in ("r", "f", "m", "total")
    ),
    text("value_class_before"),
    text("value_class"),
    sa.Index("ix_score_changes_customer_id_at", "customer_id", "at"),
    sa.Index("ix_score_changes_at", "at"),
)

#: What a customer is likely to bring: by the nightly models of buying and forgetting.
customer_values = sa.Table(
    "customer_values",
    metadata,
    to("customer_id", "customers", primary_key=True),
    #: Days with an order after the first such day, and their money.
    sa.Column("repeats", sa.Integer, nullable=False),
    sa.Column("repeat_usd_cents", sa.BigInteger, nullable=False),
    text("churn"),
    #: Percent chance of an order in the next 90 days; NULL while the shop has too few orders.
    sa.Column("chance_percent", sa.SmallInteger),
    #: Of the next twelve months, discounted.
    sa.Column("clv_usd_cents", sa.BigInteger),
)

#: Being in a segment, since when and until when; the open one has no `until`.
memberships = sa.Table(
    "memberships",
    metadata,
    id_(),
    sa.Column("segment", sa.Text, nullable=False),
    to("customer_id", "customers", nullable=False, index=True),
    sa.Column("since", Instant, nullable=False),
    sa.Column("until", Instant),
    sa.Index("ix_memberships_segment_since", "segment", "since"),
    sa.Index(
        "uq_memberships_open",
        "segment",
        "customer_id",
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
        postgresql_where=sa.text("until IS NULL"),
    ),
)
