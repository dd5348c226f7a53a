"""What mail programs do not show, by the tests of caniemail.com (mail_clients.json, with its date).

Looked at is what a marketer writes: styles, HTML and pictures; what MJML adds is its own business.
Passed over is what harms nobody where it is missing, such as rounded corners.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.markup import Draft

#: Below this share of programs hardly anybody sees it.
HARDLY_ANY = 0.5
#: From this share on it is no matter.
NEARLY_ALL = 0.8
NAMED = 4

STYLES = re.compile(r"<mj-style\b[^>]*>(.*?)</mj-style\s*>", re.DOTALL | re.IGNORECASE)
STYLE = re.compile(r"(?<=\s)style\s*=\s*\"([^\"]*)\"", re.IGNORECASE)
TAG = re.compile(r"<([a-z][a-z0-9]*)\b([^>]*)>", re.IGNORECASE)
PICTURE = re.compile(
    r"\b(?:src|background-url|background)\s*=\s*\"[^\"]*?\.(\w{2,5})(?:\?[^\"]*)?\"", re.IGNORECASE
)
DECLARATION = re.compile(r"(?:^|[{;\s])([a-z-]{3,40})\s*:\s*([^;{}]+)", re.IGNORECASE)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)

#: What is only a little nicer where it works, or is written for the programs that know it.
HARMLESS = frozenset(
    "css-border-radius css-border-radius-logical css-box-shadow css-text-shadow css-transition "
    "css-animation css-at-keyframes css-at-font-face css-cursor css-hyphens css-overflow-wrap "
    "css-word-break css-word-wrap css-outline css-outline-offset css-user-select css-box-sizing "
    "css-color-scheme css-text-wrap css-opacity css-widows css-orphans css-filter css-tab-size "
    "css-text-decoration-color css-text-decoration-thickness css-text-underline-offset "
    "css-text-decoration-skip-ink css-text-overflow css-object-fit css-empty-cells "
    "css-font-kerning css-text-justify css-accent-color css-appearance css-rgba "
    "html-loading-attribute html-srcset html-abbr html-bdi html-wbr html-target html-dfn "
    "html-semantics html-acronym".split()
)
#: Property -> feature, where their names differ.
PROPERTIES = {
    "top": "css-left-right-top-bottom",
    "left": "css-left-right-top-bottom",
    "right": "css-left-right-top-bottom",
    "bottom": "css-left-right-top-bottom",
    "grid-template-columns": "css-grid-template",
    "grid-template-rows": "css-grid-template",
    "row-gap": "css-gap",
    "column-gap": "css-gap",
    "columns": "css-column-count",
    "inset-inline": "css-inset",
}
VALUES = (
    (re.compile(r"\bvar\(|^--"), "css-variables"),
    (re.compile(r"\bcalc\("), "css-unit-calc"),
    (re.compile(r"\blinear-gradient\("), "css-linear-gradient"),
    (re.compile(r"\bradial-gradient\("), "css-radial-gradient"),
    (re.compile(r"\bconic-gradient\("), "css-conic-gradient"),
    (re.compile(r"\bclamp\("), "css-function-clamp"),
    (re.compile(r"[0-9]rem\b"), "css-unit-rem"),
    (re.compile(r"[0-9]vw\b"), "css-unit-vw"),
    (re.compile(r"[0-9]vh\b"), "css-unit-vh"),
)
AT_RULES = (
    (re.compile(r"@import\b"), "css-at-import"),
    (re.compile(r"@supports\b"), "css-at-supports"),
    (re.compile(r"::?(?:before)\b"), "css-pseudo-element-before"),
    (re.compile(r"::?(?:after)\b"), "css-pseudo-element-after"),
    (re.compile(r":nth-child\b"), "css-pseudo-class-nth-child"),
    (re.compile(r":has\("), "css-pseudo-class-has"),
    (re.compile(r":checked\b"), "css-pseudo-class-checked"),
)
#: MJML has these checked already, or they are everywhere.
PLAIN_TAGS = frozenset(
    "a b br i u em strong p span div table tr td th tbody thead img font".split()
)


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that mail programs may or may not show."""

    title: str
    tested: int
    without: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of the tested programs, how many show it at least partly."""
        return 1 - len(self.without) / self.tested


@cache
def features() -> dict[str, Feature]:
    """What is known of each feature that can do harm."""
    found = json.loads(Path(__file__).with_name("mail_clients.json").read_text(encoding="utf-8"))
    return {
        slug: Feature(one["title"], one["tested"], tuple(one["without"]))
        for slug, one in found["features"].items()
        if slug not in HARMLESS
    }


def look(draft: Draft) -> Iterator[Problem]:
    """Each feature that programs lack, once, where it first stands."""
    text, told = draft.masked.blanked, set()
    for slug, position, width in _used(text):
        known = features().get(slug)
        if known is None or slug in told or known.share >= NEARLY_ALL:
            continue
        told.add(slug)
        yield draft.source.problem(
            "CRM271" if known.share < HARDLY_ANY else "CRM270",
            _message(known),
            position,
            width=width,
            severity=Severity.WARNING if known.share < HARDLY_ANY else Severity.ADVICE,
            help="see that the mail works without it",
        )


def _message(known: Feature) -> str:
    named = known.without[:NAMED]
    programs, more = ", ".join(named), len(known.without) - len(named)
    if not more:
        return Sentence("{feature}: not in {programs}", feature=known.title, programs=programs)
    return Sentence(
        "{feature}: not in {programs} and {more} more",
        feature=known.title,
        programs=programs,
        more=more,
    )


def _used(text: str) -> Iterator[tuple[str, int, int]]:
    """Feature, place and width of all that could be one."""
    for block in STYLES.finditer(text):
        for slug, place, width in _in_sheet(block[1]):
            yield slug, block.start(1) + place, width
    for attribute in STYLE.finditer(text):
        for slug, place, width in _in_css(attribute[1]):
            yield slug, attribute.start(1) + place, width
    for tag in TAG.finditer(text):
        name = tag[1].lower()
        if name not in PLAIN_TAGS and not name.startswith("mj"):
            yield f"html-{name}", tag.start(), len(name) + 1
    for picture in PICTURE.finditer(text):
        yield f"image-{picture[1].lower()}", picture.start(1), len(picture[1])


@lru_cache(256)
def _in_sheet(sheet: str) -> list[tuple[str, int, int]]:
    """The same of a style sheet: most templates have those of the layout."""
    css = COMMENT.sub(lambda m: " " * len(m[0]), sheet)
    found = list(_in_css(css))
    for pattern, slug in AT_RULES:
        found += [(slug, match.start(), len(match[0])) for match in pattern.finditer(css)]
    return found


@lru_cache(1024)
def _in_css(css: str) -> list[tuple[str, int, int]]:
    """The same of declarations."""
    found: list[tuple[str, int, int]] = []
    for match in DECLARATION.finditer(css):
        name, value = match[1].lower(), match[2].lower()
        place = match.start(1), len(match[1])
        if name == "display":
            kind = value.strip().removeprefix("inline-").split()[0]
            found.append((f"css-display-{kind}", *place))
        else:
            found.append((PROPERTIES.get(name, f"css-{name}"), *place))
        for pattern, slug in VALUES:
            if pattern.search(value) or (slug == "css-variables" and name.startswith("--")):
                found.append((slug, *place))
    return found
