"""What the program says to people, in their language. Codes and file formats stay the same."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from crm_mailer.model.sentence import Sentence, part_said

HERE = Path(__file__).parent

#: Names a language before and after the shop's own choice.
FIRST, LAST = ("CRM_MAILER_LANGUAGE",), ("LC_ALL", "LC_MESSAGES", "LANG")

#: One text of a catalogue and its translation, each on one line or more.
_ENTRY = re.compile(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n?)+)', re.MULTILINE)

#: What the shop that is worked for has chosen; one process works for one shop at a time.
_preferred = ""


def prefer(code: str) -> None:
    """From now on speak the language that a shop's settings name; empty for its reader's own."""
    global _preferred
    _preferred = code


#: What the reader of a page has chosen; one process answers several at a time.
_chosen: ContextVar[str] = ContextVar("chosen", default="")


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak this catalogue within the context, whatever the shop and the process prefer."""
    before = _chosen.set(code)
    try:
        yield
    finally:
        _chosen.reset(before)


def language() -> str:
    """The language of messages: CRM_MAILER_LANGUAGE, else the shop's, else the locale's.

    A page's reader may have chosen another. It is `en` where we have no catalogue.
    """
    if chosen := _chosen.get():
        return chosen
    first, last = (map(os.environ.get, names) for names in (FIRST, LAST))
    return known(next(filter(None, (*first, _preferred, *last)), ""))


@cache
def known(wanted: str) -> str:
    """The catalogue for a locale's name such as zh_CN.UTF-8, zh-CN, zh or zh_SG; else `en`."""
    code = re.split(r"[.@]", wanted)[0].replace("-", "_").lower()
    catalogues = {path.stem.lower(): path.stem for path in sorted(HERE.glob("*.po"))}
    alike = (own for name, own in catalogues.items() if name.split("_")[0] == code.split("_")[0])
    return catalogues.get(code) or next(alike, "en")


class _Text(str):
    """A text in the reader's language: so is said what is put into it."""

    __slots__ = ()

    def format(self, *args: object, **kwargs: object) -> str:
        """The text with its parts, of which a sentence or an error is said likewise."""
        named = {name: part_said(part, _) for name, part in kwargs.items()}
        return super().format(*(part_said(part, _) for part in args), **named)


def _(text: str) -> str:
    """`text` in the reader's language."""
    return _Text(catalogue(language()).get(text, text))


def say(text: str, code: str = "") -> str:
    """A composed sentence in the reader's language; other text, such as a name, as it is.

    Args:
        text: what to say.
        code: whose catalogue; empty for the reader's own.
    """
    if not isinstance(text, Sentence):
        return text
    texts = catalogue(code or language())
    return text.said(lambda part: texts.get(part, part))


def among(subject: str, text: str) -> str:
    """A text that means something of its own among others of a subject: `subject|text`."""
    return catalogue(language()).get(f"{subject}|{text}", text)


def joined(parts: Iterable[object], mark: str = ", ") -> str:
    """Parts in a row, with a mark of `sentence.MARKS` between them, in the reader's language."""
    return _(mark).join(say(str(part)) for part in parts)


def n_(one: str, many: str, number: int) -> str:
    """The text for one thing or for many, in the reader's language; `{number}` is put in."""
    return _(one if number == 1 else many).format(number=f"{number:,}")


@cache
def catalogue(code: str) -> dict[str, str]:
    """All translated texts of a language; empty for English.

    A pattern does for our own plain files what a PO library does in ten times the time, which
    every command would spend.
    """
    path = HERE / f"{code}.po"
    if not path.exists():
        return {}
    pairs = _ENTRY.findall(path.read_text(encoding="utf-8"))
    texts = {_joined(text): _joined(translation) for text, translation in pairs}
    return {text: translation for text, translation in texts.items() if text and translation}


def _joined(lines: str) -> str:
    """The text of quoted lines; their escapes are those of JSON."""
    return "".join(json.loads(line) for line in lines.splitlines() if line)
