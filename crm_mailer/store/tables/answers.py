"""Mails that came, and what they are: what listening writes."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import Id, count, id_, metadata, text, to, yes

mailboxes = sa.Table(
    "mailboxes",
    metadata,
    id_(),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("folder", sa.Text, nullable=False),
    sa.Column("uidvalidity", sa.BigInteger),
    sa.Column("last_uid", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("synced_at", Instant),
    text("trouble"),
    #: The last comparison with the server: what it holds, and what of that we lack.
    sa.Column("reconciled_at", Instant),
    sa.Column("on_server", sa.Integer),
    sa.Column("missing", sa.Integer),
    #: Uids up to the first are left alone: they were there before we came. Of those up to the
    #: second, which were there too, only mails since a day are wanted.
    sa.Column("skipped_to", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("met_to", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("since_on", sa.Date),
    #: Where fetching broke: mails up to here are fetched one at a time, and how often it broke
    #: at one of them.
    sa.Column("careful_to", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("stuck_at", sa.BigInteger, nullable=False, server_default="0"),
    count("strikes"),
    sa.UniqueConstraint("account", "folder"),
)

#: Each mail as it came, before anything is read into it.
inbound = sa.Table(
    "inbound",
    metadata,
    id_(),
    to("mailbox_id", "mailboxes", nullable=False),
    sa.Column("uidvalidity", sa.BigInteger, nullable=False),
    sa.Column("uid", sa.BigInteger, nullable=False),
    #: sha256 of the raw bytes.
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("raw", sa.LargeBinary),
    text("raw_path"),
    yes("is_truncated"),
    sa.Column("state", sa.Text, nullable=False, server_default="new"),
    count("strikes"),
    text("error"),
    #: When it was moved out of the way on the server, where the shop wants that.
    sa.Column("moved_at", Instant),
    sa.UniqueConstraint("mailbox_id", "uidvalidity", "uid"),
    sa.UniqueConstraint("mailbox_id", "digest"),
    sa.CheckConstraint("state IN ('new','done','quarantined')", name="state"),
    sa.Index("ix_inbound_state_id", "state", "id"),
    #: Those whose bytes go when they are old.
    sa.Index(
        "ix_inbound_raw",
        "received_at",
        sqlite_where=sa.text("state = 'done' AND (raw IS NOT NULL OR raw_path <> '')"),
        postgresql_where=sa.text("state = 'done' AND (raw IS NOT NULL OR raw_path <> '')"),
    ),
    #: What was understood and is still where it came.
    sa.Index(
        "ix_inbound_movable",
        "mailbox_id",
        "id",
        sqlite_where=sa.text("state = 'done' AND moved_at IS NULL"),
        postgresql_where=sa.text("state = 'done' AND moved_at IS NULL"),
    ),
)

#: Further places on the server of bytes that are kept already.
inbound_places = sa.Table(
    "inbound_places",
    metadata,
    to("mailbox_id", "mailboxes", primary_key=True),
    sa.Column("uidvalidity", sa.BigInteger, primary_key=True),
    sa.Column("uid", sa.BigInteger, primary_key=True),
    to("inbound_id", "inbound", nullable=False, index=True),
    sa.Column("moved_at", Instant),
)

#: What a mail is and says.
replies = sa.Table(
    "replies",
    metadata,
    id_(),
    #: NULL for what an agent logged by hand.
    to("inbound_id", "inbound", unique=True),
    sa.Column("channel", sa.Text, nullable=False, server_default="email"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    text("message_id", index=True),
    text("sender"),
    text("subject"),
    text("own_text"),
    text("full_text"),
    text("language"),
    sa.Column("intent", sa.Text),
    sa.Column("severity", sa.Text),
    sa.Column("asks", sa.Text),
    sa.Column("reasons", JsonText),
    sa.Column("evidence", JsonText),
    #: The sum of the evidence, and the learner's probability of a complaint, where it has one.
    sa.Column("score", sa.Float),
    sa.Column("chance", sa.Float),
    to("customer_id", "customers", index=True),
    to("touch_id", "touches", index=True),
    to("order_id", "orders"),
    sa.Column("rung", sa.Text, nullable=False, server_default="none"),
    sa.Column("return_on", sa.Date),
    #: The same mail in a second copy (other Received lines) has no effect of its own.
    yes("is_copy"),
    sa.Column("learnt_at", Instant),
    sa.Index("ix_replies_learnt_at_id", "learnt_at", "id"),
    #: Replies as anchors of campaigns.
    sa.Index("ix_replies_received_at", "received_at"),
    #: How often a machine wrote within a day.
    sa.Index("ix_replies_sender_received_at", "sender", "received_at"),
    #: What a list of replies is narrowed by.
    sa.Index("ix_replies_kind_received_at", "kind", "received_at"),
    sa.Index("ix_replies_intent_received_at", "intent", "received_at"),
    sa.Index("ix_replies_language_received_at", "language", "received_at"),
    sa.Index("ix_replies_rung_received_at", "rung", "received_at"),
    sa.Index("ix_replies_severity_received_at", "severity", "received_at"),
)

bounces = sa.Table(
    "bounces",
    metadata,
    id_(),
    to("inbound_id", "inbound", nullable=False),
    to("touch_id", "touches", index=True),
    sa.Column("recipient", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    text("reason"),
    text("action"),
    text("status"),
    text("diagnostic"),
    text("remote_host"),
    #: Message-ID of the mail that came back, where the report names it.
    text("message_id"),
    sa.Column("at", Instant, nullable=False),
    sa.UniqueConstraint("inbound_id", "recipient"),
    sa.Index("ix_bounces_at", "at"),
)

#: What a server said at hand-over, read by the same table of reasons as what came back.
refusals = sa.Table(
    "refusals",
    metadata,
    #: A number only: attempts may leave for an archive.
    sa.Column("delivery_id", Id, primary_key=True, autoincrement=False),
    to("touch_id", "touches", nullable=False),
    sa.Column("recipient", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
)

spam_reports = sa.Table(
    "spam_reports",
    metadata,
    id_(),
    to("inbound_id", "inbound", nullable=False, unique=True),
    to("touch_id", "touches"),
    to("customer_id", "customers"),
    text("recipient"),
    sa.Column("feedback_type", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False, index=True),
)

suppressions = sa.Table(
    "suppressions",
    metadata,
    id_(),
    sa.Column("address_key", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    text("source"),
    text("evidence"),
    sa.Column("at", Instant, nullable=False, index=True),
    sa.UniqueConstraint("address_key", "reason"),
)
