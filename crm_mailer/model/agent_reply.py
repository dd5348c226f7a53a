"""What an agent answered, before it is a mail."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReply:
    """A letter of ours, as an agent approved it; `key` is its anchor, so that it leaves once."""

    key: str
    customer_id: int
    subject: str
    text: str
    order_id: int | None = None
    case_id: int | None = None
    task_id: int | None = None
    #: The customer's letter that it answers.
    reply_id: int | None = None
    in_reply_to: str = ""
    references: str = ""
    template: str = ""
    language: str = ""
    by: str = ""
