"""Why a text is no JSON, as sentences of which a catalogue has the usual."""

from __future__ import annotations

import json

from crm_mailer.model.sentence import Sentence

#: What the parser says; where it says anything else, that is shown as it says it.
_USUAL: dict[str, Sentence] = {
    one: one
    for one in (
        Sentence("Expecting value"),
        Sentence("Expecting property name enclosed in double quotes"),
        Sentence("Expecting ':' delimiter"),
        Sentence("Expecting ',' delimiter"),
        Sentence("Extra data"),
        Sentence("Unterminated string starting at"),
        Sentence("Invalid control character at"),
        Sentence("Invalid \\escape"),
        Sentence("Invalid \\uXXXX escape"),
    )
}


def reason(error: Exception) -> str:
    """Why, and where; of what is no fault of the parser's, its own words."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    return Sentence(
        "{what}: line {line} column {column} (char {number})",
        what=_USUAL.get(error.msg, error.msg),
        line=error.lineno,
        column=error.colno,
        number=error.pos,
    )
