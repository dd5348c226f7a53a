"""What one report tells of one address, before anybody judges it, and how addresses are found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from crm_mailer.listening.letters import Letter

#: More addresses than this are no report about mails of ours.
RECIPIENTS = 50

ADDRESS = (
    r"(?:\"[^\"\s<>]{1,64}\"|[^\s<>()\[\],;:\"@|]{1,128})"
    r"@[\w](?:[\w\-.]{0,250}[\w])?"
)
_ADDRESS = re.compile(ADDRESS)
_LOCAL_EDGES = ".'`*{}/"
_PREFIXES = (
    "rfc822;", "rfc822:", "smtp:", "mailto:", "smtp=", "to=", "rcpt=", "for=", "&lt;",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One address, and the words that a report has for it."""

    recipient: str
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    remote_host: str = ""
    #: What stands around it in the text for people: weaker than `diagnostic`.
    near: str = ""
    #: The SMTP command that was refused, where the report shows it: RCPT, DATA ...
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A mail of a machine, cut into what it wrote itself and what it sends back."""

    letter: Letter
    #: The machine's own words.
    text: str
    #: Headers of the mail that came back, names in lower case.
    returned: Mapping[str, str] = field(default_factory=dict)

    #: The machine's own words, line by line, without blanks at the end.
    lines: list[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Keep at hand what every reader asks for."""
        object.__setattr__(self, "lines", [line.rstrip() for line in self.text.splitlines()])

    @property
    def readers(self) -> frozenset[str]:
        """Who reads this report: never the address that it is about, if another one is named."""
        letter = self.letter
        names = ("delivered-to", "to", "return-path")
        found = [a for name in names for value in letter.all(name) for a in addresses(value)]
        senders = [a for name in ("from", "return-path") for a in addresses(self.returned_of(name))]
        return frozenset(a.casefold() for a in (letter.sender, *found, *senders) if a)

    def returned_of(self, name: str) -> str:
        """A header of the mail that came back, or empty text."""
        return self.letter.returned_header(name) or self.returned.get(name, "")


def addresses(text: str, most: int = RECIPIENTS) -> list[str]:
    """The mail addresses in a text, in order, each once however it is written."""
    found: dict[str, str] = {}
    for match in _ADDRESS.finditer(text) if "@" in text else ():
        address = clean(match[0])
        if address:
            found.setdefault(address.casefold(), address)
        if len(found) >= most:
            break
    return list(found.values())


def first_address(text: str) -> str:
    """The first mail address in a text, or empty text."""
    return next(iter(addresses(text[:2_000], 1)), "")


def clean(address: str) -> str:
    """An address without what reports put around it; empty where nothing is left."""
    local, _, domain = address.strip().rpartition("@")
    if not local.startswith('"'):
        if local.casefold().startswith(_PREFIXES):
            for prefix in _PREFIXES:
                if local.casefold().startswith(prefix):
                    local = local[len(prefix) :]
        local = local.lstrip(_LOCAL_EDGES).rstrip("'`*{}/")
    domain = domain.strip(".'`")
    return f"{local}@{domain}" if local and domain else ""
