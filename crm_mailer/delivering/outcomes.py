"""What a server's answer means: for the message, for the customer, for us.

The classes follow RFC 3463 and its IANA registry. A code without enhanced status is read by its
number and, for a few plain phrases, by its words; what stays unclear never kills an address.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from crm_mailer.delivering.answers import Answer, clean
from crm_mailer.model import refused_sender
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase

#: Phases before any message is touched: their faults belong to the connection.
OPENING = frozenset({Phase.CONNECT, Phase.BANNER, Phase.EHLO, Phase.STARTTLS, Phase.AUTH})
#: 5.1.1 no such mailbox, 5.1.2 no such system, 5.1.3 bad syntax, 5.1.6 moved, 5.1.10 null MX.
DEAD = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
#: 530 login needed, 534 and 535 login refused, 538 encryption needed.
LOGIN_CODES = frozenset({530, 534, 535, 538})
TOO_BIG = frozenset({"5.3.4", "5.2.3", "4.3.4", "4.2.3"})

_NO_SUCH_USER = re.compile(
    r"user (is )?unknown|unknown (user|recipient|mailbox|address)|no such (user|recipient|mailbox|"
    r"address|person)|(user|mailbox|recipient|account|address)( \S+)? (does not|doesn'?t) exist|"
    r"(user|mailbox|recipient|account) not found|no mailbox here|invalid (mailbox|recipient)\b",
    re.IGNORECASE,
)
_POLICY = re.compile(
    r"spam|block|policy|black ?list|reputation|\brbl\b|dnsbl|spf|dkim|dmarc|denied|not allowed|"
    r"authenticat|relay",
    re.IGNORECASE,
)
#: "Not at once" to whoever comes for the first time.
_GREY = re.compile(r"gr[ae]y[- ]?list|address verification in progress", re.IGNORECASE)


class Verdict(NamedTuple):
    """The fate of the message and whose fault it is."""

    kind: OutcomeKind
    blame: Blame
    is_dead_address: bool = False


_OURS_FOR_NOW = Verdict(OutcomeKind.DEFERRED, Blame.US)
_OURS = Verdict(OutcomeKind.REFUSED, Blame.US)
_SITE_FOR_NOW = Verdict(OutcomeKind.DEFERRED, Blame.SITE)
_SITE = Verdict(OutcomeKind.REFUSED, Blame.SITE)
_MESSAGE = Verdict(OutcomeKind.REFUSED, Blame.MESSAGE)
_RECIPIENT = Verdict(OutcomeKind.REFUSED, Blame.RECIPIENT)
_DEAD = Verdict(OutcomeKind.REFUSED, Blame.RECIPIENT, is_dead_address=True)
_DOUBT = Verdict(OutcomeKind.UNKNOWN, Blame.SITE)
_ACCEPTED = Verdict(OutcomeKind.ACCEPTED, Blame.NOBODY)


def from_answer(phase: Phase, answer: Answer, *, host: str = "", took_ms: int = 0) -> Outcome:
    """What `answer`, heard in `phase`, means, with the server's words as evidence."""
    kind, blame, is_dead_address = judge(phase, answer)
    status, text = answer.words
    # as quick as a tuple without names: each mail has one
    return tuple.__new__(
        Outcome, (kind, phase, answer.code, status, text, blame, host, took_ms, is_dead_address)
    )


def lost(phase: Phase, why: str, *, host: str = "", took_ms: int = 0) -> Outcome:
    """The line broke or went silent. After the final dot nobody knows; before it, no harm done."""
    kind = OutcomeKind.UNKNOWN if phase is Phase.DOT else OutcomeKind.DEFERRED
    return Outcome(
        kind=kind, phase=phase, text=_kept(why), blame=Blame.SITE, host=host, took_ms=took_ms
    )


def _kept(why: str) -> str:
    """A sentence as it is where nothing in it is unfit to be stored and shown, else its text."""
    text = clean(why)
    return why if text == why else text


def ours(phase: Phase, why: str, *, host: str = "") -> Outcome:
    """We stopped it ourselves before the final dot: nothing is said about the mail."""
    return Outcome(
        kind=OutcomeKind.DEFERRED, phase=phase, text=_kept(why), blame=Blame.US, host=host
    )


def judge(phase: Phase, answer: Answer) -> Verdict:
    """Fate and blame of an answer that did not let the conversation go on (or ended it well)."""
    if phase is Phase.DOT and answer.is_good:
        return _ACCEPTED
    if not 400 <= answer.code <= 599:
        return _DOUBT if phase is Phase.DOT else _SITE_FOR_NOW
    if phase in OPENING:
        is_ours = phase is Phase.AUTH and answer.code >= 500
        return _OURS_FOR_NOW if is_ours else _SITE_FOR_NOW
    if answer.code in LOGIN_CODES:
        return _OURS_FOR_NOW
    if phase is not Phase.MAIL and _is_sender(answer):
        return _OURS_FOR_NOW
    if answer.code < 500:
        return _for_now(answer)
    return _at_mail(answer) if phase is Phase.MAIL else _for_good(phase, answer)


def is_refused_sender(outcome: Outcome) -> bool:
    """Whether a mail waits because a server that was told its recipient refused our sender."""
    is_ours = outcome.kind is OutcomeKind.DEFERRED and outcome.blame is Blame.US
    is_late = outcome.phase is not Phase.MAIL and outcome.phase not in OPENING
    return (
        is_ours
        and is_late
        and outcome.code not in LOGIN_CODES
        and refused_sender.is_meant(outcome.status, outcome.text)
    )


def _is_sender(answer: Answer) -> bool:
    """Most servers keep what they have against a sender until they know the recipient, too.

    5.7.x stays what it is, a matter of the receiver's policy; so does a grey list.
    """
    detail, text = _detail(answer.status), answer.text
    if answer.code < 500 and _GREY.search(text):
        return False
    is_policy = detail.startswith("7.") if answer.status else _POLICY.search(text) is not None
    if is_policy or answer.status in TOO_BIG:
        return False
    return refused_sender.is_meant(answer.status, text)


def _for_now(answer: Answer) -> Verdict:
    if _detail(answer.status) == "2.2" or (answer.code == 452 and not answer.status):
        return Verdict(OutcomeKind.DEFERRED, Blame.RECIPIENT)
    return _SITE_FOR_NOW


def _at_mail(answer: Answer) -> Verdict:
    """5xx to MAIL speaks of our sender, save where it speaks of the size."""
    is_size = answer.status in TOO_BIG or (answer.code == 552 and not answer.status)
    return _MESSAGE if is_size else _OURS_FOR_NOW


def _for_good(phase: Phase, answer: Answer) -> Verdict:
    if answer.status in TOO_BIG:
        return _MESSAGE
    if answer.status in DEAD:
        return _DEAD
    subject = _detail(answer.status).partition(".")[0]
    by_subject = {
        "1": _RECIPIENT,
        "2": _RECIPIENT,
        "3": _SITE,
        "4": _SITE,
        "6": _MESSAGE,
        "7": _OURS,
    }
    if subject in by_subject:
        return by_subject[subject]
    if 500 <= answer.code <= 504:
        return _OURS_FOR_NOW
    return _by_words(phase, answer)


def _by_words(phase: Phase, answer: Answer) -> Verdict:
    if _POLICY.search(answer.text):
        return _OURS
    if phase is not Phase.RCPT:
        return _MESSAGE
    if answer.code in (550, 551, 553) and _NO_SUCH_USER.search(answer.text):
        return _DEAD
    return _RECIPIENT


def _detail(status: str) -> str:
    """Subject and detail of a status: "2.2" of 5.2.2."""
    return status.partition(".")[2]
