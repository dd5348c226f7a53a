"""Touches, messages and deliveries: what planning and delivering write.

On PostgreSQL messages and deliveries lie in partitions by the number of their touch
(`store.partitions`), which touches, the keys of everything, never do.
"""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText, Packed
from crm_mailer.store.tables.columns import Id, count, id_, metadata, text, to

#: One act of planning: how many were asked, planned and left out, and why.
plan_runs = sa.Table(
    "plan_runs",
    metadata,
    id_(),
    sa.Column("campaign", sa.Text, nullable=False, index=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("counts", JsonText, nullable=False),
)

touches = sa.Table(
    "touches",
    metadata,
    id_(),
    sa.Column("kind", sa.Text, nullable=False, server_default="campaign"),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("anchor", sa.Text, nullable=False),
    #: NULL: a test, which is nobody's.
    to("customer_id", "customers"),
    to("order_id", "orders"),
    sa.Column("stream", sa.Text, nullable=False),
    #: Who receives for the customer, as planned: with the stream it names the lane.
    sa.Column("provider", sa.Text, nullable=False, server_default="other"),
    sa.Column("template", sa.Text, nullable=False),
    text("campaign_version"),
    #: The arm of a test.
    text("arm"),
    sa.Column("place", sa.Integer, nullable=False, server_default="1"),
    sa.Column("places", sa.Integer, nullable=False, server_default="1"),
    sa.Column("anchored_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("state", sa.Text, nullable=False),
    text("reason"),
    text("detail"),
    sa.Column("next_at", Instant),
    count("attempts"),
    sa.Column("planned_at", Instant, nullable=False),
    sa.Column("settled_at", Instant),
    # the claim
    text("owner"),
    sa.Column("claimed_until", Instant),
    text("boot_id"),
    count("fence"),
    sa.UniqueConstraint("campaign", "step", "anchor", "customer_id", name="uq_touches_key"),
    sa.CheckConstraint(
        "state IN ('planned','held','claimed','in_doubt','accepted','deferred','refused',"
        "'expired','skipped')",
        name="state",
    ),
    #: Claims ask for each lane by itself: order mail never waits behind an EDM, and a provider that
    #: wants to be left alone keeps nobody else waiting.
    sa.Index(
        "ix_touches_due",
        "stream",
        "provider",
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
    #: Mails that were put off to the end, by when it was over.
    sa.Index(
        "ix_touches_expired",
        "settled_at",
        sqlite_where=sa.text("state = 'expired'"),
        postgresql_where=sa.text("state = 'expired'"),
    ),
    sa.Index("ix_touches_customer_id_due_at", "customer_id", "due_at"),
    sa.Index("ix_touches_campaign_state", "campaign", "state"),
)

#: What a touch became. Transactional mail keeps its bytes, marketing its fields.
messages = sa.Table(
    "messages",
    metadata,
    to("touch_id", "touches", primary_key=True),
    sa.Column("message_id", sa.Text, nullable=False, unique=True),
    sa.Column("rcpt_to", sa.Text, nullable=False),
    text("mail_from"),
    text("subject"),
    text("language"),
    text("template"),
    text("template_version"),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("snapshot", sa.LargeBinary),
    sa.Column("content", Packed),
    sa.Column("rendered_at", Instant, nullable=False),
    #: How many of its links report when they are followed.
    count("links"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    id_(),
    to("touch_id", "touches", nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    count("code"),
    text("status"),
    text("text"),
    text("blame"),
    text("host"),
    count("took_ms"),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.UniqueConstraint("touch_id", "attempt"),
    sa.CheckConstraint("outcome IN ('accepted','deferred','refused','unknown')", name="outcome"),
    #: Refusals that wait to be understood: few among many.
    sa.Index(
        "ix_deliveries_refused",
        "id",
        sqlite_where=sa.text("outcome = 'refused'"),
        postgresql_where=sa.text("outcome = 'refused'"),
    ),
)

#: Months that left the database: the mails of these touches are in files of this folder.
archives = sa.Table(
    "archives",
    metadata,
    sa.Column("folder", sa.Text, primary_key=True),
    sa.Column("first_touch", Id, nullable=False),
    #: Of the slice, whether it has left or not.
    sa.Column("last_touch", Id, nullable=False),
    #: Table -> rows that left.
    sa.Column("counts", JsonText, nullable=False),
    sa.Column("at", Instant, nullable=False),
)
