"""Reports that name the address within a sentence: DragonFly, Gmail, gateways, phones, portals."""

from __future__ import annotations

import re

from crm_mailer.listening.bounces.told import ADDRESS, RECIPIENTS, Report, Told, clean

_A = rf"[<(\[\"'“«]?(?:mailto:|smtp:)?(?P<address>{ADDRESS})"
#: Words that come right before the address that did not get the mail.
_BEFORE = (
    r"member of (?:this|the) mailing list",
    r"deliver(?:ing|y of|y to|y for|ed)?(?: (?:your|the|this|a|an))?(?: e-?mail| mail| message)?"
    r"(?: you sent| from [^\s]+)?(?: to| for| at)?(?: the following)?(?: recipient| address| "
    r"user)?s?",
    r"(?:mail|e-?mail|message|it|delivered|sent|send|destined|addressed)(?: you sent)?(?: to| for)"
    r"(?: the)?(?: recipient| address| user| mailbox)?s?",
    r"(?:did not|could not|cannot|can't|couldn't) (?:reach|be delivered to|deliver to|find|send to)"
    r"(?: the following| this)?(?: recipient| user| address)?(?:\(s\)|s)?",
    r"(?:unknown|invalid|no such|bad|nonexistent|undeliverable|failed|unrouteable) "
    r"(?:user|recipient|mailbox|(?:e-?mail )?address|account|addressee)(?:es|s)?"
    r"(?: is| was| are)?",
    r"(?:user|recipient|mailbox|addressee|the address|account|address)(?:'s)?(?: e-?mail)?"
    r"(?: address| name| is| was)?s?",
    r"RCPT TO",
    r"(?:an|für|to|à|a|para|на адрес|по адресу|адресату|получателю|до|收件人|发送给|发往|发给|"
    r"宛先|宛て)",
    r"(?:Empfänger(?:adresse)?|Adresse|adresse|destinataire|dirección|direccion|endereço|indirizzo|"
    r"адрес|адреса|адресат|получатель|ящик|邮件地址|邮箱|地址|メールアドレス|адресу|"
    r"destinatario|destinatário)",
)
_PATTERNS = tuple(
    re.compile(
        rf"(?<![\w@.]){before}(?:[\s:=：「『]{{1,6}}|(?=[<(\[\"])|(?<![\w]))"
        rf"{_A}",
        re.IGNORECASE,
    )
    for before in _BEFORE
)
_NEXT = 1_200


def read(report: Report) -> list[Told]:
    """The addresses of the most certain sentence that has any; words after it are its reason."""
    readers = report.readers
    for pattern in _PATTERNS:
        found: dict[str, Told] = {}
        for match in pattern.finditer(report.text[:8_000]):
            address = clean(match["address"])
            key = address.casefold()
            if not address or key in found or key in readers:
                continue
            found[key] = Told(
                recipient=address,
                near=_words(report.text, match),
            )
        if found:
            return list(found.values())[:RECIPIENTS]
    return []


def _words(text: str, match: re.Match[str]) -> str:
    """The line of the sentence and what follows it."""
    begin = text.rfind("\n\n", 0, match.start()) + 1
    return text[begin : match.end() + _NEXT].strip()
