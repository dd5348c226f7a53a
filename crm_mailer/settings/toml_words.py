"""What is wrong with the words of a TOML file, as the standard library says it."""

from __future__ import annotations

import tomllib

from crm_mailer.model.recalled import recalled
from crm_mailer.model.sentence import Sentence

#: Faults as `tomllib` of Python 3.11 to 3.14 names them.
FAULTS = (
    Sentence("Invalid statement"),
    Sentence("Expected newline or end of document after a statement"),
    Sentence("Expected '=' after a key in a key/value pair"),
    Sentence("Expected ']' at the end of a table declaration"),
    Sentence("Expected ']]' at the end of an array declaration"),
    Sentence("Expected {mark}"),
    Sentence("Found invalid character {mark}"),
    Sentence("Illegal character {mark}"),
    Sentence("Cannot declare {name} twice"),
    Sentence("Cannot mutate immutable namespace {name}"),
    Sentence("Cannot redefine namespace {name}"),
    Sentence("Cannot overwrite a value"),
    Sentence("Duplicate inline table key {name}"),
    Sentence("Invalid initial character for a key part"),
    Sentence("Unclosed array"),
    Sentence("Unclosed inline table"),
    Sentence("Unterminated string"),
    Sentence("Unescaped '\\' in a string"),
    Sentence("Invalid hex value"),
    Sentence("Escaped character is not a Unicode scalar value"),
    Sentence("Invalid date or datetime"),
    Sentence("Invalid value"),
)
_PLACED = (
    Sentence("{fault} (at line {line}, column {column})"),
    Sentence("{fault} (at end of document)"),
)


def in_words(error: tomllib.TOMLDecodeError) -> Sentence:
    """The fault with its place; one that this list does not have, in the library's own words."""
    said = recalled(str(error), _PLACED)
    if "fault" not in said.parts:
        return said
    pattern, fault = said.pattern, recalled(str(said.parts["fault"]), FAULTS)
    return Sentence(pattern, **{**said.parts, "fault": fault})
