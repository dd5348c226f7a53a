"""Phrases of the word files as patterns, and text folded so that they match it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

#: Up to four words between, within a sentence.
_GAP = r"(?:[\s,;:–—/-]+[\w'%€$£@<>-]+(?:\.[\w@<>-]+)*){0,4}?[\s,;:–—/-]+"
_BLANK = r"[\s,–—-]+"
_NUMBER = r"\d+(?:[.,]\d+)?"
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CJK_GAP = r"[^。！？!?\n]{0,8}?"
_TOKEN = re.compile(r"\.\.\.|<n>|[()|?]|[^\s()|?]+")


class _Folding(dict[int, str]):
    """Letter by letter: lower case, no accents on Latin letters, plain apostrophes and blanks."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        plain = unicodedata.normalize("NFKD", letter)
        if len(plain) > 1 and not plain[0].isascii():
            plain = letter  # й and hangul stay whole
        folded = plain[:1].casefold()[:1] if plain else " "
        self[code] = folded
        return folded


_FOLDING = _Folding({ord(a): b for a, b in zip("’‘`´ʼёЁß", "'''''еes", strict=True)})
_FOLDING[0] = " "


def fold(text: str) -> str:
    """`text` for matching; each character keeps its place."""
    return text.translate(_FOLDING)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A compiled phrase. One word of each of `needles` must be in a text: a quick test."""

    pattern: re.Pattern[str]
    needles: tuple[tuple[str, ...], ...]

    def find(self, folded: str) -> re.Match[str] | None:
        """The first place in a folded text."""
        return self.pattern.search(folded) if self._may_be_in(folded) else None

    def all(self, folded: str) -> list[re.Match[str]]:
        """Every place in a folded text."""
        return list(self.pattern.finditer(folded)) if self._may_be_in(folded) else []

    def _may_be_in(self, folded: str) -> bool:
        for group in self.needles:
            for word in group:
                if word in folded:
                    break
            else:
                return False
        return True


def compile_phrase(phrase: str) -> Phrase:
    """The pattern of a phrase as the word files write it."""
    folded = fold(phrase)
    tokens = _TOKEN.findall(folded)
    has_letters = not _CJK.search(folded)
    source, _ = _sequence(tokens, 0, has_letters)
    return Phrase(re.compile(source or r"(?!)"), _needles(tokens, 0)[0])


def _sequence(tokens: list[str], place: int, spaced: bool) -> tuple[str, int]:
    """Items joined by blanks (none in Chinese) up to the closing bracket."""
    blank, gap = (_BLANK, _GAP) if spaced else ("", _CJK_GAP)
    out, joiner, is_begun = "", "", False
    while place < len(tokens) and tokens[place] not in ")|":
        if tokens[place] == "...":
            joiner, place = gap, place + 1
            continue
        item, place = _item(tokens, place, spaced)
        if tokens[place : place + 1] != ["?"]:
            out, joiner, is_begun = out + joiner + item, blank, True
        elif is_begun:
            out, place = f"{out}(?:{joiner}{item})?", place + 1
        else:
            out, place = f"{out}(?:{item}{blank})?", place + 1
    return out, place


def _item(tokens: list[str], place: int, spaced: bool) -> tuple[str, int]:
    if tokens[place] == "(":
        options = []
        while place < len(tokens) and tokens[place] in "(|":
            source, place = _sequence(tokens, place + 1, spaced)
            options.append(source)
        return "(?:" + "|".join(options) + ")", place + 1
    return _word(tokens[place], spaced), place + 1


def _word(token: str, spaced: bool) -> str:
    if token == "<n>":
        return _NUMBER
    if not spaced:
        return re.escape(token)
    if token.endswith("*"):
        return rf"(?<!\w){re.escape(token[:-1])}\w*"
    left = r"(?<!\w)" if token[0].isalnum() else ""
    right = r"(?!\w)" if token[-1].isalnum() else ""
    return left + re.escape(token) + right


def _needles(tokens: list[str], place: int) -> tuple[tuple[tuple[str, ...], ...], int]:
    """The words of which a text must hold one each, up to the closing bracket."""
    groups: list[tuple[str, ...]] = []
    while place < len(tokens) and tokens[place] not in ")|":
        token = tokens[place]
        if token == "(":
            group: list[str] = []
            while place < len(tokens) and tokens[place] in "(|":
                inner, place = _needles(tokens, place + 1)
                group.append(max((g[0] for g in inner if len(g) == 1), key=len, default=""))
        else:
            group = ["" if token in ("...", "<n>") else token.rstrip("*")]
        place += 1
        is_optional = tokens[place : place + 1] == ["?"]
        if all(group) and not is_optional and token != "?":
            groups.append(tuple(group))
    return tuple(groups), place
