"""What outcomes add up to: when an account, a lane or a campaign must be stopped. All pure.

Only what says something about a thing counts against it: a full mailbox is a customer's matter, a
refused login the account's, a refused content the campaign's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

from crm_mailer.delivering.faults import BUSY
from crm_mailer.delivering.outcomes import OPENING, TOO_BIG, is_refused_sender
from crm_mailer.model.campaign import Stream
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.sentence import Sentence
from crm_mailer.store.tallies import Tally

#: Attempts that make one entry of `Tally.recent`, and how many entries are kept.
HUNDRED, HUNDREDS = 100, 10
#: Fewer mails that came back are chance, however few left.
BOUNCES_LEAST = 3
#: What changes from one refusal to the next: queue ids, addresses, times.
_CHANGES = re.compile(r"\S*[\d@]\S*")


class Sign(StrEnum):
    """What one outcome says, and of whom."""

    #: Accepted: all is well.
    FINE = "fine"
    #: Nothing about us: a customer's matter, or a usual "not now".
    OTHER = "other"
    #: The campaign: a dead address.
    DEAD = "dead"
    #: The campaign: its content is refused.
    CONTENT = "content"
    #: The campaign: its mail is too big.
    SIZE = "size"
    #: The lane: 5.7.x, the receiver does not want us.
    POLICY = "policy"
    #: The account: the server does not understand us.
    PROTOCOL = "protocol"
    #: The account: our sender is refused, though only when the recipient was named.
    SENDER = "sender"
    #: The account: the server closes, or waves us off before a recipient was named.
    BUSY = "busy"
    #: The account: the line broke before the final dot.
    LOST = "lost"
    #: The account: the line broke after it.
    DOUBT = "doubt"
    #: The account: refused, and neither the recipient nor the mail is to blame (a quota).
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardLimits:
    """When a breaker trips. The defaults are those of the documentation; settings may differ."""

    #: 5.7.x in a row, with no mail accepted in between, before a lane is paused.
    policy: int = 3
    #: Protocol errors (500-504, 5.5.x) in a row before an account rests.
    protocol: int = 3
    #: Refusals of our sender in a row, told at RCPT or later, before an account rests: one alone
    #: may be a receiver's whim.
    sender: int = 3
    #: 421, or 4xx to MAIL, in a row before an account rests.
    busy: int = 3
    #: Lines lost in a row before the final dot before an account rests.
    lost: int = 10
    #: Mails in doubt in a row: worse than a lost line, so fewer.
    doubts: int = 3
    #: Share of mails in doubt among the last 1,000 of an account, and how many there must be.
    doubt_share: float = 0.005
    doubts_least: int = 5
    #: Refusals in a row for which the server's side is to blame before an account rests.
    refused: int = 10
    #: Refusals of the content with the same words in a row, by one provider.
    same_content: int = 3
    #: Mails in a row that are too big: an EDM's are all alike, order mails may differ.
    too_big: int = 1
    too_big_orders: int = 3
    #: Share of template errors among all rendered, judged from so many on; and errors in a row.
    template_share: float = 0.05
    template_least: int = 100
    template_in_a_row: int = 20
    #: Share of dead addresses in the first 500 mails of a campaign, judged from so many on.
    dead_share_first: float = 0.02
    dead_first: int = 500
    dead_least: int = 100
    #: Share of dead addresses in any 1,000 mails.
    dead_share: float = 0.05


DEFAULTS = GuardLimits()


class Event(NamedTuple):
    """One outcome, as a tally counts it. `said` tells refusals of the content apart."""

    sign: Sign
    provider: str = ""
    said: str = ""


class Trip(NamedTuple):
    """A breaker that tripped: what it is about, and one sentence that goes on after the name."""

    kind: str
    what: str


def is_lane_fault(outcome: Outcome) -> bool:
    """Whether an outcome says nothing about the mail, only about the connection or us."""
    if outcome.phase in OPENING:
        return True
    if outcome.phase is Phase.MAIL and outcome.code == BUSY:
        return True
    if outcome.blame is not Blame.US or outcome.kind is not OutcomeKind.DEFERRED:
        return False
    is_counted = 500 <= outcome.code <= 504 or is_refused_sender(outcome)
    return outcome.phase is Phase.MAIL or not is_counted


def sign_of(outcome: Outcome) -> Sign:
    """What an outcome says that is no fault of the lane."""
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return Sign.FINE
        case OutcomeKind.UNKNOWN:
            return Sign.DOUBT
        case OutcomeKind.REFUSED:
            return _of_refusal(outcome)
        case OutcomeKind.DEFERRED:
            return _of_delay(outcome)


def _of_refusal(outcome: Outcome) -> Sign:
    if outcome.is_dead_address:
        return Sign.DEAD
    if outcome.blame is Blame.MESSAGE:
        is_size = outcome.status in TOO_BIG or (outcome.code == 552 and not outcome.status)
        return Sign.SIZE if is_size else Sign.CONTENT
    by_blame = {Blame.US: Sign.POLICY, Blame.SITE: Sign.REFUSED}
    return by_blame.get(outcome.blame, Sign.OTHER)


def _of_delay(outcome: Outcome) -> Sign:
    if is_refused_sender(outcome):
        return Sign.SENDER
    if outcome.blame is Blame.US and 500 <= outcome.code <= 504:
        return Sign.PROTOCOL
    if outcome.code == BUSY or (outcome.phase is Phase.MAIL and outcome.code > 0):
        return Sign.BUSY
    return Sign.OTHER if outcome.code else Sign.LOST


def said(outcome: Outcome) -> str:
    """A short mark of a server's words, the same whenever it means the same."""
    words = _CHANGES.sub("", outcome.text.casefold())
    text = f"{outcome.code} {outcome.status} {' '.join(words.split())}"
    return blake2b(text.encode(), digest_size=8).hexdigest()


# ------------------------------------------------------------------ an account


def count_of_account(tally: Tally, event: Event, number: int = 1) -> None:
    """Count an outcome of an account. Whatever is no trouble of its own ends a row."""
    _attempts(tally, number, event.sign is Sign.DOUBT)
    troubles = (Sign.PROTOCOL, Sign.SENDER, Sign.BUSY, Sign.LOST, Sign.DOUBT, Sign.REFUSED)
    _row(tally, event.sign if event.sign in troubles else Sign.FINE, number)


def judge_account(tally: Tally, event: Event, limits: GuardLimits) -> Trip | None:
    """Whether an account must rest after this outcome."""
    allowed = {
        Sign.PROTOCOL: limits.protocol,
        Sign.SENDER: limits.sender,
        Sign.BUSY: limits.busy,
        Sign.LOST: limits.lost,
        Sign.DOUBT: limits.doubts,
        Sign.REFUSED: limits.refused,
    }
    if event.sign not in allowed:
        return None
    if tally.sign == event.sign and tally.in_a_row >= allowed[event.sign]:
        return Trip(event.sign.value, "")
    doubts = sum(tally.recent)
    among = min(tally.attempts, HUNDRED * HUNDREDS)
    is_much = doubts >= limits.doubts_least and doubts > limits.doubt_share * among
    return Trip(Sign.DOUBT.value, "") if event.sign is Sign.DOUBT and is_much else None


# ------------------------------------------------------------------ a lane


def count_of_lane(tally: Tally, event: Event, number: int = 1) -> None:
    """Count an outcome of a lane: only an accepted mail tells that we are wanted again."""
    if event.sign in (Sign.POLICY, Sign.FINE):
        _row(tally, event.sign, number)


def judge_lane(tally: Tally, event: Event, limits: GuardLimits) -> Trip | None:
    """Whether a lane must be paused after this outcome."""
    if event.sign is not Sign.POLICY or tally.in_a_row < limits.policy:
        return None
    return Trip("policy", Sentence("refused us {number} times in a row", number=tally.in_a_row))


# ------------------------------------------------------------------ a campaign


def count_of_campaign(tally: Tally, event: Event, number: int = 1) -> None:
    """Count an outcome of a campaign; mails that are to be tried again have none yet."""
    if event.sign in (Sign.FINE, Sign.DEAD, Sign.CONTENT, Sign.SIZE, Sign.POLICY, Sign.REFUSED):
        _attempts(tally, number, event.sign is Sign.DEAD)
    if event.sign in (Sign.FINE, Sign.SIZE):
        _row(tally, event.sign, number)
    if event.sign is Sign.FINE:
        tally.refusals.pop(event.provider, None)
    elif event.sign is Sign.CONTENT:
        before, times = tally.refusals.get(event.provider, ("", 0))
        times = times + number if before == event.said else number
        tally.refusals[event.provider] = (event.said, times)


def judge_campaign(tally: Tally, event: Event, limits: GuardLimits, stream: Stream) -> Trip | None:
    """Whether a campaign must be paused after this outcome."""
    match event.sign:
        case Sign.DEAD:
            return judge_bounces(tally, limits)
        case Sign.CONTENT:
            _said, times = tally.refusals.get(event.provider, ("", 0))
            if times >= limits.same_content:
                what = Sentence(
                    "{provider} refused its content {number} times",
                    provider=event.provider,
                    number=times,
                )
                return Trip("content", what)
        case Sign.SIZE:
            is_order = stream is Stream.TRANSACTIONAL
            if tally.in_a_row >= (limits.too_big_orders if is_order else limits.too_big):
                return Trip("size", Sentence("its mail is too big for the receiver"))
        case _:
            pass
    return None


def judge_bounces(tally: Tally, limits: GuardLimits) -> Trip | None:
    """Whether servers named too many addresses of a campaign dead."""
    dead, attempts = tally.faults, tally.attempts
    if limits.dead_least <= attempts <= limits.dead_first:
        if dead > limits.dead_share_first * attempts:
            return Trip(
                "bounces",
                Sentence(
                    "{number} of its first {all} addresses are dead", number=dead, all=attempts
                ),
            )
        return None
    lately = sum(tally.recent)
    if attempts >= limits.dead_first and lately > limits.dead_share * HUNDRED * HUNDREDS:
        return Trip(
            "bounces",
            Sentence(
                "{number} of its last {all} addresses are dead", number=lately, all=_window(tally)
            ),
        )
    return None


def judge_returned(bounced: int, left: int, limits: GuardLimits = DEFAULTS) -> Trip | None:
    """Whether too many accepted mails of a campaign came back later: most relays do it so.

    Args:
        bounced: those that came back for good.
        left: those that were accepted in the same time.
        limits: how many may be.
    """
    is_first = left <= limits.dead_first
    share = limits.dead_share_first if is_first else limits.dead_share
    if left < limits.dead_least or bounced < BOUNCES_LEAST or bounced <= share * left:
        return None
    return Trip(
        "bounces",
        Sentence("{number} of {all} mails came back from dead addresses", number=bounced, all=left),
    )


def count_rendered(tally: Tally, number: int = 1, *, is_ok: bool) -> None:
    """Count mails that were rendered, or whose template failed."""
    tally.rendered += number
    if is_ok:
        tally.errors_in_a_row = 0
    else:
        tally.template_errors += number
        tally.errors_in_a_row += number


def judge_rendered(tally: Tally, limits: GuardLimits) -> Trip | None:
    """Whether a template fails too often."""
    errors, rendered = tally.template_errors, tally.rendered
    is_often = rendered >= limits.template_least and errors > limits.template_share * rendered
    if is_often or tally.errors_in_a_row >= limits.template_in_a_row:
        return Trip(
            "template",
            Sentence(
                "its template failed for {number} of {all} mails", number=errors, all=rendered
            ),
        )
    return None


# ------------------------------------------------------------------ counting


def _attempts(tally: Tally, number: int, is_fault: bool) -> None:
    while number > 0:
        if not tally.recent or tally.attempts % HUNDRED == 0:
            tally.recent = [*tally.recent[1 - HUNDREDS :], 0]
        step = min(number, HUNDRED - tally.attempts % HUNDRED)
        tally.attempts += step
        number -= step
        if is_fault:
            tally.faults += step
            tally.recent[-1] += step


def _row(tally: Tally, sign: Sign, number: int) -> None:
    tally.in_a_row = tally.in_a_row + number if tally.sign == sign else number
    tally.sign = sign.value


def _window(tally: Tally) -> int:
    """How many attempts `recent` is about."""
    last = tally.attempts % HUNDRED or HUNDRED
    return min(tally.attempts, max(0, len(tally.recent) - 1) * HUNDRED + last)
