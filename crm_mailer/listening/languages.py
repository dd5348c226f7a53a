"""Which language a text is in: by its script, then by its little words."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crm_mailer.listening.phrases import fold
from crm_mailer.model.words import Lexicon

#: Fewer letters than this tell little: the customer's own language is asked first.
SHORT = 20
#: What is looked at.
LENGTH = 2_000

_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = (
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_NOT_RUSSIAN = re.compile(r"[іїєґ]", re.IGNORECASE)
_STROKES = {
    "es": re.compile(r"[ñ¿¡]"),
    "pt": re.compile(r"[ãõ]|ç[aã]o"),
    "fr": re.compile(r"[èêœù]|\b[ldjnsc]'"),
    "de": re.compile(r"[äöüß]"),
}


def guess(text: str, lexicons: Iterable[Lexicon], default: str = "") -> str:
    """The code of the language; `default` where the text is too short to tell."""
    sample = text[:LENGTH]
    letters = sum(map(len, _WORD.findall(sample)))
    if letters == 0:
        return default
    by_script = _by_script(sample, letters)
    if by_script:
        return by_script
    scores = _scores(sample, lexicons)
    best = max(scores, key=lambda code: scores[code], default="")
    if letters < SHORT and default in scores and scores.get(best, 0) < 2:
        return default
    return best if scores.get(best, 0) > 0 else default


def _by_script(sample: str, letters: int) -> str:
    counts = {code: len(pattern.findall(sample)) for code, pattern in _SCRIPTS}
    if counts["ja"] * 10 > letters:
        return "ja"
    best = max(counts, key=lambda code: counts[code])
    if counts[best] * 4 > letters:
        return best
    if len(_CYRILLIC.findall(sample)) * 2 > letters:
        return "uk" if _NOT_RUSSIAN.search(sample) else "ru"
    return ""


def _scores(sample: str, lexicons: Iterable[Lexicon]) -> dict[str, float]:
    words = _WORD.findall(fold(sample))
    lower = sample.casefold()
    scores = {}
    for lexicon in lexicons:
        known = {fold(word) for word in lexicon.stop_words}
        if not known or _CYRILLIC.search("".join(known)) or not "".join(known).isascii():
            continue
        strokes = _STROKES.get(lexicon.language)
        hits = float(sum(word in known for word in words))
        scores[lexicon.language] = hits + (len(strokes.findall(lower)) if strokes else 0)
    return scores
