"""Many phrases at once: a look at the words of a text tells which few of them may be in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

from crm_mailer.listening.phrases import Phrase, compile_phrase

Code = TypeVar("Code", str, int)

_WORD = re.compile(r"\w+")
#: So many words are remembered with the phrases that they may begin.
_MOST_KNOWN = 50_000
#: Written together with other words, or without blanks: looked for anywhere.
_GLUED = re.compile(r"[\u0590-\u06ff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def any_of(phrases: Iterable[str]) -> re.Pattern[str]:
    """One pattern for a few phrases of which any will do."""
    sources = [compile_phrase(phrase).pattern.pattern for phrase in phrases]
    return re.compile("|".join(f"(?:{source})" for source in sources) or r"(?!)")


class PhraseIndex(Generic[Code]):
    """Phrases of many codes, found by the words of their rarest part."""

    def __init__(self, phrases: Iterable[tuple[Code, str]]) -> None:
        """Take (code, phrase) pairs; of each code the first phrase that is found counts."""
        self._words: dict[str, list[tuple[Code, Phrase]]] = defaultdict(list)
        self._stems: dict[str, list[tuple[Code, Phrase]]] = defaultdict(list)
        self._glued: dict[str, list[tuple[Code, Phrase]]] = defaultdict(list)
        self._always: list[tuple[Code, Phrase]] = []
        self._known: dict[str, list[tuple[Code, Phrase]]] = {}
        for code, written in phrases:
            phrase = compile_phrase(written)
            keys = _rarest(phrase)
            self._always += [] if keys else [(code, phrase)]
            for key in keys:
                table, word = self._place(key)
                table[word].append((code, phrase))
        self._lengths = sorted({len(stem) for stem in self._stems})

    def find(self, folded: str) -> dict[Code, re.Match[str]]:
        """The codes of which a phrase is in a folded text, each with a place."""
        found: dict[Code, re.Match[str]] = {}
        tried: set[int] = set()
        for code, phrase in self.candidates(folded):
            if code in found or id(phrase) in tried:
                continue
            tried.add(id(phrase))
            match = phrase.find(folded)
            if match is not None:
                found[code] = match
        return found

    def candidates(self, folded: str) -> list[tuple[Code, Phrase]]:
        """The phrases that may be in a folded text, each with its code; some come twice."""
        found = list(self._always)
        known = self._known
        for word in dict.fromkeys(_WORD.findall(folded)):
            told = known.get(word)
            found += self._learn(word) if told is None else told
        if not folded.isascii():
            for key, phrases in self._glued.items():
                if key in folded:
                    found += phrases
        return found

    def _learn(self, word: str) -> list[tuple[Code, Phrase]]:
        """The phrases of a word and of its stems: mails use the same few words."""
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        found = list(self._words.get(word, ()))
        for length in self._lengths:
            found += self._stems.get(word[:length], ()) if length <= len(word) else ()
        self._known[word] = found
        return found

    def _place(self, key: str) -> tuple[dict[str, list[tuple[Code, Phrase]]], str]:
        """Where a key is kept: `doesn't` is found by its `doesn`."""
        stem = key.rstrip("*")
        if _GLUED.search(stem):
            return self._glued, stem
        piece = _WORD.search(stem)
        if piece is None:
            return self._glued, stem
        is_stem = key != stem and piece.end() == len(stem)
        return (self._stems if is_stem else self._words), piece[0]


def _rarest(phrase: Phrase) -> tuple[str, ...]:
    """The words of its rarest part: of long words, and few. Empty: any text may hold it."""
    groups = [group for group in phrase.needles if all(map(_WORD.search, group))]
    return max(groups, key=lambda one: (min(*map(len, one), 6), -len(one)), default=())
