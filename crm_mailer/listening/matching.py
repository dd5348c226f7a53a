"""Which of our mails is this an answer to: signed tokens first, mere addresses last."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crm_mailer.listening.letters import Letter
from crm_mailer.model.reply import Rung
from crm_mailer.model.token import SHAPE, KeyRing, Purpose

#: How many references are looked at, newest first.
REFERENCES = 50
#: How much of the text is searched for a Message-ID of ours.
TEXT_LENGTH = 64 * 1024

_ID = re.compile(r"<?([^<>\s@]{20,120})@[^<>\s]{1,255}>?")
_TEXT_ID = re.compile(
    r"(?:message-id|x-crm-send)\s*:\s*<?([a-z2-7]{15}\.[a-z2-7]{16})", re.IGNORECASE
)
#: Headers that carry a token, in a returned copy that is written as text.
_TEXT_HEADER = re.compile(
    r"^[> \t]{0,8}(?:list-unsubscribe|feedback-id|return-path)\s*:"
    r"([^\n]{1,1000}(?:\n[ \t][^\n]{1,1000}){0,4})",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Proof:
    """A token that we made: the touch it names and where it stood."""

    touch_id: int
    rung: Rung
    purpose: Purpose


def prove(letter: Letter, keys: KeyRing) -> Proof | None:
    """The best signed proof in a mail; None where there is none. A forged token is none."""
    for token in _address_tokens(letter):
        for purpose in (Purpose.VERP, Purpose.UNSUBSCRIBE, Purpose.MESSAGE_ID):
            touch_id = keys.read(purpose, token)
            if touch_id is not None:
                return Proof(touch_id, Rung.ADDRESS_TOKEN, purpose)
    for token in _message_tokens(letter):
        touch_id = keys.read(Purpose.MESSAGE_ID, token)
        if touch_id is not None:
            return Proof(touch_id, Rung.MESSAGE_ID, Purpose.MESSAGE_ID)
    for token in _returned_tokens(letter):
        for purpose in (Purpose.UNSUBSCRIBE, Purpose.VERP, Purpose.MESSAGE_ID):
            touch_id = keys.read(purpose, token)
            if touch_id is not None:
                return Proof(touch_id, Rung.RETURNED_TOKEN, purpose)
    return None


def order_numbers(text: str, pattern: str) -> list[str]:
    """What looks like an order number of this shop, in order; none without a pattern."""
    if not pattern:
        return []
    try:
        found = re.finditer(pattern, text[:TEXT_LENGTH])
        numbers = [match[match.lastindex or 0] for match in found]
    except re.error:
        return []
    return list(dict.fromkeys(number for number in numbers if number))[:10]


def _address_tokens(letter: Letter) -> Iterator[str]:
    """Tokens in the addresses this came to, and in the subject of a mailto unsubscribe."""
    for address in letter.recipients:
        yield from _tokens(address.partition("@")[0])
    yield from _tokens(letter.subject)


def _message_tokens(letter: Letter) -> Iterator[str]:
    yield from _ids(letter.all("in-reply-to"))
    references = [left for value in letter.all("references") for left in _ids([value])]
    yield from list(reversed(references))[:REFERENCES]
    yield from _tokens(letter.returned_header("x-crm-send"))
    yield from _ids([letter.returned_header("message-id")])
    for part in letter.parts:
        for match in _TEXT_ID.finditer(part.text[:TEXT_LENGTH]):
            yield match[1].lower()


def _returned_tokens(letter: Letter) -> Iterator[str]:
    for name in ("list-unsubscribe", "return-path", "feedback-id"):
        yield from _tokens(letter.returned_header(name))
    for part in letter.parts:
        for match in _TEXT_HEADER.finditer(part.text[:TEXT_LENGTH]):
            yield from _tokens(match[1])


def _ids(values: Iterable[str]) -> list[str]:
    return [match[1].lower() for value in values for match in _ID.finditer(value[:20_000])]


def _tokens(text: str) -> list[str]:
    return [match[0].lower() for match in SHAPE.finditer(text[:4_000])]
