"""What the second-stage learner knows, and how well it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import learners

#: The one that tells complaints from other mails.
COMPLAINTS = "complaints"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """All about a learner but its weights: quick to read for each mail."""

    trained_at: datetime
    judged: int
    figures: Mapping[str, Any]


def find(connection: sa.Connection, name: str) -> Stamp | None:
    """When it was trained, on how many judgements, and its figures."""
    row = connection.execute(
        sa.select(learners.c.trained_at, learners.c.judged, learners.c.figures).where(
            learners.c.name == name
        )
    ).first()
    if row is None:
        return None
    return Stamp(trained_at=row.trained_at, judged=row.judged, figures=row.figures or {})


def weights(connection: sa.Connection, name: str) -> bytes:
    """What it learnt, packed; empty where there is no such learner."""
    found: bytes | None = connection.scalar(
        sa.select(learners.c.weights).where(learners.c.name == name)
    )
    return found or b""


def put(connection: sa.Connection, name: str, stamp: Stamp, packed: bytes) -> None:
    """Keep what was learnt, in place of what was known."""
    values = {
        "trained_at": stamp.trained_at,
        "judged": stamp.judged,
        "weights": packed,
        "figures": dict(stamp.figures),
    }
    query = upsert(connection, learners).values(name=name, **values)
    connection.execute(query.on_conflict_do_update(index_elements=["name"], set_=values))


def drop(connection: sa.Connection, name: str) -> None:
    """Forget it: there are too few judgements."""
    connection.execute(learners.delete().where(learners.c.name == name))
