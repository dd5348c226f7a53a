"""Tells what a machine wrote from the mail that it sends back."""

from __future__ import annotations

import re

from crm_mailer.listening import letters
from crm_mailer.listening.bounces.told import Report
from crm_mailer.listening.guards import Guarded
from crm_mailer.listening.letters import Letter

#: What a text report tells stands near its top.
TEXT_LENGTH = 24_000

_RULE = r"^[ \t>|*#]*(?:[-=_+*~]{2,}[ \t]*)?"
_BELOW = re.compile(
    _RULE + r"(?:this is a copy of|(?:here is|below is|included is|the following is|attached is)"
    r"? ?(?:a |the )?copy of (?:the |your |all |this )?(?:message|mail|e-?mail|original|headers?)|"
    r"below this line is|original message (?:follows|header|text|below|headers)|original mail|"
    r"(?:the )?(?:first \d+ lines|header|headers|text|body|start|beginning|rest) of (?:the |your )?"
    r"(?:original |returned |failed |undelivered )?(?:message|mail|e-?mail)|"
    r"(?:returned|unsent|undelivered|failed|rejected|bounced) (?:message|mail|e-?mail)"
    r"(?: (?:follows|header|headers|text|is))?[ \t]*[:.\-]|"
    r"message (?:headers?|text|contents?) follows?|message follows|(?:your )?(?:original )?message "
    r"(?:follows|is (?:attached|below))|"
    r"(?:the )?original message follows|unsent message follows|unsent message below|"
    r"original message[ \t]*[-=:]|original message[ \t]*$|returned message|message header[ \t:]*$|"
    r"copy of the (?:message|original)|a copy of the original|your original message|"
    r"begin (?:original|returned) message|"
    r"(?:исходное|оригинал) (?:сообщени|письм)|текст (?:исходного )?сообщения|"
    r"原始邮件|邮件原文|原郵件|元のメッセージ|(?:urspr|original)[^\n]{0,20}nachricht|"
    r"message d'origine|mensaje original|mensagem original).{0,80}$",
    re.IGNORECASE | re.MULTILINE,
)
#: Headers of a mail at the start of lines: what came back without a word of warning.
_HEADERS = Guarded(re.compile(
    r"^(?:received:[ \t]+(?:from|by|\()|return-path:[ \t]*<|x-envelope-from:|dkim-signature:)",
    re.IGNORECASE | re.MULTILINE,
), ("received:", "return-path:", "x-envelope-from:", "dkim-signature:"))  # fmt: skip
_BOUNDARY = re.compile(
    r"^--[\w'()+,./:=?-]{6,70}[ \t]*\n(?=content-)", re.IGNORECASE | re.MULTILINE
)
_FORWARDED = re.compile(r"^From [^\n]{3,100}\d{4}\n(?=[\w-]+:)", re.MULTILINE)


def split(letter: Letter) -> Report:
    """The machine's own words, and the headers of what it sends back."""
    whole = "\n".join(_texts(letter))[:TEXT_LENGTH].replace("\r\n", "\n")
    cut = _first_cut(whole)
    own, below = (whole[:cut], whole[cut:]) if cut else (whole, "")
    returned = {} if letter.returned else _returned(below)
    return Report(letter=letter, text=own, returned=returned)


def _texts(letter: Letter) -> list[str]:
    """Texts outside what came back: plain ones, or HTML where there is nothing else."""
    texts = list(letter.texts())
    broken = [p.text for p in letter.parts if p.kind.startswith("multipart/") and p.text]
    return [text for text in (*texts, *broken) if text.strip()]


def _first_cut(text: str) -> int:
    """Where the returned mail begins; 0 where it does not, or where nothing would be left."""
    has_headers = _HEADERS.may_be_in(text)
    place = text.find("\n", 40) + 1
    while place:
        if (
            _BELOW.match(text, place) or (has_headers and _HEADERS.pattern.match(text, place))
        ) and text[:place].strip():
            return place
        place = text.find("\n", place) + 1
    return 0


def _returned(below: str) -> dict[str, str]:
    """The headers within the text after the cut: the first block that has a sender or a date."""
    for block in re.split(r"\n[ \t]*\n", below)[:6]:
        lines = block.strip("\n").splitlines()
        begin = next(
            (n for n, line in enumerate(lines) if re.match(r"[ \t>]{0,8}[\w-]+:[ \t]", line)), None
        )
        if begin is None:
            continue
        dedented = "\n".join(
            re.sub(r"^(?:> ?|[ ]{1,8})(?=[\w-]+:)", "", line) for line in lines[begin:]
        )
        found: dict[str, str] = {}
        for name, value in letters.header_block(dedented):
            found.setdefault(name, value)
        if found.keys() & {"from", "to", "message-id", "date", "subject"}:
            return found
    return {}
