"""Makes a text from outside safe to show: one line, no control characters, no invisible turns."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

#: Runs of line breaks and control characters: they become one blank.
BREAKS = re.compile(r"[\x01-\x1f\x7f-\x9f\u2028\u2029]+")
#: Marks that turn the direction of what follows, and NUL: they vanish.
HIDDEN = re.compile(r"[\x00\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
#: Blanks of all kinds but those at which no line may be broken.
BLANKS = re.compile(r"[^\S\xa0\u202f]+")
#: Those: French wants one before `?`, `!`, `:` and `;`. A name has no need of them.
UNBROKEN = re.compile(r"[\xa0\u202f]")
LONE = re.compile(r"[\ud800-\udfff]")
#: What a name never holds: an imported "name" may be somebody's advertisement.
NO_NAME = re.compile(r"https?:|www\.|://|@|[<>{}]|\.(com|net|org|ru|cn|info|xyz)\b", re.IGNORECASE)
#: One of these is in all that `NO_NAME` finds: most names are seen to be sound at once.
NO_LETTERS = re.compile(r"[:.@<>{}]")
SAFE_URL = re.compile(r"https?://[^\s\"'<>\\]+", re.IGNORECASE)


def line(text: str, limit: int = 500) -> str:
    """One line: NFC, no control or direction characters, single blanks, cut at `limit`.

    Blanks at which no line may be broken are kept where they stand between other letters.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit:
        # Most texts: nothing to mend but blanks.
        return " ".join(text.split()) if "  " in text else text.strip()
    if not text.isprintable():
        text = LONE.sub("\ufffd", HIDDEN.sub("", BREAKS.sub(" ", text)))
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    text = _single_blanks(text)
    return text if len(text) <= limit else text[:limit].rstrip()


@lru_cache(maxsize=1024)
def name(text: str, limit: int = 100) -> str:
    """A person's name fit to be shown; empty when it looks like a link or an address.

    Names all in capitals or all in small letters get one capital a word.
    """
    cleaned = line(text if text.isprintable() else UNBROKEN.sub(" ", text), limit)
    if not cleaned or (NO_LETTERS.search(cleaned) and NO_NAME.search(cleaned)):
        return ""
    if len(cleaned) > 2 and (cleaned.isupper() or cleaned.islower()):
        return _capitals(cleaned)
    return cleaned


def url(text: str) -> str:
    """The address of a web page; empty when it is anything else (`javascript:` ...)."""
    cleaned = text.strip()
    return cleaned if SAFE_URL.fullmatch(cleaned) else ""


def _single_blanks(text: str) -> str:
    if text.isprintable():  # there is none but the usual one
        return " ".join(text.split())
    return BLANKS.sub(" ", text).strip()


def _capitals(text: str) -> str:
    return re.sub(r"[^\W\d_]+", lambda m: m[0][0].upper() + m[0][1:].lower(), text)
