"""What a mail resembles: a third source of evidence beside rules and tone.

Rules know the sentences that somebody thought of. Beside them stand lessons (`lessons/*.txt`):
made-up mails in seven languages, each with its code. From them `teaching` makes `weights.tsv`: for
each word, stem, pair of words and sign of a rule, how much it speaks for a complaint, and how
often it stood in which code. The words that weighed most are kept, so a flag explains itself.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from crm_mailer.listening.phrases import fold
from crm_mailer.model.reply import Evidence

#: The word of likeness among the evidence.
CODE = "likeness"
WEIGHTS = Path(__file__).with_name("lessons") / "weights.tsv"
#: What is looked at: the trouble is told at the beginning.
LENGTH = 1_000
#: The most that likeness may say for and against a complaint, in the measure of other evidence.
MOST, LEAST = 3.2, -2.0
#: Less than this says nothing.
FAINT = 0.3
#: Fewer known words than this share: the lessons do not speak of such mails.
KNOWN = 0.3
#: How many words are shown.
SHOWN = 3

_STEM = 5
_MARKS = "?？؟"
_WORD = re.compile(r"[^\W\d_]+|\d+|[?!]")
_CJK = re.compile(r"[\u3400-\u9fff]")
_DIGITS = re.compile(r"\d+")
_BLANKS = re.compile(r"[\s,，。.、;；]+")
#: Additive smoothing of counts (Lidstone), and how far chances are drawn apart.
_SMOOTH, _DRAWN = 0.1, 2.0
#: What lessons of the code itself weigh beside those of all others.
_OWN = 0.1
#: Counts below this are looked up.
_FEW = 64

#: Gram -> the words of the text it was made of; empty for what is no word.
Grams = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What the lessons taught."""

    #: Speaks for a complaint whatever the words.
    bias: float
    weights: Mapping[str, float]
    #: Gram -> code -> in how many lessons.
    counts: Mapping[str, Mapping[str, int]]
    #: Code -> grams in all its lessons.
    totals: Mapping[str, int]
    languages: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What a text resembles: a weight for the sum, and the words that made it."""

    weight: float
    words: str
    grams: tuple[str, ...]
    #: What each gram was made of.
    said: Grams

    def evidence(self) -> Evidence:
        """As it is stored and shown."""
        return Evidence(code=CODE, weight=self.weight, words=self.words)


def signs_of(evidence: Iterable[Evidence]) -> list[str]:
    """What rules and tone found, as grams: sure, hinted, or against."""
    return [f"={e.code}{'!' if e.weight >= 2 else '~' if e.weight > 0 else '-'}" for e in evidence]


def grams(text: str) -> dict[str, str]:
    """Words, stems and pairs of words of a text, each with what it was made of."""
    folded = fold(text[:LENGTH])
    size = min(4, int(math.log2(max(len(text), 8) / 8)))
    found = {"@asks" if any(mark in text for mark in _MARKS) else "@tells": "", f"@size{size}": ""}
    found.update(_runs(folded) if _CJK.search(folded) else _words(folded))
    return found


def of(text: str, evidence: Sequence[Evidence], language: str, model: Model) -> Likeness | None:
    """How much a text resembles complaints; None where the lessons cannot say.

    Args:
        text: what the customer wrote.
        evidence: what rules and tone found.
        language: of the text.
        model: what the lessons taught.
    """
    if language not in model.languages:
        return None
    said = grams(text)
    single = [gram for gram in said if gram[0] not in "@=" and " " not in gram]
    known = [gram for gram in said if gram in model.weights]
    if sum(gram in model.weights for gram in single) < KNOWN * len(single):
        return None
    known += [gram for gram in signs_of(evidence) if gram in model.weights]
    spread = 1 / math.sqrt(len(known) or 1)
    total = model.bias + spread * sum(model.weights[gram] for gram in known)
    weight = round(max(LEAST, min(MOST, total)), 1)
    sign = 1 if weight > 0 else -1
    told = {gram: sign * model.weights[gram] for gram in known}
    return Likeness(weight=weight, words=_telling(told, said), grams=tuple(known), said=said)


def code_of(likeness: Likeness, model: Model, among: Collection[str]) -> tuple[str, float]:
    """The likeliest of some codes with its chance, 0 to 1.

    A code is likely where its own lessons say such grams, and where those of all other codes do
    not (naive Bayes and its complement: Rennie and others 2003). Codes have few lessons, their
    complements many: the second says more. The chance is that of the first.
    """
    codes = [code for code in among if model.totals.get(code)]
    if not codes:
        return "", 0.0
    own, others = _sums(likeness.grams, model, codes)
    best = max(codes, key=lambda code: _OWN * own[code] - others[code])
    drawn = _DRAWN / math.sqrt(len(likeness.grams) or 1)
    top = max(own.values())
    chances = {code: math.exp((one - top) * drawn) for code, one in own.items()}
    return best, chances[best] / sum(chances.values())


def words_of(likeness: Likeness, model: Model, code: str) -> str:
    """The words of a text that are most of all those of a code."""
    counts = {gram: model.counts.get(gram, {}) for gram in likeness.grams}
    told = {g: c[code] / math.sqrt(sum(c.values())) for g, c in counts.items() if code in c}
    return _telling(told, likeness.said)


def _sums(
    said: Sequence[str], model: Model, codes: Collection[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """For each code the logarithm of the chance of the grams in it, and in all others.

    A gram that a code does not have adds the same to each, so only those that it has are added.
    """
    size, whole, log = len(model.counts), sum(model.totals.values()), math.log
    none, gains = log(_SMOOTH), _gains()
    own = {c: -len(said) * log(model.totals[c] + _SMOOTH * size) for c in codes}
    others = {c: -len(said) * log(whole - model.totals[c] + size) for c in codes}
    for gram in said:
        counts = model.counts.get(gram, {})
        often = sum(counts.values()) + 1
        for code, number in counts.items():
            if code in own:
                own[code] += gains[number] if number < _FEW else log(number + _SMOOTH) - none
                others[code] += log((often - number) / often)
    return own, others


@lru_cache(maxsize=1)
def _gains() -> tuple[float, ...]:
    """What a gram adds that a code has so often, less what it adds where it has it never."""
    return tuple(math.log(number + _SMOOTH) - math.log(_SMOOTH) for number in range(_FEW))


def _runs(folded: str) -> dict[str, str]:
    """Of Chinese, which has no blanks: runs of one to three characters."""
    said = f"^{_BLANKS.sub(' ', _DIGITS.sub('#', folded))}$"
    return {
        said[start : start + size]: said[start : start + size].strip("^$ ")
        for size in (1, 2, 3)
        for start in range(len(said) - size + 1)
    }


def _words(folded: str) -> dict[str, str]:
    said = _WORD.findall(folded)
    plain = ["#" if word.isdigit() else word for word in said]
    found = dict(zip(plain, said, strict=True))
    stems = [word[:_STEM] for word in plain]
    found.update((f"{s}*", w) for s, w in zip(stems, said, strict=True) if len(s) == _STEM)
    left, right = ["^", *stems], [*stems, "$"]
    pairs = zip(left, right, ["", *said], [*said, ""], strict=True)
    found.update((f"{a} {b}", f"{one} {other}".strip()) for a, b, one, other in pairs)
    return found


def _telling(told: Mapping[str, float], said: Grams) -> str:
    """The words that say most, more than nothing; none that lies within another."""
    shown: list[str] = []
    for gram in sorted(told, key=lambda gram: (-told[gram], gram)):
        words = said.get(gram, "")
        if told[gram] <= 0 or len(shown) == SHOWN:
            break
        if _is_telling(words) and not any(words in one or one in words for one in shown):
            shown.append(words)
    return ", ".join(shown)


def _is_telling(words: str) -> bool:
    """Whether people learn something from them: `the` alone weighs, and says nothing."""
    return len(words.strip("?! ")) > 3 or bool(_CJK.search(words))


@lru_cache(maxsize=1)
def shipped() -> Model:
    """What ships, read once."""
    return parse(WEIGHTS.read_text("utf-8").splitlines())


def parse(lines: Iterable[str]) -> Model:
    """The model of lines as `teaching` writes them: gram, weight, how often in which code."""
    weights: dict[str, float] = {}
    counts: dict[str, dict[str, int]] = {}
    totals: Counter[str] = Counter()
    languages: frozenset[str] = frozenset()
    bias = 0.0
    for line in lines:
        gram, weight, told = line.split("\t")
        if gram == "#languages":
            languages, bias = frozenset(told.split()), float(weight)
            continue
        weights[gram] = float(weight)
        pairs = [one.rpartition(":") for one in told.split()]
        counts[gram] = {code: int(number) for code, _, number in pairs}
        totals.update(counts[gram])
    return Model(bias=bias, weights=weights, counts=counts, totals=totals, languages=languages)
