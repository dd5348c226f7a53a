"""What the shop's own facts lack for the countries and languages that it writes to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model import language
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop
from crm_mailer.rendering.check_contrast import ENOUGH, WHITE, colour_of, contrast

#: Country -> its language, and what its law wants before the subject of advertising.
PREFIXES = {"CN": ("zh", ("AD", "广告")), "KR": ("ko", ("광고",))}
#: Languages of countries in which a mail must say how to reach the sender at once.
REACHABLE = frozenset({"de"})


def check_shop(shop: Shop | None, file: str) -> list[Problem]:
    """Findings in shop.yaml that only its mails make."""
    return list(_look(shop, file)) if shop is not None else []


def _look(shop: Shop, file: str) -> Iterator[Problem]:
    spoken = {language.base(code) for code in shop.languages}
    for country, (code, words) in PREFIXES.items():
        given = shop.subject_prefix.get(country, "")
        is_there = any(word.lower() in given.lower() for word in words)
        if not is_there and (code in spoken or country in shop.subject_prefix):
            yield Problem(
                code="CRM261",
                message=_no_prefix(country, words),
                file=file,
                severity=Severity.WARNING,
                help=_prefix_line(country, words[0]),
            )
    if spoken & REACHABLE and not (shop.phone and shop.reply_to):
        yield Problem(
            code="CRM262",
            message="mails in German must say how to reach you at once: a telephone and an address",
            file=file,
            severity=Severity.ADVICE,
            help="set `phone` and `reply_to`",
        )
    colour = colour_of(shop.color)
    if colour is not None and contrast(WHITE, colour) < ENOUGH:
        ratio = int(contrast(WHITE, colour) * 10) / 10
        yield Problem(
            code="CRM244",
            message=Sentence(
                "white text on the shop's colour {color} is {ratio}:1; it needs {enough:g}:1",
                color=shop.color,
                ratio=ratio,
                enough=ENOUGH,
            ),
            file=file,
            severity=Severity.WARNING,
            help="take a darker `color`: buttons have white words on it",
        )


def _no_prefix(country: str, words: Sequence[str]) -> Sentence:
    if len(words) == 1:
        return Sentence(
            "no {word} before marketing subjects to {country}", word=words[0], country=country
        )
    return Sentence(
        "no {word} or {other} before marketing subjects to {country}",
        word=words[0],
        other=words[1],
        country=country,
    )


def _prefix_line(country: str, word: str) -> str:
    """What shop.yaml should say."""
    return f'subject_prefix: {{{country}: "({word}) "}}'
