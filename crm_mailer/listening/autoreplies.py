"""Answers that no person wrote: out of office, robots, receipts (RFC 3834)."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

from babel.dates import get_month_names

from crm_mailer.listening.letters import Letter
from crm_mailer.listening.phrases import Phrase, compile_phrase, fold
from crm_mailer.model.reply import Evidence
from crm_mailer.model.words import Words

#: `auto-forwarded` is a person's mail on its way.
_NOT_AUTOMATIC = {"", "no", "auto-forwarded"}
_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-mail-autoreply")
_REPLY_PREFIX = re.compile(
    r"^\s*(?:re|aw|antw|sv|vs|odp|res|rv|ynt|回复|答复|回覆|ответ|на)\s*[:：]\s*", re.IGNORECASE
)
_UNTIL = (
    r"until|till|back on|back in the office on|return(?:ing)? (?:on|to the office on)|through|до|"
    r"по|вернусь|"
    r"выйду|с\s|hasta(?: el)?|vuelvo el|regreso el|ate|volto (?:em|dia)|retorno em|jusqu'au|"
    r"jusqu'a|retour le|de retour le|"
    r"bis(?: zum)?|ab(?: dem)?|wieder am|zuruck am|fino al|tot(?: en met)?|do(?: dnia)?|至|到|直到"
)
_LANGUAGES = ("en", "ru", "es", "pt", "fr", "de", "it", "nl", "pl")
_BODY = 2_000


def evidence(letter: Letter, words: Words) -> Evidence | None:
    """Why this is an automatic answer: a header or the way its subject begins; None for others."""
    submitted = letter.get("auto-submitted").partition(";")[0].strip().lower()
    if submitted not in _NOT_AUTOMATIC:
        return _certain(f"Auto-Submitted: {submitted}")
    for name in _HEADERS:
        if letter.get(name) and letter.get(name).lower() != "no":
            return _certain(f"{name}: {letter.get(name)[:60]}")
    precedence = letter.get("precedence").lower()
    if precedence in ("auto_reply", "auto-reply", "autoreply"):
        return _certain(f"Precedence: {precedence}")
    if _has_suppress(letter) and _REPLY_PREFIX.match(letter.subject):
        return _certain("X-Auto-Response-Suppress on a reply")
    subject = fold(_REPLY_PREFIX.sub("", letter.subject))[:200]
    for phrase in _subjects(words):
        if match := phrase.pattern.match(subject):
            weight = 5.0 if precedence in ("bulk", "junk") else 3.0
            return Evidence(code="auto.subject", weight=weight, words=match[0])
    return None


def return_on(text: str, today: date) -> date | None:
    """The day on which somebody says to be back, within the coming half year."""
    for found in _dates(fold(text[:_BODY]), today):
        if today <= found <= today + timedelta(days=183):
            return found
    return None


def _certain(words: str) -> Evidence:
    return Evidence(code="auto.header", weight=5.0, words=words)


def _has_suppress(letter: Letter) -> bool:
    return letter.get("x-auto-response-suppress").lower() not in ("", "none")


@lru_cache(maxsize=4)
def _subjects(words: Words) -> tuple[Phrase, ...]:
    return tuple(compile_phrase(phrase) for phrase in words.auto_subjects)


@lru_cache(maxsize=1)
def _months() -> dict[str, int]:
    names: dict[str, int] = {}
    for language in _LANGUAGES:
        for width in ("wide", "abbreviated"):
            for number, name in get_month_names(width, locale=language).items():
                names[fold(name).strip(".")] = number
    return names


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], ...]:
    months = "|".join(sorted(map(re.escape, _months()), key=len, reverse=True))
    begin = rf"(?:{_UNTIL})\W{{0,3}}(?:\w{{2,12}},?\s+)?(?:the\s+|el\s+|le\s+|den\s+|dem\s+)?"
    return (
        re.compile(rf"{begin}(?P<y>20\d\d)-(?P<m>\d\d)-(?P<d>\d\d)"),
        re.compile(rf"{begin}(?P<d>\d{{1,2}})[./](?P<m>\d{{1,2}})(?:[./](?P<y>20\d\d|\d\d))?"),
        re.compile(
            rf"{begin}(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+|de\s+)?(?P<n>{months})"
            r"(?:,?\s+(?:de\s+)?(?P<y>20\d\d))?"
        ),
        re.compile(
            rf"{begin}(?P<n>{months})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<y>20\d\d))?"
        ),
        re.compile(r"(?:至|到|直到)\s*(?:(?P<y>20\d\d)年)?(?P<m>\d{1,2})月(?P<d>\d{1,2})"),
    )


def _dates(folded: str, today: date) -> list[date]:
    found = []
    for pattern in _patterns():
        for match in pattern.finditer(folded):
            told = match.groupdict()
            month = int(told["m"]) if told.get("m") else _months()[told["n"]]
            year = int(told["y"] or today.year)
            year += 2000 if year < 100 else 0
            try:
                day = date(year, month, int(told["d"]))
                if not told["y"] and day < today:
                    day = day.replace(year=year + 1)
            except ValueError:
                continue
            found.append(day)
    return found
