"""The one place that asks the DNS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import dns.exception
import dns.resolver
import dns.reversename

#: Seconds for one question, all servers and repetitions together.
LIFETIME = 6.0


class NoAnswer(Exception):
    """The DNS did not answer: nothing is known, which is not the same as that there is nothing."""


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


class Dns:
    """The resolver of this machine."""

    def __init__(self) -> None:
        try:
            self._resolver: Any = dns.resolver.Resolver()
        except (dns.exception.DNSException, OSError):
            self._resolver = None

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
            raise NoAnswer("this machine has no name server")
        try:
            return list(self._resolver.resolve(name, kind, lifetime=LIFETIME, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswer(str(error) or type(error).__name__) from None
