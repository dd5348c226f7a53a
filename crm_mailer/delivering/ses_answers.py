"""What an answer of Amazon SES means: for the message, for the customer, for us.

The names are those of SendEmail in API version 2 and of the errors common to all AWS services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from crm_mailer.delivering.answers import clean
from crm_mailer.delivering.outcomes import Verdict
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase

#: Our keys or our clock: the login, in other words.
LOGIN = frozenset(
    "UnrecognizedClientException InvalidClientTokenId ExpiredToken ExpiredTokenException "
    "AccessDenied AccessDeniedException NotAuthorized MissingAuthenticationToken "
    "MissingAuthenticationTokenException InvalidSignatureException SignatureDoesNotMatch "
    "IncompleteSignature IncompleteSignatureException OptInRequired RequestExpired "
    "RequestTimeTooSkewed AuthFailure".split()
)
#: Too fast.
THROTTLED = frozenset(
    "TooManyRequestsException Throttling ThrottlingException ThrottledException "
    "RequestLimitExceeded".split()
)
#: The mail itself.
MAIL = frozenset(
    "MessageRejected BadRequestException InvalidParameterValue ValidationException".split()
)

#: A rejection that speaks of our account after all: an identity that nobody verified (while an
#: account is in Amazon's sandbox, the recipient too), or a quota.
_OURS = re.compile(r"not verified|authority to send|quota|paused|suspended", re.I)
_QUOTA = re.compile(r"daily message quota", re.I)
_TOO_FAST = re.compile(r"maximum sending rate", re.I)
_ADDRESS = re.compile(
    r"(illegal|invalid|missing|malformed).{0,40}(address|domain)|local address|"
    r"domain (contains|starts|ends|name)",
    re.I,
)

_DOUBT = Verdict(OutcomeKind.UNKNOWN, Blame.SITE)
_OURS_FOR_NOW = Verdict(OutcomeKind.DEFERRED, Blame.US)
_SITE_FOR_NOW = Verdict(OutcomeKind.DEFERRED, Blame.SITE)


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Fate and blame of an answer, with the service's words as evidence. `code` is HTTP's.

    Args:
        headers: by name in small letters.
    """
    value = _parsed(body)
    if status == 200:
        return _taken(value)
    kind = error_type(headers, value)
    said = str(value.get("message") or value.get("Message") or "")
    phase, verdict = _verdict(status, kind, said)
    return Outcome(
        kind=verdict.kind,
        phase=phase,
        code=status,
        text=clean(f"{kind}: {said}" if kind and said else kind or said or "no reason given"),
        blame=verdict.blame,
    )


def error_type(headers: Mapping[str, str], value: Mapping[str, Any]) -> str:
    """The name of an error: `MessageRejected`, without the shapes around it."""
    named = headers.get("x-amzn-errortype") or value.get("__type") or value.get("code") or ""
    return str(named).partition(":")[0].rpartition("#")[2].strip()


def _taken(value: Mapping[str, Any]) -> Outcome:
    number = value.get("MessageId")
    if not isinstance(number, str) or not number:
        return Outcome(
            kind=OutcomeKind.UNKNOWN,
            phase=Phase.DOT,
            code=200,
            text="the answer has no MessageId",
            blame=Blame.SITE,
        )
    return Outcome(kind=OutcomeKind.ACCEPTED, phase=Phase.DOT, code=200, text=clean(number))


def _verdict(status: int, kind: str, said: str) -> tuple[Phase, Verdict]:
    if not 300 <= status <= 499:
        return Phase.DOT, _DOUBT
    if kind in LOGIN:
        return Phase.AUTH, _OURS_FOR_NOW
    if _QUOTA.search(said):
        return Phase.MAIL, _OURS_FOR_NOW
    if status == 429 or kind in THROTTLED or _TOO_FAST.search(said):
        return Phase.MAIL, _SITE_FOR_NOW
    if kind in MAIL and not _OURS.search(said):
        is_address = kind != "MessageRejected" and _ADDRESS.search(said)
        blame = Blame.RECIPIENT if is_address else Blame.MESSAGE
        return Phase.BODY, Verdict(OutcomeKind.REFUSED, blame)
    if status == 413:
        return Phase.BODY, Verdict(OutcomeKind.REFUSED, Blame.MESSAGE)
    if kind == "RequestTimeout":  # it waited for the rest of our request
        return Phase.BODY, _SITE_FOR_NOW
    if not kind and status in (401, 403):
        return Phase.AUTH, _OURS_FOR_NOW
    # our account or its settings (suspended, paused, an unknown configuration set), or nothing
    # that SES would say: no single mail is to blame
    return Phase.MAIL, _OURS_FOR_NOW


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
