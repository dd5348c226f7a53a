"""What a person wants, and whether they are unhappy: a weighted sum of words that can be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from crm_mailer.listening import languages
from crm_mailer.listening.phrases import Phrase, compile_phrase, fold
from crm_mailer.model.reply import REASONS, Evidence, Intent, Severity
from crm_mailer.model.words import Lexicon, Sign, Words

#: From this sum on a text is a complaint. One sure reason is enough; politeness does not undo it.
THRESHOLD = 2.0
#: What is looked at: nobody complains for longer.
LENGTH = 20_000
#: How many words before a sign may turn it into its opposite.
WINDOW = 3
#: The same in Chinese, in characters.
CJK_WINDOW = 3

_SURE, _HINT = 3.0, 1.0
_WEIGHTS = {
    "displeasure": (2.0, 1.0),
    "praise": (-2.0, -1.0),
    "thanks": (-0.5, -0.5),
    "question": (-0.5, -0.5),
    "wants.refund": (2.0, 1.0),
    "wants.resend": (0.5, 0.0),
    "wants.answer": (0.0, 0.0),
    "confirm": (0.0, 0.0),
    "suggestion": (0.0, 0.0),
}
_THREAT = 5.0
_FREE_OF_CHARGE = ("ask.", "objection.")
#: What a negation or a condition before it can undo: facts, not feelings or threats.
_FACTS = ("nr.", "nad.", "order.", "pay.", "safety", "displeasure", "praise", "svc.rude")
_CLAUSE_END = re.compile(r"[.!?;:。！？；，,\n]")
_SHOUT = re.compile(r"\b[A-ZА-ЯЁ]{3,}\b(?:\W+\b[A-ZА-ЯЁ]{2,}\b){2,}")
_MARKS = re.compile(r"[!?！？]{2,}")
_ANGRY = re.compile("[😡🤬👎💔😠😤]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """What a text says. Reasons are complaint reasons, then finer codes such as `ask.tracking`."""

    intent: Intent
    language: str = ""
    reasons: tuple[str, ...] = ()
    severity: Severity | None = None
    asks: str = ""
    score: float = 0.0
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    sign: Sign
    phrase: Phrase
    weight: float
    #: The phrase itself says "not": a negation before it is part of it.
    is_negative: bool


@dataclass(frozen=True, slots=True)
class _Table:
    language: str
    rules: tuple[_Rule, ...]
    negators: tuple[str, ...]
    conditions: tuple[str, ...]


def understand(
    text: str, words: Words, *, customer_language: str = "", is_followup: bool = False
) -> Understanding:
    """The intent, the reasons with their severity, what is asked, and the words that say so.

    Args:
        text: what the customer wrote, without quotes.
        words: the word files.
        customer_language: asked where the text is too short to tell.
        is_followup: an earlier mail of theirs is still unanswered.
    """
    text = text[:LENGTH]
    language = languages.guess(text, words.lexicons, customer_language)
    found = _evidence(text, _tables(words), language)
    found += _tone(text)
    if is_followup:
        found.append(Evidence(code="tone.again", weight=1.5, words="an earlier mail is unanswered"))
    score = _score(found)
    reasons = _reasons(found)
    is_complaint = score >= THRESHOLD or "privacy" in reasons
    intent = Intent.COMPLAINT if is_complaint else _intent(found, text)
    if is_complaint:
        reasons = reasons or ("other",)
        severity: Severity | None = min(REASONS[code][0] for code in reasons if code in REASONS)
    else:
        reasons, severity = (), None
    finer = tuple(dict.fromkeys(e.code for e in found if e.code.startswith(_FREE_OF_CHARGE)))
    suggestion = ("suggestion",) if any(e.code == "suggestion" for e in found) else ()
    return Understanding(
        intent=intent,
        language=language,
        reasons=reasons + finer + suggestion,
        severity=severity,
        asks=_asks(found, intent),
        score=score,
        evidence=tuple(found),
    )


def _evidence(text: str, tables: Sequence[_Table], language: str) -> list[Evidence]:
    folded = fold(text)
    chosen = [table for table in tables if table.language == language] or list(tables)
    if language and len(text) < languages.SHORT:
        chosen = list(tables)
    found: dict[str, Evidence] = {}
    for table in chosen:
        for rule in table.rules:
            best = found.get(rule.sign.code)
            if best is not None and abs(best.weight) >= abs(rule.weight):
                continue
            match = _first(rule, table, folded)
            if match is not None:
                said = " ".join(text[match.start() : match.end()].split())[:120]
                code = rule.sign.code
                found[code] = Evidence(code=code, weight=rule.weight, words=said)
    return sorted(found.values(), key=lambda e: (-e.weight, e.code))


def _first(rule: _Rule, table: _Table, folded: str) -> re.Match[str] | None:
    if not rule.sign.code.startswith(_FACTS):
        return rule.phrase.find(folded)
    for match in rule.phrase.all(folded):
        if not _is_undone(rule, table, folded, match):
            return match
    return None


def _is_undone(rule: _Rule, table: _Table, folded: str, match: re.Match[str]) -> bool:
    """Whether a negation or a condition stands right before the sign, in the same clause."""
    start = match.start()
    if not rule.is_negative and table.language != "zh":
        inside = re.findall(r"[\w'-]+", match[0])
        if any(word in table.negators for word in inside):
            return True
    clause = _CLAUSE_END.split(folded[max(0, start - 60) : start])[-1]
    if table.language == "zh":
        near, far = clause[-CJK_WINDOW:], clause[-8:]
        said = any(word in near for word in table.negators)
        return (said and not rule.is_negative) or any(word in far for word in table.conditions)
    before = re.findall(r"[\w'-]+", clause)
    near_words, far_words = before[-WINDOW:], " ".join(before[-6:])
    is_case = any(re.search(rf"(?<!\w){re.escape(c)}(?!\w)", far_words) for c in table.conditions)
    if is_case and not rule.sign.code.startswith(("displeasure", "praise")):
        return True
    return not rule.is_negative and any(word in table.negators for word in near_words)


def _tone(text: str) -> list[Evidence]:
    """Shouting, rows of marks, angry faces: half a hint each, never a complaint by themselves."""
    found = []
    for pattern, code in ((_SHOUT, "tone.capitals"), (_MARKS, "tone.marks"), (_ANGRY, "tone.face")):
        if match := pattern.search(text):
            weight = 1.0 if pattern is _ANGRY else 0.5
            found.append(Evidence(code=code, weight=weight, words=match[0][:60]))
    return found


def _score(found: Iterable[Evidence]) -> float:
    """The sum. Thanks and praise weigh little against a sure reason: people stay polite."""
    against = sum(e.weight for e in found if e.weight > 0)
    strongest = max((e.weight for e in found if e.code in REASONS), default=0.0)
    softening = sum(e.weight for e in found if e.weight < 0)
    if strongest >= _SURE:
        softening = max(softening, -1.0 if strongest < _THREAT else 0.0)
    return against + softening


def _reasons(found: Iterable[Evidence]) -> tuple[str, ...]:
    """Complaint reasons, the surest first; hints only where nothing is sure."""
    ranked = [e for e in found if e.code in REASONS]
    sure = [e.code for e in ranked if e.weight >= _SURE]
    return tuple(sure or [e.code for e in ranked])


def _intent(found: Sequence[Evidence], text: str) -> Intent:
    codes = {e.code: e.weight for e in found}
    asks = "question" in codes or any(code.startswith("ask.") for code in codes)
    has_mark = "?" in text or "？" in text
    if "confirm" in codes and not has_mark and "praise" not in codes:
        return Intent.CONFIRM
    if asks and (has_mark or "praise" not in codes):
        return Intent.QUESTION
    if "praise" in codes:
        return Intent.PRAISE
    return Intent.QUESTION if has_mark else Intent.OTHER


def _asks(found: Iterable[Evidence], intent: Intent) -> str:
    codes = {e.code for e in found}
    for wish in ("refund", "resend", "answer"):
        if f"wants.{wish}" in codes:
            return wish
    return "answer" if intent is Intent.QUESTION else "none"


@lru_cache(maxsize=4)
def _tables(words: Words) -> tuple[_Table, ...]:
    return tuple(_table(lexicon) for lexicon in words.lexicons)


def _table(lexicon: Lexicon) -> _Table:
    negators = tuple(fold(word).rstrip("*") for word in lexicon.negators)
    return _Table(
        language=lexicon.language,
        rules=tuple(
            _Rule(
                sign=sign,
                phrase=compile_phrase(sign.phrase),
                weight=_weight(sign),
                is_negative=_says_not(sign.phrase, negators, lexicon.language),
            )
            for sign in lexicon.signs
        ),
        negators=negators,
        conditions=tuple(fold(word) for word in lexicon.conditions),
    )


def _weight(sign: Sign) -> float:
    if sign.code.startswith(_FREE_OF_CHARGE):
        return 0.0
    sure, hint = _WEIGHTS.get(sign.code, (_SURE, _HINT))
    if sign.code.startswith(("threat.", "safety")):
        sure = _THREAT
    return sure if sign.is_sure else hint


def _says_not(phrase: str, negators: Sequence[str], language: str) -> bool:
    folded = fold(phrase)
    if language == "zh":
        return any(word in folded for word in negators)
    return any(word in negators or word.endswith("n't") for word in re.findall(r"[\w'-]+", folded))
