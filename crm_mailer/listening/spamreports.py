"""A mailbox provider says that a customer pressed "spam" (ARF, RFC 5965, and its relatives)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crm_mailer.listening import letters
from crm_mailer.listening.bounces import pairs
from crm_mailer.listening.letters import Letter, Part

#: Types that say a customer does not want our mail.
UNWANTED = frozenset({"abuse", "fraud", "virus", "opt-out", "opt-out-list", "other"})
#: Types of RFC 5965, RFC 6591 and RFC 6430; a report of no known type is one of abuse.
TYPES = UNWANTED | {"not-spam", "auth-failure", "dmarc", "miscategorized"}
#: Where a report names the customer, the most certain field first.
_RECIPIENT_FIELDS = (
    "original-rcpt-to",
    "removal-recipient",
    "original-recipient",
    "redacted-address",
    "final-recipient",
)
#: The same in the mail that came back.
_RETURNED_FIELDS = ("x-hmxmroriginalrecipient", "to", "x-original-to", "delivered-to")
#: Senders of reports: machines of providers, no customers of theirs.
_PROVIDERS = re.compile(
    r"staff@hotmail\.com|.*@(?:arf\.|fbl\.|feedback\.|feedbackloop\.|abuse\.|complaints?\.|"
    r"email-abuse\.|reports?\.).+|(?:.*[-_.+])?(?:abuse|complaints?|feedback|feedbackloop|"
    r"fbl\w*|scomp|arf|spam-?reports?|report-?spam|junk-?reports?|postmaster|no-?reply)"
    r"(?:[-_.+].*)?@.+",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"complaint about message from|email (?:abuse|feedback) report|abuse report|"
    r"spam (?:report|complaint)|\bfbl\b|feedback report|feedback loop|complaint|"
    r"жалоба на спам|垃圾邮件举报|用户举报|迷惑メール報告",
    re.IGNORECASE,
)
_TEXT = re.compile(
    r"this is an? (?:[\w.-]+ )?(?:e-?mail )?(?:abuse|spam|feedback) report|"
    r"(?:reported|marked|flagged) (?:your|this|the) (?:message|mail|e-?mail) as "
    r"(?:spam|junk)|complaint was filed|abuse report for an e-?mail|"
    r"considers? (?:this|the) (?:message|e-?mail) (?:to be )?(?:spam|junk)|"
    r"the user .{0,80} complained|reported as (?:spam|junk) by",
    re.IGNORECASE,
)
_FIELD = re.compile(r"^[ \t>]*feedback[-_]type[ \t]*:[ \t]*([\w-]+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamReport:
    """One report. The recipient is often removed by the provider."""

    feedback_type: str
    recipient: str = ""

    @property
    def is_unwanted(self) -> bool:
        """Whether marketing must stop; false for "not spam" and for reports about forgeries."""
        return self.feedback_type in UNWANTED

    @property
    def is_opt_out(self) -> bool:
        """The customer wants no more mail and does not call it spam."""
        return self.feedback_type.startswith("opt-out")


def read(letter: Letter) -> SpamReport | None:
    """The report in a mail, by its structure; None for every other mail."""
    return (
        _by_part(letter)
        or _by_notice(letter)
        or _by_mail_program(letter)
        or _in_text(letter)
        or _without_form(letter)
    )


def _by_part(letter: Letter) -> SpamReport | None:
    """The standard form, under the types and file names that programs give it."""
    is_multipart = "feedback-report" in letter.parameters.get("report-type", "").lower()
    for part in letter.parts:
        if not part.is_returned and (
            _is_report(part) or (is_multipart and _FIELD.search(part.text))
        ):
            return _by_fields(letter, part.text)
    return _by_fields(letter, "") if is_multipart else None


def _is_report(part: Part) -> bool:
    return part.kind.endswith("/feedback-report") or (
        "feedback-report" in part.file_name.lower() and _FIELD.search(part.text) is not None
    )


def _by_fields(letter: Letter, text: str) -> SpamReport:
    fields: dict[str, str] = {}
    for name, value in letters.header_block(text.strip()):
        fields.setdefault(name.replace("_", "-"), value)
    told = next((v for name in _RECIPIENT_FIELDS if (v := fields.get(name, ""))), "")
    told = told.partition(";")[2] or told
    kind = fields.get("feedback-type", "").partition(";")[0].strip().lower()
    return SpamReport(
        feedback_type=kind if kind in TYPES else "abuse",
        recipient=letters.address_of(told) or _returned_recipient(letter),
    )


def _returned_recipient(letter: Letter) -> str:
    told = letter.get("x-hmxmroriginalrecipient")
    values = [told, *(letter.returned_header(name) for name in _RETURNED_FIELDS)]
    return next((found for value in values if (found := letters.address_of(value))), "")


def _by_notice(letter: Letter) -> SpamReport | None:
    """Amazon SES tells complaints by JSON."""
    if not any('"complain' in part.text for part in letter.parts):
        return None
    text = next((t for t in letter.texts() if '"complain' in t), "")
    complaint = pairs.notice_in(text).get("complaint") if text else None
    if not isinstance(complaint, dict):
        return None
    kind = str(complaint.get("complaintFeedbackType") or "abuse").lower()
    many = complaint.get("complainedRecipients")
    first = many[0] if isinstance(many, list) and many else {}
    address = str(first.get("emailAddress", "")) if isinstance(first, dict) else ""
    return SpamReport(
        feedback_type=kind if kind in TYPES else "abuse", recipient=letters.address_of(address)
    )


def _by_mail_program(letter: Letter) -> SpamReport | None:
    """Apple Mail and iCloud write in the customer's name to our List-Unsubscribe address."""
    if letter.get("x-apple-unsubscribe").strip().lower() != "true":
        return None
    return SpamReport(feedback_type="opt-out", recipient=letter.sender)


def _in_text(letter: Letter) -> SpamReport | None:
    """The fields of the standard form within a text, from a provider's machine."""
    if _PROVIDERS.fullmatch(letter.sender) is None:
        return None
    for text in letter.texts():
        if begin := _FIELD.search(text[:8_000]):
            return _by_fields(letter, re.sub(r"^[ \t>]+", "", text[begin.start() :], flags=re.M))
    return None


def _without_form(letter: Letter) -> SpamReport | None:
    """Hotmail's and others' own shapes: the reported mail inside, a report around it."""
    if not letter.returned or _PROVIDERS.fullmatch(letter.sender) is None:
        return None
    own = "\n".join(letter.texts())[:2_000]
    is_certain = letter.get("x-hmxmroriginalrecipient") or letter.returned_header(
        "x-hmxmroriginalrecipient"
    )
    if not is_certain and not _SUBJECT.search(letter.subject) and not _TEXT.search(own):
        return None
    return SpamReport(feedback_type="abuse", recipient=_returned_recipient(letter))
