"""What a mail complains about beside the wish for no more mail."""

from __future__ import annotations

from dataclasses import replace

from crm_mailer.listening import complaints, wishes
from crm_mailer.listening.complaints import Understanding
from crm_mailer.model.reply import Intent, Severity
from crm_mailer.model.words import Words

#: About our mails themselves, or nothing that could be named: the wish says as much.
_OURS = "mail."
_UNNAMED = "other"


def without_wish(said: Understanding, own_text: str, words: Words) -> Understanding:
    """What a mail with the wish is understood as: a complaint only for a reason of its own.

    Whoever asks to be left alone gets just that. A case beside it is owed where the rest of the
    mail, or a grave reason anywhere in it, says in so many words what else went wrong; what the
    mail merely resembles is no such reason.

    Args:
        said: what the whole mail was understood as.
        own_text: what the customer wrote.
        words: the word files.
    """
    if said.intent is not Intent.COMPLAINT:
        return said
    other = complaints.understand(
        wishes.rest(own_text, words), words, customer_language=said.language
    )
    apart = _own(other, words) if other.intent is Intent.COMPLAINT else ()
    grave = [code for code in _own(said, words) if words.reasons[code][0] is Severity.P1]
    kept = [code for code in said.reasons if code in (*apart, *grave)]
    kept += [code for code in apart if code not in kept]
    finer = [code for code in said.reasons if code not in words.reasons]
    if not kept:
        return replace(said, intent=Intent.OTHER, reasons=tuple(finer), severity=None)
    severity = min(words.reasons[code][0] for code in kept)
    return replace(said, reasons=(*kept, *finer), severity=severity)


def _own(said: Understanding, words: Words) -> tuple[str, ...]:
    """The reasons that words name, apart from our mails."""
    named = {one.code for one in said.evidence if one.weight > 0}
    return tuple(
        code
        for code in said.reasons
        if code in words.reasons
        and code in named
        and code != _UNNAMED
        and not code.startswith(_OURS)
    )
