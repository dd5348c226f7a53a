"""The wish to get no more mail, in every language at once."""

from __future__ import annotations

import re
from functools import lru_cache

from crm_mailer.listening.phrase_index import PhraseIndex, any_of
from crm_mailer.listening.phrases import fold
from crm_mailer.model.reply import Evidence
from crm_mailer.model.token import SHAPE
from crm_mailer.model.words import Wishes, Words

#: A longer first line is talk about unsubscribing, not the wish.
WORDS = 10
_CJK_LENGTH = 16
#: No wish is a longer line.
LENGTH = 300
_CJK = re.compile(r"[\u4e00-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*|[,，]\s+(?=please|пожалуйста|bitte|merci|谢谢|thanks)")
_CLAUSE = re.compile(r"[,;:，；、]|\s[-–—]+\s|\s?\.\.+\s?")
_WORD = re.compile(r"\w+")
#: What may stand in a subject beside the wish.
_DRESSING = re.compile(
    r"^(?:(?:re|aw|sv|fw|fwd|ответ|回复|答复|rv|res)\s*[:：]\s*)+|[\s.!,:;。！]+$", re.IGNORECASE
)
_ANSWER = re.compile(r"\s*(?:re|aw|sv|ответ|回复|答复|rv|res)\s*[:：]", re.IGNORECASE)
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
    # the subject of an answer is ours, any other is the customer's
    mail = own_text if _ANSWER.match(fold(subject)) else f"{subject}\n{own_text}"
    for sentence in _first_sentences(own_text):
        if _is_wish(sentence, words.wishes, mail):
            return Evidence(code="wish.line", weight=4.0, words=sentence[:120])
    return None


def rest(own_text: str, words: Words) -> str:
    """What a mail says beside the wish."""
    return "\n".join(
        sentence
        for line in own_text.splitlines()
        for sentence in _SENTENCE.split(line)
        if sentence.strip() and not _is_wish(sentence, words.wishes, own_text)
    )


def _is_wish(sentence: str, known: Wishes, mail: str) -> bool:
    """Whether a sentence says so and hardly anything else: in one clause, all others courtesy."""
    said = _POLITE.sub("", _bare(fold(_ADDRESS.sub("", sentence[:LENGTH])))).strip()
    if not _may_be(known).find(said) or _ORDER.search(said) or _is_denied(said, known):
        return False
    if _says_so(said, known, mail):
        return True
    clauses = [_bare(clause) for clause in _CLAUSE.split(said)]
    alone = _whole(known.alone)
    left = [one for one in clauses if _stages(known.beside, one)[-1] and not alone.fullmatch(one)]
    return len(left) == 1 and _says_so(left[0], known, mail)


def _is_denied(said: str, known: Wishes) -> bool:
    """Whether a sentence asks for our mail, or after it: "don't unsubscribe me"."""
    return bool(_index(known.denials).find(said)) and not _index(known.conditions).find(said)


def _says_so(said: str, known: Wishes, mail: str) -> bool:
    stages = [stage for stage in _stages(known.beside, said) if stage]
    if not stages or not _is_short(stages[-1]):
        return False
    for one in stages:
        if _whole(known.wholes).fullmatch(one):
            return True
        if _whole(known.stops).fullmatch(one):
            if not _has(known.goods + known.places, mail):
                return True
            continue
        if _whole(known.subjects).fullmatch(one):
            return True
        matches = _index(known.lines).find(one).values()
        if any(_fills(match, stages[-1]) for match in matches) and not _has(known.goods, one):
            return True
    return False


def _fills(match: re.Match[str], core: str) -> bool:
    """Whether it is half of what is said, in one clause. Chinese may go on to what is not wanted:
    beside "no advertising" there is "no cards with advertising".
    """
    if len(match[0]) * 2 < len(core) or _CLAUSE.search(match[0]):
        return False
    return match.end() == len(match.string) or not _is_chinese(core)


def _stages(beside: tuple[str, ...], said: str) -> list[str]:
    """A clause with less and less courtesy before and after it, the last without any."""
    padding = _whole(beside)
    found = [said, *_without_end(beside, said)]
    left = found[-1]
    while (match := padding.match(left)) and match[0]:
        bare = _bare(left[match.end() :])
        found += [bare, *_without_end(beside, bare)]
        left = found[-1]
    return list(dict.fromkeys(found))


def _without_end(beside: tuple[str, ...], said: str) -> list[str]:
    """A clause with less and less courtesy after it; "no more mails, please" begins with none."""
    padding, before, found = _whole(beside), None, []
    while said != before:
        before = said
        for place in _starts(said):
            if said[place:] and padding.fullmatch(said, place):
                said = _bare(said[:place])
                found.append(said)
                break
    return found


def _starts(said: str) -> list[int]:
    """Where a word begins; in Chinese, any character."""
    if not said.isascii() and _CJK.search(said):
        return list(range(len(said)))
    return [match.start() for match in _WORD.finditer(said)]


def _bare(said: str) -> str:
    return _DRESSING.sub("", said).strip(" ,;:-–—()\"'")


def _has(phrases: tuple[str, ...], text: str) -> bool:
    return bool(_index(phrases).find(fold(text[: LENGTH * 8])))


def _is_chinese(said: str) -> bool:
    return not said.isascii() and bool(_CJK.search(said)) and not _KANA.search(said)


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


@lru_cache(maxsize=4)
def _may_be(known: Wishes) -> PhraseIndex[str]:
    """All phrases that make a wish: most sentences hold none of their words."""
    phrases = (*known.subjects, *known.lines, *known.wholes, *known.stops)
    return PhraseIndex((phrase, phrase) for phrase in phrases)
