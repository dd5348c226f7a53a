"""lanes, pauses, alerts, paces, tallies and evidence"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from crm_mailer.model import address

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAITING = sa.text("state IN ('planned','deferred')")


def upgrade() -> None:
    op.add_column(
        "touches", sa.Column("provider", sa.Text(), server_default="other", nullable=False)
    )
    _find_providers()
    op.drop_index("ix_touches_due", table_name="touches")
    op.create_index(
        "ix_touches_due",
        "touches",
        ["stream", "provider", "next_at", "id"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_table(
        "pauses",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_pauses"),
    )
    _move_the_switch()
    op.create_table(
        "alerts",
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), server_default="", nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("cause", name="pk_alerts"),
    )
    op.create_table(
        "paces",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("factor", sa.Integer(), server_default="1000", nullable=False),
        sa.Column("seen_rate", sa.Integer(), server_default="0", nullable=False),
        sa.Column("slowed_at", sa.BigInteger(), nullable=True),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("day", sa.Text(), server_default="", nullable=False),
        sa.Column("used", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_paces"),
    )
    op.create_table(
        "tallies",
        sa.Column("scope", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), server_default="0", nullable=False)
            for name in ("rendered", "template_errors", "errors_in_a_row", "attempts", "faults")
        ),
        sa.Column("recent", sa.Text(), server_default="[]", nullable=False),
        sa.Column("sign", sa.Text(), server_default="", nullable=False),
        sa.Column("in_a_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("refusals", sa.Text(), server_default="{}", nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_tallies"),
    )
    op.create_table(
        "evidence",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("touch_id", ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["touch_id"], ["touches.id"], name="fk_evidence_touch_id_touches"),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.UniqueConstraint("touch_id", "kind", name="uq_evidence_touch_id_kind"),
    )


def _move_the_switch() -> None:
    """Sending that a person stopped stays stopped: the fact becomes a pause of everything."""
    facts = sa.table("facts", sa.column("name"), sa.column("value"), sa.column("changed_at"))
    pauses = sa.table("pauses", *(sa.column(name) for name in ("scope", "by", "at")))
    is_paused = sa.and_(facts.c.name == "paused", facts.c.value == "true")
    stopped = sa.select(sa.literal("all"), sa.literal("person"), facts.c.changed_at)
    op.execute(sa.insert(pauses).from_select(["scope", "by", "at"], stopped.where(is_paused)))
    op.execute(sa.delete(facts).where(facts.c.name == "paused"))


def _find_providers() -> None:
    """Touches that were planned before know their lane too."""
    connection = op.get_bind()
    for name, domains in address.PROVIDERS.items():
        for domain in sorted(domains):
            connection.execute(
                sa.text(
                    "UPDATE touches SET provider = :name WHERE customer_id IN"
                    " (SELECT id FROM customers WHERE email_key LIKE :ending)"
                ),
                {"name": name, "ending": f"%@{domain}"},
            )
