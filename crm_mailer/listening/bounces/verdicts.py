"""The reason of a refusal: first what the server says in words, then its codes."""

from __future__ import annotations

import re
from functools import lru_cache

from crm_mailer.listening.bounces.told import Told
from crm_mailer.listening.guards import Guarded
from crm_mailer.listening.phrase_index import PhraseIndex
from crm_mailer.listening.phrases import Phrase, compile_phrase, fold
from crm_mailer.model import refused_sender
from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.reply import BounceKind
from crm_mailer.model.words import BounceSign, Words

R = BounceReason
HEARD = 4_000

#: RFC 3463 and its IANA registry. What is not here, says its class.
_BY_STATUS = {
    **dict.fromkeys(("1.0", "1.1", "1.3", "1.10"), R.USERUNKNOWN),
    **dict.fromkeys(("1.2", "4.4", "4.310"), R.HOSTUNKNOWN),
    "1.6": R.HASMOVED,
    **dict.fromkeys(("1.4", "2.0", "2.4"), R.FILTERED),
    **dict.fromkeys(("1.7", "1.8", "7.27"), R.BADSENDER),
    "2.1": R.SUSPENDED,
    "7.13": R.SUSPENDED,
    "2.2": R.MAILBOXFULL,
    **dict.fromkeys(("2.3", "3.4"), R.MESGTOOBIG),
    "3.2": R.NOTACCEPT,
    **dict.fromkeys(("3.0", "3.1", "3.3", "3.5", "4.3"), R.SYSTEMERROR),
    **dict.fromkeys(("4.0", "4.2", "4.5", "4.6", "4.8", "4.312"), R.NETWORKERROR),
    **dict.fromkeys(("4.1", "4.7", "4.316"), R.EXPIRED),
    "5.3": R.TOOMANYCONN,
    **dict.fromkeys(("5.1", "5.2", "5.4", "5.5"), R.SYNTAXERROR),
    **dict.fromkeys(("7.20", "7.21", "7.22", "7.23", "7.24", "7.26", "7.509"), R.AUTHFAILURE),
    "7.25": R.REQUIREPTR,
    "7.1": R.POLICYVIOLATION,
    "7.28": R.SPEEDING,
}
_BY_CLASS = {"6": R.CONTENTERROR, "7": R.SECURITYERROR, "3": R.SYSTEMERROR, "4": R.NETWORKERROR}
#: Codes that programs write where they do not know: no better than the first digit.
_VAGUE = ("", "5.5.0", "2.0.0", "5.9.9")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,2})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.\-/:@=#])([45]\d\d)(?=[\s\-#(:]|$)")
_BY_CODE = {"552": R.MAILBOXFULL, "521": R.NOTACCEPT, "525": R.SUSPENDED, "530": R.SECURITYERROR}
#: The address itself was refused.
_AT_ADDRESS = Guarded(re.compile(
    r"\bafter rcpt to\b|\breply to rcpt to\b|>>> ?rcpt to|\brcpt to:?<|does not like recipient|"
    r"rcpt to generated|to rcpt to command|command rcpt|\(rcpt to\)|rcpt to\b.{0,60}failed|"
    r"'?rcpt'? command|not like recipient|not like our rcpt",
    re.IGNORECASE,
), ("rcpt", "like recipient"))  # fmt: skip
#: A server that took the address and refused the content: a filter, whatever it says.
_AFTER_DATA = Guarded(re.compile(
    r"end of (?:data|message)|reply to (?:end of )?(?:data|message)|>>> ?data|after data|\[data\]"
    r"|in response to data|data command|failed after i sent the message|after sending data",
    re.IGNORECASE,
), ("data", "end of message", "reply to", "sent the message"))  # fmt: skip
_NO_HOST = re.compile(
    r"(?:host|domain) (?:is )?(?:unknown|not found)|unknown (?:host|domain)|no such (?:host|"
    r"domain)|"
    r"nxdomain|name server|name service|rcpt to",
    re.IGNORECASE,
)
_AT_SENDER = Guarded(
    re.compile(r"after mail from\b|reply to mail from\b|>>> ?mail from", re.IGNORECASE),
    ("mail from",),
)
_REPLY = re.compile(
    r"(?:^|said:?|was:|reply:|response:|<<<|error:|with:|because of|reason:|returned:|[>:])\s*"
    r"((?:SMTP; ?)?[45]\d\d[ -](?!\d\d)[^\n]{3,}(?:\n[ \t]+\S[^\n]*){0,4})",
    re.IGNORECASE | re.MULTILINE,
)
#: The code of such an answer, and how long before it a word of announcement may begin.
_ANSWERED = re.compile(r"(?:SMTP; ?)?[45]\d\d[ -](?!\d\d)", re.IGNORECASE)
_ANNOUNCED = 12
_STILL_TRYING = {"delayed", "delay"}
_SENT = {"delivered", "relayed", "expanded", "deliverable", "success"}
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@([\w.\-]{1,255})")
#: Words that say little, and statuses that say much.
_GENERAL = frozenset({R.FILTERED, R.POLICYVIOLATION, R.SECURITYERROR, R.BLOCKED, R.SYSTEMERROR})
_PLAIN = frozenset(
    {R.AUTHFAILURE, R.REQUIREPTR, R.MESGTOOBIG, R.MAILBOXFULL, R.NOTACCEPT, R.SUSPENDED}
)
_OF_ADDRESS = frozenset({R.USERUNKNOWN, R.HOSTUNKNOWN, R.REJECTED, R.FILTERED, R.UNDEFINED})
#: What a long text for people may hold by chance.
_LOOSE = frozenset(
    {R.POLICYVIOLATION, R.SECURITYERROR, R.SYSTEMERROR, R.SYNTAXERROR, R.BLOCKED, R.ONHOLD,
     R.CONTENTERROR, R.MAILERERROR}
)  # fmt: skip


def judge(told: Told, words: Words) -> BounceReason:
    """The reason of one refusal; a dead address is believed only where nothing speaks against it.

    The words beat the status: "5.1.1 ... over quota" is a full mailbox, and 5.7.1 is never an
    unknown user by its code alone. A refused sender is never the customer's fault, even where it
    sounds so: "Sender address rejected: User unknown".
    """
    reason = _judged(told, words)
    if reason.kind in (BounceKind.HARD, BounceKind.SOFT) and _is_sender(told):
        return R.BADSENDER
    return reason


def _is_sender(told: Told) -> bool:
    """Whether the server's own answer is about our sender; a whole report names it anyway."""
    reply = _reply_of(told) or told.diagnostic
    return refused_sender.is_meant(status_of(told), reply)


def _judged(told: Told, words: Words) -> BounceReason:
    if told.action in _SENT:
        return R.DELIVERED
    if told.action == "complained":
        return R.FEEDBACK
    if told.action in _STILL_TRYING:
        return R.DELAYED
    where = f"{told.remote_host} {told.recipient.rpartition('@')[2]}"
    reply = _reply_of(told)
    said = by_words(reply, where, words)
    if said is None and reply != told.diagnostic:
        said = by_words(told.diagnostic, where, words)
    if said is not None and (said.hosts or said.is_sure):
        return said.reason
    by_status = _by_status(told)
    if said is not None and not (said.reason in _GENERAL and by_status in _PLAIN):
        return _tempered(said.reason, told, reply)
    if by_status is not None:
        return _tempered(by_status, told, reply)
    return _by_near(told, where, words) or _by_code(told, reply)


@lru_cache(maxsize=4)  # asked for several times in a row
def status_of(told: Told) -> str:
    """The status of the report, or a better one among the server's words."""
    if not _is_vague(told.status):
        return told.status
    found = status_in(told.diagnostic) or status_in(told.near) or told.status
    if found:
        return found
    code = _CODE.search(told.diagnostic) or _CODE.search(told.near[:HEARD])
    return f"{code[1][0]}.0.0" if code else ""


def status_in(text: str) -> str:
    """The first status of a failure in a text, such as 5.1.1; empty where there is none."""
    found = [m[0] for m in _STATUS.finditer(text[:HEARD]) if m[1] != "2"]
    return next((one for one in found if not _is_vague(one)), next(iter(found), ""))


def _is_vague(status: str) -> bool:
    return status in _VAGUE or status.startswith(("5.0.", "4.0."))


def by_words(text: str, where: str, words: Words) -> BounceSign | None:
    """The first sign that fits; `where`: names of the server and the domain."""
    if not text:
        return None
    # names of people are no words: userunknown@, spam-filter@
    whole = _ADDRESS.sub(r"a@\1", fold(text[:HEARD]))
    # Postfix' way to begin whatever it has to say about an address
    folded = whole.replace("recipient address rejected: ", "")
    everything = f"{where} {whole}".casefold()
    signs, index = _signs(words)
    for place in sorted({number for number, _phrase in index.candidates(whole)}):
        sign, phrase = signs[place]
        if sign.hosts and not any(host in everything for host in sign.hosts):
            continue
        if phrase.find(whole if sign.hosts else folded):
            return sign
    return None


def _reply_of(told: Told) -> str:
    """The answer of the mail server: a code and what follows it, within words of any length."""
    for text in (told.diagnostic, told.near):
        found = _reply_in(text[:HEARD])
        if found:
            return found[1].strip()
        if text is told.diagnostic and _CODE.search(text):
            return text
    return ""


def _reply_in(text: str) -> re.Match[str] | None:
    """The first answer in a text: looked for from shortly before its first code."""
    code = _ANSWERED.search(text)
    if code is None:
        return None
    before = text[: code.start()].rstrip()
    return _REPLY.search(text, max(0, len(before) - _ANNOUNCED))


def _by_status(told: Told) -> BounceReason | None:
    status = status_of(told)
    if _is_vague(status):
        return None
    _, _, detail = status.partition(".")
    return _BY_STATUS.get(detail) or _BY_CLASS.get(detail.partition(".")[0])


def _by_near(told: Told, where: str, words: Words) -> BounceReason | None:
    sign = by_words(told.near, where, words)
    if sign is None or (sign.reason in _LOOSE and len(told.near) > 600):
        return None
    is_sure = bool(sign.hosts) or sign.is_sure
    return sign.reason if is_sure else _tempered(sign.reason, told, _reply_of(told))


def _by_code(told: Told, reply: str) -> BounceReason:
    code = _CODE.search(told.diagnostic) or _CODE.search(reply)
    if code and code[1] in _BY_CODE:
        return _BY_CODE[code[1]]
    first = (code[1] if code else status_of(told))[:1]
    return {"5": R.REJECTED, "4": R.EXPIRED}.get(first, R.UNDEFINED)


def _tempered(reason: BounceReason, told: Told, reply: str) -> BounceReason:
    """An address is dead only where the address was refused, and for good."""
    words = f"{told.diagnostic}\n{told.near}"
    if reason in _OF_ADDRESS and _AT_SENDER.search(words):
        return R.BADSENDER
    if reason.kind is not BounceKind.HARD:
        return reason
    status = status_of(told)
    if status.startswith("4") or reply.startswith("4"):
        return R.NETWORKERROR if reason is R.HOSTUNKNOWN else R.EXPIRED
    is_late = told.command == "DATA" or _AFTER_DATA.search(words) is not None
    if reason is R.HOSTUNKNOWN and is_late:
        return R.BADSENDER  # nobody takes an address of no domain and then asks for the mail
    if reason is R.HOSTUNKNOWN and reply and not _is_host(status, words):
        return R.REJECTED  # a server that answers may mean our own host or domain
    if reason is not R.USERUNKNOWN or status.startswith("5.1."):
        return reason
    is_at_address = told.command == "RCPT" or _AT_ADDRESS.search(words) is not None
    return reason if is_at_address and not is_late else R.FILTERED


def _is_host(status: str, words: str) -> bool:
    """Whether the recipient's host is meant, by the status or in words that servers use for it."""
    return status.startswith(("5.1.", "5.4.")) or _NO_HOST.search(words) is not None


@lru_cache(maxsize=4)
def _signs(words: Words) -> tuple[list[tuple[BounceSign, Phrase]], PhraseIndex[int]]:
    """The signs in their order, and which of them may be in a text, by their place."""
    signs = [(sign, compile_phrase(sign.phrase)) for sign in words.bounce_signs]
    numbered = ((place, sign.phrase) for place, (sign, _phrase) in enumerate(signs))
    return signs, PhraseIndex(numbered)
