"""Reports that begin a line with the address: qmail, Postfix, Exim, OpenSMTPD, Yahoo ..."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from crm_mailer.listening.bounces.told import ADDRESS, RECIPIENTS, Report, Told, clean
from crm_mailer.listening.guards import Guarded

#: Lines that belong to one address, at most.
WORDS = 18

_LINE = re.compile(
    rf"^(?P<indent>[ \t>*•·|]*)(?:-+ |\d+[.)] |[\w-]+;|c=[^@\n]{{0,160}}dda:)?"
    rf"(?P<open>[<(\[\"'«“]?)(?:mailto:|smtp:|"
    rf"rfc822;)?"
    rf"(?P<address>{ADDRESS})(?P<rest>.*)$",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"^(?P<indent>[ \t>*•·|]*)(?:(?:Failed|Failure|Error|Delivery|To|User|Recipient|Mailbox)[ "
    rf"\w]{{0,20}}:? )?"
    rf"[^<>():@]{{0,60}}[<(\[](?:mailto:|smtp:)?(?P<address>{ADDRESS})[>)\]](?P<rest>.*)$"
)
_LEAD = Guarded(re.compile(
    r"(?:following|these|destinations?|recipients?|address(?:es)?|addressee|users?|persons?|people|"
    r"empfänger|destinataires?|destinatarios?|destinatários?|адрес\w*|получател\w*|地址|收件人|宛先)"
    r"[^:：]{0,90}[:：]?[ \t]*$",
    re.IGNORECASE,
), (
    "following", "these", "destination", "recipient", "address", "user", "person", "people",
    "empfänger", "destinataire", "destinat", "адрес", "получател", "地址", "收件人", "宛先",
))  # fmt: skip
_FOOT = re.compile(
    r"^\s*(?:for further assistance|for assistance|please (?:reply|contact|send)|if you do so|"
    r"-{3,}|={3,}|_{4,}|to contact|contact|reporting-mta|your message|the mail system)",
    re.IGNORECASE,
)
_NO_ENTRY = re.compile(
    r"^\s*(?:wrote|schrieb|a écrit|escribió|пишет|написал|\d{4}[-/]\d\d?[-/]\d\d?.{0,20}写道)\b",
    re.IGNORECASE,
)

#: The machine itself, and where a list or a provider is asked for help.
_DESK = re.compile(
    r"post[-_.]?master|mailer-daemon|abuse|helpdesk|hostmaster|.+-(?:ctl|request|help|owner)"
)


@dataclass(slots=True)
class _Entry:
    address: str
    indent: int
    words: list[str] = field(default_factory=list)
    is_closed: bool = False


def read(report: Report) -> list[Told]:
    """Each address at the beginning of a line, with the words that follow it."""
    found: dict[str, _Entry] = {}
    for entry in _entries(report.lines):
        known = found.setdefault(entry.address.casefold(), entry)
        if known is not entry:
            known.words += entry.words
    others = {k: v for k, v in found.items() if k not in report.readers and not _is_desk(k)}
    kept = others or {k: v for k, v in found.items() if not _is_desk(k) and any(v.words)}
    return [
        Told(
            recipient=entry.address,
            diagnostic=_diagnostic(entry.words),
            near=" ".join(entry.words)[:2_000],
        )
        for entry in list(kept.values())[:RECIPIENTS]
    ]


def _entries(lines: list[str]) -> list[_Entry]:
    found: list[_Entry] = []
    lead = False
    for line in lines:
        entry = _begun(line, found[-1] if found else None, lead=lead)
        if entry is not None:
            found.append(entry)
        elif found and not found[-1].is_closed:
            _continue(found[-1], line)
        if line.strip():
            lead = _LEAD.search(line) is not None
    return found


def _begun(line: str, last: _Entry | None, *, lead: bool) -> _Entry | None:
    if "@" not in line:
        return None
    match = _LINE.match(line) or (_NAMED.match(line) if lead else None)
    if match is None or _NO_ENTRY.match(match["rest"].lstrip(">")):
        return None
    address = clean(match["address"])
    indent = len(match["indent"].expandtabs())
    if not address:
        return None
    is_within = last is not None and not last.is_closed and indent > last.indent
    if (
        is_within
        and last is not None
        and (last.words or address.casefold() == last.address.casefold())
    ):
        return None
    rest = match["rest"].lstrip(">)]\"'»” \t").lstrip(":;,.- \t")
    return _Entry(address=address, indent=indent, words=[rest] if rest else [])


def _continue(entry: _Entry, line: str) -> None:
    if not line.strip():
        entry.is_closed = bool(entry.words)
    elif _FOOT.match(line) or len(entry.words) >= WORDS:
        entry.is_closed = True
    else:
        entry.words.append(line.strip())


def _diagnostic(words: list[str]) -> str:
    """What the other server said, without the way there."""
    text = " ".join(words)
    for mark in (
        "Remote host said:",
        "Giving up on",
        " said: ",
        "The response was:",
        "response was:",
    ):
        _, found, after = text.partition(mark)
        if found and after.strip():
            text = after.strip() if mark != "Giving up on" else text
            break
    return text[:2_000]


def _is_desk(address: str) -> bool:
    """An address to turn to for help, or that of the machine."""
    local = address.partition("@")[0]
    return _DESK.fullmatch(local) is not None
