"""The agents of the demo: by seeded chance they do their work, and forget a little of it."""

from __future__ import annotations

from datetime import timedelta

from crm_mailer.app import App, cases
from crm_mailer.demo.story import chance
from crm_mailer.model.case import CaseState

NAMES = ("Mei", "Olga", "Carlos")
#: One case in so many is forgotten, so that the list shows what overdue looks like.
FORGOTTEN = 0.06
REMEDIES = (
    "Apologised, sent the tracking history, offered a replacement or a refund.",
    "Apologised and asked for a photo; a replacement leaves as soon as it is here.",
    "Refunded in full, asked to keep the goods.",
)


def work(app: App, seed: int) -> None:
    """Take a turn at the open cases and the tasks."""
    now = app.clock.now()
    for task in cases.tasks(app)[0]:
        luck = chance(seed, "task", task.id)
        if luck > FORGOTTEN and now - task.created_at > timedelta(hours=20 * luck):
            cases.finish_task(app, task.id)
    for line in cases.case_list(app)[0]:
        luck = chance(seed, "agent", line.number)
        if luck < FORGOTTEN:
            continue
        who = NAMES[line.number % len(NAMES)]
        age = now - line.opened_at
        if not line.owner:
            cases.assign(app, line.number, who, by="demo")
        if line.state in (CaseState.NEW, CaseState.OPEN) and age > timedelta(hours=10 * luck):
            cases.note(app, line.number, REMEDIES[line.number % 3], by=who, is_answer=True)
        elif age > timedelta(days=2 + 6 * luck):
            cases.close(app, line.number, "The customer is content.", by=who, is_resolved=True)
