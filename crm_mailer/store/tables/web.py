"""What the web saw of mails: where their links lead, requests for them, and what these come to."""

from __future__ import annotations

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables.columns import Id, count, id_, metadata, text, to

#: Where links of mails lead, by the number that stands in their addresses (`model.tracking`).
links = sa.Table(
    "links",
    metadata,
    sa.Column("id", Id, primary_key=True, autoincrement=False),
    sa.Column("target", sa.Text, nullable=False),
    #: The first mail of a link that no other mail has; NULL: a campaign's.
    to("touch_id", "touches"),
    sa.Column("added_at", Instant, nullable=False),
    sa.Index(
        "ix_links_touch_id",
        "touch_id",
        sqlite_where=sa.text("touch_id IS NOT NULL"),
        postgresql_where=sa.text("touch_id IS NOT NULL"),
    ),
)

#: One row a request, as it came; only ever added to, until it is old. The token has proved the
#: touch, so there is no reference that the adding process would have to read.
web_events = sa.Table(
    "web_events",
    metadata,
    id_(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("touch_id", Id, nullable=False, index=True),
    sa.Column("link_id", sa.BigInteger),
    sa.Column("at", Instant, nullable=False, index=True),
    text("agent"),
    #: Of the network, not of the person: its last part is cut off.
    text("address"),
    text("method"),
    sa.CheckConstraint("kind IN ('click','open')", name="kind"),
)

#: What was seen of a campaign's mails: how many mails, and how many requests, of each kind; of
#: clicks also for each link. `link_id` is 0 for all links together.
web_figures = sa.Table(
    "web_figures",
    metadata,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("arm", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("link_id", sa.BigInteger, primary_key=True, autoincrement=False),
    count("mails"),
    count("hits"),
    sa.CheckConstraint(
        "kind IN ('click','machine_click','human_open','machine_open')", name="kind"
    ),
)
