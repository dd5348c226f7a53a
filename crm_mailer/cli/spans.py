"""Lengths of time as agents read them: how much is left, how much too late."""

from __future__ import annotations

from datetime import timedelta

from rich.text import Text

from crm_mailer.i18n import _


def left_in_words(left: timedelta | None) -> Text:
    """`in 3 h 20 min`, red and `2 d overdue` when it is too late, a dash when nothing is owed."""
    if left is None:
        return Text("-", style="dim")
    span = span_in_words(abs(left))
    if left < timedelta(0):
        return Text(_("{span} overdue").format(span=span), style="bold red")
    return Text(_("in {span}").format(span=span))


def span_in_words(length: timedelta) -> str:
    """`40 min`, `3 h 20 min`, `8 h`, or whole days from two days on."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return _("{minutes} min").format(minutes=minutes)
    if minutes < 48 * 60 and minutes % 60 == 0:
        return _("{hours} h").format(hours=minutes // 60)
    if minutes < 48 * 60:
        return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)
    return _("{days} d").format(days=minutes // (24 * 60))
