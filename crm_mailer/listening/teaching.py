"""Makes `lessons/weights.tsv` of the lessons: what `likeness` knows.

Two things are learnt. How much each gram speaks for a complaint beside what the rules say already:
logistic regression with the rules' score as one of its features, by AdaGrad (Duchi, Hazan and
Singer 2011). And how often it stood in which code: counts, for naive Bayes. The same lessons and
word files give the same weights on any machine.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.listening import complaints, likeness
from crm_mailer.listening.complaints import THRESHOLD
from crm_mailer.model.reply import REASONS
from crm_mailer.model.words import Words

#: A gram of fewer lessons than this is chance.
FEWEST = 2
#: The rules' score beyond these says no more.
LOW, HIGH = -3.0, 5.0

_ROUNDS, _RATE, _DECAY, _SEED = 8, 0.3, 1e-3, 7
#: What a lesson weighs: where false alarms are many, nobody looks at complaints any more.
_COST = {True: 1.0, False: 2.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A made-up mail with its code: a complaint's reason, an intent or a finer one."""

    language: str
    code: str
    text: str

    @property
    def is_complaint(self) -> bool:
        """Whether its customer is unhappy."""
        return self.code in REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A lesson with its grams, and what the rules alone make of it."""

    lesson: Lesson
    grams: tuple[str, ...]
    score: float


def lessons(folder: Path) -> list[Lesson]:
    """All lessons of a folder: a file a language, a line `= code` above the mails of that code."""
    found = []
    for path in sorted(folder.glob("*.txt")):
        code = ""
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("= "):
                code = line[2:].strip()
            elif line.strip() and not line.startswith("#"):
                found.append(Lesson(language=path.stem, code=code, text=line.strip()))
    return found


def read(lesson: Lesson, words: Words) -> Read:
    """A lesson as the rules see it."""
    evidence, score = complaints.by_rules(lesson.text, words)
    grams = sorted({*likeness.grams(lesson.text), *likeness.signs_of(evidence)})
    return Read(lesson=lesson, grams=tuple(grams), score=max(LOW, min(HIGH, score)))


def teach(known: Sequence[Read]) -> list[str]:
    """The lines of `weights.tsv`."""
    often = Counter(gram for one in known for gram in one.grams)
    kept = {gram for gram, number in often.items() if number >= FEWEST}
    weights, share, bias = _descend(known, kept)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in known:
        for gram in one.grams:
            counts[gram][one.lesson.code] += gram in kept
    languages = " ".join(sorted({one.lesson.language for one in known}))
    # in the measure of the rules: from the threshold on it is a complaint
    return [
        f"#languages\t{bias / share + THRESHOLD:.3f}\t{languages}",
        *(
            f"{gram}\t{weights[gram] / share:.2f}\t"
            + " ".join(f"{code}:{number}" for code, number in sorted(counts[gram].items()))
            for gram in sorted(kept)
        ),
    ]


def _descend(known: Sequence[Read], kept: Iterable[str]) -> tuple[dict[str, float], float, float]:
    """The weights of grams, the weight of the rules' score, and the bias."""
    weights = dict.fromkeys(kept, 0.0)
    squares = dict.fromkeys(weights, 0.1)
    share, bias, share_square, bias_square = 1.0, -THRESHOLD, 0.01, 0.01
    mails = [(one, [g for g in one.grams if g in weights]) for one in known]
    order = list(range(len(mails)))
    shuffler = random.Random(_SEED)
    for _ in range(_ROUNDS):
        shuffler.shuffle(order)
        for place in order:
            one, grams = mails[place]
            spread = 1 / math.sqrt(len(grams) or 1)
            total = share * one.score + bias + spread * sum(map(weights.__getitem__, grams))
            truth = one.lesson.is_complaint
            error = (truth - 1 / (1 + math.exp(-total))) * _COST[truth]
            share_square += (error * one.score) ** 2
            bias_square += error**2
            share += _RATE * error * one.score / math.sqrt(share_square)
            bias += _RATE * error / math.sqrt(bias_square)
            push = error * spread
            for gram in grams:
                slope = push - _DECAY * weights[gram]
                squares[gram] += slope * slope
                weights[gram] += _RATE * slope / math.sqrt(squares[gram])
    return weights, share, bias
