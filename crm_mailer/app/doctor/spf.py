"""Whether a domain's SPF record (RFC 7208) lets an address send in its name."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from crm_mailer.app.doctor.resolver import Resolver
from crm_mailer.model.sentence import Sentence

#: RFC 7208, 4.6.4: mechanisms that ask the DNS.
MOST_LOOKUPS = 10
#: Of an `mx`, so many hosts are asked for.
MOST_HOSTS = 10

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Verdict(StrEnum):
    """What a receiver makes of it."""

    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    #: There is no record.
    NONE = "none"
    #: The record is wrong: receivers act as if there were none.
    ERROR = "error"


_SIGNS = {
    "+": Verdict.PASS, "-": Verdict.FAIL, "~": Verdict.SOFTFAIL, "?": Verdict.NEUTRAL,
}  # fmt: skip


class _Broken(Exception):
    """The record cannot be followed; a sentence says why."""


@dataclass(slots=True)
class Spf:
    """One look at a domain. Counts what it asks, since receivers do."""

    resolver: Resolver
    lookups: int = 0
    #: Why the verdict is an error.
    trouble: str = ""
    _seen: list[str] = field(default_factory=list)

    def verdict(self, domain: str, address: str) -> Verdict:
        """What a receiver finds who gets a mail from this address.

        Raises:
            NoAnswer: the DNS did not answer.
        """
        try:
            return self._check(domain, ipaddress.ip_address(address))
        except _Broken as broken:
            self.trouble = str(broken)
            return Verdict.ERROR

    def _check(self, domain: str, address: Address) -> Verdict:
        if domain in self._seen:
            raise _Broken(Sentence("it comes back to {domain}", domain=domain))
        self._seen.append(domain)
        record = self._record(domain)
        if record is None:
            return Verdict.NONE
        redirect = ""
        for term in record.split()[1:]:
            name, _sign, value = term.partition("=")
            if name.lower() == "redirect" and value:
                redirect = value
            elif "=" not in term.partition(":")[0]:
                sign, mechanism = (term[0], term[1:]) if term[0] in _SIGNS else ("+", term)
                if self._matches(mechanism, domain, address):
                    return _SIGNS[sign]
        if redirect:
            self._count()
            found = self._check(redirect, address)
            if found is Verdict.NONE:
                raise _Broken(
                    Sentence("it leads to {domain}, which has no record", domain=redirect)
                )
            return found
        return Verdict.NEUTRAL

    def _record(self, domain: str) -> str | None:
        records = [
            text for text in self.resolver.texts(domain)
            if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")
        ]  # fmt: skip
        if len(records) > 1:
            raise _Broken(
                Sentence(
                    "{domain} has {number} records; one is allowed",
                    domain=domain,
                    number=len(records),
                )
            )
        return records[0] if records else None

    def _matches(self, mechanism: str, domain: str, address: Address) -> bool:
        name, colon, value = mechanism.partition(":")
        name, slash, length = name.partition("/")
        match name.lower():
            case "all":
                return True
            case "ip4" | "ip6":
                return _is_within(address, value)
            case "include":
                return self._included(value, address)
            case "a" | "mx":
                place = value if colon else domain + (f"/{length}" if slash else "")
                return self._hosts(name.lower(), place, address)
            case "exists" | "ptr":
                self._count()
                return False  # seldom used, and never for a shop's relay
            case _:
                raise _Broken(Sentence("`{mechanism}` is no part of SPF", mechanism=mechanism))

    def _included(self, domain: str, address: Address) -> bool:
        self._count()
        before = list(self._seen)
        found = self._check(domain, address)
        self._seen = before
        if found is Verdict.NONE:
            raise _Broken(Sentence("it includes {domain}, which has no record", domain=domain))
        return found is Verdict.PASS

    def _hosts(self, kind: str, place: str, address: Address) -> bool:
        self._count()
        host, _slash, length = place.partition("/")
        hosts: Sequence[str] = [host]
        if kind == "mx":
            hosts = self.resolver.mail_hosts(host)[:MOST_HOSTS]
        # `/24//64`: the first is for IPv4, the second for IPv6
        short, _slashes, long = length.partition("//")
        bits = short if address.version == 4 else long
        return any(
            _is_within(address, f"{one}/{bits}" if bits else one)
            for name in hosts
            for one in self.resolver.addresses(name)
        )

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Broken(Sentence("it needs more than {number} lookups", number=MOST_LOOKUPS))


def _is_within(address: Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        raise _Broken(Sentence("`{network}` is no address", network=network)) from None
