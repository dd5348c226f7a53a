"""Hides Jinja from MJML: each tag becomes an opaque word, and comes back when MJML is done.

MJML knows nothing of Jinja: it fails on a `<` inside a tag and silently drops tags from numeric
attributes. Words survive it, and a word that is missing afterwards shows what was dropped.

Every tag is put back with a line break after its opening braces. Jinja ignores it, but counts
lines: so the line of any later error leads to the tag, and the tag knows its place in the file.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import Environment, TemplateSyntaxError

from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import borrowed, tokens
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.sources import Source

OPENERS = {"variable_begin", "block_begin", "comment_begin", "raw_begin"}
CLOSERS = {"variable_end", "block_end", "comment_end", "raw_end"}
LETTER = re.compile("[^\n]")
BRACES = re.compile(r"\{[{%][-+]?")
STATEMENT = re.compile(r"\{%[-+]?\s*(\w+)")

LEXER = Environment(keep_trailing_newline=True, autoescape=False)


@dataclass(frozen=True, slots=True)
class Tag:
    """One Jinja tag and where it stands in the whole source; position -1 for one we put in."""

    text: str
    position: int

    @property
    def statement(self) -> str:
        """`if`, `endfor` ...; empty for an expression."""
        return _statement(self.text)


@dataclass(frozen=True, slots=True)
class Ruled:
    """Jinja text in which a line number leads to a tag."""

    text: str
    lines: tuple[int, ...]
    tags: tuple[int, ...]

    def tag_at(self, line: int) -> int | None:
        """The number of the tag that stands on `line` of the text."""
        place = bisect_right(self.lines, line) - 1
        return self.tags[place] if place >= 0 else None


@dataclass(frozen=True, slots=True)
class Masked:
    """A source with words for tags. `blanked` has the same letters in the same places as the
    source, with filler where tags stand."""

    text: str
    tags: tuple[Tag, ...]
    prefix: str
    blanked: str

    @property
    def word(self) -> re.Pattern[str]:
        """Finds the words; group 1 is the tag's number."""
        return _words(self.prefix)

    def word_for(self, number: int) -> str:
        """The word that stands for a tag."""
        return f"{self.prefix}{number}z"

    def unmask(self, text: str) -> Ruled:
        """`text` with its tags back, each on a line that leads to it."""
        parts: list[str] = []
        lines: list[int] = []
        numbers: list[int] = []
        line, done = 1, 0
        for match in self.word.finditer(text):
            before = text[done : match.start()]
            number = int(match[1])
            tag, breaks = _ruled(self.tags[number].text)
            line += before.count("\n") + 1
            lines.append(line)
            numbers.append(number)
            line += breaks - 1
            parts += [before, tag]
            done = match.end()
        parts.append(text[done:])
        return Ruled("".join(parts), tuple(lines), tuple(numbers))

    def tags_alone(self) -> Ruled:
        """The tags that stand in the source, without the text between."""
        tags = enumerate(self.tags)
        return self.unmask("".join(self.word_for(n) for n, tag in tags if tag.position >= 0))

    def plain(self, text: str) -> str:
        """`text` with its tags back as they were written."""
        return self.word.sub(lambda m: self.tags[int(m[1])].text, text)


@lru_cache(4096)
def _statement(tag: str) -> str:
    found = STATEMENT.match(tag)
    return found[1] if found else ""


@lru_cache(64)
def _words(prefix: str) -> re.Pattern[str]:
    return re.compile(rf"{prefix}(\d+)z")


@lru_cache(4096)
def _ruled(tag: str) -> tuple[str, int]:
    """A tag with a line break after its braces, and how many it has then."""
    ruled = BRACES.sub(lambda m: m[0] + "\n", tag, count=1)
    return ruled, ruled.count("\n")


#: Stands where a Jinja tag stood, in a text that keeps every place.
FILLER = "\ue000"


def mask(source: Source) -> Masked:
    """The source with an opaque word for every Jinja tag; Jinja's comments are dropped.

    Raises:
        TemplateFault: a tag is not closed, or the template uses `{% raw %}`.
    """
    text = source.text
    prefix = _prefix(text)
    parts: list[str] = []
    tags: list[Tag] = []
    blanked: list[str] = []
    position = done = 0
    opened: list[str] = []
    begin = 0
    for kind, value in _tokens(source):
        position = text.index(value, position)
        if kind in OPENERS:
            opened, begin = [value], position
            if kind == "raw_begin":
                raise TemplateFault(
                    source.problem(
                        "CRM210", "`{% raw %}` is not allowed", position, width=len(value)
                    )
                )
        elif opened and kind in CLOSERS:
            whole = text[begin : position + len(value)]
            if kind == "variable_end" or kind == "block_end":
                parts.append(f"{prefix}{len(tags)}z")
                tags.append(Tag(whole, begin))
            whole = whole.rstrip()
            filler = FILLER if kind != "comment_end" else " "
            blanked += [text[done:begin], LETTER.sub(filler, whole)]
            done = begin + len(whole)
            opened = []
        elif not opened:
            parts.append(value)
        position += len(value)
    if opened:
        raise _not_closed(source, begin, opened[0])
    blanked.append(text[done:])
    return Masked("".join(parts), tuple(tags), prefix, "".join(blanked))


def _not_closed(source: Source, position: int, braces: str) -> TemplateFault:
    return TemplateFault(
        source.problem(
            "CRM210",
            Sentence("Jinja: the tag that begins with `{braces}` is not closed", braces=braces),
            position,
            width=len(braces),
            help="a tag is `{{ field }}` or `{% statement %}`",
        )
    )


def _tokens(source: Source) -> list[tuple[str, str]]:
    plain = tokens.pieces(source.text)
    if plain is not None:
        return plain
    try:
        return [(kind, value) for _line, kind, value in LEXER.lex(source.text)]
    except TemplateSyntaxError as error:
        position = _line_start(source.text, error.lineno)
        found = BRACES.search(source.text, position)
        raise TemplateFault(
            source.problem(
                "CRM210",
                borrowed.syntax(error),
                found.start() if found else position,
                help="a tag is `{{ field }}` or `{% statement %}`",
                width=2,
            )
        ) from None


def _line_start(text: str, line: int) -> int:
    position = 0
    for _ in range(line - 1):
        following = text.find("\n", position)
        if following < 0:
            break
        position = following + 1
    return position


def _prefix(text: str) -> str:
    """A beginning of words that the text itself does not have."""
    number = 7
    while f"j{number}q" in text:
        number += 1
    return f"j{number}q"
