"""How fast to send, and when to stop: a token bucket and a circuit, both without a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from crm_mailer.delivering.outcomes import OPENING
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.errors import CannotWrite, CrmMailerError, LoginRefused, ServiceDown

#: RFC 5321 3.8: the server closes the channel, whatever was asked.
BUSY = 421
#: The "host" of mails that stay on this machine.
SANDBOX = "sandbox"
#: Refusals in a row that are our fault (policy, protocol) before the run stops.
OURS_IN_A_ROW = 3
#: First and longest rest of a lane, where the fault is ours and where it is the server's.
OURS_REST = (timedelta(minutes=5), timedelta(hours=1))
SITE_REST = (timedelta(seconds=10), timedelta(minutes=5))
#: Refusals in a row that no recipient is to blame for (a quota, the content).
REFUSED_IN_A_ROW = 10
#: "Not now" in a row that speaks of the server, not of a mail.
BUSY_IN_A_ROW = 3
#: Lines lost in a row before the final dot.
LOST_IN_A_ROW = 10
#: Mails in doubt in a row: worse than a lost line, so fewer.
DOUBTS_IN_A_ROW = 3


class Bucket:
    """At most `per_minute` mails a minute, evenly; None or 0 means no limit.

    Times are seconds of any monotonic clock. A pause saves up at most one second's worth.
    """

    def __init__(self, per_minute: int | None) -> None:
        self.interval = 60 / per_minute if per_minute else 0.0
        self._tolerance = max(0.0, 1.0 - self.interval)
        self._due = float("-inf")

    def take(self, now: float) -> float:
        """Take the next place; returns the seconds to wait until it."""
        if not self.interval:
            return 0.0
        due = max(self._due, now)
        self._due = due + self.interval
        return max(0.0, due - self._tolerance - now)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFault:
    """Why a run was stopped: a fault of the server or of ours that no single mail can mend."""

    host: str
    phase: Phase
    outcome: Outcome

    @property
    def message(self) -> str:
        """One sentence: which server, what happened."""
        words = f"{self.outcome.code} {self.outcome.status} {self.outcome.text}"
        said = " ".join(words.removeprefix("0 ").split())
        if self.host == SANDBOX:
            return f"the outbox folder cannot be written: {said}"
        trouble = _TROUBLE.get(self.phase, "stopped us")
        if self.outcome.code == BUSY:
            trouble = "wants to be left alone for a while"
        return f"mail server {self.host} {trouble}: {said}"

    @property
    def hint(self) -> str:
        """What to do."""
        if self.host == SANDBOX:
            return "look at `outbox` in crm-mailer.toml and at the folder's rights"
        phase = Phase.BANNER if self.outcome.code == BUSY else self.phase
        return _HINTS.get(phase, _HINTS[Phase.MAIL])

    def error(self) -> CrmMailerError:
        """The same as an error for people."""
        if self.host == SANDBOX:
            return CannotWrite(self.message, hint=self.hint)
        if self.phase is Phase.AUTH and self.outcome.blame is Blame.US:
            return LoginRefused(self.message, hint=self.hint)
        return ServiceDown(self.message, hint=self.hint)


def rest_after(fault: LaneFault, faults_in_a_row: int) -> timedelta:
    """How long to leave a server alone: short where it may come back, long where we are wrong.

    A refused login that is tried again and again locks the account.
    """
    is_ours = fault.outcome.blame is Blame.US or fault.phase is Phase.STARTTLS
    first, longest = OURS_REST if is_ours else SITE_REST
    doublings = min(max(faults_in_a_row - 1, 0), 16)
    return min(first * (1 << doublings), longest)


class Circuit:
    """Watches outcomes and stops the run before a fault of ours burns a list."""

    def __init__(self) -> None:
        self.fault: LaneFault | None = None
        self._in_a_row = dict.fromkeys(_SIGNS, 0)

    def is_lane_fault(self, outcome: Outcome) -> bool:
        """Whether this outcome says nothing about the message, only about the connection or us."""
        if outcome.phase in OPENING:
            return True
        if outcome.phase is Phase.MAIL and outcome.code == BUSY:
            return True
        is_ours = outcome.blame is Blame.US and outcome.kind is OutcomeKind.DEFERRED
        return is_ours and (outcome.phase is Phase.MAIL or not 500 <= outcome.code <= 504)

    def watch(self, outcome: Outcome) -> None:
        """Take note of one outcome; `fault` is set when the run must stop."""
        for sign in _SIGNS:
            has_come = sign.is_in(outcome)
            self._in_a_row[sign] = self._in_a_row[sign] + 1 if has_come else 0
        too_many = any(number >= sign.limit for sign, number in self._in_a_row.items())
        if self.fault is None and (too_many or self.is_lane_fault(outcome)):
            self.fault = LaneFault(host=outcome.host, phase=outcome.phase, outcome=outcome)


class _Sign(NamedTuple):
    """What may happen once, but not `limit` times in a row."""

    limit: int
    is_in: Callable[[Outcome], bool]


_SIGNS = (
    _Sign(OURS_IN_A_ROW, lambda outcome: outcome.blame is Blame.US),
    _Sign(BUSY_IN_A_ROW, lambda outcome: outcome.code == BUSY or _is_waved_off(outcome)),
    _Sign(LOST_IN_A_ROW, lambda outcome: _is(outcome, OutcomeKind.DEFERRED) and outcome.code == 0),
    _Sign(DOUBTS_IN_A_ROW, lambda outcome: _is(outcome, OutcomeKind.UNKNOWN)),
    _Sign(
        REFUSED_IN_A_ROW,
        lambda outcome: _is(outcome, OutcomeKind.REFUSED) and outcome.blame is not Blame.RECIPIENT,
    ),
)


def _is(outcome: Outcome, kind: OutcomeKind) -> bool:
    return outcome.kind is kind


def _is_waved_off(outcome: Outcome) -> bool:
    """Not now, said before a recipient was named."""
    is_for_now = _is(outcome, OutcomeKind.DEFERRED) and outcome.code > 0
    return outcome.phase is Phase.MAIL and is_for_now


_TROUBLE = {
    Phase.CONNECT: "cannot be reached",
    Phase.BANNER: "does not greet us",
    Phase.EHLO: "does not accept our greeting",
    Phase.STARTTLS: "gives no safe TLS connection",
    Phase.AUTH: "refuses our login",
    Phase.MAIL: "refuses our sender",
    Phase.RCPT: "refuses our mails",
    Phase.DATA: "refuses our mails",
    Phase.BODY: "did not get the whole mail",
    Phase.DOT: "leaves our mails in doubt",
}
_HINTS = {
    Phase.CONNECT: "look at smtp.host and smtp.port in crm-mailer.toml, and at the network",
    Phase.BANNER: "the server may be busy or may not want this machine; try again later",
    Phase.EHLO: "the server may want another name: set smtp.hello in crm-mailer.toml",
    Phase.STARTTLS: "look at smtp.tls, smtp.port and smtp.ca_file in crm-mailer.toml",
    Phase.AUTH: "look at smtp.username and smtp.password; many providers want an app password",
    Phase.MAIL: "the account may not send from this address: look at `sender` in shop.yaml",
    Phase.RCPT: "the server's words tell why; check SPF, DKIM and the account's limits",
    Phase.DATA: "the server's words tell why; check SPF, DKIM and the account's limits",
    Phase.BODY: "nothing was lost; look at the disk and the network, then try again",
    Phase.DOT: "mails in doubt are not sent again; see `crm-mailer outbox list --state in_doubt`",
}
