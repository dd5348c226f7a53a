"""What the public pages say, in the reader's language. Texts are files: `texts/<language>.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date
from markupsafe import Markup, escape

from crm_mailer.model import language
from crm_mailer.model.shop import Shop

TEXTS = Path(__file__).parent / "texts"
USUAL = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language."""

    code: str
    texts: Mapping[str, Any]

    def __call__(self, name: str, **given: str) -> Markup:
        """A text as HTML, such as `unsubscribe.ask`; what is filled in keeps its own direction."""
        part, _, key = name.rpartition(".")
        text: str = (self.texts[part] if part else self.texts)[key]
        apart = {one: Markup("<bdi>{}</bdi>").format(value) for one, value in given.items()}
        return escape(text).format(**apart)

    @property
    def is_right_to_left(self) -> bool:
        """Whether lines begin at the right."""
        return self.code in language.RIGHT_TO_LEFT

    @property
    def months(self) -> dict[int, str]:
        """The names of the months."""
        return dict(Locale.parse(self.code).months["stand-alone"]["wide"])

    def day(self, when: date) -> str:
        """A day in full."""
        return format_date(when, "long", locale=self.code)


@lru_cache(maxsize=1)
def every() -> dict[str, Words]:
    """The languages of the pages, by code."""
    return {
        path.stem: Words(path.stem, tomllib.loads(path.read_text(encoding="utf-8")))
        for path in sorted(TEXTS.glob("*.toml"))
    }


def choose(
    shop: Shop, *, asked: str = "", own: str = "", country: str = "", told: str = ""
) -> Words:
    """The words for a reader.

    Args:
        shop: whose languages come next to the reader's.
        asked: what the page's address names.
        own: what is known of the reader.
        country: where the reader lives.
        told: what the browser says (Accept-Language).
    """
    known = every()
    if asked in known:
        return known[asked]
    fallback = (*shop.fallback, *shop.languages, USUAL)
    if own or country:
        wanted = language.wanted(own, country, shop.languages[0] if shop.languages else USUAL)
        return known[language.choose(wanted, known, fallback, country) or USUAL]
    for code in _accepted(told):
        if code in known:
            return known[code]
    return known[language.choose(fallback[0], known, fallback) or USUAL]


def _accepted(told: str) -> list[str]:
    """Languages of a browser, the dearest first."""
    found = []
    for place, one in enumerate(told[:500].split(",")[:20]):
        code, _, weight = one.partition(";")
        try:
            worth = float(weight.partition("=")[2] or 1)
        except ValueError:
            worth = 0.0
        found.append((-worth, place, language.base(code.strip())))
    return [code for _worth, _place, code in sorted(found)]
