"""Verbs by which agents judge replies, and by which the shop's learner learns from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from crm_mailer.app import cases
from crm_mailer.app.wiring import App
from crm_mailer.learning import judging, sayings
from crm_mailer.listening import learner
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.judgement import Judgement, Said
from crm_mailer.model.reply import Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.store import feedback, judgements, learners, replies
from crm_mailer.store.engine import Connection
from crm_mailer.store.learners import COMPLAINTS, Stamp
from crm_mailer.store.replies import ReplyRow

#: Learning anew each night is enough.
TRAIN_EVERY = timedelta(hours=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A reply as it is understood after an agent's word, and its case, if any."""

    reply: ReplyRow
    case: int | None
    is_changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerView:
    """How the learner stands. `figures` come from mails that it was not trained on."""

    is_on: bool
    judged: int
    complaints: int
    least: int
    least_of_each: int
    trained_at: datetime | None
    trained_on: int
    figures: Mapping[str, Any]


def judge(
    app: App,
    reply_id: int,
    *,
    is_complaint: bool,
    reason: str = "",
    severity: Severity | None = None,
    by: str,
) -> Outcome:
    """Say whether a reply is a complaint; its case follows. Saying it again changes nothing.

    Raises:
        NotFound: there is no such reply or reason.
        NotPossible: no customer wrote it, or a reason is given for what is no complaint.
    """
    if not is_complaint and (reason or severity):
        raise NotPossible(
            "what is no complaint has no reason and no severity",
            hint="leave out --reason and --severity, or judge it a complaint",
        )
    now = app.clock.now()
    with app.store.write() as connection:
        row = _judgeable(connection, reply_id)
        said, known = (
            judgements.get_said(connection, reply_id),
            judgements.find(connection, reply_id),
        )
        after = judging.corrected(
            said,
            is_complaint=is_complaint,
            reason=reason,
            severity=severity,
            mild=learner.mild_intent(row.evidence),
        )
        judgements.put(
            connection,
            Judgement(
                reply_id=reply_id,
                is_complaint=is_complaint,
                reason=reason,
                severity=severity,
                by=by,
                at=now,
                before=known.before if known else said,
            ),
        )
        why = sayings.JUDGED if is_complaint else sayings.JUDGED_NONE
        return _bring(app, connection, reply_id, said, after, by=by, why=why)


def undo(app: App, reply_id: int, *, by: str) -> Outcome:
    """Take an agent's word back: the reply is what the program had understood.

    Raises:
        NotFound: there is no such reply.
        NotPossible: it was not judged.
    """
    with app.store.write() as connection:
        replies.get(connection, reply_id)
        said, known = (
            judgements.get_said(connection, reply_id),
            judgements.find(connection, reply_id),
        )
        if known is None:
            raise NotPossible(
                Sentence("reply {reply_id} was not judged", reply_id=reply_id),
                hint="nothing has to be undone",
            )
        judgements.drop(connection, reply_id)
        counts = judgements.counts(connection)
        if not learner.is_enough(counts.judged, counts.complaints):
            learners.drop(connection, COMPLAINTS)
        back = sayings.TAKEN_BACK
        return _bring(app, connection, reply_id, said, known.before, by=by, why=back)


def _judgeable(connection: Connection, reply_id: int) -> ReplyRow:
    row = replies.get(connection, reply_id)
    if row.kind in judging.UNJUDGEABLE or not (row.own_text or row.subject):
        kind = row.kind.replace("_", " ")
        raise NotPossible(
            Sentence(
                "reply {reply_id} is no letter of a customer ({kind})",
                reply_id=reply_id,
                kind=Sentence(kind),
            ),
            hint="`crm-mailer inbox list --kind human` lists those",
        )
    return row


def _bring(
    app: App,
    connection: Connection,
    reply_id: int,
    said: Said,
    after: Said,
    *,
    by: str,
    why: str,
) -> Outcome:
    """Write what the reply is now, and let its case follow where its effects came already."""
    judgements.set_said(connection, reply_id, after)
    row, case = replies.get(connection, reply_id), None
    if row.learnt_at is not None:
        reply = feedback.get_reply(connection, reply_id)
        case = judging.align(
            connection, reply, by=by, why=why, now=app.clock.now(), levels=cases.levels(app)
        )
    return Outcome(reply=row, case=case, is_changed=said != after)


# ------------------------------------------------------------------ the learner


def train(app: App) -> LearnerView:
    """Learn anew from all judgements; too few of them, and the learner is off."""
    now = app.clock.now()
    with app.store.read() as connection:
        counts = judgements.counts(connection)
        told = judgements.list_texts(connection, learner.MOST)
    if not learner.is_enough(counts.judged, counts.complaints):
        with app.store.write() as connection:
            learners.drop(connection, COMPLAINTS)
        return learner_view(app)
    model, figures = learner.train(
        [learner.Judged(text=text, is_complaint=is_complaint) for text, is_complaint in told]
    )
    packed = learner.pack(model)
    kept = {
        **asdict(figures),
        "is_on": figures.is_able,
        "digest": hashlib.sha256(packed).hexdigest(),
    }
    with app.store.write() as connection:
        stamp = Stamp(trained_at=now, judged=counts.judged, figures=kept)
        learners.put(connection, COMPLAINTS, stamp, packed)
    return learner_view(app)


def train_if_due(app: App) -> bool:
    """Learn anew at most once a day, and only where something was judged since."""
    with app.store.read() as connection:
        counts = judgements.counts(connection)
        stamp = learners.find(connection, COMPLAINTS)
    if not learner.is_enough(counts.judged, counts.complaints):
        return False
    if stamp is not None:
        is_rested = app.clock.now() - stamp.trained_at >= TRAIN_EVERY
        is_later = counts.last_at is not None and counts.last_at > stamp.trained_at
        if not is_rested or not (is_later or counts.judged != stamp.judged):
            return False
    train(app)
    return True


def learner_view(app: App) -> LearnerView:
    """How the learner stands."""
    with app.store.read() as connection:
        counts = judgements.counts(connection)
        stamp = learners.find(connection, COMPLAINTS)
    figures = {
        name: value
        for name, value in (stamp.figures if stamp else {}).items()
        if name not in ("digest", "is_on")
    }
    return LearnerView(
        is_on=bool(stamp and stamp.figures.get("is_on")),
        judged=counts.judged,
        complaints=counts.complaints,
        least=learner.LEAST,
        least_of_each=learner.LEAST_OF_EACH,
        trained_at=stamp.trained_at if stamp else None,
        trained_on=stamp.judged if stamp else 0,
        figures=figures,
    )
