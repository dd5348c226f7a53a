"""A machine says no: for whom, why, and whether the address is dead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from flufl.bounce import all_failures

from crm_mailer.listening import letters
from crm_mailer.listening.letters import Letter, Part
from crm_mailer.listening.phrases import Phrase, compile_phrase, fold
from crm_mailer.model.reply import BounceKind
from crm_mailer.model.words import Words

#: What a text report tells stands near its top.
TEXT_LENGTH = 16_000
RECIPIENTS = 50

_DAEMONS = re.compile(
    r"(?:mailer-?daemon|mail-?daemon|postmaster|maildaemon|mailer\.daemon|mdaemon|nobounce|"
    r"bounce\w*|delivery|mail-?delivery|mmr|autoreply-bounce|system|root|daemon|"
    r"microsoftexchange\w*|"
    r"postmasterexample)(?=[@+.\-]|$)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|(?:delivery|mail|message|e-?mail).{0,40}(?:status|fail|error|report|problem|"
    r"impossible|"
    r"return|delay|notification|could not|not be|non)|returned (?:mail|to sender|message|"
    r"e-?mail)|failure "
    r"(?:notice|notification|report)|failed (?:mail|delivery)|non remis|non.?delivery|unzustellbar|"
    r"nicht zugestellt|недостав|не доставлено|возврат|退信|退回|系统退信|投递失败|配信|"
    r"エラーメール|rejected|"
    r"no entregado|devuelto|não entregue|mancata consegna|onbestelbaar|returning message|"
    r"can(?:no|')t deliver|\bndn\b|\bnds\b|\bdsn\b|bounce|unable to deliver|unknown address|"
    r"user unknown",
    re.IGNORECASE,
)
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,2})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.\-/:@=#])([45]\d\d)(?=[\s\-#(]|$)")
_NOTHING_SENT = {"delivered", "relayed", "expanded"}
_BY_STATUS = {
    **dict.fromkeys(("5.1.1", "5.1.3", "5.1.6", "5.1.10"), (BounceKind.HARD, "userunknown")),
    **dict.fromkeys(("5.1.2", "5.4.4"), (BounceKind.HARD, "hostunknown")),
    "5.2.2": (BounceKind.SOFT, "mailboxfull"),
    "4.2.2": (BounceKind.SOFT, "mailboxfull"),
    "5.2.1": (BounceKind.SOFT, "suspended"),
    "5.2.3": (BounceKind.OURS, "mesgtoobig"),
    "5.3.4": (BounceKind.OURS, "mesgtoobig"),
}
#: A server that took the address and refused the content: a filter, whatever it says.
_AFTER_DATA = re.compile(
    r"end of (?:data|message)|reply to (?:end of )?(?:data|message)|>>> data|after data|\[data\]"
    r"|in response to data|data command",
    re.IGNORECASE,
)
_RETURNED_BELOW = re.compile(
    r"^(?:[-= ]{2,}.{0,60}(?:original message|copy of|returned message|below this line|"
    r"message header|unsent message|message follows|undelivered message|邮件原文|header)|"
    r"received: from|return-path: <)",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """What one report says about one address."""

    recipient: str
    kind: BounceKind
    reason: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    remote_host: str = ""

    @property
    def is_dead(self) -> bool:
        """Whether the address can never be reached again."""
        return self.kind is BounceKind.HARD


def is_report(letter: Letter) -> bool:
    """Whether a machine returned a mail: by structure, else by a daemon that says so."""
    if _status_parts(letter):
        return True
    report = letter.parameters.get("report-type", "").lower()
    if letter.kind == "multipart/report" and report in ("", "delivery-status"):
        return True
    if letter.get("x-failed-recipients"):
        return True
    return _is_from_daemon(letter) and _speaks_of_failure(letter)


def read(letter: Letter, words: Words) -> tuple[Bounce, ...]:
    """Every address that the report tells about; empty when it tells of a success."""
    found = [b for part in _status_parts(letter) for b in _groups(part.text)]
    if found and all(bounce.action in _NOTHING_SENT for bounce in found):
        return ()
    text = _own_words(letter)
    found = [bounce for bounce in found if bounce.action not in _NOTHING_SENT]
    if not found:
        found = [Bounce(recipient=a, kind=BounceKind.SOFT) for a in _recipients(letter, text)]
    judged = [_judged(bounce, text, len(found) == 1, words) for bounce in found]
    return tuple({bounce.recipient.casefold(): bounce for bounce in reversed(judged)}.values())


def original_message_id(letter: Letter) -> str:
    """The Message-ID of the mail that came back; empty where the report does not tell."""
    told = letter.returned_header("message-id")
    if not told:
        for text in letter.texts():
            match = re.search(r"^\s*message-id:\s*<([^<>\s]+)>", text, re.IGNORECASE | re.MULTILINE)
            if match:
                return match[1]
    return told.strip("<> ")


def judge(status: str, diagnostic: str, words: Words) -> tuple[BounceKind, str]:
    """Kind and reason. What the server says in words beats its status code.

    5.7.x is about us or about a policy: never a dead address by its code alone.
    """
    said = _by_phrase(diagnostic, words)
    if said is not None:
        return _tempered(*said, status, diagnostic)
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status.startswith(("5.7.", "5.6.", "5.3.")):
        return BounceKind.OURS, "policyviolation"
    if status.startswith("4"):
        return BounceKind.SOFT, "expired"
    return BounceKind.SOFT, "rejected" if status.startswith("5") else "undefined"


def _tempered(
    kind: BounceKind, reason: str, status: str, diagnostic: str
) -> tuple[BounceKind, str]:
    """A dead address is believed only where nothing speaks against it."""
    if kind is not BounceKind.HARD:
        return kind, reason
    if status.startswith("4"):
        return BounceKind.SOFT, "networkerror" if reason == "hostunknown" else reason
    if status.startswith("5.7."):
        return BounceKind.OURS, "policyviolation"
    if _AFTER_DATA.search(diagnostic):
        return BounceKind.SOFT, "filtered"
    return kind, reason


def _judged(bounce: Bounce, text: str, is_only: bool, words: Words) -> Bounce:
    said = bounce.diagnostic
    near = _near(text, bounce.recipient, is_only)
    status = bounce.status
    if status in ("", "5.0.0", "4.0.0", "5.5.0", "2.0.0"):
        status = _status_in(said) or _status_in(near) or status or _from_code(said or near)
    if bounce.action == "delayed":
        kind, reason = BounceKind.DELAY, "expired"
    else:
        kind, reason = judge(status, said, words)
        if reason in ("rejected", "undefined", "expired") and near:
            said_near = _by_phrase(near, words)
            kind, reason = said_near if said_near else (kind, reason)
        kind, reason = _tempered(kind, reason, status, said or near)
    shown = " ".join((said or near).split())[:500]
    return replace(bounce, kind=kind, reason=reason, status=status, diagnostic=shown)


def _near(text: str, recipient: str, is_only: bool) -> str:
    """What stands around the address in the text; the whole where it is the only one."""
    if is_only:
        return text[:4_000]
    place = text.find(recipient)
    if place < 0:
        return ""
    after = text[place + len(recipient) : place + 600]
    others = [a for a in letters.addresses(after) if a.casefold() != recipient.casefold()]
    return after.partition(others[0])[0] if others else after


def _groups(report: str) -> Iterator[Bounce]:
    """The per-recipient groups of a delivery report (RFC 3464)."""
    for block in re.split(r"\n\s*\n", report.replace("\r\n", "\n")):
        fields: dict[str, str] = {}
        for name, value in letters.header_block(block):
            fields.setdefault(name, value)
        told = fields.get("final-recipient") or fields.get("original-recipient", "")
        address = letters.address_of(told.partition(";")[2] or told)
        if not address:
            original = fields.get("original-recipient", "")
            address = letters.address_of(original.partition(";")[2])
        if not address:
            continue
        status = re.match(r"\s*(\d\.\d+\.\d+)", fields.get("status", ""))
        remote = fields.get("remote-mta", "")
        yield Bounce(
            recipient=address,
            kind=BounceKind.SOFT,
            action=fields.get("action", "failed").split(" ")[0].strip(".;,").lower() or "failed",
            status=status[1] if status else "",
            diagnostic=_after_type(fields.get("diagnostic-code", "")),
            remote_host=(remote.partition(";")[2] or remote).strip()[:200],
        )


def _after_type(value: str) -> str:
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and " " not in kind.strip() else value.strip()


def _status_parts(letter: Letter) -> list[Part]:
    return [
        part
        for part in letter.parts
        if not part.is_returned
        and (
            part.kind in ("message/delivery-status", "message/global-delivery-status")
            or "delivery-status" in part.file_name.lower()
            or (part.kind.startswith("message/") and _has_report_fields(part.text))
        )
    ]


def _has_report_fields(text: str) -> bool:
    lower = text[:4_000].lower()
    return "final-recipient:" in lower and ("action:" in lower or "status:" in lower)


def _is_from_daemon(letter: Letter) -> bool:
    if any(path.strip() == "<>" for path in letter.all("return-path")):
        return True
    sender = letter.get("from").lower()
    return (
        _DAEMONS.match(letter.sender) is not None
        or "mailer-daemon" in sender
        or "mail delivery" in sender
        or (not letter.sender and bool(letter.returned))
    )


def _speaks_of_failure(letter: Letter) -> bool:
    if _SUBJECT.search(letter.subject):
        return True
    text = _own_words(letter)[:3_000]
    has_code = _STATUS.search(text) is not None or _CODE.search(text) is not None
    return has_code and bool(letters.addresses(text))


def _own_words(letter: Letter) -> str:
    """What the machine itself wrote, without the mail that came back."""
    text = "\n".join(letter.texts())[:TEXT_LENGTH]
    cut = _RETURNED_BELOW.search(text)
    return text[: cut.start()] if cut and cut.start() > 40 else text


def _recipients(letter: Letter, text: str) -> list[str]:
    """Who did not get it, from the most to the least certain place."""
    named = [a for v in letter.all("x-failed-recipients") for a in letters.addresses(v)]
    if named:
        return named[:RECIPIENTS]
    ours = {letter.sender.casefold(), *(a.casefold() for a in letter.recipients)}
    returned_to = letters.addresses(letter.returned_header("to"))
    told = [a for a in letters.addresses(text) if a.casefold() not in ours and not _is_daemon(a)]
    told = told or [a for a in letters.addresses(text) if not _is_daemon(a)]
    meant = [a for a in told if a.casefold() in {r.casefold() for r in returned_to}]
    return list(dict.fromkeys(meant or told[:1] or returned_to[:1] or _last_resort(letter)))


def _is_daemon(address: str) -> bool:
    return _DAEMONS.match(address) is not None


def _last_resort(letter: Letter) -> list[str]:
    """Old report formats, known to a library that may stumble over them."""
    try:
        found = all_failures(_as_message(letter))
        return sorted(a.decode("ascii", "replace") for group in found for a in group)[:RECIPIENTS]
    except Exception:
        return []


def _as_message(letter: Letter) -> object:
    import email

    head = "\n".join(f"{name}: {value}" for name, value in letter.headers)
    body = "\n".join(letter.texts())
    return email.message_from_string(f"{head}\n\n{body}")


def _status_in(text: str) -> str:
    for match in _STATUS.finditer(text[:4_000]):
        if match[1] != "2":
            return match[0]
    return ""


def _from_code(text: str) -> str:
    code = _CODE.search(text[:4_000])
    return f"{code[1][0]}.0.0" if code else ""


def _by_phrase(text: str, words: Words) -> tuple[BounceKind, str] | None:
    folded = fold(text[:4_000])
    for kind, reason, phrase in _signs(words):
        if phrase.find(folded):
            return kind, reason
    return None


@lru_cache(maxsize=4)
def _signs(words: Words) -> tuple[tuple[BounceKind, str, Phrase], ...]:
    return tuple(
        (BounceKind(sign.kind), sign.reason, compile_phrase(sign.phrase))
        for sign in words.bounce_signs
    )
