"""Jinja's code for templates that have the same tags in other words, made once.

A mail in seven languages is seven templates whose tags stand in the same order; only the words
between them differ. Jinja parses and compiles the tags with marks in place of the words; for each
language the words are then put where the marks stand in the compiled code's constants.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from jinja2 import Environment, Template, nodes

from crm_mailer.rendering import tokens

#: Stands for words; the line breaks within them stay, so that each tag keeps its line.
MARK = re.compile("\x02([0-9]+)\n*\x03")
LINE_ENDS = re.compile("\r\n|\r")
#: Stencils kept; a shop has a few for each template.
KEPT = 1024


class Stencil(NamedTuple):
    """A template's tags, with a mark in place of each stretch of words."""

    tags: str
    words: tuple[str, ...]


def template(environment: Environment, text: str) -> Template:
    """What `environment.from_string(text)` gives.

    Raises:
        TemplateSyntaxError: Jinja cannot read it.
    """
    found = stencil(text)
    if found is None:
        return environment.from_string(text)
    code: CodeType = _filled(_code(environment, found.tags), found.words)
    names = environment.make_globals(None)
    return environment.template_class.from_code(environment, code, names, None)


@lru_cache(maxsize=KEPT)
def _code(environment: Environment, tags: str) -> Any:
    return environment.compile(tags)


@lru_cache(maxsize=KEPT)
def tree(environment: Environment, tags: str) -> nodes.Template:
    """The tree of a template's tags, without the words between: made once for all its languages.

    Raises:
        TemplateSyntaxError: Jinja cannot read it.
    """
    return environment.parse(tags)


def stencil(text: str) -> Stencil | None:
    """The tags and the words of a template; None where Jinja must look for them itself."""
    text = LINE_ENDS.sub("\n", text).removesuffix("\n")
    pieces = tokens.pieces(text) if "\x02" not in text else None
    if pieces is None:
        return None
    tags: list[str] = []
    words: list[str] = []
    for kind, piece in pieces:
        if kind == "data":
            breaks = "\n" * piece.count("\n")
            tags.append(f"\x02{len(words)}{breaks}\x03")
            words.append(piece)
        else:
            tags.append(piece)
    return Stencil("".join(tags), tuple(words))


def _filled(value: Any, words: tuple[str, ...]) -> Any:
    """The same code, or constant of it, with words in place of marks."""
    if isinstance(value, str):
        if "\x02" not in value:
            return value
        return MARK.sub(lambda found: words[int(found[1])], value)
    if isinstance(value, tuple):
        return tuple(_filled(one, words) for one in value)
    if isinstance(value, CodeType):
        return value.replace(co_consts=_filled(value.co_consts, words))
    return value
