"""Every table, in the order of the path from an export to a case."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite counts row ids only in INTEGER columns.
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", Id, primary_key=True, autoincrement=True)


def _to(name: str, target: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, Id, sa.ForeignKey(f"{target}.id"), **options)


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="", **options)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _yes(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


# --------------------------------------------------------------------- the shop itself

#: Small facts about this database: its identity, the day scores were rolled to, switches.
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", JsonText, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    _text("host"),
    _count("pid"),
    sa.Column("since", Instant),
)

# --------------------------------------------------------------------- importing

import_runs = sa.Table(
    "import_runs",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False),
    _text("file_name"),
    _text("digest"),
    _text("mapping"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("counts", JsonText, nullable=False),
)

customers = sa.Table(
    "customers",
    metadata,
    _id(),
    sa.Column("email", sa.Text),
    #: The address without case: two customers never share it. Empty addresses are NULL.
    sa.Column("email_key", sa.Text, unique=True),
    _text("address_kind"),
    _text("name"),
    _text("given_name"),
    _text("family_name"),
    _text("patronymic"),
    _text("phone"),
    sa.Column("gender", sa.Text),
    _yes("is_gender_guessed"),
    sa.Column("birth_year", sa.Integer),
    sa.Column("birth_month", sa.Integer),
    sa.Column("birth_day", sa.Integer),
    _text("age_band"),
    _text("language"),
    _text("country"),
    _text("region"),
    _text("city"),
    _text("postcode"),
    _text("street"),
    _text("time_zone"),
    sa.Column("occupation", sa.Text),
    sa.Column("personality", sa.Text),
    sa.Column("buying_behaviour", sa.Text),
    sa.Column("shopping_age", sa.Text),
    _text("source_platform"),
    _yes("is_flagged"),
    _text("flag_reason"),
    sa.Column("snoozed_until", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Index("ix_customers_birth_month_birth_day", "birth_month", "birth_day"),
    sa.Index("ix_customers_changed_at", "changed_at"),
)

#: A buyer's id on a platform: how an order without a mail address finds its customer.
customer_identities = sa.Table(
    "customer_identities",
    metadata,
    _id(),
    _to("customer_id", "customers", nullable=False, index=True),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("buyer_id", sa.Text, nullable=False),
    sa.UniqueConstraint("platform", "buyer_id"),
)

customer_tags = sa.Table(
    "customer_tags",
    metadata,
    _id(),
    _to("customer_id", "customers", nullable=False),
    sa.Column("tag", sa.Text, nullable=False, index=True),
    _yes("is_pinned"),
    _text("set_by"),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("customer_id", "tag"),
)

customer_notes = sa.Table(
    "customer_notes",
    metadata,
    _id(),
    _to("customer_id", "customers", nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    _text("by"),
    _text("text"),
)

#: Why marketing mail to a customer is lawful, with its proof.
consents = sa.Table(
    "consents",
    metadata,
    _id(),
    _to("customer_id", "customers", nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("basis", sa.Text, nullable=False),
    _text("source"),
    _text("evidence"),
    sa.Column("given_at", Instant, nullable=False),
    sa.Column("until", Instant),
    sa.UniqueConstraint("customer_id", "purpose"),
)

orders = sa.Table(
    "orders",
    metadata,
    _id(),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("number", sa.Text, nullable=False),
    _to("customer_id", "customers", index=True),
    _text("buyer_id"),
    sa.Column("state", sa.Text, nullable=False, index=True),
    #: Whether it counts for scores: paid, and not cancelled or wholly refunded.
    _yes("is_counted"),
    sa.Column("placed_at", Instant, nullable=False),
    sa.Column("paid_at", Instant),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("amount_minor", sa.BigInteger, nullable=False),
    sa.Column("refunded_minor", sa.BigInteger, nullable=False, server_default="0"),
    #: Net of refunds, at the rate of the order's day; NULL where no rate is known.
    sa.Column("net_usd_cents", sa.BigInteger),
    _text("payment_method"),
    _text("unpaid_reason"),
    sa.Column("promised_ship_at", Instant),
    _text("carrier"),
    _text("tracking_number"),
    _text("tracking_url"),
    sa.Column("expected_at", Instant),
    _text("note"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("changed_at", Instant, nullable=False, index=True),
    sa.UniqueConstraint("platform", "number"),
    sa.Index("ix_orders_number", "number"),
    #: Covers the RFM aggregate.
    sa.Index("ix_orders_rfm", "customer_id", "is_counted", "placed_at", "net_usd_cents"),
)

#: When an order reached a state, and when we learnt of it. Anchors of order campaigns.
order_events = sa.Table(
    "order_events",
    metadata,
    _id(),
    _to("order_id", "orders", nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("learnt_at", Instant, nullable=False),
    sa.UniqueConstraint("order_id", "state"),
    sa.Index("ix_order_events_state_at", "state", "at"),
)

order_items = sa.Table(
    "order_items",
    metadata,
    _to("order_id", "orders", primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    _text("sku", index=True),
    _text("title"),
    _text("category"),
    sa.Column("quantity", sa.Integer, nullable=False, server_default="1"),
    sa.Column("price_minor", sa.BigInteger, nullable=False, server_default="0"),
)

reviews = sa.Table(
    "reviews",
    metadata,
    _id(),
    _to("order_id", "orders", unique=True),
    _to("customer_id", "customers", index=True),
    sa.Column("stars", sa.Integer, nullable=False),
    _text("comment"),
    sa.Column("at", Instant, nullable=False),
    sa.Column("learnt_at", Instant),
    sa.CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
    sa.Index("ix_reviews_learnt_at_id", "learnt_at", "id"),
)

# --------------------------------------------------------------------- segmenting

#: The figures and marks of each customer with a counted order.
scores = sa.Table(
    "scores",
    metadata,
    _to("customer_id", "customers", primary_key=True),
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
)

#: Being in a segment, since when and until when; the open one has no `until`.
memberships = sa.Table(
    "memberships",
    metadata,
    _id(),
    sa.Column("segment", sa.Text, nullable=False),
    _to("customer_id", "customers", nullable=False, index=True),
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

# --------------------------------------------------------------------- planning

#: One act of planning: how many were asked, planned and left out, and why.
plan_runs = sa.Table(
    "plan_runs",
    metadata,
    _id(),
    sa.Column("campaign", sa.Text, nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("counts", JsonText, nullable=False),
)

touches = sa.Table(
    "touches",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False, server_default="campaign"),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("anchor", sa.Text, nullable=False),
    _to("customer_id", "customers", nullable=False),
    _to("order_id", "orders"),
    sa.Column("stream", sa.Text, nullable=False),
    sa.Column("template", sa.Text, nullable=False),
    _text("campaign_version"),
    sa.Column("place", sa.Integer, nullable=False, server_default="1"),
    sa.Column("places", sa.Integer, nullable=False, server_default="1"),
    sa.Column("anchored_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("state", sa.Text, nullable=False),
    _text("reason"),
    _text("detail"),
    sa.Column("next_at", Instant),
    _count("attempts"),
    sa.Column("planned_at", Instant, nullable=False),
    sa.Column("settled_at", Instant),
    # the claim
    _text("owner"),
    sa.Column("claimed_until", Instant),
    _text("boot_id"),
    _count("fence"),
    sa.UniqueConstraint("campaign", "step", "anchor", "customer_id", name="uq_touches_key"),
    sa.CheckConstraint(
        "state IN ('planned','held','claimed','in_doubt','accepted','deferred','refused',"
        "'expired','skipped')",
        name="state",
    ),
    #: Claims ask for each stream by itself, so that order mail never waits behind an EDM.
    sa.Index(
        "ix_touches_due",
        "stream",
        "next_at",
        "id",
        sqlite_where=sa.text("state IN ('planned','deferred')"),
        postgresql_where=sa.text("state IN ('planned','deferred')"),
    ),
    #: Claims of a process that died, and order mail in doubt that may be sent once more.
    sa.Index(
        "ix_touches_claimed",
        "owner",
        sqlite_where=sa.text("state = 'claimed'"),
        postgresql_where=sa.text("state = 'claimed'"),
    ),
    sa.Index(
        "ix_touches_doubt",
        "next_at",
        sqlite_where=sa.text("state = 'in_doubt'"),
        postgresql_where=sa.text("state = 'in_doubt'"),
    ),
    sa.Index("ix_touches_customer_id_due_at", "customer_id", "due_at"),
    sa.Index("ix_touches_campaign_state", "campaign", "state"),
)

# --------------------------------------------------------------------- rendering, delivering

#: What a touch became. Transactional mail keeps its bytes, marketing its fields.
messages = sa.Table(
    "messages",
    metadata,
    _to("touch_id", "touches", primary_key=True),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("rcpt_to", sa.Text, nullable=False),
    _text("mail_from"),
    _text("subject"),
    _text("language"),
    _text("template"),
    _text("template_version"),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("snapshot", sa.LargeBinary),
    sa.Column("content", sa.LargeBinary),
    sa.Column("rendered_at", Instant, nullable=False),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(),
    _to("touch_id", "touches", nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    _count("code"),
    _text("status"),
    _text("text"),
    _text("blame"),
    _text("host"),
    _count("took_ms"),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.UniqueConstraint("touch_id", "attempt"),
    sa.CheckConstraint("outcome IN ('accepted','deferred','refused','unknown')", name="outcome"),
)

# --------------------------------------------------------------------- listening

mailboxes = sa.Table(
    "mailboxes",
    metadata,
    _id(),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("uidvalidity", sa.BigInteger),
    sa.Column("last_uid", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("synced_at", Instant),
    _text("trouble"),
    sa.UniqueConstraint("account", "folder"),
)

#: Each mail as it came, before anything is read into it.
inbound = sa.Table(
    "inbound",
    metadata,
    _id(),
    _to("mailbox_id", "mailboxes", nullable=False),
    sa.Column("uidvalidity", sa.BigInteger, nullable=False),
    sa.Column("uid", sa.BigInteger, nullable=False),
    #: sha256 of the raw bytes.
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("raw", sa.LargeBinary),
    _text("raw_path"),
    _yes("is_truncated"),
    sa.Column("state", sa.Text, nullable=False, server_default="new"),
    _count("strikes"),
    _text("error"),
    sa.UniqueConstraint("mailbox_id", "uidvalidity", "uid"),
    sa.UniqueConstraint("mailbox_id", "digest"),
    sa.CheckConstraint("state IN ('new','done','quarantined')", name="state"),
    sa.Index("ix_inbound_state_id", "state", "id"),
)

#: What a mail is and says.
replies = sa.Table(
    "replies",
    metadata,
    _id(),
    #: NULL for what an agent logged by hand.
    _to("inbound_id", "inbound", unique=True),
    sa.Column("channel", sa.Text, nullable=False, server_default="email"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    _text("message_id", index=True),
    _text("sender"),
    _text("subject"),
    _text("own_text"),
    _text("full_text"),
    _text("language"),
    sa.Column("intent", sa.Text),
    sa.Column("severity", sa.Text),
    sa.Column("asks", sa.Text),
    sa.Column("reasons", JsonText),
    sa.Column("evidence", JsonText),
    _to("customer_id", "customers", index=True),
    _to("touch_id", "touches", index=True),
    _to("order_id", "orders"),
    sa.Column("rung", sa.Text, nullable=False, server_default="none"),
    sa.Column("return_on", sa.Date),
    #: The same mail in a second copy (other Received lines) has no effect of its own.
    _yes("is_copy"),
    sa.Column("learnt_at", Instant),
    sa.Index("ix_replies_learnt_at_id", "learnt_at", "id"),
)

bounces = sa.Table(
    "bounces",
    metadata,
    _id(),
    _to("inbound_id", "inbound", nullable=False),
    _to("touch_id", "touches", index=True),
    sa.Column("recipient", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    _text("reason"),
    _text("action"),
    _text("status"),
    _text("diagnostic"),
    _text("remote_host"),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("inbound_id", "recipient"),
)

spam_reports = sa.Table(
    "spam_reports",
    metadata,
    _id(),
    _to("inbound_id", "inbound", nullable=False, unique=True),
    _to("touch_id", "touches"),
    _to("customer_id", "customers"),
    _text("recipient"),
    sa.Column("feedback_type", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    _id(),
    sa.Column("address_key", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    _text("source"),
    _text("evidence"),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("address_key", "reason"),
)

# --------------------------------------------------------------------- learning

cases = sa.Table(
    "cases",
    metadata,
    _id(),
    _to("customer_id", "customers", nullable=False, index=True),
    _to("order_id", "orders"),
    #: The reply that opened it; NULL for a case opened by hand.
    _to("reply_id", "replies", unique=True),
    _to("touch_id", "touches"),
    sa.Column("channel", sa.Text, nullable=False, server_default="email"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    _text("asks"),
    _text("owner"),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("first_response_at", Instant),
    sa.Column("closed_at", Instant),
    sa.Index("ix_cases_state_due_at", "state", "due_at"),
)

case_events = sa.Table(
    "case_events",
    metadata,
    _id(),
    _to("case_id", "cases", nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    _text("by"),
    _text("text"),
    _to("reply_id", "replies"),
    sa.UniqueConstraint("case_id", "kind", "reply_id"),
)

#: Everything a customer said about us, by mail or any other channel.
feedback = sa.Table(
    "feedback",
    metadata,
    _id(),
    _to("customer_id", "customers", index=True),
    _to("order_id", "orders"),
    _to("reply_id", "replies", unique=True),
    _to("review_id", "reviews", unique=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("rating", sa.Integer),
    _text("reason"),
    _text("campaign"),
    _text("text"),
    sa.Column("at", Instant, nullable=False, index=True),
)

#: Something an agent should do that is no complaint.
tasks = sa.Table(
    "tasks",
    metadata,
    _id(),
    sa.Column("kind", sa.Text, nullable=False),
    #: What makes it unique, such as `reply:17` or `order:4:unconfirmed`.
    sa.Column("key", sa.Text, nullable=False, unique=True),
    _to("customer_id", "customers", index=True),
    _to("order_id", "orders"),
    _text("text"),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("due_at", Instant),
    sa.Column("done_at", Instant),
)
