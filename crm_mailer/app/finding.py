"""The finder: from what somebody has in hand to the page about it."""

from __future__ import annotations

import re

from crm_mailer.app.wiring import App
from crm_mailer.store import finding
from crm_mailer.store.engine import Connection
from crm_mailer.store.finding import Found as Found

#: So many of each kind are shown.
MOST = 20
LONGEST = 200
#: `case 12`, `mail 12`, `#12`, in the languages that the pages speak.
SAID = re.compile(r"(?P<kind>case|mail|customer|个案|邮件|客户)?\s*#?\s*(?P<number>\d{1,15})", re.I)
KINDS = {"个案": "case", "邮件": "mail", "客户": "customer"}


def find(app: App, text: str) -> list[Found]:
    """Everything that fits, the surest first."""
    text = text.strip()[:LONGEST]
    if not text:
        return []
    with app.store.read() as connection:
        said = SAID.fullmatch(text)
        if said is not None and said["kind"]:
            kind = KINDS.get(said["kind"], said["kind"].lower())
            return _numbered(connection, said["number"]).get(kind, [])
        found = finding.orders(connection, text, MOST)
        if said is not None:
            numbered = _numbered(connection, said["number"])
            return [*found, *numbered["case"], *numbered["mail"]]
        if "@" in text:
            found += finding.mails(connection, text) + finding.replies(connection, text)
        return found + finding.customers(connection, text, MOST)


def _numbered(connection: Connection, number: str) -> dict[str, list[Found]]:
    return {
        "case": finding.cases(connection, number),
        "mail": finding.mails(connection, number),
        "customer": [Found(kind="customer", number=int(number), text=number)],
    }
