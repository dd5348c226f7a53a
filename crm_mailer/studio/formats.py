"""Filters of the pages: numbers, times and codes as people read them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

from markupsafe import Markup

from crm_mailer.i18n import _, say
from crm_mailer.model.sentence import Sentence


def number(value: float | None) -> str:
    """12,345; a dash for nothing."""
    return "–" if value is None else f"{value:,}"


def local(value: datetime | None, zone: tzinfo) -> str:
    """A moment in the shop's zone, to the minute; a dash for none."""
    return "–" if value is None else value.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def share(value: float | None, digits: int = 1) -> str:
    """0.123 as 12.3 %; a dash for none."""
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def word(code: Any) -> str:
    """A code of ours as a word in the reader's language; a sentence likewise."""
    if isinstance(code, Sentence):
        return say(code)
    text = getattr(code, "value", code)
    return _(str(text or "").replace("_", " "))


def ticks(text: str) -> Markup:
    """Text whose `commands` and names between backticks are shown as such."""
    said = say(text)
    pieces = said.split("`")
    if len(pieces) % 2 == 0:
        return Markup.escape(said)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if place % 2 else piece
        for place, piece in enumerate(pieces)
    )


def said(value: Any) -> Any:
    """What a page shows of a value: a sentence in the reader's language, all else as it is."""
    return say(value) if isinstance(value, Sentence) else value


FILTERS: dict[str, Callable[..., str]] = {
    "number": number,
    "local": local,
    "share": share,
    "word": word,
    "say": say,
    "ticks": ticks,
}
