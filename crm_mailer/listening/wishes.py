"""The wish to get no more mail, in every language at once."""

from __future__ import annotations

import re
from functools import lru_cache

from crm_mailer.listening.phrases import Phrase, compile_phrase, fold
from crm_mailer.model.reply import Evidence
from crm_mailer.model.token import SHAPE
from crm_mailer.model.words import Words

#: A longer first line is talk about unsubscribing, not the wish.
WORDS = 8
_CJK_LENGTH = 16
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|[,，]\s+(?=please|пожалуйста|bitte|merci|谢谢|thanks)")
#: What may stand in a subject beside the wish.
_DRESSING = re.compile(
    r"^(?:(?:re|aw|sv|fw|fwd|ответ|回复|答复|rv|res)\s*[:：]\s*)+|[\s.!,:;。！]+$", re.IGNORECASE
)
_GREETING = re.compile(
    r"^(?:hi|hello|hey|dear|hallo|guten tag|hola|buen[oa]s \w+|ola|bonjour|здравствуйте|"
    r"добрый день|привет|"
    r"你好|您好|bom dia)\b[^.!?\n]{0,30}[,!.:，]?\s*$",
    re.IGNORECASE,
)


def evidence(subject: str, own_text: str, words: Words) -> Evidence | None:
    """The words of the wish: the whole subject, or one of the first two lines."""
    bare = _DRESSING.sub("", _DRESSING.sub("", SHAPE.sub("", fold(subject)).strip()))
    for phrase in _compiled(words.wishes.subjects):
        if phrase.pattern.fullmatch(bare):
            return Evidence(code="wish.subject", weight=5.0, words=bare)
    for sentence in _first_sentences(own_text):
        if _is_wish(_DRESSING.sub("", fold(sentence)).strip(), words):
            return Evidence(code="wish.line", weight=4.0, words=sentence[:120])
    return None


def _is_wish(said: str, words: Words) -> bool:
    """Whether a sentence says so and hardly anything else."""
    if not said or not _is_short(said):
        return False
    if any(phrase.pattern.fullmatch(said) for phrase in _compiled(words.wishes.subjects)):
        return True
    matches = (phrase.find(said) for phrase in _compiled(words.wishes.lines))
    return any(match is not None and len(match[0]) * 2 >= len(said) for match in matches)


def _first_sentences(text: str) -> list[str]:
    """The sentences of the first two lines after the greeting."""
    written = [line.strip() for line in text.splitlines() if line.strip()][:4]
    if written and _GREETING.match(fold(written[0])):
        written = written[1:]
    return [s.strip() for line in written[:2] for s in _SENTENCE.split(line) if s.strip()][:4]


def _is_short(line: str) -> bool:
    if re.search(r"[\u4e00-\u9fff]", line):
        return len(line) <= _CJK_LENGTH
    return len(line.split()) <= WORDS


@lru_cache(maxsize=8)
def _compiled(phrases: tuple[str, ...]) -> tuple[Phrase, ...]:
    return tuple(compile_phrase(phrase) for phrase in phrases)
