"""Whether a server's answer is about our sender, whatever else it sounds like.

Most servers tell at RCPT that they do not take a sender, and in words made for recipients: "550
5.1.0 <bounces of ours>: Sender address rejected: User unknown". The customer is not to blame.
"""

from __future__ import annotations

import re

from crm_mailer.model.token import SHAPE

#: RFC 3463: bad syntax, or a bad system, in the sender's address.
DETAILS = frozenset({"1.7", "1.8"})
#: Characters of an answer that are looked at.
_HEARD = 2_000
_ADDRESS = re.compile(r"<?([^\s<>()\[\],;:\"'@]{1,128})@[\w](?:[\w.\-]{0,250}[\w])?>?")
#: How the local part of an address for our bounces ends.
_OURS = re.compile(rf"(?:^|[+=])b-{SHAPE.pattern}$", re.IGNORECASE)
_WHO = (
    r"(?:(?<!to )(?<!to the )(?<!to original )\bsender|\bmail[ -]from|\breturn[ -]?path|"
    r"\breverse[ -]path|\boriginator|\bfrom(?= (?:address|domain)))(?:'s|s)?"
    r"(?: (?:e-?mail )?(?:address|domain)){0,2}"
)
_WHAT = (
    r"(?:rejected|refused|denied|unknown|invalid|not (?:valid|verified|found|accepted)|unverified|"
    r"undeliverable|unresolvable|unroutable|unrouteable|blocked|black ?listed|banned|malformed|"
    r"(?:does not|doesn't|do not|must|not) (?:exist|resolve|be|match|equal)|has no|"
    r"not (?:allowed|permitted|authori[sz]ed)(?! to (?:send|post|mail|e-?mail|deliver|write)))"
)
_SENDER = re.compile(
    # sender address [shop.example] [was] rejected
    rf"{_WHO}(?: (?:[\w-]+\.){{1,8}}[a-z][\w-]*)?(?: (?:was|is|has been))?:{{0,2}} {_WHAT}|"
    r"\b(?:bad|invalid|unknown|illegal|unresolvable|unroutable|unrouteable|undeliverable|"
    r"unverified|forged|rejected|refused|blocked|rejected your) (?:envelope |outbound |mail )?"
    r"(?:sender|originator|return[ -]path|mail from)\b(?! ?(?:/|or |and )? ?(?:recipient|user))|"
    r"\bsender (?:address )?(?:verif(?:y|ication)|callout|callback)|"
    r"\bverif(?:y|ying) (?:the |your )?(?:envelope )?(?:sender|return[ -]path)\b|"
    r"\b(?:could not|cannot|can't|failed to|unable to) (?:verify|validate|resolve) (?:the |your )?"
    r"(?:sender|return[ -]path|from address)|"
    r"badmailfrom|"
    r"发件人(?:地址|域名)?.{0,8}(?:不存在|拒|无效|非法)|"
    r"(?:адрес|домен) отправителя.{0,20}(?:отклон|отверг|не существ|не найден)",
    re.IGNORECASE,
)


#: The recipient's own list: it says nothing about our sender to others.
_BY_READER = re.compile(
    r"\b(?:recipient|user|mailbox|account|customer)\b.{0,24}\bblock|\byou are a blocked sender\b",
    re.IGNORECASE,
)


def is_meant(status: str, text: str) -> bool:
    """Whether our sender was refused, and not the recipient.

    Args:
        status: of RFC 3463, such as 5.1.8; may be empty.
        text: the words of one answer, without a report around them.
    """
    return status.partition(".")[2] in DETAILS or is_named(text)


def is_named(text: str) -> bool:
    """Whether the words are about the sender, or name no address but one for our bounces."""
    heard = text[:_HEARD]
    named = _ADDRESS.findall(heard)
    if named and all(map(_OURS.search, named)):
        return True
    bare = " ".join(_ADDRESS.sub(" ", heard).split()).replace(" :", ":")
    return _SENDER.search(bare) is not None and _BY_READER.search(bare) is None
