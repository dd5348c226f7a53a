"""A mailbox provider says that a customer pressed "spam" (ARF, RFC 5965, and its relatives)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crm_mailer.listening import letters
from crm_mailer.listening.letters import Letter

#: Types that say a customer does not want our mail.
UNWANTED = frozenset({"abuse", "fraud", "virus", "opt-out", "opt-out-list", "other"})
#: Providers that report without the standard form.
_PROVIDERS = re.compile(
    r"(?:staff@hotmail\.com|.*@(?:hotmail\.com|arf\.mail\.yahoo\.com|arf-hotmail|feedback\..+|"
    r"fbl\..+|.*abuse.*)|complaints?@.*|feedbackloop@.*|fbl.*@.*|.*@feedbackloop\..*)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"complaint about message from|this is an? email abuse report|email (?:abuse|"
    r"feedback) report|abuse report|"
    r"spam (?:report|complaint)|\bfbl\b|feedback report|complaint",
    re.IGNORECASE,
)
_TEXT = re.compile(
    r"this is an? (?:e-?mail )?abuse report|reported (?:this|the) (?:message|mail|"
    r"e-?mail) as (?:spam|junk)|"
    r"marked (?:your|this|the) (?:message|mail|e-?mail) as (?:spam|junk)|complaint was filed|"
    r"considers? (?:this|the) (?:message|e-?mail) (?:to be )?(?:spam|junk)|"
    r"the user .{0,80} complained",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpamReport:
    """One report. The recipient is often removed by the provider."""

    feedback_type: str
    recipient: str = ""

    @property
    def is_unwanted(self) -> bool:
        """Whether marketing must stop; false for "not spam" and for reports about forgeries."""
        return self.feedback_type in UNWANTED


def read(letter: Letter) -> SpamReport | None:
    """The report in a mail, by its structure; None for every other mail."""
    for part in letter.parts:
        if part.kind == "message/feedback-report" and not part.is_returned:
            return _by_fields(letter, part.text)
    if letter.parameters.get("report-type", "").lower() == "feedback-report":
        fields = next((t for t in letter.texts() if "feedback-type" in t.lower()), "")
        return _by_fields(letter, fields)
    return _without_form(letter)


def _by_fields(letter: Letter, text: str) -> SpamReport:
    fields: dict[str, str] = {}
    for name, value in letters.header_block(text.strip()):
        fields.setdefault(name, value)
    told = fields.get("original-rcpt-to") or fields.get("removal-recipient", "")
    recipient = letters.address_of(told) or letters.address_of(letter.returned_header("to"))
    kind = fields.get("feedback-type", "abuse").strip().lower()
    return SpamReport(feedback_type=kind or "abuse", recipient=recipient)


def _without_form(letter: Letter) -> SpamReport | None:
    """Hotmail's and others' own shapes: the reported mail inside, a report around it."""
    if not letter.returned:
        return None
    own = "\n".join(letter.texts())[:2_000]
    by_provider = _PROVIDERS.fullmatch(letter.sender) is not None and _SUBJECT.search(
        letter.subject
    )
    if not by_provider and not _TEXT.search(own):
        return None
    told = letter.get("x-hmxmroriginalrecipient") or letter.returned_header(
        "x-hmxmroriginalrecipient"
    )
    recipient = letters.address_of(told) or letters.address_of(letter.returned_header("to"))
    return SpamReport(feedback_type="abuse", recipient=recipient)
