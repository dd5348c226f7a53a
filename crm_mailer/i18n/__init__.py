"""What the program says to people, in their language. Codes and file formats stay the same."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


def language() -> str:
    """The language of messages: CRM_MAILER_LANGUAGE, else the locale; `en` where we have none."""
    for name in ("CRM_MAILER_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        code = os.environ.get(name, "").partition(".")[0]
        if code:
            return code if (HERE / f"{code}.po").exists() else "en"
    return "en"


def _(text: str) -> str:
    """`text` in the reader's language."""
    return catalogue(language()).get(text, text)


def n_(one: str, many: str, number: int) -> str:
    """The text for one thing or for many, in the reader's language; `{number}` is put in."""
    return _(one if number == 1 else many).format(number=f"{number:,}")


@cache
def catalogue(code: str) -> dict[str, str]:
    """All translated texts of a language; empty for English."""
    path = HERE / f"{code}.po"
    if not path.exists():
        return {}
    from babel.messages.pofile import read_po  # slow to import, and English needs it not

    with path.open("rb") as file:
        messages = read_po(file, locale=code)
    return {
        str(message.id): str(message.string)
        for message in messages
        if message.id and message.string and isinstance(message.id, str)
    }
