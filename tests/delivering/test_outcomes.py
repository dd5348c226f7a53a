from __future__ import annotations

import pytest

from crm_mailer.delivering import outcomes
from crm_mailer.delivering.answers import Answer, AnswerParser
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase

ACCEPTED, DEFERRED = OutcomeKind.ACCEPTED, OutcomeKind.DEFERRED
REFUSED, UNKNOWN = OutcomeKind.REFUSED, OutcomeKind.UNKNOWN
US, SITE, RECIPIENT, MESSAGE = Blame.US, Blame.SITE, Blame.RECIPIENT, Blame.MESSAGE
RCPT, MAIL, DATA, DOT, AUTH = Phase.RCPT, Phase.MAIL, Phase.DATA, Phase.DOT, Phase.AUTH


def accepted() -> Outcome:
    return Outcome(kind=ACCEPTED, phase=DOT, code=250, text="queued")


def heard(line: str) -> Answer:
    [answer] = AnswerParser().feed(line.encode() + b"\r\n")
    return answer


#: phase, the server's words, fate, blame, dead address?
CLASSES: list[tuple[Phase, str, OutcomeKind, Blame, bool]] = [
    (RCPT, "550 5.1.1 no such user", REFUSED, RECIPIENT, True),
    (RCPT, "550 5.1.2 no such domain", REFUSED, RECIPIENT, True),
    (RCPT, "501 5.1.3 bad address", REFUSED, RECIPIENT, True),
    (RCPT, "551 5.1.6 moved", REFUSED, RECIPIENT, True),
    (RCPT, "556 5.1.10 null MX", REFUSED, RECIPIENT, True),
    (DOT, "550 5.1.1 found out late", REFUSED, RECIPIENT, True),
    (RCPT, "550 5.1.0 address rejected", REFUSED, RECIPIENT, False),
    (RCPT, "550 5.2.1 mailbox disabled", REFUSED, RECIPIENT, False),
    (RCPT, "452 4.2.2 mailbox full", DEFERRED, RECIPIENT, False),
    (RCPT, "552 5.2.2 mailbox full", REFUSED, RECIPIENT, False),
    (RCPT, "452 too many", DEFERRED, RECIPIENT, False),
    (RCPT, "450 4.2.1 try later", DEFERRED, SITE, False),
    (RCPT, "451 4.7.1 greylisted", DEFERRED, SITE, False),
    (DOT, "421 4.7.28 rate", DEFERRED, SITE, False),
    (RCPT, "550 5.7.1 user unknown, says our policy", REFUSED, US, False),
    (DOT, "550 5.7.26 not authenticated", REFUSED, US, False),
    (DOT, "550 5.7.515 access denied", REFUSED, US, False),
    (MAIL, "550 5.1.1 unknown sender", DEFERRED, US, False),
    (MAIL, "553 5.1.8 bad sender domain", DEFERRED, US, False),
    (MAIL, "552 5.3.4 too big", REFUSED, MESSAGE, False),
    (MAIL, "552 too big", REFUSED, MESSAGE, False),
    (MAIL, "451 4.3.0 busy", DEFERRED, SITE, False),
    (DOT, "552 5.2.3 too long", REFUSED, MESSAGE, False),
    (RCPT, "503 5.5.1 bad sequence", DEFERRED, US, False),
    (DATA, "554 5.6.0 bad content", REFUSED, MESSAGE, False),
    (DOT, "554 no thanks", REFUSED, MESSAGE, False),
    (DOT, "554 looks like spam", REFUSED, US, False),
    (RCPT, "530 5.7.0 log in", DEFERRED, US, False),
    (AUTH, "535 5.7.8 wrong password", DEFERRED, US, False),
    (AUTH, "454 4.7.0 try later", DEFERRED, SITE, False),
    (RCPT, "550 User unknown", REFUSED, RECIPIENT, True),
    (RCPT, "550 the account anna does not exist", REFUSED, RECIPIENT, True),
    (RCPT, "550 user unknown; your IP is on a blacklist", REFUSED, US, False),
    (RCPT, "550 no", REFUSED, RECIPIENT, False),
    (RCPT, "550 5.5.0 requested action not taken", REFUSED, RECIPIENT, False),
    (RCPT, "550 5.4.1 recipient rejected", REFUSED, SITE, False),
    (DOT, "250 2.0.0 queued", ACCEPTED, Blame.NOBODY, False),
    (DOT, "299 odd but good", ACCEPTED, Blame.NOBODY, False),
    (DOT, "354 odd", UNKNOWN, SITE, False),
    (DOT, "600 odd", UNKNOWN, SITE, False),
    (RCPT, "354 odd", DEFERRED, SITE, False),
    # our sender, told when the recipient was named
    (RCPT, "501 5.1.7 bad sender address syntax", DEFERRED, US, False),
    (RCPT, "553 5.1.8 bad sender domain", DEFERRED, US, False),
    (RCPT, "550 5.1.8 user unknown", DEFERRED, US, False),
    (RCPT, "550 5.1.0 <b@x.example>: Sender address rejected: User unknown", DEFERRED, US, False),
    (RCPT, "550 <b@x.example>: Sender address rejected: User unknown", DEFERRED, US, False),
    (RCPT, "550 5.1.1 <b@x.example>: Sender address rejected: unverified", DEFERRED, US, False),
    (RCPT, "550 5.4.4 <b@x.example>: Sender address rejected: no host", DEFERRED, US, False),
    (RCPT, "550 5.2.2 <b@x.example>: Sender address rejected: mailbox full", DEFERRED, US, False),
    (RCPT, "550 no such user; sender verify failed", DEFERRED, US, False),
    (RCPT, "450 4.1.8 <b@x.example>: Sender address rejected: not found", DEFERRED, US, False),
    (RCPT, "450 <b@x.example>: Sender address rejected: not found", DEFERRED, US, False),
    (RCPT, "450 4.1.7 Address verification in progress", DEFERRED, SITE, False),
    (RCPT, "450 4.2.0 <b@x.example>: Sender address rejected: Greylisted", DEFERRED, SITE, False),
    (RCPT, "553 5.7.1 <b@x.example>: Sender address rejected: not owned", REFUSED, US, False),
    (RCPT, "550 Sender address rejected: Access denied", REFUSED, US, False),
    (RCPT, "550 5.1.1 returned to sender: user unknown", REFUSED, RECIPIENT, True),
    (DATA, "550 5.1.8 bad sender", DEFERRED, US, False),
    (DOT, "550 5.1.7 bad sender", DEFERRED, US, False),
    (MAIL, "501 5.1.7 bad sender", DEFERRED, US, False),
    (MAIL, "450 4.1.8 domain not found", DEFERRED, SITE, False),
]


@pytest.mark.parametrize(("phase", "words", "kind", "blame", "is_dead"), CLASSES)
def test_each_class_of_answer_has_its_fate_and_blame(
    phase: Phase, words: str, kind: OutcomeKind, blame: Blame, is_dead: bool
) -> None:
    assert outcomes.judge(phase, heard(words)) == (kind, blame, is_dead)


def test_only_after_the_dot_is_a_lost_line_a_doubt() -> None:
    doubtful = [phase for phase in Phase if outcomes.lost(phase, "gone").kind is UNKNOWN]

    assert doubtful == [Phase.DOT]
