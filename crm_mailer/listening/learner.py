"""The second look: a learner trained on the shop's own judgements, which re-ranks the rules' word.

It is off until the shop has judged enough: what one shop calls a complaint is not what another
does, so no verdicts of others are shipped. Hashed runs of 2 to 5 characters and words, logistic
regression by stochastic gradient descent, in plain Python; the same judgements give the same
weights on any machine.
"""

from __future__ import annotations

import math
import random
import struct
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from crm_mailer.listening.complaints import Understanding
from crm_mailer.listening.phrases import fold
from crm_mailer.model.reply import REASONS, Evidence, Intent, Severity

#: So many judged mails, and so many of either kind, before anything is learnt.
LEAST, LEAST_OF_EACH = 200, 20
#: The latest judgements; a shop changes, and training should take a minute at most.
MOST = 4_000
#: At this chance a mail becomes a complaint; at that one a false alarm is called off.
HIGH, LOW = 0.9, 0.05
#: A learner that can hardly tell complaints from other mails does nothing.
LEAST_AUC = 0.65
BUCKETS = 1 << 16
#: Characters that are looked at: the trouble is told at the beginning.
LENGTH = 500

#: The learner's word among the evidence.
CODE = "learner"

_SIZES = (2, 3, 4, 5)
_FOLDS = 5
_STEPS = 20_000
_RATE = 4.0
_DECAY = 1e-4
_SEED = 7
#: From this weight on a sign speaks for itself.
_SURE = 3.0
_HEAD = struct.Struct("<4sddd")
_MAGIC = b"CML1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A mail that a person judged."""

    text: str
    is_complaint: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What was learnt. `slope` and `offset` turn a sum of weights into an honest chance."""

    weights: array[float]
    bias: float = 0.0
    slope: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How well it does on mails that it was not trained on: shares from 0 to 1."""

    judged: int
    complaints: int
    accuracy: float
    precision: float
    recall: float
    #: How often a complaint is ranked above another mail.
    auc: float
    #: Mails that it would raise to a complaint or call off, and how many of them rightly.
    raised: int
    raised_rightly: int
    lowered: int
    lowered_rightly: int

    @property
    def is_able(self) -> bool:
        """Whether it may have a say."""
        return self.auc >= LEAST_AUC


def is_enough(judged: int, complaints: int) -> bool:
    """Whether so many judgements, of which so many are complaints, are enough to learn from."""
    return judged >= LEAST and min(complaints, judged - complaints) >= LEAST_OF_EACH


def features(text: str) -> list[int]:
    """The buckets of a text: its runs of characters and its words, each once."""
    words = fold(text[:LENGTH]).split()
    plain = f" {' '.join(words)} ".encode("utf-16-le")
    ends = len(plain) + 2
    runs = {
        plain[start : start + 2 * size] for size in _SIZES for start in range(0, ends - 2 * size, 2)
    }
    crc = zlib.crc32
    found = {crc(run) & 0xFFFF for run in runs}
    found.update(crc(word.encode(), 1) & 0xFFFF for word in words)
    return sorted(found)


def chance(model: Model, text: str) -> float:
    """The chance, 0 to 1, that a text is a complaint."""
    return _chance(model, _sum(model.weights, model.bias, features(text)))


def train(judged: Sequence[Judged]) -> tuple[Model, Figures]:
    """Learn from judgements; the figures come from cross-validation in five parts.

    Both kinds weigh the same however often each was judged: agents judge what they meet, and
    without knowledge the chance must be a half.
    """
    data = [(features(one.text), one.is_complaint) for one in judged[-MOST:]]
    order = list(range(len(data)))
    random.Random(_SEED).shuffle(order)
    unseen: dict[int, float] = {}
    for part in range(_FOLDS):
        left_out = set(order[part::_FOLDS])
        weights, bias = _descend([data[one] for one in order if one not in left_out])
        unseen.update((one, _sum(weights, bias, data[one][0])) for one in sorted(left_out))
    sums = [unseen[one] for one in range(len(data))]
    truths = [is_complaint for _, is_complaint in data]
    slope, offset = _calibrated(sums, truths)
    weights, bias = _descend([data[one] for one in order])
    model = Model(weights=weights, bias=bias, slope=slope, offset=offset)
    return model, _figures([_chance(model, one) for one in sums], truths)


def pack(model: Model) -> bytes:
    """The model as it is kept: half floats, compressed; at most 131 KB."""
    head = _HEAD.pack(_MAGIC, model.bias, model.slope, model.offset)
    return head + zlib.compress(struct.pack(f"<{BUCKETS}e", *model.weights), 6)


def unpack(kept: bytes) -> Model | None:
    """The model of `pack`; None where another version of the program wrote it."""
    if kept[:4] != _MAGIC:
        return None
    _, bias, slope, offset = _HEAD.unpack_from(kept)
    numbers = struct.unpack(f"<{BUCKETS}e", zlib.decompress(kept[_HEAD.size :]))
    return Model(weights=array("f", numbers), bias=bias, slope=slope, offset=offset)


def rerank(said: Understanding, likely: float) -> Understanding:
    """The rules' word after the second look, with the learner's word among the evidence.

    A mail becomes a complaint at a high chance. One that the rules call a complaint is called off
    at a very low chance, but never a P1, nor a P2 of which one sign is sure.
    """
    told = Evidence(code=CODE, weight=_weight(likely), words=f"{CODE} {likely:.2f}")
    said = replace(said, evidence=(*said.evidence, told))
    if likely >= HIGH and said.intent is not Intent.COMPLAINT:
        return _raised(said)
    if likely <= LOW and said.intent is Intent.COMPLAINT and may_call_off(said):
        return _called_off(said)
    return said


def may_call_off(said: Understanding) -> bool:
    """Whether the learner may say that this is no complaint."""
    codes = {one.code for one in said.evidence}
    if said.severity is Severity.P1 or any(_is_grave(code) for code in (*said.reasons, *codes)):
        return False
    sure = any(one.weight >= _SURE and _severity(one.code) is Severity.P2 for one in said.evidence)
    return not (said.severity is Severity.P2 and sure)


def _is_grave(code: str) -> bool:
    return code in REASONS and REASONS[code][0] is Severity.P1


def _severity(code: str) -> Severity | None:
    return REASONS[code][0] if code in REASONS else None


def _raised(said: Understanding) -> Understanding:
    hints = [one for one in said.evidence if one.code in REASONS and one.weight > 0]
    found = tuple(one.code for one in sorted(hints, key=lambda one: -one.weight)) or ("other",)
    severity = min(severity for code in found if (severity := _severity(code)))
    finer = tuple(code for code in said.reasons if code not in found)
    return replace(said, intent=Intent.COMPLAINT, severity=severity, reasons=found + finer)


def _called_off(said: Understanding) -> Understanding:
    """Another mail again; an agent reads it all the same, as every mail that no rule knows."""
    finer = tuple(code for code in said.reasons if code.startswith(_FINER))
    return replace(said, intent=mild_intent(said.evidence), severity=None, reasons=finer)


#: Codes that stand beside complaint reasons and are none.
_FINER = ("ask.", "objection.", "suggestion", "confirm")


def mild_intent(evidence: Iterable[Evidence]) -> Intent:
    """What a mail wants that is no complaint, by its other signs."""
    codes = {one.code for one in evidence}
    if "question" in codes or any(code.startswith("ask.") for code in codes):
        return Intent.QUESTION
    if "praise" in codes:
        return Intent.PRAISE
    return Intent.CONFIRM if "confirm" in codes else Intent.OTHER


# ------------------------------------------------------------------ the sums


def _sum(weights: array[float], bias: float, buckets: Sequence[int]) -> float:
    if not buckets:
        return bias
    total: float = sum(map(weights.__getitem__, buckets))
    return bias + total / math.sqrt(len(buckets))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def _chance(model: Model, total: float) -> float:
    return _sigmoid(model.slope * total + model.offset)


def _weight(likely: float) -> float:
    """The learner's word in the measure of other signs: its log odds."""
    inner = min(max(likely, 0.01), 0.99)
    return round(math.log(inner / (1 - inner)), 1)


def _shares(truths: Iterable[bool]) -> tuple[float, float]:
    """How much one mail of either kind weighs: other mails, complaints."""
    known = list(truths)
    yes = sum(known)
    return len(known) / 2 / max(1, len(known) - yes), len(known) / 2 / max(1, yes)


def _descend(data: Sequence[tuple[list[int], bool]]) -> tuple[array[float], float]:
    """Weights by stochastic gradient descent; the sequence of `data` is that of the steps."""
    weights, bias = array("f", bytes(4 * BUCKETS)), 0.0
    shares = _shares(is_complaint for _, is_complaint in data)
    rounds = max(3, min(15, _STEPS // max(1, len(data))))
    for step, (buckets, is_complaint) in enumerate(chain.from_iterable([data] * rounds)):
        error = is_complaint - _sigmoid(_sum(weights, bias, buckets))
        push = error * shares[is_complaint] * _RATE / (1 + step * _DECAY * 10)
        bias += push * 0.1
        each = push / math.sqrt(len(buckets) or 1)
        for bucket in buckets:
            weights[bucket] += each
    return weights, bias


def _calibrated(sums: Sequence[float], truths: Sequence[bool]) -> tuple[float, float]:
    """Slope and offset that make chances of sums (Platt 1999), by Newton's method."""
    shares = _shares(truths)
    counts = (len(truths) - sum(truths), sum(truths))
    aims = (1 / (counts[0] + 2), (counts[1] + 1) / (counts[1] + 2))
    slope, offset = 1.0, 0.0
    for _ in range(30):
        g1 = g0 = h11 = h10 = h00 = 0.0
        for value, truth in zip(sums, truths, strict=True):
            likely = _sigmoid(slope * value + offset)
            error, curve = (likely - aims[truth]) * shares[truth], likely * (1 - likely)
            g1, g0 = g1 + error * value, g0 + error
            curve *= shares[truth]
            h11, h10, h00 = h11 + curve * value * value, h10 + curve * value, h00 + curve
        h11, h00 = h11 + 1e-3, h00 + 1e-3
        det = h11 * h00 - h10 * h10
        slope -= (h00 * g1 - h10 * g0) / det
        offset -= (h11 * g0 - h10 * g1) / det
    return (slope, offset) if slope > 0 else (0.0, 0.0)


def _figures(chances: Sequence[float], truths: Sequence[bool]) -> Figures:
    pairs = list(zip(chances, truths, strict=True))
    yes = sum(truths)
    called = [truth for likely, truth in pairs if likely >= 0.5]
    raised = [truth for likely, truth in pairs if likely >= HIGH]
    lowered = [truth for likely, truth in pairs if likely <= LOW]
    right = sum((likely >= 0.5) == truth for likely, truth in pairs)
    return Figures(
        judged=len(pairs),
        complaints=yes,
        accuracy=round(right / max(1, len(pairs)), 4),
        precision=round(sum(called) / max(1, len(called)), 4),
        recall=round(sum(called) / max(1, yes), 4),
        auc=round(_auc(pairs), 4),
        raised=len(raised),
        raised_rightly=sum(raised),
        lowered=len(lowered),
        lowered_rightly=len(lowered) - sum(lowered),
    )


def _auc(pairs: Sequence[tuple[float, bool]]) -> float:
    """The share of pairs of a complaint and another mail that stand in the right sequence."""
    ranked = sorted(pairs)
    others = better = 0.0
    place = 0
    while place < len(ranked):
        level = place
        while level < len(ranked) and ranked[level][0] == ranked[place][0]:
            level += 1
        yes = sum(truth for _, truth in ranked[place:level])
        no = level - place - yes
        better += yes * (others + no / 2)
        others += no
        place = level
    complaints = sum(truth for _, truth in pairs)
    return better / (complaints * others) if complaints and others else 0.5
