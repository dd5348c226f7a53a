"""The wish to get no more mail, in every language at once."""

from __future__ import annotations

import re
from functools import lru_cache

from crm_mailer.listening.phrase_index import PhraseIndex, any_of
from crm_mailer.listening.phrases import fold
from crm_mailer.model.reply import Evidence
from crm_mailer.model.token import SHAPE
from crm_mailer.model.words import Words

#: A longer first line is talk about unsubscribing, not the wish.
WORDS = 8
_CJK_LENGTH = 16
#: No wish is a longer line.
LENGTH = 300
_CJK = re.compile(r"[\u4e00-\u9fff]")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|[,，]\s+(?=please|пожалуйста|bitte|merci|谢谢|thanks)")
#: What may stand in a subject beside the wish.
_DRESSING = re.compile(
    r"^(?:(?:re|aw|sv|fw|fwd|ответ|回复|答复|rv|res)\s*[:：]\s*)+|[\s.!,:;。！]+$", re.IGNORECASE
)
#: An address named in the wish, and words of politeness that are longer than it.
_ADDRESS = re.compile(r"<?\b[\w.+-]{1,64}@[\w.-]{1,255}>?")
_POLITE = re.compile(
    r"(?:を|して)?(?:お願い(?:いた)?します|下さい|ください)$|해 ?주세요$|(?:谢谢|謝謝)$"
)
#: The same verb for an order in Chinese: to call it off.
_ORDER = re.compile(r"退订单|退訂單|取消订单|取消訂單")
_GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|hallo|guten tag|hola|buen[oa]s \w+|ola|bonjour|здравствуйте|"
    r"добрый день|привет|"
    r"你好|您好|bom dia)\b[^.!?\n]{0,30}[,!.:，]?\s*$",
    re.IGNORECASE,
)


def evidence(subject: str, own_text: str, words: Words) -> Evidence | None:
    """The words of the wish: the whole subject, or one of the first two lines."""
    bare = _DRESSING.sub("", _DRESSING.sub("", SHAPE.sub("", fold(subject)).strip()))
    if _whole(words.wishes.subjects).fullmatch(bare):
        return Evidence(code="wish.subject", weight=5.0, words=bare)
    for sentence in _first_sentences(own_text):
        bare = _POLITE.sub("", _DRESSING.sub("", fold(_ADDRESS.sub("", sentence)))).strip()
        if _is_wish(bare, words):
            return Evidence(code="wish.line", weight=4.0, words=sentence[:120])
    return None


def _is_wish(said: str, words: Words) -> bool:
    """Whether a sentence says so and hardly anything else."""
    if not said or not _is_short(said) or _ORDER.search(said):
        return False
    if _whole(words.wishes.subjects).fullmatch(said):
        return True
    matches = _index(words.wishes.lines).find(said).values()
    return any(len(match[0]) * 2 >= len(said) for match in matches)


def _first_sentences(text: str) -> list[str]:
    """The sentences of the first two lines after the greeting."""
    lines = (line.strip() for line in text[: LENGTH * 8].splitlines())
    written = [line[:LENGTH] for line in lines if line][:4]
    if written and _GREETING.match(fold(written[0])):
        written = written[1:]
    return [s.strip() for line in written[:2] for s in _SENTENCE.split(line) if s.strip()][:4]


def _is_short(line: str) -> bool:
    if not line.isascii() and _CJK.search(line):
        return len(line) <= _CJK_LENGTH
    return len(line.split()) <= WORDS


@lru_cache(maxsize=8)
def _whole(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return any_of(phrases)


@lru_cache(maxsize=8)
def _index(phrases: tuple[str, ...]) -> PhraseIndex[str]:
    return PhraseIndex((phrase, phrase) for phrase in phrases)
