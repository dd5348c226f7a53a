"""Which language a text is in: by its script, then by a library where it is installed, then by its
little words."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from crm_mailer.listening.guards import Guarded
from crm_mailer.listening.phrases import fold
from crm_mailer.model.words import Lexicon

#: Fewer letters than this tell little: the customer's own language is asked first.
SHORT = 20
#: What is looked at.
LENGTH = 400
#: Those of our customers. The fewer a guesser may choose from, the more often it is right.
KNOWN = ("en", "ru", "es", "pt", "fr", "de", "zh", "it", "nl", "pl", "tr", "ar", "ja", "ko")
#: A guesser that is less sure than this has not understood the text.
_SURE, _RATHER = 0.75, 0.4
#: Little words that beat the guesser on a short text.
_CLEAR = 2.0

_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = (
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_NOT_RUSSIAN = re.compile(r"[іїєґ]", re.IGNORECASE)
#: Links and addresses are in no language.
_LINKS = re.compile(r"https?://\S+|\S+@\S+")
_STROKES = {
    "es": Guarded(re.compile(r"[ñ¿¡]"), "ñ¿¡"),
    "pt": Guarded(re.compile(r"[ãõ]|ç[aã]o"), "ãõç"),
    "fr": Guarded(re.compile(r"[èêœù]|\b[ldjnsc]'"), "'èêœù"),
    "de": Guarded(re.compile(r"[äöß]|ü(?!\w*[ığş])"), "äößü"),
    "pl": Guarded(re.compile(r"[łąęśżźńć]"), "łąęśżźńć"),
    "tr": Guarded(re.compile(r"[ığş]"), "ığş"),
    "it": Guarded(re.compile(r"\b(?:è|più|perché|dell'|all'|un')"), "'èùé"),
    "nl": Guarded(re.compile(r"\w*(?:ij|aa|oo|uu)\w*"), ("ij", "aa", "oo", "uu")),
}
#: For languages that have no word file, or one without such words.
_LITTLE = {
    "it": "il lo la gli un una di che non per con mi del della sono ho ha e è ma come dove mio mia",
    "nl": "de het een en van ik niet is dat op te mijn met voor zijn heb heeft nog waar wat u maar",
    "pl": "nie jest na do się że to w z moja mój moje gdzie jak czy mi od po już ale proszę mam",
    "tr": "bir ve bu için ne çok değil var yok benim ben mi mı nerede daha ama hala lütfen olarak",
}


def guess(text: str, lexicons: Iterable[Lexicon], default: str = "") -> str:
    """The code of the language; `default` where the text is too short to tell."""
    return _guess(text, lexicons, default, _library())


def guess_by_words(text: str, lexicons: Iterable[Lexicon], default: str = "") -> str:
    """The same, as where the library is not installed."""
    return _guess(text, lexicons, default, None)


def _guess(
    text: str,
    lexicons: Iterable[Lexicon],
    default: str,
    library: Callable[[str], tuple[str, float]] | None,
) -> str:
    sample = _LINKS.sub(" ", text[: LENGTH * 2])[:LENGTH]
    letters = sum(map(len, _WORD.findall(sample)))
    if letters == 0:
        return default
    by_script = _by_script(sample, letters)
    if by_script:
        return by_script
    scores = _scores(sample, lexicons)
    best = max(scores, key=lambda code: scores[code], default="")
    if letters < SHORT and default and default not in scores:
        return default
    if letters < SHORT and default and scores.get(best, 0) < _CLEAR:
        return default
    if library is not None:
        code, share = library(sample)
        is_clear = scores.get(best, 0) >= _CLEAR * (scores.get(code, 0) + 1)
        if share >= (_RATHER if default == code or letters >= SHORT else _SURE) and not is_clear:
            return code
    return best if scores.get(best, 0) > 0 else default


def _by_script(sample: str, letters: int) -> str:
    if sample.isascii():
        return ""
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
    told = tuple((one.language, one.stop_words) for one in lexicons if one.stop_words)
    for code, known in _little_words(told).items():
        strokes = _STROKES.get(code)
        hits = float(len([word for word in words if word in known]))
        scores[code] = hits + (min(2, strokes.count(lower)) if strokes else 0)
    return scores


@lru_cache(maxsize=8)
def _little_words(told: tuple[tuple[str, tuple[str, ...]], ...]) -> dict[str, frozenset[str]]:
    """The little words of each language that is written in Latin letters."""
    tables = {code: tuple(said.split()) for code, said in _LITTLE.items()} | dict(told)
    return {code: known for code, little in tables.items() if (known := _known(little))}


@lru_cache(maxsize=64)
def _known(little: tuple[str, ...]) -> frozenset[str]:
    """The words of a language in Latin letters; others are known by their script."""
    known = frozenset(fold(word) for word in little)
    return known if "".join(known).isascii() else frozenset()


@lru_cache(maxsize=1)
def _library() -> Callable[[str], tuple[str, float]] | None:
    """The classifier of `crm-mailer[languages]`; None where it, or what it needs, is missing."""
    try:
        langid = importlib.import_module("py3langid.langid")  # an extra, and slow to load
        identifier = langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
        identifier.set_languages(KNOWN)
    except Exception:  # a library that is there but cannot work is as good as none
        return None

    def classify(sample: str) -> tuple[str, float]:
        code, share = identifier.classify(sample)
        return str(code), float(share)

    return classify
