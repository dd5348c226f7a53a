"""What a person wants, and whether they are unhappy: a weighted sum of words that can be shown."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from crm_mailer.listening import intents, languages, likeness, signs, translit
from crm_mailer.listening.intents import Wanted
from crm_mailer.listening.likeness import Likeness, Model
from crm_mailer.listening.phrases import fold
from crm_mailer.listening.signs import Found, Table
from crm_mailer.model.reply import REASONS, SHIPPED_REASONS, Evidence, Intent, Severity
from crm_mailer.model.words import Words

#: From this sum on a text is a complaint. One sure reason is enough; politeness does not undo it.
THRESHOLD = 2.0
#: What is looked at: nobody complains for longer.
LENGTH = 20_000
#: An earlier mail of theirs is unanswered: with the least displeasure it is a complaint.
AGAIN = 1.5

_SURE, _HINT, _THREAT = 3.0, 1.0, 5.0
#: A sure phrase that is only asked about.
_ASKED = 0.5
#: What a text of mere hints needs more where it is a question.
_DOUBT = 1.0
#: What "six weeks" weighs more in a text that wants nothing: nobody writes without a reason.
_ALONE = 1.0
_SHORT = 160
#: From this length on the language of a text is known, but for those that share many words.
_GUESSED = 40
_KINDRED = {"es", "pt", "it", "fr"}
_ELSE_WANTED = (
    "ask.", "objection.", "confirm", "suggestion", "praise", "thanks", "clue.before", "elsewhere",
    "wants.",
)  # fmt: skip
_WEIGHTS = {
    "displeasure": (2.0, 1.0),
    "praise": (-2.0, -1.0),
    "thanks": (-0.5, -0.5),
    "question": (-0.5, -0.5),
    # A bare demand is no complaint yet; with one angry word it is.
    "wants.refund": (1.5, 1.0),
    "wants.resend": (0.5, 0.0),
    "wants.answer": (0.0, 0.0),
    "confirm": (0.0, 0.0),
    "suggestion": (0.0, 0.0),
    # What goes with a complaint, whatever it is about: beside a hint of a reason it makes one.
    "clue.remedy": (1.0, 0.5),
    "clue.proof": (1.0, 0.5),
    "clue.lapse": (1.0, 0.5),
    # Nothing is bought yet.
    "clue.before": (-2.0, -1.0),
    # Told of another shop, or of what others lived through.
    "elsewhere": (-2.5, -1.0),
}
#: What a bare demand says, in a text no longer than that: it counts once.
_BARE = 80
_DEMANDS = ("wants.", "clue.remedy")
#: Politeness: undoes displeasure, and never two hints that something is wrong.
_POLITE = {"thanks", "question"}
#: What takes the ground from under a sure reason, too.
_APART = {"elsewhere", "clue.before"}
#: A short text of this kind is a question or a demand, whatever it resembles.
_BARELY = ("ask.", "question", "wants.")
#: From this weight on displeasure is sure.
_CROSS = 2.0
_WEIGHTLESS = ("ask.", "objection.")
_THREATS = "threat."
#: Said beside nearly every finer reason: named after it.
_GENERAL = {
    "nr.in_transit": 3, "nad.quality": 2, "nr.no_tracking": 2, "order.wrong_item": 1,
    "order.cancel": 1, "nr.marked_delivered": 1, "nad.description": 1, "pay.refund": 1,
    "nr.buyer_returned": 2,
}  # fmt: skip
#: At this chance a mail without words of a reason is given the one that it resembles most; one that
#: wakes people up at night needs more.
_LIKELY, _LIKELY_GRAVE = 0.15, 0.4
_GRAVE = {code for code, (severity, _) in SHIPPED_REASONS.items() if severity is Severity.P1}
#: What `safety` already says.
_ABSORBED = {"nad.quality", "nad.damaged"}

_SHOUT = re.compile(r"(?=[A-ZА-ЯЁ]{3})\b[A-ZА-ЯЁ]{3,}\b(?:\W+\b[A-ZА-ЯЁ]{2,}\b){2,}")
_MARKS = re.compile(r"[!?！？]{2,}")
_ANGRY = re.compile("[😡🤬👎💔😠😤]|>:\\(")
_TONES = (
    (_SHOUT, "tone.capitals", 0.5), (_MARKS, "tone.marks", 0.5), (_ANGRY, "tone.face", 1.0),
)  # fmt: skip
_FEW_STARS = re.compile(
    r"(?<![★\d])★{1,2}☆{3,4}|(?<![\d.,/])[12](?:[.,]0)?[ -]?(?:/ ?5 )?(?:out of 5 |of 5 |из 5 )?"
    r"(?:stars?|звезд[аы]?|sterne?n?|etoiles?|estrellas?|estrelas?|stelle?|gwiazdk[ai]|颗?星)(?!\w)"
)
_RATING = re.compile(
    r"★|rating|rated|review|\bgave\b|отзыв|оценк|bewertung|avis\b|resena|valoracion|avaliacao|"
    r"recensione|ocena|评价|评分"
)
#: How a subject begins that a mail program took over from the mail that is answered.
_ANSWER = re.compile(
    r"\s*(?:re|aw|fwd?|wg|sv|vs|odp|rif|res|enc|tr|rv|ответ|отв|回复|答复|转发|رد)\s*(?:\[\d+\])?\s*[:：]",
    re.IGNORECASE,
)


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

    @property
    def finest(self) -> str:
        """The finest code of what is wanted: `ask.tracking`, `objection.time`, `complaint` ..."""
        return intents.finest(self.intent, self.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A text as the rules see it."""

    language: str
    found: tuple[Found, ...]
    evidence: tuple[Evidence, ...]
    score: float

    @property
    def strongest(self) -> float:
        """The weight of the surest reason."""
        return max((e.weight for e in self.evidence if e.code in REASONS), default=0.0)


def understand(
    text: str,
    words: Words,
    *,
    customer_language: str = "",
    is_followup: bool = False,
    model: Model | None = None,
) -> Understanding:
    """The intent, the reasons with their severity, what is asked, and the words that say so.

    Args:
        text: what the customer wrote, without quotes.
        words: the word files.
        customer_language: asked where the text is too short to tell.
        is_followup: an earlier mail of theirs is still unanswered.
        model: what lessons taught; that of the program where it is not given.
    """
    text = text[:LENGTH]
    told = _read(text, words, customer_language, is_followup)
    model = model or likeness.shipped()
    alike = likeness.of(text, told.evidence, told.language, model)
    may_speak = alike is not None and _may_speak(alike, told, text, words)
    spoken = [alike.evidence()] if alike is not None and may_speak else []
    evidence = sorted([*told.evidence, *spoken], key=_by_weight)
    score = told.score + sum(one.weight for one in spoken)
    places = {one.sign.code: one.start for one in told.found}
    reasons = _reasons(evidence, places, words.reasons)
    is_complaint = score >= THRESHOLD or "privacy" in reasons
    if not is_complaint:
        reasons = ()
    elif not reasons:
        reasons = _without_words(evidence, alike, model)
    wanted = intents.of(told.found, text, is_complaint=is_complaint)
    if alike is not None and not is_complaint:
        wanted, guess = _likely(wanted, alike, text, model)
        evidence += guess
    return Understanding(
        intent=wanted.intent,
        language=told.language,
        reasons=reasons + wanted.finer,
        severity=min((words.reasons[code][0] for code in reasons), default=None),
        asks=wanted.asks,
        score=round(score, 2),
        evidence=tuple(evidence),
    )


def by_rules(text: str, words: Words) -> tuple[tuple[Evidence, ...], float]:
    """What rules and tone find in a text, and their sum."""
    told = _read(text[:LENGTH], words, "", False)
    return told.evidence, told.score


def _read(text: str, words: Words, customer_language: str, is_followup: bool) -> _Read:
    language, spotted = _spotted(text, words, customer_language)
    evidence = [_evidence(found, said) for found, said in spotted]
    evidence += _tone(text)
    if is_followup:
        again = Evidence(code="tone.again", weight=AGAIN, words="an earlier mail is unanswered")
        evidence.append(again)
    evidence.sort(key=_by_weight)
    return _Read(
        language=language,
        found=tuple(found for found, _ in spotted),
        evidence=tuple(evidence),
        score=_score(evidence, text, words.reasons),
    )


def _by_weight(one: Evidence) -> tuple[float, str]:
    return -one.weight, one.code


def _may_speak(alike: Likeness, told: _Read, text: str, words: Words) -> bool:
    """Whether likeness counts: where it may err, a rule or the shortness of the text decides."""
    if abs(alike.weight) < likeness.FAINT:
        return False
    codes = {one.code for one in told.evidence}
    if alike.weight < 0:
        return not _is_firm(told, codes)
    if "clue.before" in codes or signs.has_exception(fold(text), words):
        return False  # what the shop says is usual with it, lessons do not know
    return len(text) >= _BARE or not any(code.startswith(_BARELY) for code in codes)


def _is_firm(told: _Read, codes: Collection[str]) -> bool:
    """Whether rules know that it is a complaint: no likeness may hide what is said outright."""
    if told.strongest >= _SURE or "tone.again" in codes:
        return True
    cross = max((e.weight for e in told.evidence if e.code == "displeasure"), default=0.0)
    return cross >= _CROSS or (cross > 0 and "wants.refund" in codes)


def _without_words(
    found: Iterable[Evidence], alike: Likeness | None, model: Model
) -> tuple[str, ...]:
    """The reason of a complaint that names none: what it resembles, or time that went by."""
    if alike is not None:
        code, chance = likeness.code_of(alike, model, SHIPPED_REASONS)
        if chance >= (_LIKELY_GRAVE if code in _GRAVE else _LIKELY):
            return (code,)
    waits = any(one.code == "clue.lapse" for one in found)
    return ("nr.in_transit",) if waits else ("other",)


def _likely(
    wanted: Wanted, alike: Likeness, text: str, model: Model
) -> tuple[Wanted, list[Evidence]]:
    """What is wanted by the lessons, too, and the words that say so where it is news."""
    codes = intents.likely((c for c in model.totals if c not in SHIPPED_REASONS), text)
    code, chance = likeness.code_of(alike, model, codes)
    after = intents.with_likely(wanted, code, chance)
    if after == wanted:
        return wanted, []
    said = likeness.words_of(alike, model, code)
    return after, [Evidence(code=code, weight=0.0, words=said)]


def with_subject(subject: str, own_text: str) -> str:
    """What a customer wrote: the text, after the subject where it is not the one of our mail."""
    return own_text if not subject or _ANSWER.match(subject) else f"{subject}\n\n{own_text}"


def _spotted(text: str, words: Words, default: str) -> tuple[str, list[tuple[Found, str]]]:
    """The language, and each sign with the very words."""
    folded = fold(text)
    russian = translit.table(words) if translit.is_russian(folded) else None
    if russian is not None:
        blurred, places = translit.to_cyrillic(folded)
        found = _outermost(signs.find(blurred, [russian]))
        return "ru", [(f, _excerpt(text, places[f.start], places[f.end])) for f in found]
    language = languages.guess(text, words.lexicons, default)
    every = signs.tables(words)
    chosen = _chosen(every, language, text)
    found = signs.find(folded, chosen)
    if not found and not any(_has_doubts(table, folded) for table in chosen):
        found = signs.find(folded, _akin(every, language, text))
    return language, [(f, _excerpt(text, f.start, f.end)) for f in _outermost(found)]


def _has_doubts(table: Table, folded: str) -> bool:
    """Whether words stand there that keep a sign from being one: no other language knows them."""
    return table.has_doubts(folded) or table.has_exception(folded)


def _outermost(found: Sequence[Found]) -> list[Found]:
    """Without reasons whose words are a part of what another reason says for sure.

    "No funciona" is no defect in "no funciona el código de rastreo".
    """
    sure = [f for f in found if f.strength and f.sign.code in REASONS]
    return [
        one
        for one in found
        if one.sign.code not in REASONS
        or not any(
            other.start <= one.start <= one.end <= other.end
            and other.end - other.start > one.end - one.start
            for other in sure
        )
    ]


def _chosen(every: Sequence[Table], language: str, text: str) -> Sequence[Table]:
    """The tables of the language; all where it is unknown or the text too short to tell."""
    if len(text) < languages.SHORT:
        return every
    return [table for table in every if table.language == language] or every


def _akin(every: Sequence[Table], language: str, text: str) -> Sequence[Table]:
    """The tables of a text that was taken for the wrong language: a long one for a kindred one."""
    if len(text) < _GUESSED:
        return every
    return [table for table in every if {table.language, language} <= _KINDRED]


def _excerpt(text: str, start: int, end: int) -> str:
    return " ".join(text[start:end].split())[:120]


def _evidence(found: Found, said: str) -> Evidence:
    return Evidence(code=found.sign.code, weight=_weight(found), words=said)


def _weight(found: Found) -> float:
    sign = found.sign
    if sign.code.startswith(_WEIGHTLESS):
        return 0.0
    sure, hint = _WEIGHTS.get(sign.code, (_SURE, _HINT))
    if sign.code.startswith(("threat.", "safety")):
        sure = _THREAT
    if found.is_asked and sign.is_sure:
        return min(_ASKED, sure)
    return sure if sign.is_sure else hint


def _tone(text: str) -> list[Evidence]:
    """Shouting, rows of marks, angry faces, few stars: hints that need no language."""
    found = []
    for pattern, code, weight in _TONES:
        if match := pattern.search(text):
            found.append(Evidence(code=code, weight=weight, words=match[0][:60]))
    folded = fold(text) if any(sign in text for sign in "★12") else ""
    if match := _FEW_STARS.search(folded):
        weight = 3.0 if _RATING.search(folded) else 1.0
        said = text[match.start() : match.end()]
        found.append(Evidence(code="tone.stars", weight=weight, words=said))
    return found


def _score(found: Sequence[Evidence], text: str, known: Mapping[str, object]) -> float:
    """The sum. Thanks and praise weigh little against a sure reason: people stay polite."""
    unhappy = [e for e in found if e.weight > 0]
    if len(text) < _BARE and all(e.code.startswith(_DEMANDS) for e in unhappy):
        unhappy = [e for e in unhappy if e.code.startswith("wants.")]
    total = sum(e.weight for e in unhappy)
    strongest = max((e.weight for e in found if e.code in known), default=0.0)
    clues = [e for e in unhappy if e.code in known or e.code.startswith("clue.")]
    asks = any(e.code.startswith("ask.") for e in found)
    polite = set() if len(clues) > 1 and not asks else _POLITE
    mild = sum(e.weight for e in found if e.weight < 0 and e.code in {"praise", *polite})
    if strongest >= _SURE:
        mild = max(mild, -1.0)
    if strongest >= _THREAT:
        mild = 0.0
    elif asks and (strongest < _SURE or (len(unhappy) == 1 and "?" in text)):
        # who asks a second time is not merely curious
        mild -= 0.0 if any(e.code == "tone.again" for e in found) else _DOUBT
    elif _is_nothing_else(found, text):
        total += _ALONE
    return total + mild + sum(e.weight for e in found if e.code in _APART)


def _is_nothing_else(found: Iterable[Evidence], text: str) -> bool:
    """Whether a short text tells how long it has been, and asks, thanks and wants nothing."""
    if not any(e.code == "clue.lapse" for e in found):
        return False
    if len(text) > _SHORT or any(mark in text for mark in "?？؟"):
        return False
    return not any(e.code.startswith(_ELSE_WANTED) for e in found)


def _reasons(
    found: Iterable[Evidence],
    places: Mapping[str, int],
    known: Mapping[str, tuple[Severity, str]],
) -> tuple[str, ...]:
    """Causes, the gravest and then the most telling first, then threats; hints only alone.

    A threat says how angry somebody is, not what went wrong: a hint of the cause stays beside it.
    """
    ranked = [e for e in found if e.code in known]
    sure = [e for e in ranked if e.weight >= _SURE]
    if all(e.code.startswith(_THREATS) for e in sure):
        sure = ranked
    codes = {e.code for e in sure}
    if "safety" in codes:
        codes -= _ABSORBED

    def rank(code: str) -> tuple[bool, Severity, int, int, str]:
        is_threat = code.startswith(_THREATS)
        return is_threat, known[code][0], _GENERAL.get(code, 0), places.get(code, 0), code

    return tuple(sorted(codes, key=rank))
