"""Room 7: what customers said becomes feedback, cases with a due time, and tasks."""

from crm_mailer.learning.casework import (
    assign,
    choose,
    close,
    correct,
    finish_task,
    link_dispute,
    mark,
    merge,
    note,
    open_case,
    rate_case,
    reopen,
    take,
)
from crm_mailer.learning.escalation import escalate, retime
from crm_mailer.learning.followups import time_left
from crm_mailer.learning.learn import LearnReport, learn, rate
from crm_mailer.learning.marketplace import Dispute

__all__ = [
    "Dispute",
    "LearnReport",
    "assign",
    "choose",
    "close",
    "correct",
    "escalate",
    "finish_task",
    "learn",
    "link_dispute",
    "mark",
    "merge",
    "note",
    "open_case",
    "rate",
    "rate_case",
    "reopen",
    "retime",
    "take",
    "time_left",
]
