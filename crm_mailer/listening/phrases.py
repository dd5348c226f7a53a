"""Phrases of the word files as patterns, and text folded so that they match it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

#: What may stand between two words; a sentence ends at none of them. No character is both in a
#: word and between words: a pattern of gaps never tries a text in more than one way.
_BETWEEN = r"""[\s,;:–—/"“”„«»()*…-]+"""
_INNER = r"[\w'%€$£@<>]+(?:\.[\w@<>]+)*"
#: `...`: up to four words between, within a sentence.
_GAP = rf"(?:{_BETWEEN}{_INNER}){{0,4}}?{_BETWEEN}"
#: `....`: up to twelve, over the end of a sentence, too.
_WIDE_GAP = r"(?:\W+\w+){0,12}?\W+"
_BLANK = r"""[\s,"“”«»–—-]+"""
_NUMBER = r"\d+(?:[.,]\d+)?"
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CJK_GAP = r"[^。！？!?\n]{0,8}?"
_CJK_WIDE_GAP = r"[^\n]{0,24}?"
_ARABIC = re.compile(r"[\u0600-\u06ff]")
#: And, the, with, for: written together with the word that follows.
_ARABIC_PREFIX = r"[وف]?(?:ال|بال|لل|[بلك])?"
_TOKEN = re.compile(r"\.{3,4}|<n>|[()|?]|[^\s()|?]+")
_STARTS = re.compile(r"\w")


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


_ODD = dict(zip("’‘`´ʼёЁßłŁøØđĐı", "'''''ееsllooddi", strict=True))
_ODD |= dict(zip("أإآٱىة", "اااايه", strict=True))
_FOLDING = _Folding({ord(written): plain for written, plain in _ODD.items()})
_FOLDING[0] = " "


def fold(text: str) -> str:
    """`text` for matching; each character keeps its place."""
    return text.translate(_FOLDING)


@dataclass(frozen=True, slots=True)
class _Item:
    """A word, or one of several sequences, with what may stand before it."""

    word: str = ""
    options: tuple[tuple[_Item, ...], ...] = ()
    gap: str = ""
    is_optional: bool = False


class Phrase:
    """A phrase as a pattern, made when first needed. `needles` are a quick test before it.

    A text that holds the phrase holds one word of each group of `needles`; a star marks a stem.
    """

    __slots__ = (
        "_items", "_pattern", "_plain_needles", "_starts", "firsts", "is_spaced", "needles",
    )  # fmt: skip

    def __init__(self, phrase: str) -> None:
        self._items = _parsed(_TOKEN.findall(fold(phrase)), 0)[0]
        self.is_spaced = not _CJK.search(phrase)
        self.needles = tuple(_needles(self._items))
        #: The words with which it may begin; empty: with any.
        self.firsts = tuple(_firsts(self._items)[0])
        self._plain_needles = [[w.rstrip("*") for w in group] for group in self.needles]
        # a pattern that begins with a look behind is slow to find, a word is not
        is_plain = self.is_spaced and not any(map(_ARABIC.match, self.firsts))
        self._starts = [w.rstrip("*") for w in self.firsts] if is_plain else []
        self._pattern: re.Pattern[str] | None = None

    @property
    def pattern(self) -> re.Pattern[str]:
        """What it finds, as a regular expression for folded text."""
        if self._pattern is None:
            self._pattern = re.compile(_source(self._items, self.is_spaced) or r"(?!)")
        return self._pattern

    def find(self, folded: str) -> re.Match[str] | None:
        """The first place in a folded text."""
        if not self.may_be_in(folded):
            return None
        if not self._starts:
            return self.pattern.search(folded)
        match = self.pattern.match
        return next((found for at in self._places(folded) if (found := match(folded, at))), None)

    def all(self, folded: str) -> list[re.Match[str]]:
        """Every place in a folded text."""
        return list(self.pattern.finditer(folded)) if self.may_be_in(folded) else []

    def _places(self, folded: str) -> list[int]:
        """Where it may begin."""
        found: list[int] = []
        for word in self._starts:
            place = folded.find(word)
            while place >= 0:
                found.append(place)
                place = folded.find(word, place + 1)
        return sorted(found)

    def may_be_in(self, folded: str) -> bool:
        """Whether a word of each group is there; False is certain."""
        for group in self._plain_needles:
            for word in group:
                if word in folded:
                    break
            else:
                return False
        return True


def compile_phrase(phrase: str) -> Phrase:
    """The pattern of a phrase as the word files write it."""
    return Phrase(phrase)


def _rarity(group: tuple[str, ...]) -> tuple[int, int]:
    """Long words are rarer than short ones, few rarer than many."""
    return min(min(len(word) for word in group), 6), -len(group)


def _parsed(tokens: list[str], place: int) -> tuple[tuple[_Item, ...], int]:
    """The items up to the closing bracket."""
    items: list[_Item] = []
    gap = ""
    while place < len(tokens) and tokens[place] not in ")|":
        token, place = tokens[place], place + 1
        if token in ("...", "....") or (token == "?" and not items):
            gap = token if token != "?" else gap
        elif token == "?":
            items[-1] = replace(items[-1], is_optional=True)
        elif token == "(":
            options = []
            place -= 1
            while place < len(tokens) and tokens[place] in "(|":
                option, place = _parsed(tokens, place + 1)
                options.append(option)
            items.append(_Item(options=tuple(options), gap=gap))
            place, gap = place + 1, ""
        else:
            items.append(_Item(word=token, gap=gap))
            gap = ""
    return tuple(items), place


def _source(items: tuple[_Item, ...], spaced: bool) -> str:
    """Items joined by blanks (none in Chinese)."""
    blank = _BLANK if spaced else ""
    gaps = {"...": _GAP, "....": _WIDE_GAP} if spaced else {"...": _CJK_GAP, "....": _CJK_WIDE_GAP}
    out, is_begun = "", False
    for item in items:
        joiner = gaps.get(item.gap, blank if is_begun else "")
        source = _word(item.word, spaced)
        if item.options:
            source = "(?:" + "|".join(_source(option, spaced) for option in item.options) + ")"
        if not item.is_optional:
            out, is_begun = out + joiner + source, True
        elif is_begun:
            out = f"{out}(?:{joiner}{source})?"
        else:
            out = f"{out}(?:{source}{blank})?"
    return out


def _word(token: str, spaced: bool) -> str:
    if token == "<n>":
        return _NUMBER
    if not spaced:
        return re.escape(token)
    stem = token.rstrip("*")
    if not stem:
        return r"\w+"
    left = r"(?<!\w)" if stem[0].isalnum() else ""
    if _ARABIC.match(stem):
        left += _ARABIC_PREFIX
    if token != stem:
        return rf"{left}{re.escape(stem)}\w*"
    right = r"(?!\w)" if token[-1].isalnum() else ""
    return left + re.escape(token) + right


def _needles(items: tuple[_Item, ...]) -> Iterator[tuple[str, ...]]:
    """The groups of words of which a text must hold one each."""
    for item in items:
        group: tuple[str, ...] = (item.word,)
        if item.options:
            best = [max(_needles(option), key=_rarity, default=("",)) for option in item.options]
            group = tuple(word for one in best for word in one)
        if not item.is_optional and all(word.strip("*") and word != "<n>" for word in group):
            yield group


def _firsts(items: tuple[_Item, ...]) -> tuple[list[str], bool]:
    """The words that may come first, and whether one of them must; none where any word may."""
    found: list[str] = []
    for item in items:
        told = [_firsts(option) for option in item.options]
        words = [word for option, _ in told for word in option] if told else [item.word]
        is_sure = all(is_closed and option for option, is_closed in told)
        if not is_sure or not all(map(_STARTS.match, words)):
            return [], True
        found += words
        if not item.is_optional:
            return found, True
    return found, False
