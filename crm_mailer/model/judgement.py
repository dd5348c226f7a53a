"""An agent's word on whether a reply is a complaint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from crm_mailer.model.reply import Intent, ReplyKind, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a reply was understood as."""

    kind: ReplyKind
    intent: Intent | None = None
    reasons: tuple[str, ...] = ()
    severity: Severity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an agent says of a reply, and what the program had understood before."""

    reply_id: int
    is_complaint: bool
    reason: str
    severity: Severity | None
    by: str
    at: datetime
    before: Said
