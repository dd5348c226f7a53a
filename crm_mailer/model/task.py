"""Something an agent should do that is no complaint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TaskKind(StrEnum):
    """What kind of work it is."""

    #: Answer a question.
    ANSWER = "answer"
    #: The buyer confirmed an order: check it and ship.
    CONFIRMED = "confirmed"
    #: The buyer wants an order changed before it leaves.
    CHANGE_ORDER = "change_order"
    #: Words that no rule understood: a person reads them, lest a complaint go unheard.
    READ = "read"
    #: Answer a good or a middling review.
    REVIEW = "review"
    #: An unhappy mail from somebody whom we cannot find.
    WHO_IS_IT = "who_is_it"
    #: Somebody grew into a key customer: open a personal channel.
    KEY_CUSTOMER = "key_customer"
    #: A benefit is given only when somebody has agreed.
    APPROVE_BENEFIT = "approve_benefit"
    #: Something for whoever runs the shop's programs: a privacy request, a subscription to confirm.
    ADMIN = "admin"


class TaskState(StrEnum):
    """Whether it was done."""

    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """A task to be made once: a second one with the same `key` is the same task."""

    kind: TaskKind
    key: str
    text: str
    due_at: datetime
    customer_id: int | None = None
    order_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as an agent's list shows it."""

    id: int
    kind: str
    text: str
    state: TaskState
    created_at: datetime
    due_at: datetime | None = None
    customer: str = ""
    order_number: str = ""
