"""What the reader of YAML, regular expressions and pydantic complain of, as sentences."""

from __future__ import annotations

import re
from functools import cache

from crm_mailer.model.sentence import Sentence, sentence

#: Of YAML. What is in braces stands for a letter or a word of the file, or of YAML's grammar.
_YAML = (
    Sentence("mapping values are not allowed here"),
    Sentence("mapping keys are not allowed here"),
    Sentence("sequence entries are not allowed here"),
    Sentence("could not find expected ':'"),
    Sentence("found character {found} that cannot start any token"),
    Sentence("found unexpected end of stream"),
    Sentence("found unexpected document separator"),
    Sentence("found unexpected ':'"),
    Sentence("found unknown escape character {found}"),
    Sentence("found undefined tag handle {found}"),
    Sentence("found duplicate YAML directive"),
    Sentence("found incompatible YAML document (version 1.* is required)"),
    Sentence("found non-comment content after document end marker, {found}"),
    Sentence("duplicate tag handle {found}"),
    Sentence("expected <block end>, but found {found}"),
    Sentence("expected '<document start>', but found {found}"),
    Sentence("expected the node content, but found {found}"),
    Sentence("expected a comment or a line break, but found {found}"),
    Sentence("expected alphabetic or numeric character, but found {found}"),
    Sentence("expected chomping or indentation indicators, but found {found}"),
    Sentence("expected indentation indicator in the range 1-9, but found 0"),
    Sentence("expected escape sequence of {count} hexdecimal numbers, but found {found}"),
    Sentence("expected a digit or '.', but found {found}"),
    Sentence("expected a digit, but found {found}"),
    Sentence("expected {wanted} or {other}, but got {found}"),
    Sentence("expected {wanted}, but found {found}"),
    Sentence("expected {wanted} but found {found}"),
    Sentence("more indented follow up line than first in a block scalar"),
)
#: Of regular expressions.
_EXPRESSIONS = (
    Sentence("missing ), unterminated subpattern at position {place}"),
    Sentence("unbalanced parenthesis at position {place}"),
    Sentence("unterminated character set at position {place}"),
    Sentence("nothing to repeat at position {place}"),
    Sentence("multiple repeat at position {place}"),
    Sentence("min repeat greater than max repeat at position {place}"),
    Sentence("bad escape (end of pattern) at position {place}"),
    Sentence("bad escape {found} at position {place}"),
    Sentence("bad character range {found} at position {place}"),
    Sentence("unknown extension {found} at position {place}"),
    Sentence("look-behind requires fixed-width pattern"),
)
_HOLE = re.compile(r"\\\{(\w+)\\\}")


@cache
def _known() -> tuple[tuple[re.Pattern[str], Sentence], ...]:
    """Each sentence with what it looks like when its holes are filled."""
    return tuple(
        (re.compile(_HOLE.sub(r"(?P<\1>.+)", re.escape(said)), re.DOTALL), said)
        for said in (*_YAML, *_EXPRESSIONS)
    )


def in_words(complaint: object) -> Sentence:
    """What was complained of, with its parts told apart; as it stands where we do not know it."""
    text = " ".join(str(complaint).split())
    for looks, said in _known():
        found = looks.fullmatch(text)
        if found is not None:
            return Sentence(said.pattern, **found.groupdict())
    return sentence(text)
