"""Whether a machine returned a mail: by structure, else by a daemon that says so in words."""

from __future__ import annotations

import re

from crm_mailer.listening.bounces import fields, own_words, pairs
from crm_mailer.listening.bounces.told import Report, addresses
from crm_mailer.listening.letters import Letter

_DAEMONS = re.compile(
    r"(?:mailer[-._]?daemon|mail-?daemon|post[-_.]?master|maildaemon|mdaemon|nobounce|bounce\w*|"
    r"delivery\w*|mail-?delivery\w*|mmr|autoreply-bounce|system\w*|root|daemon|ndr|dsn|mta|"
    r"microsoftexchange\w*|complaints?|mail-?system|mailadmin\w*|mailgateway|smtp)(?=[@+.\-\\]|$)",
    re.IGNORECASE,
)
_DAEMON_NAMES = re.compile(
    r"mailer.?daemon|mail delivery|delivery (?:sub)?system|system administrator|postmaster|"
    r"mail administrator|mail system|delivery status|internet mail|mail\w* agent|bounce|"
    r"returned mail",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|(?:delivery|mail|message|e-?mail).{0,40}(?:status|fail|error|report|problem|"
    r"impossible|unsuccessful|warning|refused|blocked|delayed|expired|"
    r"return|delay|notification|could not|not be|non)|returned (?:mail|to sender|message|"
    r"e-?mail)|failure "
    r"(?:notice|notification|report)|failed (?:mail|delivery|message)|non remis|non.?delivery|"
    r"unzustellbar|nicht zugestellt|fehlgeschlagen|недостав|не доставлен|не может быть доставлен|"
    r"возврат|退信|退回|系统退信|投递失败|无法投递|配信|エラーメール|配達|届けられ|送信できません|"
    r"お届けでき|rejected|no entregad|no se (?:ha )?(?:podido|pudo)|"
    r"devuelto|não entregue|mancat[ao] (?:consegna|recapito)|onbestelbaar|returning message|"
    r"can(?:no|')t deliver|\bndn\b|\bnds\b|\bndr\b|\bdsn\b|bounce|unable to deliver|"
    r"unknown (?:address|user)|user unknown|mail not delivered|permanent (?:error|failure)|"
    r"wurde nicht|échec|échec de|fallo en|falha na entrega|falla|niedostarczon|zwrot|"
    r"did not (?:reach|arrive)|errors? from|not (?:yet )?(?:been )?delivered",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"^\s*(?:re|aw|sv|fwd?|wg|ha|rv|tr|enc|ответ|пересл|回复|答复|转发|回覆)\s*[:：]", re.I
)
_NO_MEMBER = re.compile(r"you .{3,80} are not member", re.IGNORECASE)
#: A status, or an SMTP code where servers write it; "room 401" is neither.
_CODES = re.compile(
    r"(?<![\d.])[45]\.\d{1,2}\.\d{1,3}(?![\d.])|^\W{0,8}[45]\d\d[ -](?=\D)|"
    r"(?:said|error|code|response|reason|answered|returned)\W{1,3}[45]\d\d\b",
    re.MULTILINE | re.IGNORECASE,
)
#: How known machines begin their reports, whoever is named as the sender.
_OPENINGS = re.compile(
    r"hi\. this is the (?:qmail-send|deliver)|this message was created automatically by (?:the )?"
    r"mail delivery|did not reach the following recipient|this is (?:the|a) (?:mail system at|"
    r"postfix|"
    r"dragonfly|mail delivery agent|permanent error)|your message (?:could not|cannot|was not|"
    r"did not|"
    r"wasn't|couldn't)[^.\n]{0,30} (?:be )?(?:deliver|reach)|message from (?:yahoo|interscan)|"
    r"message could not be delivered|could not be delivered to\b|invalid user address|"
    r"delivery (?:to the following recipients?|has) (?:have |has )?failed|"
    r"unable to deliver (?:your )?(?:message|mail) to|"
    r"non-delivery report|undeliverable message|"
    r"you are not (?:a )?member of (?:this|the) mailing list|the following message .{0,40}not "
    r"delivered|delivery of (?:your )?(?:e-?mail|message)[^.\n]{0,60}(?:failed|postponed|delayed)|"
    r"an error occurred while trying to deliver|reason for the failed delivery",
    re.IGNORECASE,
)


def is_report(letter: Letter) -> bool:
    """Whether this mail tells the fate of another one. A person who quotes a report is none."""
    if fields.status_parts(letter) and not _is_answer(letter):
        return True
    report = letter.parameters.get("report-type", "").lower()
    if letter.kind == "multipart/report" and report in ("", "delivery-status"):
        return True
    if letter.get("x-failed-recipients"):
        return True
    if _is_answer(letter):
        return False
    return _says_so(letter)


def _is_answer(letter: Letter) -> bool:
    """A person's answer or forward: a subject that says so, and no machine as its sender."""
    return _ANSWER.match(letter.subject) is not None and not _is_from_daemon(letter)


def _says_so(letter: Letter) -> bool:
    is_daemon = _is_from_daemon(letter)
    speaks = _SUBJECT.search(letter.subject) or _NO_MEMBER.search(letter.subject)
    if is_daemon and speaks:
        return True
    if not (is_daemon or speaks or letter.returned or _is_notice(letter)):
        return False  # most mail: nothing more is looked at
    report = own_words.split(letter)
    if pairs.notice_in(report.text):
        return True
    if is_daemon:
        text = report.text[:3_000]
        has_words = _CODES.search(text) is not None or _OPENINGS.search(text) is not None
        return has_words and bool(addresses(text, 1) or letter.returned)
    return _opens_as_report(letter, report)


def _opens_as_report(letter: Letter, report: Report) -> bool:
    """A known opening at the very top of a mail that is no answer to anything."""
    if letter.get("in-reply-to"):
        return False
    text = report.text.lstrip("-=*_ \n\t")
    return not text.startswith(">") and _OPENINGS.search(text[:400]) is not None


def _is_notice(letter: Letter) -> bool:
    """A notification of Amazon SNS."""
    return letter.sender.endswith("amazonaws.com") or bool(letter.get("x-amz-sns-message-id"))


def _is_from_daemon(letter: Letter) -> bool:
    if any(path.strip() == "<>" for path in letter.all("return-path")):
        return True
    sender = letter.get("from")
    return (
        _DAEMONS.match(letter.sender) is not None
        or _DAEMON_NAMES.search(sender) is not None
        or (not letter.sender and bool(letter.returned))
    )
