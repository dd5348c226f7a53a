"""Makes the weights of likeness from the lessons, and tells how well they do on lessons unseen.

    python benchmarks/inbox_lessons.py            weights.tsv is written again
    python benchmarks/inbox_lessons.py --judge    five parts, each judged by what the others taught

The last line printed is one JSON object; shares are from 0 to 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import likeness, teaching
from crm_mailer.listening.complaints import understand
from crm_mailer.listening.likeness import Model
from crm_mailer.listening.teaching import Read
from crm_mailer.model.reply import Intent
from crm_mailer.model.words import Words

FOLDER = likeness.WEIGHTS.parent
PARTS = 5

Figures = dict[str, dict[str, float]]


def judge(known: Sequence[Read], words: Words) -> Figures:
    """Recall, main reason and false alarms by language, on lessons that taught nothing."""
    order = list(range(len(known)))
    random.Random(3).shuffle(order)
    told: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for part in range(PARTS):
        left_out = set(order[part::PARTS])
        others = [one for place, one in enumerate(known) if place not in left_out]
        model = likeness.parse(teaching.teach(others))
        for place in sorted(left_out):
            for language, name, is_right in _judged(known[place], words, model):
                told[language][name].append(is_right)
    return {
        language: {name: round(sum(v) / len(v), 4) for name, v in sorted(figures.items())}
        for language, figures in sorted(told.items())
    }


def _judged(one: Read, words: Words, model: Model) -> Iterator[tuple[str, str, bool]]:
    """What a lesson adds to which figure of its language and of all."""
    lesson = one.lesson
    said = understand(lesson.text, words, model=model)
    is_seen = said.intent is Intent.COMPLAINT
    for language in (lesson.language, "all"):
        if not lesson.is_complaint:
            yield language, "alarms", is_seen
            yield language, "intents", lesson.code in (said.finest, f"{said.finest}.n")
            continue
        yield language, "recall", is_seen
        if lesson.code != "other":
            yield language, "reason", is_seen and said.reasons[:1] == (lesson.code,)


def main() -> int:
    """Teach, or judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", action="store_true")
    given = parser.parse_args()
    words = read_words()
    known = [teaching.read(lesson, words) for lesson in teaching.lessons(FOLDER)]
    print(f"{len(known)} lessons")
    if not given.judge:
        lines = teaching.teach(known)
        likeness.WEIGHTS.write_text("\n".join(lines) + "\n", "utf-8")
        print(json.dumps({"grams": len(lines) - 1, "bytes": likeness.WEIGHTS.stat().st_size}))
        return 0
    figures = judge(known, words)
    for language, told in figures.items():
        print(f"{language:4}", "  ".join(f"{name} {value:.2f}" for name, value in told.items()))
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
