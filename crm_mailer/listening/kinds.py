"""What a mail is, in the order in which kinds are told apart: structure first, then words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from crm_mailer.listening import autoreplies, bounces, challenge, quotes, spamreports, wishes
from crm_mailer.listening.bounces import Bounce
from crm_mailer.listening.letters import Letter
from crm_mailer.listening.matching import Proof
from crm_mailer.listening.spamreports import SpamReport
from crm_mailer.model.reply import Evidence, ReplyKind, Rung
from crm_mailer.model.token import SHAPE, KeyRing, Purpose
from crm_mailer.model.words import Words

#: A token at the end of the local part of an address, as in ours.
_TAGGED = re.compile(rf"(?:^|[+=-])({SHAPE.pattern})$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedMail:
    """A mail with its kind and what that kind says."""

    kind: ReplyKind
    own_text: str = ""
    full_text: str = ""
    evidence: Evidence | None = None
    bounces: tuple[Bounce, ...] = ()
    spam_report: SpamReport | None = None
    return_on: date | None = None


def sort(
    letter: Letter,
    words: Words,
    proof: Proof | None,
    received_at: datetime,
    *,
    keys: KeyRing | None = None,
) -> SortedMail:
    """The kind of a mail. A person's mail that quotes a report stays a person's mail.

    Args:
        letter: the mail.
        words: the word files.
        proof: the token of ours in it.
        received_at: when it came.
        keys: tell a forged token from one whose key is gone; without them none is forged.
    """
    report = spamreports.read(letter)
    if report is not None and report.is_opt_out and report.recipient == letter.sender:
        return SortedMail(
            kind=ReplyKind.UNSUBSCRIBE,
            full_text="\n".join(letter.texts())[:10_000],
            evidence=Evidence(code="wish.program", weight=5.0, words="the mail program's button"),
        )
    if report is not None:
        kind = ReplyKind.SPAM_REPORT if report.is_unwanted else ReplyKind.BULK
        return SortedMail(
            kind=kind,
            spam_report=report if report.is_unwanted else None,
            full_text="\n".join(letter.texts())[:10_000],
            evidence=Evidence(code="report", weight=5.0, words=report.feedback_type),
        )
    if bounces.is_report(letter):
        return SortedMail(
            kind=ReplyKind.BOUNCE,
            bounces=bounces.read(letter, words),
            full_text="\n".join(letter.texts())[:10_000],
        )
    return _by_words(letter, words, proof, received_at, keys)


def _by_words(
    letter: Letter, words: Words, proof: Proof | None, received_at: datetime, keys: KeyRing | None
) -> SortedMail:
    full = letter.full_text
    own = quotes.own_text(full)
    asked = challenge.evidence(letter, own)
    if asked is not None:
        return SortedMail(kind=ReplyKind.CHALLENGE, own_text=own, full_text=full, evidence=asked)
    automatic = autoreplies.evidence(letter, words, own)
    if automatic is not None:
        return SortedMail(
            kind=ReplyKind.AUTO_REPLY,
            own_text=own,
            full_text=full,
            evidence=automatic,
            return_on=autoreplies.return_on(f"{letter.subject}\n{own}", received_at.date()),
        )
    wish = _wish(letter, own, words, proof, keys)
    if wish is not None:
        return SortedMail(kind=ReplyKind.UNSUBSCRIBE, own_text=own, full_text=full, evidence=wish)
    kind = ReplyKind.BULK if proof is None and _is_bulk(letter) else ReplyKind.HUMAN
    return SortedMail(kind=kind, own_text=own, full_text=full)


def _wish(
    letter: Letter, own: str, words: Words, proof: Proof | None, keys: KeyRing | None
) -> Evidence | None:
    """A signed mailto token says it for certain; else the subject or the first lines must.

    A subject beside a forged token says nothing: no customer wrote it, a program did.
    """
    if (
        proof is not None
        and proof.purpose is Purpose.UNSUBSCRIBE
        and proof.rung is Rung.ADDRESS_TOKEN
    ):
        return Evidence(code="wish.token", weight=5.0, words="our List-Unsubscribe address")
    is_forged = keys is not None and _has_forged_token(letter, proof, keys)
    return wishes.evidence("" if is_forged else letter.subject, own, words)


def _has_forged_token(letter: Letter, proof: Proof | None, keys: KeyRing) -> bool:
    """Whether a token stands where only ours may, names a key of ours, and proves nothing.

    One of a key that is gone proves nothing either, but its owner wrote to us.
    """
    if proof is not None and proof.rung is Rung.ADDRESS_TOKEN:
        return False
    tokens = [match[0] for match in SHAPE.finditer(letter.subject)]
    for address in letter.recipients:
        match = _TAGGED.search(address.partition("@")[0])
        tokens += [match[1]] if match else []
    return any(keys.has_key_of(token) for token in tokens)


def _is_bulk(letter: Letter) -> bool:
    return (
        letter.get("precedence").lower() in ("bulk", "list", "junk")
        or bool(letter.get("list-id"))
        or bool(letter.get("list-unsubscribe"))
    )
