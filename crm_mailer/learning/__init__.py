"""Room 7: what customers said becomes feedback, cases with a due time, and tasks."""

from crm_mailer.learning.casework import assign, close, finish_task, note, open_case, reopen
from crm_mailer.learning.followups import time_left
from crm_mailer.learning.learn import LearnReport, learn, rate

__all__ = [
    "LearnReport",
    "assign",
    "close",
    "finish_task",
    "learn",
    "note",
    "open_case",
    "rate",
    "reopen",
    "time_left",
]
