"""What the program notes on cases in words: the patterns, and how they are found again.

The database keeps such a note in English, once and for all readers. Whoever shows it asks `heard`
for the sentence that it is, which can be said in another language.
"""

from __future__ import annotations

import re
from functools import cache

from crm_mailer.model.score import ValueClass
from crm_mailer.model.sentence import Sentence, Sentences

# the order's facts against the customer's words
ARRIVED = "the customer has no parcel, but it arrived on {day} by our facts"
NOT_SHIPPED = "the customer waits for a parcel of which our facts know no shipment"
NOT_DELIVERED = "the customer says tracking shows it delivered; our facts know of no arrival"
IN_HAND = "the customer writes of goods in hand; our facts know of no arrival"
WAS_REFUNDED = "the customer misses a refund that was made on {day}"
WAS_SHIPPED = "the customer complains of a cancelled or late order, shipped on {day}"
# clocks
OVERDUE = "{what} is overdue since {due}"
DUE = "{what} is due {due}"
TOLD = "{what} (told {whom})"
FIRST_ANSWER, AN_ANSWER, A_SOLUTION = "the first answer", "an answer", "a solution"
THE_DEADLINE = "the marketplace's deadline"
# acts
STARS = "{stars} of 5"
CHANGED = "{what} {old} is now {new}"
INTO, TOOK_IN = "into case {number}", "took in case {number}"
FOLLOWS = "{reason} (follows case {number})"
WROTE_AFTER = "the customer wrote {days} days after"
NOT_THROUGH = "our answer did not get through: {why}"
REACH = "{what}; reach the customer in another way"
OF_CASE = "case {number}: {what}"
IN_ARBITRATION = "arbitration opened"
LIABLE = "decided: the seller is liable"
NOT_LIABLE = "decided: the seller is not liable"
NO_COMPLAINT = "no complaint: {what}"
JUDGED, JUDGED_NONE = "judged a complaint", "judged no complaint"
TAKEN_BACK = "the judgement was taken back"
# what a customer wrote of an order, in the order's note
CONFIRMED = "{day} confirmed by the customer: {words}"
CHANGE_WANTED = "{day} change wanted by the customer: {words}"
# machines and letters
AUTOMATIC = "automatic reply"
CAME_BACK = "our mail came back"
CHALLENGED = "their mailbox asks for a confirmation"
SAID = "{what}: {words}"
# tasks
THANK = "thank for the {stars}-star review: {words}"
THANK_ORDER = "thank for the {stars}-star review of order {order}: {words}"
ANSWER = "answer the {stars}-star review: {words}"
ANSWER_ORDER = "answer the {stars}-star review of order {order}: {words}"
OF_ORDER = "order {order}: {words}"
HAS_LEFT = "{what} (it left on {day})"
NOBODY = "somebody unknown"
GRAVE_STRANGER = "{severity}: unhappy mail from {who}, not among the customers: {words}"
STRANGER = "unhappy mail from {who}, not among the customers: {words}"
ALLOW_BENEFIT = "allow or deny the benefit {name}: {command}"
GREW = "Grew into a key customer: thank them in person and open a direct channel ({value_class})"
UNREADABLE = "{what} {number} could not be handled by the program: read it yourself"

#: Whole notes, the longer ones first: the first that fits is it.
_NOTES = (
    ARRIVED, NOT_SHIPPED, NOT_DELIVERED, IN_HAND, WAS_REFUNDED, WAS_SHIPPED,
    GRAVE_STRANGER, STRANGER, UNREADABLE, ALLOW_BENEFIT, NO_COMPLAINT, JUDGED, JUDGED_NONE,
    TAKEN_BACK, GREW, CONFIRMED, CHANGE_WANTED,
    HAS_LEFT, OF_ORDER, THANK_ORDER, ANSWER_ORDER, THANK, ANSWER, REACH, NOT_THROUGH, WROTE_AFTER,
    TOOK_IN, INTO,
    FOLLOWS, TOLD, OVERDUE, DUE, STARS, CHANGED, FIRST_ANSWER, AN_ANSWER, A_SOLUTION, THE_DEADLINE,
    AUTOMATIC, CAME_BACK, CHALLENGED, NOBODY, IN_ARBITRATION, LIABLE, NOT_LIABLE,
)  # fmt: skip
#: Words that may stand for `{what}` in any of them.
_CODES = ("reason", "severity", "best channel", "best time", "reply", "review")
#: Parts that are codes, in words.
_IN_WORDS = {
    "value_class": frozenset(one.replace("_", " ") for one in ValueClass),
}
#: Notes that say something and then quote.
_QUOTING = (AUTOMATIC, CAME_BACK, CHALLENGED)
#: Every text that a translation must have.
ALL = (*_NOTES, SAID, OF_CASE, *_CODES)


def heard(text: str) -> str:
    """The sentence that a note is, for whoever translates it; other text as it is."""
    parts = [_heard(one) for one in text.split("; ")] if " is now " in text else []
    if len(parts) > 1 and all(isinstance(one, Sentence) for one in parts):
        return Sentences(*parts, between="; ")
    return _heard(text)


def _heard(text: str) -> str:
    if text in _CODES:
        return Sentence(text)
    what, colon, words = text.partition(": ")
    if colon and what in _QUOTING:
        return Sentence(SAID, what=Sentence(what), words=words)
    if (found := re.fullmatch(r"case (\d+): (.+)", text, re.DOTALL)) is not None:
        return Sentence(OF_CASE, number=found[1], what=_heard(found[2]))
    for pattern in _NOTES:
        found = _expression(pattern).fullmatch(text)
        if found is not None:
            parts = {name: _part(name, part) for name, part in found.groupdict().items()}
            return Sentence(pattern, **parts)
    return text


def _part(name: str, text: str) -> str:
    return Sentence(text) if text in _IN_WORDS.get(name, ()) else _heard(text)


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression; only what is quoted has more than one line."""
    parts = re.split(r"\{(\w+)\}", pattern)
    names = {"words": ".*", "why": ".*", "day": r"[\d-]+", "number": r"\d+", "days": r"-?\d+",
             "stars": r"\d", "due": r"[\d-]{10} [\d:]{5} \S+|", "old": r"\S+",
             "reason": r"\S+", "order": r"\S+", "severity": r"\S+?"}  # fmt: skip
    found = [
        f"(?P<{part}>{names.get(part, '.+?')})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    ]
    return re.compile("".join(found), re.DOTALL)
