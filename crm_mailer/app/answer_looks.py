"""What the pages show on which customers are answered: the draft, other suggestions, the mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from crm_mailer.app import answering, case_looks, drafts, matters
from crm_mailer.app.answering import CannedReply, Draft, Wish
from crm_mailer.app.case_looks import Read
from crm_mailer.app.drafts import Kept
from crm_mailer.app.matters import Matter
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.order import Order, OrderState
from crm_mailer.rendering import letters
from crm_mailer.store import replies, threads


class Of(StrEnum):
    """What is answered."""

    CASE = "case"
    TASK = "task"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """What an agent chose of the library; empty: what fits best."""

    template: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLook:
    """An answer that is being written, and what it answers."""

    draft: Draft
    #: Whether the words are another person's than the library's.
    is_edited: bool
    is_kept: bool
    fitting: tuple[CannedReply, ...]
    others: tuple[CannedReply, ...]
    languages: tuple[str, ...]
    letter: Read | None
    order: Order | None
    #: When the order reached which state.
    facts: Mapping[OrderState, str]


def look(app: App, of: Of, number: int, desired: Desired, *, by: str) -> AnswerLook:
    """The draft as it stands: what was written so far, else the library's words.

    Raises:
        NotFound: there is no such case or task, or no canned reply.
        NotPossible: it is over.
        RenderError: the template is wrong.
    """
    matter = _matter(app, of, number)
    kept = _fitting(drafts.find(app.home, _name(of, number), by), desired)
    start = Desired(template=kept.template, language=kept.language) if kept else desired
    suggested = _draft(app, of, number, start, by=by)
    draft = suggested if kept is None else _with(suggested, kept.subject, kept.text)
    canned = answering.canned_replies(app)
    fitting = [one for one in canned if set(one.codes) & set(matter.codes)]
    return AnswerLook(
        draft=draft,
        is_edited=(draft.subject, draft.text) != (suggested.subject, suggested.text),
        is_kept=kept is not None,
        fitting=tuple(fitting),
        others=tuple(one for one in canned if one not in fitting),
        languages=tuple(app.templates.languages(draft.template)),
        letter=_letter(app, matter),
        order=matter.order,
        facts={state: at.isoformat() for state, at in matter.facts.items()},
    )


def written(
    app: App,
    of: Of,
    number: int,
    words: Kept,
    values: Mapping[str, str],
    *,
    by: str,
    is_again: bool = False,
) -> Draft:
    """The draft with an agent's words, kept from now on; blanks that were filled in are gone.

    Raises:
        NotPossible: it is over, or the words are too many.
    """
    known = {name: value for name, value in values.items() if f"[[{name}]]" in _whole(words)}
    desired = Desired(template=words.template, language=words.language)
    suggested = _draft(app, of, number, desired, by=by, is_again=is_again)
    draft = _with(suggested, words.subject, words.text)
    if known:
        filled = f"{draft.subject}\n{draft.text}"
        for name, value in known.items():
            filled = filled.replace(f"[[{name}]]", " ".join(value.split()))
        subject, _line, text = filled.partition("\n")
        draft = _with(suggested, subject, text)
    drafts.keep(
        app.home,
        _name(of, number),
        by,
        Kept(
            template=draft.template,
            language=draft.language,
            subject=draft.subject,
            text=draft.text,
        ),
    )
    return draft


def send(app: App, of: Of, number: int, draft: Draft, *, by: str) -> int:
    """Put the answer into the outbox; its number there.

    Raises:
        NotPossible: a blank is left, it cannot be mailed, or it was sent before.
    """
    sent = answering.send(app, draft)
    drafts.drop(app.home, _name(of, number), by)
    return sent.touch_id


def discard(app: App, of: Of, number: int, *, by: str) -> None:
    """Throw away what was written so far."""
    drafts.drop(app.home, _name(of, number), by)


def as_mail(draft: Draft) -> str:
    """The HTML of the mail, as the customer gets it."""
    return letters.as_html(draft.text, draft.language)


def _matter(app: App, of: Of, number: int) -> Matter:
    with app.store.read() as connection:
        find = matters.of_case if of is Of.CASE else matters.of_task
        return find(connection, number)


def _draft(
    app: App, of: Of, number: int, desired: Desired, *, by: str, is_again: bool = False
) -> Draft:
    make = answering.draft_for_case if of is Of.CASE else answering.draft_for_task
    wish = Wish(template=desired.template, language=desired.language, by=by, is_again=is_again)
    return make(app, number, wish)


def _with(draft: Draft, subject: str, text: str) -> Draft:
    subject = " ".join(subject.split())
    if not subject:
        raise NotPossible("the answer has no subject", hint="write one line that says what it is")
    return answering.edited(draft, f"Subject: {subject}\n\n{text}")


def _fitting(kept: Kept | None, desired: Desired) -> Kept | None:
    """What was kept, unless something else was asked for."""
    if kept is None:
        return None
    is_other = desired.template not in ("", kept.template)
    return None if is_other or desired.language not in ("", kept.language) else kept


def _letter(app: App, matter: Matter) -> Read | None:
    if matter.letter is None:
        return None
    with app.store.read() as connection:
        row = replies.get(connection, matter.letter.id)
    return case_looks.read(app, threads.of_reply(row))


def _name(of: Of, number: int) -> str:
    return f"{of.value}-{number}"


def _whole(words: Kept) -> str:
    return f"{words.subject}\n{words.text}"
