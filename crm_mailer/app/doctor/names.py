"""What the DNS says of the shop's mail domains, and whether receivers will be content with it.

Sources: RFC 7208 (SPF), RFC 6376 (DKIM), RFC 7489 (DMARC), and what Gmail, Yahoo and Outlook ask
of whoever sends in bulk (2024 and 2025).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from crm_mailer.app.doctor.findings import Finding, fault, ok, skipped, warning
from crm_mailer.app.doctor.resolver import NoAnswer, NoServer, Resolver
from crm_mailer.app.doctor.spf import MOST_LOOKUPS, Spf, Verdict
from crm_mailer.model.sentence import Sentence

#: From so many lookups on, the next `include` of the relay may be one too many.
MANY_LOOKUPS = 9
#: Characters of an RSA key of 1024 bits in a record; a key of 2048 bits has about 392.
SHORT_KEY = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    """Which names the shop's mails bear."""

    #: Of the senders of both streams.
    senders: Sequence[str]
    #: Of the return path; empty: the senders' own.
    bounces: str
    #: Hosts to which mails are handed; empty where they stay here or go by an API.
    relays: Sequence[str]
    #: `d=` of our signatures; empty: the relay signs, or nobody.
    signer: str = ""
    #: Selector and public key of each signature.
    keys: Sequence[tuple[str, str]] = ()
    #: Mailbox providers' own domains among the senders: nothing of theirs is ours to set.
    foreign: Sequence[str] = ()


def look(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    """Everything about the domains; a DNS that does not answer is a finding of its own."""
    for what, looked in _looks(domains, resolver):
        try:
            yield from list(looked())
        except NoServer as error:
            yield _unanswered("dns", error)
            return
        except NoAnswer as error:
            yield _unanswered(what, error)


def _unanswered(what: str, error: NoAnswer) -> Finding:
    return warning(
        what,
        Sentence("the DNS did not answer: {why}", why=error.args[0]),
        Sentence("try again; if it stays so, look at the name servers of this machine"),
    )


#: What is looked at, and how.
Looks = Iterator[tuple[str, Callable[[], Iterator[Finding]]]]


def _looks(domains: Domains, resolver: Resolver) -> Looks:
    own = [one for one in dict.fromkeys(domains.senders) if one not in domains.foreign]
    for domain in domains.foreign:
        yield f"dns {domain}", partial(_foreign, domain)
    for domain in own:
        yield f"spf {domain}", partial(spf, domain, domains, resolver)
        yield f"dmarc {domain}", partial(dmarc, domain, domains, resolver)
    for selector, key in domains.keys:
        yield f"dkim {selector}", partial(dkim, selector, key, domains, resolver)
    if own and not domains.keys:
        yield "dkim", _unsigned
    if domains.bounces:
        yield f"mx {domains.bounces}", partial(bounces, domains, resolver)
        yield f"spf {domains.bounces}", partial(spf, domains.bounces, domains, resolver)
    for relay in domains.relays:
        if any(is_aligned(relay, one) for one in own):
            yield f"ptr {relay}", partial(reverse, relay, resolver)


def _foreign(domain: str) -> Iterator[Finding]:
    yield skipped(
        f"dns {domain}",
        Sentence("the domain is your mail provider's, who looks after it"),
        Sentence("for more than a few mails a day send from a domain of your own"),
    )


def _unsigned() -> Iterator[Finding]:
    yield skipped(
        "dkim",
        Sentence("we sign nothing: the relay has to"),
        Sentence("send yourself a mail with `crm-mailer preview --to` and look for "
                 "`dkim=pass` in its headers, or set dkim.domain"),
    )  # fmt: skip


def spf(domain: str, domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    """Whether the domain lets our relays send in its name."""
    about = f"spf {domain}"
    addresses = [one for relay in domains.relays for one in resolver.addresses(relay)]
    verdicts: list[Verdict] = []
    look = Spf(resolver)
    for address in addresses or ["192.0.2.1"]:  # of nobody: tells at least whether it can be read
        look = Spf(resolver)
        verdicts.append(look.verdict(domain, address))
        if verdicts[-1] in (Verdict.NONE, Verdict.ERROR):
            break
    yield _spf_finding(about, domain, verdicts, look, knows_relay=bool(addresses))


def _spf_finding(
    what: str, domain: str, verdicts: Sequence[Verdict], look: Spf, *, knows_relay: bool
) -> Finding:
    if verdicts[-1] is Verdict.NONE:
        return fault(
            what,
            Sentence("there is no SPF record: Gmail, Yahoo and Outlook refuse bulk mail"),
            Sentence("add a TXT record to {domain}: \"v=spf1 include:YOUR-RELAY -all\"; your "
                     "relay's help names the include", domain=domain),
        )  # fmt: skip
    if verdicts[-1] is Verdict.ERROR:
        return fault(
            what,
            Sentence("the SPF record is broken: {why}", why=look.trouble),
            Sentence("receivers act as if there were none: mend the TXT record of {domain}",
                     domain=domain),
        )  # fmt: skip
    if not knows_relay:
        return ok(what, Sentence("there is an SPF record; {number} lookups", number=look.lookups))
    if Verdict.PASS not in verdicts:
        return warning(
            what,
            Sentence("the record does not list the address of the server we hand mails to"),
            Sentence("if that server sends them itself, add it (`include:` or `ip4:`); a relay "
                     "that sends from other addresses has an include of its own"),
        )  # fmt: skip
    if look.lookups >= MANY_LOOKUPS:
        return warning(
            what,
            Sentence("the record needs {number} lookups; receivers stop at {most}",
                     number=look.lookups, most=MOST_LOOKUPS),
            Sentence("take out services that no longer send for you"),
        )  # fmt: skip
    return ok(what, Sentence("our relay may send in its name; {number} lookups",
                             number=look.lookups))  # fmt: skip


def tags(record: str) -> dict[str, str]:
    """The tags of a DKIM or DMARC record, names in small letters."""
    found: dict[str, str] = {}
    for part in record.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found[name.strip().lower()] = value.strip()
    return found


def dmarc(domain: str, domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    """Whether there is a policy, whether anybody hears of failures, and what aligns."""
    about, found = f"dmarc {domain}", _dmarc_record(domain, resolver)
    if found is None:
        yield fault(
            about,
            Sentence("there is no DMARC record: Gmail and Yahoo refuse bulk mail"),
            Sentence("add a TXT record to _dmarc.{domain}: \"v=DMARC1; p=none; "
                     "rua=mailto:dmarc@{domain}\"", domain=domain),
        )  # fmt: skip
        return
    policy = found.get("p", "").lower()
    if policy not in ("none", "quarantine", "reject"):
        yield fault(
            about,
            Sentence("the DMARC record has no policy that there is: p={policy}", policy=policy),
            Sentence("p is none, quarantine or reject"),
        )
        return
    if "rua" not in found:
        yield warning(
            about,
            Sentence("p={policy}, but nobody is told of failures", policy=policy),
            Sentence("add rua=mailto:dmarc@{domain}", domain=domain),
        )
    elif policy == "none":
        yield ok(about, Sentence("p=none: enough for bulk rules; after 30 quiet days, quarantine"))
    else:
        yield ok(about, Sentence("p={policy}", policy=policy))
    yield from _alignment(domain, domains, found)


def _alignment(domain: str, domains: Domains, found: dict[str, str]) -> Iterator[Finding]:
    """SPF or DKIM must bear the sender's own domain, or DMARC fails with both of them green."""
    path = domains.bounces or domain
    is_spf = _agrees(path, domain, is_strict=found.get("aspf", "r").lower() == "s")
    is_dkim = bool(domains.signer) and _agrees(
        domains.signer, domain, is_strict=found.get("adkim", "r").lower() == "s"
    )
    about = f"alignment {domain}"
    if is_spf or is_dkim:
        yield ok(
            about,
            Sentence("{names} bear the sender's domain",
                     names=" + ".join([*["SPF"] * is_spf, *["DKIM"] * is_dkim])),
        )  # fmt: skip
    else:
        yield fault(
            about,
            Sentence("neither the return path ({path}) nor our signature bears the sender's domain",
                     path=path),
            Sentence("take a bounce_domain below {domain}, or sign with it", domain=domain),
        )  # fmt: skip


def _dmarc_record(domain: str, resolver: Resolver) -> dict[str, str] | None:
    """Of the domain itself, else of the nearest one above it."""
    labels = domain.split(".")
    for start in range(len(labels) - 1):
        for text in resolver.texts("_dmarc." + ".".join(labels[start:])):
            if text.lower().replace(" ", "").startswith("v=dmarc1"):
                found = tags(text)
                if start and "sp" in found:
                    found["p"] = found["sp"]
                return found
    return None


def dkim(selector: str, key: str, domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    """Whether the public half in the DNS belongs to the key that we sign with."""
    about, name = f"dkim {selector}", f"{selector}._domainkey.{domains.signer}"
    wanted = Sentence("the TXT record of {name} has to be \"v=DKIM1; k={kind}; p={key}\"",
                      name=name, kind="rsa" if len(key) > 60 else "ed25519", key=key)  # fmt: skip
    records = resolver.texts(name)
    if not records:
        yield fault(about, Sentence("there is no record at {name}", name=name), wanted)
        return
    found = tags(records[0])
    told = "".join(found.get("p", "").split())
    if not told:
        yield fault(about, Sentence("the key at {name} is revoked", name=name), wanted)
    elif told != key:
        yield fault(
            about, Sentence("the record at {name} is another key than ours", name=name), wanted
        )
    elif 60 < len(told) < SHORT_KEY:
        yield warning(
            about,
            Sentence("the key is short"),
            Sentence("make one of 2048 bits and publish it under a new selector"),
        )
    elif "y" in found.get("t", "").split(":"):
        yield warning(
            about,
            Sentence("the record says that we are only testing (t=y)"),
            Sentence("take t=y out: until then signatures count for nothing"),
        )
    else:
        yield ok(about, Sentence("the record matches the key"))


def bounces(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    """Whether bounces can come back."""
    about = f"mx {domains.bounces}"
    hosts = resolver.mail_hosts(domains.bounces)
    if not hosts:
        yield fault(
            about,
            Sentence("{domain} takes no mail, so bounces are lost", domain=domains.bounces),
            Sentence("add an MX record that leads to the mailbox we read, or take bounce_domain "
                     "out of shop.yaml"),
        )  # fmt: skip
    elif not any(resolver.addresses(host) for host in hosts):
        yield fault(
            about,
            Sentence("the MX {host} has no address", host=hosts[0]),
            Sentence("give it an A record"),
        )
    else:
        yield ok(about, Sentence("bounces come back by {host}", host=hosts[0]))


def reverse(relay: str, resolver: Resolver) -> Iterator[Finding]:
    """Of a mail server of the shop's own: whether its addresses lead back to a name of it."""
    about = f"ptr {relay}"
    for address in resolver.addresses(relay):
        names = resolver.names(address)
        if not any(address in resolver.addresses(name) for name in names):
            yield warning(
                about,
                Sentence("{address} has no name that leads back to it", address=address),
                Sentence("if this server sends to receivers itself, ask your host to set the PTR "
                         "record to {relay}", relay=relay),
            )  # fmt: skip
            return
    yield ok(about, Sentence("its addresses have names"))


def is_aligned(name: str, domain: str) -> bool:
    """Whether two names belong to one organisation, as DMARC's relaxed mode has it.

    Without the list of public suffixes: two names agree where one is the other's end, or where
    they share their last two labels (three where the last two are such as `co.uk`).
    """
    first, second = name.lower().split("."), domain.lower().split(".")
    shorter = min(len(first), len(second))
    if shorter >= 2 and first[-shorter:] == second[-shorter:]:
        return True
    labels = 3 if len(first[-1]) == 2 and len(first[-2:][0]) <= 3 else 2
    return len(first) >= labels and first[-labels:] == second[-labels:]


def _agrees(name: str, domain: str, *, is_strict: bool) -> bool:
    return name.lower() == domain.lower() if is_strict else is_aligned(name, domain)
