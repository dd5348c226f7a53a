"""Agents' words on what replies are; the learner is trained on these alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from crm_mailer.model.judgement import Judgement, Said
from crm_mailer.model.reply import Intent, ReplyKind, Severity
from crm_mailer.store.engine import upsert
from crm_mailer.store.tables import judgements, replies


class Counts(NamedTuple):
    """How many replies were judged, how many of them as complaints, and when last."""

    judged: int
    complaints: int
    last_at: datetime | None


def get_said(connection: sa.Connection, reply_id: int) -> Said:
    """What a reply is understood as now. In a write transaction nobody else may judge it."""
    query = sa.select(replies).where(replies.c.id == reply_id).with_for_update()
    row = connection.execute(query).one()
    return Said(
        kind=ReplyKind(row.kind),
        intent=Intent(row.intent) if row.intent else None,
        reasons=tuple(row.reasons or ()),
        severity=Severity(row.severity) if row.severity else None,
    )


def set_said(connection: sa.Connection, reply_id: int, said: Said) -> None:
    """Write what a reply is to be understood as."""
    connection.execute(
        replies.update()
        .where(replies.c.id == reply_id)
        .values(
            kind=said.kind.value,
            intent=said.intent.value if said.intent else None,
            reasons=list(said.reasons),
            severity=said.severity.value if said.severity else None,
        )
    )


def find(connection: sa.Connection, reply_id: int) -> Judgement | None:
    """The judgement on a reply."""
    row = connection.execute(sa.select(judgements).where(judgements.c.reply_id == reply_id)).first()
    if row is None:
        return None
    before: dict[str, Any] = row.before
    return Judgement(
        reply_id=row.reply_id,
        is_complaint=row.is_complaint,
        reason=row.reason,
        severity=Severity(row.severity) if row.severity else None,
        by=row.by,
        at=row.at,
        before=Said(
            kind=ReplyKind(before["kind"]),
            intent=Intent(before["intent"]) if before["intent"] else None,
            reasons=tuple(before["reasons"]),
            severity=Severity(before["severity"]) if before["severity"] else None,
        ),
    )


def put(connection: sa.Connection, one: Judgement) -> None:
    """Keep a judgement; a later one on the same reply takes its place."""
    values = {
        "is_complaint": one.is_complaint,
        "reason": one.reason,
        "severity": one.severity.value if one.severity else "",
        "by": one.by,
        "at": one.at,
        "before": {
            "kind": one.before.kind.value,
            "intent": one.before.intent.value if one.before.intent else None,
            "reasons": list(one.before.reasons),
            "severity": one.before.severity.value if one.before.severity else None,
        },
    }
    query = upsert(connection, judgements).values(reply_id=one.reply_id, **values)
    connection.execute(query.on_conflict_do_update(index_elements=["reply_id"], set_=values))


def drop(connection: sa.Connection, reply_id: int) -> None:
    """Take a judgement back."""
    connection.execute(judgements.delete().where(judgements.c.reply_id == reply_id))


def counts(connection: sa.Connection) -> Counts:
    """How many judgements there are."""
    yes = sa.func.sum(sa.case((judgements.c.is_complaint, 1), else_=0))
    row = connection.execute(
        sa.select(
            sa.func.count().label("judged"),
            sa.func.coalesce(yes, 0).label("complaints"),
            sa.func.max(judgements.c.at, type_=judgements.c.at.type).label("last_at"),
        ).select_from(judgements)
    ).one()
    return Counts(int(row.judged), int(row.complaints), row.last_at)


def list_texts(connection: sa.Connection, limit: int) -> list[tuple[str, bool]]:
    """What was judged, and as what: the latest `limit`, in the sequence of the replies."""
    latest = (
        sa.select(judgements.c.reply_id, judgements.c.is_complaint)
        .order_by(judgements.c.at.desc(), judgements.c.reply_id.desc())
        .limit(limit)
        .subquery("latest")
    )
    query = (
        sa.select(replies.c.own_text, latest.c.is_complaint)
        .join_from(latest, replies, replies.c.id == latest.c.reply_id)
        .order_by(replies.c.id)
    )
    return [(row.own_text, row.is_complaint) for row in connection.execute(query)]
