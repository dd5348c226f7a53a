"""What the demo's customers say in seven languages, as people write: curt, kind, angry."""

from __future__ import annotations

import random
import re

from crm_mailer.demo import sections
from crm_mailer.demo.answers import as_auto_reply, as_bounce, as_reply, as_spam_report
from crm_mailer.demo.people import Person

__all__ = ["as_auto_reply", "as_bounce", "as_reply", "as_spam_report", "reply_text"]

#: What mail programs put before the subject of an answer.
PREFIXES = {
    "en": ("Re: ", "RE: "), "ru": ("Re: ", "RE: ", "HA: "), "es": ("Re: ", "RE: "),
    "pt": ("Re: ", "RES: "), "fr": ("Re: ", "RE : "), "de": ("Re: ", "AW: "),
    "zh": ("回复：", "Re: ", "答复: "),
}  # fmt: skip
#: What a customer calls the goods when their name is not at hand.
GOODS = {
    "en": "item", "ru": "товар", "es": "artículo", "pt": "produto", "fr": "l'article",
    "de": "der Artikel", "zh": "东西",
}  # fmt: skip
_SECTIONS = {"thanks": "ok", "out_of_office": "away"}
_GENDER = re.compile(r"\((f|m)\) ")


def reply_text(
    kind: str,
    reason: str,
    language: str,
    person: Person,
    order: str,
    rng: random.Random,
    *,
    item: str = "",
    tracking: str = "",
) -> tuple[str, str]:
    """A subject prefix and what the customer writes.

    Args:
        kind: complaint, question, praise, confirm, stop, thanks.
        reason: the code of a complaint or question; empty for the other kinds.
        language: in which to write; the person's own as a rule.
        person: who writes.
        order: the order's number; empty where there is none.
        rng: chooses among the texts.
        item: the title of what was bought.
        tracking: the parcel's number.
    """
    head = reason or _SECTIONS.get(kind, kind)
    text = rng.choice(
        usable(language, head, person, has_order=bool(order), is_tracked=bool(tracking))
    )
    filled = text.format(
        name=person.given_name,
        number=order,
        item=item.partition(",")[0] or GOODS[language],
        tracking=tracking,
    )
    return rng.choice(PREFIXES[language]), filled


def usable(
    language: str, head: str, person: Person, *, has_order: bool, is_tracked: bool
) -> list[str]:
    """The texts of a section that this person can have written and that have all they name.

    Raises:
        KeyError: there is no such section.
    """
    found = []
    for text in sections.texts(f"voices/{language}.txt")[head]:
        mark = _GENDER.match(text)
        if mark and person.gender and mark[1] != person.gender.value[0]:
            continue
        if ("{number}" in text and not has_order) or ("{tracking}" in text and not is_tracked):
            continue
        found.append(text[mark.end() :] if mark else text)
    return found
