"""Jinja's tokens of templates that share most of their tags, without looking for each anew.

A mail is a large text with small tags, and the tags of a layout are in every mail. Jinja's lexer
looks at each character; here the text is passed over, and each tag is taken apart once. What is
not plain (comments, braces within braces, marks that trim blanks) is left to Jinja.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from jinja2 import Environment
from jinja2.exceptions import TemplateSyntaxError
from jinja2.lexer import Lexer, Token

#: A tag whose end is plain to see.
TAG = re.compile(
    r"""\{(?:\{(?![-+])(?:[^{}'"\\%]|'[^'{}\\]*'|"[^"{}\\]*")*(?<![-+])\}"""
    r"""|%(?![-+])(?:[^{}'"\\%]|'[^'{}\\]*'|"[^"{}\\]*")*(?<![-+])%)\}"""
)
OPENER = re.compile(r"\{[{%#]")
RAW = re.compile(r"\{%\s*raw\b")
LINE_ENDS = re.compile("\r\n|\r")


def known(lexer: Lexer, source: str) -> Iterator[Token] | None:
    """What `lexer` would say of a template; None where it must say it itself."""
    text = LINE_ENDS.sub("\n", source).removesuffix("\n")
    found: list[Token] = []
    line, done, place = 1, 0, OPENER.search(text)
    while place is not None:
        tag = TAG.match(text, place.start())
        parts = _parts(lexer, tag[0]) if tag is not None else None
        if tag is None or parts is None:
            return None
        if place.start() > done:
            data = text[done : place.start()]
            found.append(Token(line, "data", data))
            line += data.count("\n")
        found += [Token(line + offset, kind, value) for offset, kind, value in parts]
        line += tag[0].count("\n")
        done = tag.end()
        place = OPENER.search(text, done)
    if done < len(text):
        found.append(Token(line, "data", text[done:]))
    return iter(found)


def pieces(text: str) -> list[tuple[str, str]] | None:
    """Text and tags in turn, a tag as its braces with what is between; None where Jinja must look.

    Only the kinds `data`, `..._begin` and `..._end` are told, of the texts that they stand for.
    """
    found: list[tuple[str, str]] = []
    done, place = 0, OPENER.search(text)
    while place is not None:
        tag = TAG.match(text, place.start())
        if tag is None or RAW.match(tag[0]) or _parts(_lexer(), tag[0]) is None:
            return None
        kind = "variable" if tag[0][1] == "{" else "block"
        if place.start() > done:
            found.append(("data", text[done : place.start()]))
        found += [(f"{kind}_begin", tag[0][:2]), ("", tag[0][2:-2]), (f"{kind}_end", tag[0][-2:])]
        done = tag.end()
        place = OPENER.search(text, done)
    if done < len(text):
        found.append(("data", text[done:]))
    return found


@cache
def _lexer() -> Lexer:
    return Environment().lexer


@lru_cache(4096)
def _parts(lexer: Lexer, tag: str) -> tuple[tuple[int, str, Any], ...] | None:
    """The tokens of one tag, with their lines from its first one; None if it must be told where."""
    if RAW.match(tag):
        return None
    try:
        stream = lexer.wrap(lexer.tokeniter(tag, None))
        return tuple((token.lineno - 1, token.type, token.value) for token in stream)
    except TemplateSyntaxError:
        return None
