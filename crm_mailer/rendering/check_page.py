"""A compiled template as a tree to look at: elements, their styles, texts and places.

The HTML still has opaque words for its Jinja tags, so that every branch of an `if` is there to be
seen. MJML tells no places; a text is found again in the marketer's file by its own words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from jinja2.exceptions import TemplateError

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.rendering import engine
from crm_mailer.rendering.context import ShopFields
from crm_mailer.rendering.markup import Draft
from crm_mailer.rendering.masking import BRACES
from crm_mailer.rendering.plain import VOID, hides
from crm_mailer.rendering.quick_html import QuickParser

SILENT = frozenset("style script title head".split())
#: So many letters of a text are enough to find it again.
ENOUGH = 60
NO_CLASSES: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Element:
    """One element: its attributes, where it stands, and the texts straight inside it."""

    tag: str
    given: Mapping[str, str]
    parent: Element | None
    is_hidden: bool
    texts: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)
    style: Mapping[str, str] = field(default_factory=dict)
    classes: frozenset[str] = frozenset()

    def above(self) -> Iterator[Element]:
        """Itself, then what it stands in, outwards."""
        one: Element | None = self
        while one is not None:
            yield one
            one = one.parent

    def words(self) -> str:
        """All text in it."""
        return " ".join([*self.texts, *(one.words() for one in self.children)])


class Page:
    """A compiled template, to be looked at.

    Args:
        draft: what it was made from.
        html: what MJML made of it, with words for tags.
        shop: the shop's facts, so that its own colours are known.
    """

    def __init__(self, draft: Draft, html: str, shop: ShopFields) -> None:
        self.draft = draft
        self.shop = shop
        reader = _Reader()
        reader.feed(html)
        reader.close()
        self.elements = reader.elements
        self.css = "\n".join(reader.css)
        for element in self.elements:
            element.texts = [text for text in element.texts if self._is_text(text)]
        self._known: dict[str, str | None] = {}

    @cached_property
    def text(self) -> str:
        """What can be read in it, without fields."""
        pieces = (text for one in self.shown() for text in one.texts)
        return " ".join(self.plain(" ".join(pieces)).split())

    def _is_text(self, text: str) -> bool:
        """Whether a reader sees anything of it: an `if` alone is nothing."""
        masked = self.draft.masked
        if masked.prefix not in text:
            return True
        left = masked.word.sub(lambda m: "" if masked.tags[int(m[1])].statement else "x", text)
        return bool(left.strip())

    def shown(self) -> Iterator[Element]:
        """The elements that a reader sees."""
        return (one for one in self.elements if not one.is_hidden)

    def plain(self, text: str) -> str:
        """A text without the words that stand for fields."""
        return self.draft.masked.word.sub(" ", text)

    def valued(self, text: str) -> str | None:
        """A value with the shop's own fields filled in; None where it is another's field."""
        if self.draft.masked.prefix not in text:
            return text
        if text not in self._known:
            self._known[text] = self._filled(text)
        return self._known[text]

    def _filled(self, text: str) -> str | None:
        masked = self.draft.masked
        return _filled(
            masked.word.sub(lambda m: BRACES.sub(r"\g<0> ", masked.tags[int(m[1])].text), text),
            self.shop,
        )

    def place_of(self, text: str) -> tuple[int, int]:
        """Where a text of the page stands in the source, and how wide it is there."""
        masked, source = self.draft.masked, self.draft.source.text
        pieces = sorted(masked.word.split(" ".join(text.split()))[::2], key=len, reverse=True)
        for piece in pieces[:2]:
            wanted = piece.strip()[:ENOUGH]
            if len(wanted) == 1:
                position = source.find(f">{wanted}<") + 1
                found = (position, 1) if position else None
            else:
                found = find(source, wanted) if wanted else None
            if found:
                return found
        number = masked.word.search(text)
        if number is not None and masked.tags[int(number[1])].position >= 0:
            tag = masked.tags[int(number[1])]
            return tag.position, len(tag.text.split("\n")[0])
        return 0, 1

    def problem(
        self, code: str, message: str, about: str, *, help: str = "",
        severity: Severity = Severity.WARNING,
    ) -> Problem:  # fmt: skip
        """A finding at the place of a text."""
        position, width = self.place_of(about)
        return self.draft.source.problem(
            code, message, position, help=help, width=width, severity=severity
        )


def find(source: str, wanted: str) -> tuple[int, int] | None:
    """Where words stand in a source whose blanks and line breaks may be others."""
    body = max(0, source.find("<mj-body"))  # a title often says the same
    for start in (body, 0):
        position = source.find(wanted, start)
        if position >= 0:
            return position, len(wanted)
    loose = r"\s+".join(re.escape(word) for word in wanted.split())
    found = re.search(loose, source, re.IGNORECASE) if loose else None
    return (found.start(), len(found[0].split("\n")[0])) if found else None


@lru_cache(1024)
def _filled(source: str, shop: ShopFields) -> str | None:
    try:
        return engine.TEXT.from_string(source).render(shop=shop)
    except (TemplateError, TypeError, ValueError):
        return None


@lru_cache(4096)
def declarations(text: str) -> Mapping[str, str]:
    """`color:red; margin:0` as a mapping."""
    found = {}
    for part in text.split(";"):
        name, colon, value = part.partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
    return found


class _Reader(QuickParser):
    """Builds the tree."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.stack: list[Element] = []
        self.css: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        parent = self.stack[-1] if self.stack else None
        style = given.get("style", "")
        is_hidden = tag in SILENT or (parent is not None and parent.is_hidden) or hides(style)
        one = Element(
            tag,
            given,
            parent,
            is_hidden,
            style=declarations(style) if style else {},
            classes=frozenset(given["class"].split()) if "class" in given else NO_CLASSES,
        )
        self.elements.append(one)
        if parent is not None:
            parent.children.append(one)
        if tag not in VOID:
            self.stack.append(one)

    def handle_endtag(self, tag: str) -> None:
        if self.stack and self.stack[-1].tag == tag:
            self.stack.pop()
        elif any(one.tag == tag for one in self.stack):
            while self.stack.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self.stack or not data.strip():
            return
        if self.stack[-1].tag == "style":
            self.css.append(data)
        else:
            self.stack[-1].texts.append(data)
