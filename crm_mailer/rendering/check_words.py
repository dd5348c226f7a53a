"""What a mail says and how: spam words, shouting, rewards for reviews, offers in order mail."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model import language
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.check_page import Page

#: With so many letters in a row in capitals, words shout; short names (USA, DHL) do not.
SHOUT = re.compile(r"\b[^\W\d_a-zа-яё]{4,}(?:[\s,]+[^\W\d_a-zа-яё]{4,}){2,}\b")
MARKS = re.compile(r"[!！]{2,}|[?？][!！]|(?:[!！][^!！]{0,200}){4,}")
SENTENCE = re.compile(r"[^.!?。！？…]+[.!?。！？…]*")
#: Whether a word is written in capitals where the script has them.
CASED = re.compile(r"[^\W\d_]{2,}")
#: With fewer letters of text (Chinese ones count twice) a mail with pictures is one of pictures.
FEW_LETTERS = 80
NOT = re.compile(
    r"\b(?:no|not|never|without|nothing|don't|nor|не|нет|ни|без|ничего|no|sin|nada|nunca|não|sem"
    r"|pas|aucun\w*|sans|rien|kein\w*|nicht|ohne)\b|不|没有|无|ليس|بدون|لا ",
    re.IGNORECASE,
)


@cache
def _lists() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = json.loads(
        Path(__file__).with_name("mail_words.json").read_text(encoding="utf-8")
    )
    return {code: lists for code, lists in found.items() if code != "note"}


@cache
def pattern(code: str, name: str) -> re.Pattern[str] | None:
    """A list of a language as one expression; None for a language without lists."""
    lists = _lists().get(language.base(code))
    if not lists:
        return None
    is_spaced = language.base(code) != "zh"
    return re.compile("|".join(_expression(one, is_spaced) for one in lists[name]), re.IGNORECASE)


def _expression(phrase: str, is_spaced: bool) -> str:
    """`discount*` as `\\bdiscount\\w*`, `a ~ b` with up to three words between."""
    text = re.escape(phrase).replace(r"\(", "(?:").replace(r"\)", ")").replace(r"\|", "|")
    text = text.replace(r"\[\ \-\]", "[ -]").replace(r"\ \~\ ", r"\W+(?:[\w'-]+\W+){0,3}?")
    text = text.replace(r"\*", r"\w*").replace(r"\ ", r"\s+")
    if not is_spaced:
        return text
    start = r"(?<!\w)" if phrase[0].isalnum() or phrase[0] == "(" else ""
    return f"{start}{text}(?!\\w)"


def look(page: Page, subject: str, *, is_marketing: bool | None) -> Iterator[Problem]:
    """What the words of a mail should not say.

    Args:
        page: the mail.
        subject: as one reader gets it.
        is_marketing: what campaigns make of it; None where none uses it.
    """
    code = page.draft.language
    texts = [subject, *(" ".join(piece.split()) for piece in _paragraphs(page))]
    yield from _rewards(page, texts, code)
    if is_marketing is not False:
        yield from _spam(page, texts, code)
    else:
        yield from _offers(page, texts, code)
    yield from _shouting(page, texts)
    yield from _pictures(page)


def _paragraphs(page: Page) -> Iterator[str]:
    for element in page.shown():
        if element.texts:
            yield page.plain(" ".join(element.texts))


def _spam(page: Page, texts: list[str], code: str) -> Iterator[Problem]:
    words = pattern(code, "spam")
    found: dict[str, str] = {}
    for text in texts:
        for match in words.finditer(text) if words else ():
            found.setdefault(match[0].lower(), match[0])
    for said in found.values():
        yield page.problem(
            "CRM252",
            Sentence("`{said}` is what spam says", said=said),
            said,
            severity=Severity.ADVICE,
            help="say plainly what it is about",
        )


def _offers(page: Page, texts: list[str], code: str) -> Iterator[Problem]:
    words = pattern(code, "offer")
    for text in texts:
        match = words.search(text) if words else None
        if match and not NOT.search(text):
            yield page.problem(
                "CRM263",
                Sentence("`{said}` in a mail about an order", said=match[0]),
                match[0],
                severity=Severity.ADVICE,
                help="order mail without advertising",
            )
            return


def _rewards(page: Page, texts: list[str], code: str) -> Iterator[Problem]:
    """A sentence that wants praise, or that speaks of a review and of a reward."""
    praise, review, reward = (pattern(code, name) for name in ("praise", "review", "reward"))
    if praise is None or review is None or reward is None:
        return
    for text in texts:
        for sentence in SENTENCE.findall(text):
            wanted = praise.search(sentence)
            both = review.search(sentence) and reward.search(sentence)
            if not (wanted or both) or NOT.search(sentence):
                continue
            yield page.problem(
                "CRM260",
                "this asks for praise" if wanted else "this offers something for a review",
                sentence.strip(),
                severity=Severity.ERROR,
                help=Sentence(
                    "ask for an honest opinion and offer nothing, or write why it is meant "
                    "otherwise: {{# allow CRM260: {reason} #}}",
                    reason=Sentence("reason"),
                ),
            )


def _shouting(page: Page, texts: list[str]) -> Iterator[Problem]:
    for text in texts:
        shouted = SHOUT.search(text)
        match = MARKS.search(text) or (shouted if shouted and shouted[0].isupper() else None)
        if match is None and text is texts[0] and _is_shouted(text):
            match = re.search(r".+", text)
        if match is not None:
            yield page.problem(
                "CRM253",
                Sentence("`{said}` shouts", said=match[0][:40].strip()),
                match[0],
                severity=Severity.ADVICE,
                help="say it in a normal voice",
            )
            return


def _is_shouted(subject: str) -> bool:
    words = [one for one in CASED.findall(subject) if one.upper() != one.lower()]
    return len(words) > 1 and sum(one.isupper() for one in words) * 2 > len(words)


def _pictures(page: Page) -> Iterator[Problem]:
    pictures = [one for one in page.shown() if one.tag == "img"]
    letters = sum(2 if one > "\u2fff" else 1 for one in page.text if one.isalnum())
    if pictures and letters < FEW_LETTERS:
        about = pictures[-1].given.get("src") or "<mj-image"
        yield page.problem(
            "CRM254",
            Sentence(
                "{number} pictures and {letters} letters of text",
                number=len(pictures),
                letters=letters,
            ),
            about,
            help="write the message as text, too",
        )
