"""what the web saw of a mail, and the links it held"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OF_ONE_MAIL = sa.text("touch_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "links",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("touch_id", ID, sa.ForeignKey("touches.id", name="fk_links_touch_id_touches")),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
    )
    op.create_index(
        "ix_links_touch_id",
        "links",
        ["touch_id"],
        sqlite_where=OF_ONE_MAIL,
        postgresql_where=OF_ONE_MAIL,
    )
    op.create_table(
        "web_events",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("touch_id", ID, nullable=False),
        sa.Column("link_id", sa.BigInteger),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("agent", sa.Text, server_default="", nullable=False),
        sa.Column("address", sa.Text, server_default="", nullable=False),
        sa.Column("method", sa.Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_web_events"),
        sa.CheckConstraint("kind IN ('click','open')", name="ck_web_events_kind"),
    )
    op.create_index("ix_web_events_touch_id", "web_events", ["touch_id"])
    op.create_index("ix_web_events_at", "web_events", ["at"])
    op.create_table(
        "web_figures",
        sa.Column("campaign", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("link_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("mails", sa.Integer, server_default="0", nullable=False),
        sa.Column("hits", sa.Integer, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "campaign", "step", "arm", "kind", "link_id", name="pk_web_figures"
        ),
        sa.CheckConstraint(
            "kind IN ('click','machine_click','human_open','machine_open')",
            name="ck_web_figures_kind",
        ),
    )
    # of a mail: how many of its links are led past us
    op.add_column("messages", sa.Column("links", sa.Integer, server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("messages", "links")
    op.drop_table("web_figures")
    op.drop_table("web_events")
    op.drop_table("links")
