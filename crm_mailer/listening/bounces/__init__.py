"""A machine says no: for whom, why, and whether the address is dead."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from crm_mailer.listening.bounces import (
    entries,
    fields,
    own_words,
    pairs,
    sentences,
    transcripts,
    verdicts,
)
from crm_mailer.listening.bounces.signals import is_report
from crm_mailer.listening.bounces.told import RECIPIENTS, Report, Told, addresses
from crm_mailer.listening.guards import Guarded
from crm_mailer.listening.letters import Letter
from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.reply import BounceKind
from crm_mailer.model.words import Words

__all__ = ["Bounce", "is_report", "original_message_id", "read"]

#: Readers of the machine's own words, the most certain first.
_TEXT_READERS = (
    pairs.read_notice,
    transcripts.read,
    pairs.read,
    entries.read,
    sentences.read,
)
_MESSAGE_ID = re.compile(r"^[ \t>]*message-id:\s*<([^<>\s]{3,500})>", re.IGNORECASE | re.MULTILINE)

#: The machine keeps trying.
_WARNING = Guarded(re.compile(
    r"warning message only|will be retried|(?:will|to) (?:continue|keep) (?:trying|to try)|no "
    r"action is "
    r"required|not yet been delivered|(?:has|have) been (?:delayed|postponed)|delivery is delayed|"
    r"we will keep trying|advisory-only|delivery attempts will continue|(?:is|was) delayed|"
    r"still being",
    re.IGNORECASE,
), (
    "warning message only", "will be retried", "to try", "trying", "no action is", "not yet been",
    "delayed", "postponed", "advisory-only", "delivery attempts will", "still being",
))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounce:
    """What one report says about one address."""

    recipient: str
    reason: BounceReason = BounceReason.UNDEFINED
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    remote_host: str = ""
    #: Message-ID of the mail that came back, without angle brackets.
    message_id: str = ""

    @property
    def kind(self) -> BounceKind:
        """What follows from it."""
        return self.reason.kind

    @property
    def is_dead(self) -> bool:
        """Whether the address can never be reached again."""
        return self.kind is BounceKind.HARD


def read(letter: Letter, words: Words) -> tuple[Bounce, ...]:
    """Every address that the report tells about, each once."""
    report = own_words.split(letter)
    message_id = original_message_id(letter)
    found: dict[str, Bounce] = {}
    for told in _told(report):
        shown = " ".join((told.diagnostic or told.near).split())[:500]
        bounce = Bounce(
            recipient=told.recipient,
            reason=verdicts.judge(told, words),
            action=told.action or "failed",
            status=verdicts.status_of(told),
            diagnostic=shown,
            remote_host=told.remote_host,
            message_id=message_id,
        )
        found.setdefault(told.recipient.casefold(), bounce)
    return tuple(found.values())


def original_message_id(letter: Letter) -> str:
    """The Message-ID of the mail that came back; empty where the report does not tell."""
    told = letter.returned_header("message-id")
    if not told:
        for text in letter.texts():
            match = _MESSAGE_ID.search(text)
            if match:
                return match[1]
    return told.strip("<> ")


def _told(report: Report) -> list[Told]:
    """The standard form tells who; where it tells no more, the text beside it does."""
    by_fields = fields.read(report)
    by_text = next((found for reader in _TEXT_READERS if (found := reader(report))), [])
    if not by_fields:
        named = _named_in_header(report.letter) or ([] if by_text else _last_resort(report))
        if not named:
            return _with_whole(by_text, report)
        by_fields = [Told(recipient=address) for address in named]
    known = {one.recipient.casefold(): one for one in by_text}
    joined = [_joined(one, known.get(one.recipient.casefold())) for one in by_fields]
    return _with_whole(joined, report)


def _joined(told: Told, more: Told | None) -> Told:
    if more is None:
        return told
    return replace(
        told,
        diagnostic=told.diagnostic or more.diagnostic,
        near=" ".join((more.near, more.diagnostic)).strip(),
        command=more.command,
        status=told.status or more.status,
        remote_host=told.remote_host or more.remote_host,
    )


def _with_whole(told: list[Told], report: Report) -> list[Told]:
    """All the words are about the only address, or about each where none has words of its own."""
    if len(told) > 1 and any(one.diagnostic or one.near for one in told):
        return told
    action = "delayed" if _WARNING.search(report.text) else "failed"
    return [
        replace(one, near=f"{one.near}\n{report.text}"[:6_000], action=one.action or action)
        for one in told
    ]


def _named_in_header(letter: Letter) -> list[str]:
    return [a for v in letter.all("x-failed-recipients") for a in addresses(v)][:RECIPIENTS]


def _last_resort(report: Report) -> list[str]:
    """Who may be meant where no sentence says it: whom the mail was to reach that came back."""
    returned_to = addresses(report.returned_of("to"))
    in_text = [a for a in addresses(report.text) if a.casefold() not in report.readers]
    meant = [a for a in in_text if a.casefold() in {r.casefold() for r in returned_to}]
    in_subject = [a for a in addresses(report.letter.subject) if a.casefold() not in report.readers]
    return meant or returned_to or in_subject or in_text[:1]
