"""Concludes an occupation from words in a delivery address, wary of streets named after them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from crm_mailer.model.customer import Occupation
from crm_mailer.segmenting import address_words as table

#: Parts of an address that do not speak for one another.
_PART = re.compile(r"[,;\n\r|、，；()]+")
_WORD = re.compile(r"\w+(?:[.'’/\-]\w+)*|№")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
#: How far away a word may stand and still change what a place means.
_REACH_BEFORE = 3
_REACH_AFTER = 2


def occupation(street: str) -> Occupation | None:
    """What the words of a delivery address suggest; None where nothing does.

    Of several, the one that stands first in `address_words.ORDER` wins: a university hospital is a
    hospital, and who has a legal form is a firm, whatever it sells.
    """
    if not street:
        return None
    found = set(_found(street))
    first = next((kind for kind in table.ORDER if kind in found), None)
    if first is None:
        return None
    return Occupation.COMPANY if first == table.LEGAL_FORM else Occupation(first)


def _found(street: str) -> Iterator[str]:
    for part in _PART.split(street.casefold()):
        words = _WORD.findall(part)
        for place, word in enumerate(words):
            for phrase, kind in _PHRASES.get(word, ()):
                end = place + len(phrase)
                if tuple(words[place:end]) == phrase and _is_there(kind, words, place, end):
                    yield kind
    if _CHINESE.search(street):
        yield from (kind for kind, pattern in _PATTERNS.items() if pattern.search(street))


def _is_there(kind: str, words: Sequence[str], start: int, end: int) -> bool:
    """Whether the address is at the place, not in a street named after it nor near it."""
    if kind == table.LEGAL_FORM:
        return True
    return not (
        _is_street_after(words[end : end + _REACH_AFTER])
        or _is_street_before(words[:start])
        or any(word in table.NOT_THERE for word in words[max(0, start - _REACH_BEFORE) : start])
    )


def _is_street_after(following: Sequence[str]) -> bool:
    """`School Lane` and `School House Lane`, not `School of St Mary` nor `School 5 Hill Road`."""
    for word in following:
        if word in table.BREAKS or any(sign.isdigit() for sign in word):
            return False
        if word in table.STREET_AFTER:
            return True
    return False


def _is_street_before(preceding: Sequence[str]) -> bool:
    """`Calle de la Universidad`, not `Calle Mayor 5 Universidad`."""
    for word in reversed(preceding):
        if any(sign.isdigit() for sign in word):
            return False
        if word in table.STREET_BEFORE:
            return True
    return False


def _phrases() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """First word -> phrases that begin with it."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for kind, text in table.WORDS.items():
        for phrase in text.split("|"):
            words = tuple(_WORD.findall(phrase.casefold()))
            found.setdefault(words[0], []).append((words, kind))
    return found


_PHRASES = _phrases()
_PATTERNS = {
    kind: re.compile(f"(?:{words})(?!{table.CHINESE_STREET})")
    for kind, words in table.CHINESE.items()
}
