"""What sending remembers: pauses, alerts, paces of lanes, tallies of campaigns, evidence."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant, JsonText
from crm_mailer.store.tables.columns import count, id_, metadata, text, to, yes

#: What is stopped: everything, a campaign, a lane or an account; by a person or by a breaker.
pauses = sa.Table(
    "pauses",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    text("reason"),
    text("by"),
    sa.Column("at", Instant, nullable=False),
)

#: One row a cause, however often it is met; told once.
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("message", sa.Text, nullable=False),
    text("hint"),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("last_at", Instant, nullable=False),
    count("times"),
    sa.Column("ended_at", Instant),
    #: What message and hint were made of, so that they can be said in another language.
    sa.Column("said", JsonText, nullable=False, server_default="{}"),
)

#: Which alerts were told outside the program, by which way: of which beginning, and when.
alert_tellings = sa.Table(
    "alert_tellings",
    metadata,
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("way", sa.Text, primary_key=True),
    sa.Column("first_at", Instant, nullable=False),
    sa.Column("told_at", Instant, nullable=False),
    yes("is_over"),
)

#: Token buckets that all senders share: when the next mail of an account or a lane is due, by
#: which share (in thousandths) of its rate it went when it was last slowed down, and how many left
#: today (for warming up).
paces = sa.Table(
    "paces",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("due_us", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("factor", sa.Integer, nullable=False, server_default="1000"),
    #: Mails a minute as seen when it was slowed down, where nobody set a limit; else 0.
    count("seen_rate"),
    #: When the factor was last halved, and when a receiver last asked for less.
    sa.Column("slowed_at", Instant),
    sa.Column("told_at", Instant),
    text("day"),
    count("used"),
    sa.Column("changed_at", Instant, nullable=False),
)

#: What breakers count, of a campaign (`campaign:ID`), a lane (`lane:gmail/marketing`) and an
#: account (`account:NAME`), since a person last let it go on.
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("scope", sa.Text, primary_key=True),
    count("rendered"),
    count("template_errors"),
    count("errors_in_a_row"),
    count("attempts"),
    #: Dead addresses of a campaign, mails in doubt of an account.
    count("faults"),
    #: The same, by the hundred attempts, the last hundred at the end.
    sa.Column("recent", JsonText, nullable=False, server_default="[]"),
    #: The kind of the last outcome, and how often it came in a row.
    text("sign"),
    count("in_a_row"),
    #: Provider -> refusal of the content that was met there last, and how often in a row.
    sa.Column("refusals", JsonText, nullable=False, server_default="{}"),
    sa.Column("since", Instant, nullable=False),
)

#: What was learnt later about a mail in doubt.
evidence = sa.Table(
    "evidence",
    metadata,
    id_(),
    to("touch_id", "touches", nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    text("text"),
    sa.UniqueConstraint("touch_id", "kind"),
)
