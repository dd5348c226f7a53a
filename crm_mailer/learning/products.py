"""Which product of an order a customer's words are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

#: Shorter words name nothing ("for", "set", "XL").
_LEAST = 4
#: A word and another of the same beginning are one: teapot, teapots; чайник, чайника.
_STEM = 5
#: In Chinese and Japanese two signs say what a word does elsewhere.
_PAIR = 2
_WORD = re.compile(r"[^\W\d_]+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")


class Item(NamedTuple):
    """What was bought."""

    sku: str
    title: str

    @property
    def name(self) -> str:
        """By what reports know it: its sku, else its title."""
        return self.sku or self.title


def about(items: Iterable[Item], text: str, *, is_one_order: bool = True) -> str:
    """The sku (else the title) of the product that is meant; empty where nobody can tell.

    Args:
        items: of the order in question, or of the customer's latest orders.
        text: what the customer wrote.
        is_one_order: all items are of the order in question, so that a single one must be meant.
    """
    known = list(dict.fromkeys(item for item in items if item.name))
    names = list(dict.fromkeys(item.name for item in known))
    if is_one_order and len(names) == 1:
        return names[0]
    folded = text.casefold()
    by_sku = {item.name for item in known if item.sku and _stands_in(item.sku.casefold(), folded)}
    if len(by_sku) == 1:
        return by_sku.pop()
    return _by_words(known, folded)


def _stands_in(sku: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(sku)}(?!\w)", text) is not None


def _by_words(items: Sequence[Item], text: str) -> str:
    """The product of whose own words most stand in the text; empty where two are level."""
    said = _words(text)
    named = {item.name: _words(item.title.casefold()) for item in items}
    points = {
        name: len(said & words - _shared(named, name)) for name, words in named.items() if words
    }
    best = max(points.values(), default=0)
    leaders = [name for name, number in points.items() if number == best]
    return leaders[0] if best and len(leaders) == 1 else ""


def _shared(named: dict[str, set[str]], own: str) -> set[str]:
    """What other products are called as well: it tells none of them apart."""
    return set().union(*(words for name, words in named.items() if name != own))


def _words(text: str) -> set[str]:
    found = {word[:_STEM] for word in _WORD.findall(text) if len(word) >= _LEAST}
    for run in _CJK.findall(text):
        found.update(run[place : place + _PAIR] for place in range(len(run) - 1))
    return found
