"""What the role of the public pages may read and append, by table. The tests run with just that."""

from __future__ import annotations

#: Table -> columns that may be read; none named: all of them.
READ: dict[str, tuple[str, ...]] = {
    "alembic_version": (),
    # whose mail it was and where it went
    "touches": ("id", "customer_id", "campaign", "campaign_version", "step"),
    # the mail itself, for its web version
    "messages": (),
    # what the pages show of the reader
    "customers": (
        "id", "email", "language", "country", "topics_off", "wants_fewer", "snoozed_until",
        "birth_month", "erased_at",
    ),
    "suppressions": ("address_key", "reason", "scope", "source"),
    "consents": ("customer_id", "purpose", "basis"),
    "page_acts": (),
    # where links lead
    "links": (),
    # whether a request of another program came before
    "hook_requests": (),
    "hook_refusals": (),
}  # fmt: skip
#: Rows are appended here, and taken in by others.
APPEND = ("page_acts", "web_events", "hook_requests", "hook_refusals")
#: Those whose ids PostgreSQL counts.
COUNTED = frozenset({"page_acts", "web_events", "hook_requests"})
#: Counts of what was turned away are added up where they stand.
ADD_UP = {"hook_refusals": ("times", "last_at")}
