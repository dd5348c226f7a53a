"""What visitors type and choose, as values; what is none is told in a sentence."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

from crm_mailer.i18n import _, joined, n_
from crm_mailer.model.errors import NotPossible
from crm_mailer.studio.desk import Asked

E = TypeVar("E", bound=StrEnum)
#: Longer notes are letters.
LONGEST_NOTE = 4_000


def who(asked: Asked) -> str:
    """Who acts: the visitor, on the shop's own machine whoever is logged in there."""
    if asked.visitor.name:
        return asked.visitor.name
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def words(asked: Asked, name: str, *, longest: int = LONGEST_NOTE) -> str:
    """A text of the form.

    Raises:
        NotPossible: it is a book.
    """
    text = asked.form.get(name, "").strip()
    if len(text) > longest:
        raise NotPossible(
            _("that is longer than {number} letters").format(number=f"{longest:,}"),
            hint=_("say it shorter"),
        )
    return text


def one_of(kind: type[E], text: str) -> E:
    """One of a list of ours.

    Raises:
        NotPossible: it is none of them.
    """
    try:
        return kind(text)
    except ValueError:
        raise NotPossible(
            _("`{text}` is nothing to choose").format(text=text[:60]),
            hint=_("they are: {names}").format(names=joined(kind)),
        ) from None


def some_of(kind: type[E], text: str) -> list[E]:
    """Several of a list of ours, each on a line of its own.

    Raises:
        NotPossible: one is none of them, or there is none.
    """
    chosen = [one_of(kind, line) for line in text.splitlines() if line]
    if not chosen:
        raise NotPossible(_("nothing is chosen"), hint=_("tick at least one"))
    return chosen


def number(text: str) -> int | None:
    """A whole number that the database can hold; None for none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def known(text: str, names: Iterable[str]) -> str:
    """The text where it is one of the names; else nothing."""
    return text if text in set(names) else ""


def day(text: str) -> date | None:
    """A day such as 2026-11-20; None for none.

    Raises:
        NotPossible: it is no day.
    """
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007
    except ValueError:
        raise NotPossible(
            _("`{value}` is no day such as 2026-11-20").format(value=text[:60])
        ) from None


def in_hands(number: int) -> str:
    """What becomes of mails that were cancelled while a sender had them."""
    return n_("1 more is in a sender's hands and ends there, unless it leaves this second",
              "{number} more are in a sender's hands and end there, unless they leave this second",
              number)  # fmt: skip
