"""What is given to customers: codes, who has which, and the orders that used them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from crm_mailer.store.engine import Instant
from crm_mailer.store.tables.columns import id_, metadata, text, to, yes


def _only(where: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}


#: Codes that may be given once each: loaded from a file, or made by a pattern when they are given.
benefit_codes = sa.Table(
    "benefit_codes",
    metadata,
    id_(),
    sa.Column("benefit", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    #: The code as it is compared. No code is in two pools.
    sa.Column("code_key", sa.Text, nullable=False, unique=True),
    to("grant_id", "benefit_grants", unique=True),
    #: When an order used it although it was given to nobody: it is not given any more.
    sa.Column("spent_at", Instant),
    sa.Column("loaded_at", Instant, nullable=False),
    sa.Index(
        "ix_benefit_codes_free", "benefit", "id", **_only("grant_id IS NULL AND spent_at IS NULL")
    ),
)

#: One benefit for one customer and one occasion, such as this year's birthday.
benefit_grants = sa.Table(
    "benefit_grants",
    metadata,
    id_(),
    sa.Column("benefit", sa.Text, nullable=False),
    to("customer_id", "customers", nullable=False, index=True),
    #: The anchor of the mails that tell of it.
    sa.Column("occasion", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    #: Whether its mail may still end without having left: then the code goes back.
    yes("is_open"),
    text("code"),
    text("code_key"),
    #: How an order may show that it was used, divided by blanks.
    text("proofs"),
    sa.Column("valid_until", Instant),
    sa.Column("asked_at", Instant),
    sa.Column("decided_at", Instant),
    text("decided_by"),
    text("why"),
    sa.Column("granted_at", Instant),
    sa.Column("redeemed_at", Instant),
    to("redeemed_order_id", "orders"),
    text("redeemed_by"),
    sa.UniqueConstraint("benefit", "customer_id", "occasion", name="uq_benefit_grants_key"),
    sa.CheckConstraint("state IN ('asked','approved','denied','granted','returned')", name="state"),
    sa.Index("ix_benefit_grants_code_key", "code_key", **_only("code_key <> ''")),
    sa.Index("ix_benefit_grants_benefit_state", "benefit", "state"),
    sa.Index("ix_benefit_grants_open", "id", **_only("is_open")),
    sa.Index(
        "ix_benefit_grants_redeemed_order_id",
        "redeemed_order_id",
        **_only("redeemed_order_id IS NOT NULL"),
    ),
)

#: The mails that tell of a grant.
benefit_touches = sa.Table(
    "benefit_touches",
    metadata,
    to("touch_id", "touches", primary_key=True),
    to("grant_id", "benefit_grants", nullable=False, index=True),
)

#: Each order in which a code of ours, or what stands for one, was met; also where that was wrong.
benefit_uses = sa.Table(
    "benefit_uses",
    metadata,
    id_(),
    to("order_id", "orders", nullable=False),
    #: The code as it is compared; where there is none, the grant.
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("benefit", sa.Text, nullable=False),
    to("grant_id", "benefit_grants", index=True),
    sa.Column("use", sa.Text, nullable=False),
    sa.Column("proof", sa.Text, nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column("learnt_at", Instant, nullable=False),
    sa.UniqueConstraint("order_id", "key"),
    sa.Index("ix_benefit_uses_benefit_at", "benefit", "at"),
)
