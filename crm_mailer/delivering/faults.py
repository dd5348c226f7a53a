"""What stops an account for a while: a fault of the server or of ours that no mail can mend."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from crm_mailer.delivering.outcomes import is_refused_sender
from crm_mailer.model.delivery import Blame, Outcome, Phase
from crm_mailer.model.errors import CannotWrite, CrmMailerError, LoginRefused, ServiceDown
from crm_mailer.model.sentence import Sentence, Sentences

#: RFC 5321 3.8: the server closes the channel, whatever was asked.
BUSY = 421
#: The "host" of mails that stay on this machine.
SANDBOX = "sandbox"
#: Accounts that have no table `[accounts.NAME]`.
NAMELESS = frozenset({"", "smtp", SANDBOX, "main"})
#: First and longest rest of an account, where the fault is ours and where it is the server's.
OURS_REST = (timedelta(minutes=5), timedelta(hours=1))
SITE_REST = (timedelta(seconds=10), timedelta(minutes=5))


class LineLost(ConnectionError):
    """A connection is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFault:
    """Why an account must rest: a fault of the server or of ours that no single mail can mend."""

    host: str
    phase: Phase
    outcome: Outcome
    #: Its name, where it stands in a table of its own.
    account: str = ""

    @property
    def message(self) -> str:
        """One sentence: which server, what happened."""
        codes = f"{self.outcome.code} {self.outcome.status}".removeprefix("0 ").strip()
        said = Sentences(codes, self.outcome.text)
        if self.host == SANDBOX:
            return Sentence("the outbox folder cannot be written: {words}", words=said)
        trouble = _TROUBLE.get(self._told_at, Sentence("stopped us"))
        if self.outcome.code == BUSY:
            trouble = Sentence("wants to be left alone for a while")
        return Sentence(
            "mail server {host} {trouble}: {words}", host=self.host, trouble=trouble, words=said
        )

    @property
    def hint(self) -> str:
        """What to do."""
        if self.host == SANDBOX:
            return Sentence("look at `outbox` in crm-mailer.toml and at the folder's rights")
        phase = Phase.BANNER if self.outcome.code == BUSY else self._told_at
        hint = _HINTS.get(phase, _HINTS[Phase.MAIL])
        if self.account not in NAMELESS and "smtp." in hint:
            return Sentence(
                "look at [accounts.{name}] in crm-mailer.toml, and at the words above",
                name=self.account,
            )
        return hint

    @property
    def _told_at(self) -> Phase:
        """The phase that the words belong to: a sender is MAIL's matter, whenever it is told."""
        return Phase.MAIL if is_refused_sender(self.outcome) else self.phase

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


_TROUBLE = {
    Phase.CONNECT: Sentence("cannot be reached"),
    Phase.BANNER: Sentence("does not greet us"),
    Phase.EHLO: Sentence("does not accept our greeting"),
    Phase.STARTTLS: Sentence("gives no safe TLS connection"),
    Phase.AUTH: Sentence("refuses our login"),
    Phase.MAIL: Sentence("refuses our sender"),
    Phase.RCPT: Sentence("refuses our mails"),
    Phase.DATA: Sentence("refuses our mails"),
    Phase.BODY: Sentence("did not get the whole mail"),
    Phase.DOT: Sentence("leaves our mails in doubt"),
}
_HINTS = {
    Phase.CONNECT: Sentence(
        "look at smtp.host and smtp.port in crm-mailer.toml, and at the network"
    ),
    Phase.BANNER: Sentence("the server may be busy or may not want this machine; try again later"),
    Phase.EHLO: Sentence("the server may want another name: set smtp.hello in crm-mailer.toml"),
    Phase.STARTTLS: Sentence("look at smtp.tls, smtp.port and smtp.ca_file in crm-mailer.toml"),
    Phase.AUTH: Sentence(
        "look at smtp.username and smtp.password; many providers want an app password"
    ),
    Phase.MAIL: Sentence(
        "the server does not take our sender, or the address for its bounces: look at `sender`, "
        "`bounce_domain` and `return_path` in shop.yaml"
    ),
    Phase.RCPT: Sentence("the server's words tell why; check SPF, DKIM and the account's limits"),
    Phase.DATA: Sentence("the server's words tell why; check SPF, DKIM and the account's limits"),
    Phase.BODY: Sentence("nothing was lost; look at the disk and the network, then try again"),
    Phase.DOT: Sentence(
        "mails in doubt are not sent again; see `crm-mailer outbox list --state in_doubt`"
    ),
}
