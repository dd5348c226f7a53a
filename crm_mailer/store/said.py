"""Sentences in columns of plain text, so that they can be said in another language later."""

from __future__ import annotations

import json

from crm_mailer.model.sentence import Sentence, pack, sentence, unpack

#: How the text of a sentence with parts begins.
_BEGIN = ('{"say": ', '{"row": ')


def keep(text: str, longest: int) -> str:
    """What stands in the column: a sentence with its parts; other text, or a long one, as it is.

    A server's words that look like a sentence of ours are a part of one: they stay words.
    """
    plain = str.__str__(text)
    if plain.startswith(_BEGIN):
        text = Sentence("{words}", words=plain)
    if isinstance(text, Sentence) and text.parts:
        kept = json.dumps(pack(text), ensure_ascii=False)
        if len(kept) <= longest:
            return kept
    return plain.removeprefix("{")[:longest] if plain.startswith(_BEGIN) else plain[:longest]


def tell(kept: str) -> Sentence:
    """The sentence that was kept; what an older program wrote is a text as it stands."""
    if kept.startswith(_BEGIN):
        try:
            return sentence(unpack(json.loads(kept)))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            pass  # somebody else's words
    return sentence(kept)
