"""Reads Russian that was typed with Latin letters: "posylka ne prishla"."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from crm_mailer.listening.phrases import fold
from crm_mailer.listening.signs import Table
from crm_mailer.model.words import Words

#: Russian words that are no words in another of our languages.
_TELLING = frozenset(
    """posylka posilka posylku posilku posylki zakaz zakaza zakazal zakazala zakazyval prishel
    prishla prishlo prishol prishli dengi denyg vernite gde kogda zdravstvuyte zdravstvujte
    zdravstvuite dobryj dobryy dobriy privet moya moyu moj moy uzhe eshe eshche esche nichego
    pozhaluysta pozhalujsta pojaluista spasibo tovar tovara magazin mne menya eto chto kak sih
    tak vas vash nedeli nedelya mesyac mesyaca mesyatsa poluchil poluchila poluchili otvet
    dostavka dostavki vozvrat kachestvo razmer adres ya ne net""".split()
)
_FEWEST, _SHARE = 3, 0.3
_WORD = re.compile(r"[a-z']+")
_PAIRS = {
    "shch": "ш", "sch": "ш", "zh": "ж", "kh": "х", "ts": "ц", "ch": "ч", "sh": "ш",
    "yu": "ю", "ju": "ю", "ya": "я", "ja": "я", "yo": "е", "jo": "е", "ye": "е", "je": "е",
}  # fmt: skip
_SINGLE = dict(zip("abvgdezijklmnoprstufhcywxq", "абвгдезииклмнопрстуфхцивхк", strict=True))
#: Sounds that Latin letters do not tell apart.
_BLURRED = str.maketrans("ыйэщ", "ииеш", "ьъ")


def is_russian(folded: str) -> bool:
    """Whether a folded text in Latin letters is Russian."""
    words = _WORD.findall(folded[:1_000])
    hits = sum(word in _TELLING for word in words)
    return hits >= min(_FEWEST, max(2, len(words))) and hits >= len(words) * _SHARE


def to_cyrillic(folded: str) -> tuple[str, list[int]]:
    """The text in Cyrillic letters, blurred, and for each of them its place in `folded`."""
    letters: list[str] = []
    places: list[int] = []
    place = 0
    while place < len(folded):
        width = next((n for n in (4, 3, 2) if folded[place : place + n] in _PAIRS), 1)
        piece = folded[place : place + width]
        if piece != "'":
            letters.append(_PAIRS.get(piece) or _SINGLE.get(piece, piece))
            places.append(place)
        place += width
    return "".join(letters), [*places, len(folded)]


@lru_cache(maxsize=2)
def table(words: Words) -> Table | None:
    """The Russian signs, blurred in the same way; None where there are no Russian ones."""
    for lexicon in words.lexicons:
        if lexicon.language == "ru":
            signs = tuple(replace(s, phrase=_blurred(s.phrase)) for s in lexicon.signs)
            negators = tuple(map(_blurred, lexicon.negators))
            conditions = tuple(map(_blurred, lexicon.conditions))
            return Table(replace(lexicon, signs=signs, negators=negators, conditions=conditions))
    return None


def _blurred(phrase: str) -> str:
    return fold(phrase).translate(_BLURRED)
