"""The one place that asks the DNS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import dns.exception
import dns.resolver
import dns.reversename

from crm_mailer.model import domains
from crm_mailer.model.sentence import Sentence

#: Seconds for one question, all servers and repetitions together.
LIFETIME = 5.0
#: The same of the question whether there is a name server at all: each of them knows the root's.
ALIVE_WITHIN = 2.0


class NoAnswer(Exception):
    """The DNS did not answer: nothing is known, which is not the same as that there is nothing."""


class NoServer(NoAnswer):
    """No name server answers anything: to ask further is no use."""


class Resolver(Protocol):
    """What the doctor asks. An empty answer: there is nothing of that kind.

    Each raises NoAnswer.
    """

    def texts(self, name: str) -> Sequence[str]:
        """TXT records, their parts joined."""

    def mail_hosts(self, name: str) -> Sequence[str]:
        """MX hosts, the most wanted first."""

    def addresses(self, name: str) -> Sequence[str]:
        """A and AAAA records."""

    def names(self, address: str) -> Sequence[str]:
        """PTR records."""


_SILENCE = Sentence("no name server answered in time")


class Dns:
    """The resolver of this machine."""

    def __init__(self, servers: Sequence[str] = (), port: int = 53) -> None:
        """Ask the name servers of this machine, or these."""
        try:
            self._resolver: Any = dns.resolver.Resolver(configure=not servers)
        except (dns.exception.DNSException, OSError):
            self._resolver = None
        if servers:
            self._resolver.nameservers, self._resolver.port = list(servers), port
        self._is_dead = False

    def texts(self, name: str) -> Sequence[str]:
        """TXT records."""
        return [
            b"".join(record.strings).decode("utf-8", "replace") for record in self._ask(name, "TXT")
        ]

    def mail_hosts(self, name: str) -> Sequence[str]:
        """MX hosts."""
        found = sorted(self._ask(name, "MX"), key=lambda record: int(record.preference))
        return [str(record.exchange).rstrip(".") for record in found]

    def addresses(self, name: str) -> Sequence[str]:
        """A and AAAA records."""
        return [str(record) for kind in ("A", "AAAA") for record in self._ask(name, kind)]

    def names(self, address: str) -> Sequence[str]:
        """PTR records."""
        reverse = dns.reversename.from_address(address)
        return [str(record).rstrip(".") for record in self._ask(str(reverse), "PTR")]

    def _ask(self, name: str, kind: str) -> Sequence[Any]:
        if self._resolver is None:
            raise NoServer(Sentence("this machine has no name server"))
        if self._is_dead:
            raise NoServer(_SILENCE)
        try:
            name = domains.wire(name)
            return list(self._resolver.resolve(name, kind, lifetime=LIFETIME, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.Timeout:
            self._is_dead = not self._is_alive()
            raise (NoServer if self._is_dead else NoAnswer)(_SILENCE) from None
        except dns.resolver.NoNameservers:
            raise NoAnswer(Sentence("the name servers could not find it out")) from None
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from None

    def _is_alive(self) -> bool:
        try:
            self._resolver.resolve(".", "NS", lifetime=ALIVE_WITHIN, search=False)
        except dns.exception.Timeout:
            return False
        except (dns.exception.DNSException, OSError):
            return True
        return True
