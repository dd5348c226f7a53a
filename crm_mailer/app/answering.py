"""Verbs of answering customers: a draft from the canned replies, and its sending."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from crm_mailer.app import cases, matters
from crm_mailer.app.matters import Matter
from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import did_you_mean
from crm_mailer.learning import answers, disputes, replying
from crm_mailer.learning.replying import Sent
from crm_mailer.model import language as languages
from crm_mailer.model.agent_reply import AgentReply
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.order import OrderState
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.standing import refusal
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason
from crm_mailer.rendering import letters, replies
from crm_mailer.rendering.replies import Known

LONGEST = 100_000
RELAYED = "it goes through the marketplace's relay: no links to your shop, no addresses in it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an agent says of the draft that is wanted; what is empty is chosen."""

    #: A canned reply, with or without `replies/`.
    template: str = ""
    language: str = ""
    #: Blanks by name or number, with what stands there instead.
    values: Mapping[str, str] | None = None
    #: The words themselves; a first line "Subject: ..." is the subject.
    text: str | None = None
    #: Who signs; empty for the shop's agent.
    agent: str = ""
    #: Who does it, for the record.
    by: str = ""
    #: Another answer to a letter that was answered.
    is_again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An answer as it would leave. `blanks` must be filled in, `obstacle` tells why it cannot."""

    case: int | None
    task: int | None
    to: str
    subject: str
    text: str
    language: str
    template: str
    why: str
    blanks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    obstacle: str = ""
    remedy: str = ""
    #: The letter was answered so many times before.
    answered: int = 0
    reply: AgentReply


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedReply:
    """A template that an answer can begin with."""

    name: str
    languages: tuple[str, ...]
    codes: tuple[str, ...]


def draft_for_case(app: App, case_id: int, wish: Wish) -> Draft:
    """The answer to the last letter of a case.

    Raises:
        NotFound: there is no such case or template, or no canned reply at all.
        NotPossible: the case is over, or there is no blank of a name that was given.
        RenderError: the template is wrong.
    """
    with app.store.read() as connection:
        matter = matters.of_case(connection, case_id)
    return _draft(app, matter, wish)


def draft_for_task(app: App, task_id: int, wish: Wish) -> Draft:
    """The answer to the letter that made a task.

    Raises:
        NotFound: there is no such task or template.
        NotPossible: the task is done, or nobody knows whose letter it is.
        RenderError: the template is wrong.
    """
    with app.store.read() as connection:
        matter = matters.of_task(connection, task_id)
    return _draft(app, matter, wish)


def send(app: App, draft: Draft) -> Sent:
    """Put a draft into the outbox, from which it leaves like every order mail.

    Raises:
        NotPossible: a blank is left, it cannot be mailed, or it was sent before.
    """
    if draft.obstacle:
        raise NotPossible(draft.obstacle, hint=draft.remedy)
    left = [f"[[{name}]]" for name in draft.blanks]
    if left:
        raise NotPossible(
            Sentence("to be filled in before it may leave: {left}", left=", ".join(left)),
            hint='--set 1="..." fills the first one, --edit opens your editor',
        )
    if not draft.text.strip():
        raise NotPossible("the answer is empty", hint="--edit, or --text FILE")
    return replying.answer(
        app.store, draft.reply, draft.to, now=app.clock.now(), levels=cases.levels(app)
    )


def edited(draft: Draft, written: str) -> Draft:
    """The draft with the words that an agent wrote; their first line may be the subject.

    Raises:
        NotPossible: that is no letter but a book.
    """
    subject, words = letters.with_subject(written.lstrip("\ufeff\n"))
    if len(words) > LONGEST:
        raise NotPossible(Sentence("the answer has more than {longest:,} letters", longest=LONGEST))
    return _with_words(draft, subject or draft.subject, letters.tidy(words))


def as_file(draft: Draft) -> str:
    """The draft as an agent edits it: subject, empty line, words."""
    return f"Subject: {draft.subject}\n\n{draft.text}"


def canned_replies(app: App) -> list[CannedReply]:
    """Every canned reply, with the codes that it is suggested for."""
    return [
        CannedReply(name=name, languages=tuple(files), codes=answers.codes_of(name))
        for name, files in app.templates.names.items()
        if name.startswith(replies.FOLDER)
    ]


def _draft(app: App, matter: Matter, wish: Wish) -> Draft:
    now = app.clock.now()
    chosen = _template(app, matter, wish.template, now)
    reader = matter.customer._replace(language=_language(app, matter, wish, chosen.template))
    filled = replies.fill(
        app.templates,
        replies.signed_by(app.shop, wish.agent),
        app.keys,
        chosen.template,
        reader,
        Known(order=matter.order, states=matter.facts, asks=matter.asks),
        now,
    )
    said = matter.letter.subject if matter.letter else ""
    obstacle, remedy = _obstacle(matter)
    draft = Draft(
        case=matter.case_id,
        task=matter.task_id,
        to=matter.customer.email or "",
        subject="",
        text="",
        language=filled.language.code,
        template=chosen.template,
        why=chosen.why,
        notes=(*matter.notes, *_notes(app, matter, chosen.template, filled.language.is_fallback)),
        obstacle=obstacle,
        remedy=remedy,
        answered=matter.answered,
        reply=_reply(matter, chosen.template, filled.language.code, wish),
    )
    own_subject, own_words = letters.with_subject((wish.text or "").lstrip("\ufeff\n"))
    subject = own_subject or replies.answer_subject(said, filled.subject)
    text = filled.text if wish.text is None else letters.tidy(own_words)
    return _with_words(draft, *_filled_in(subject, text, wish.values or {}))


def _filled_in(subject: str, text: str, values: Mapping[str, str]) -> tuple[str, str]:
    """Subject and words with their blanks filled in.

    Raises:
        NotPossible: there is no such blank.
    """
    head = f"{subject}\n"
    names = replies.blanks(head + text)
    numbers = {str(place) for place in range(1, len(names) + 1)}
    for key in values:
        if key not in names and key not in numbers:
            known = ", ".join(f"{place}: {name}" for place, name in enumerate(names, start=1))
            raise NotPossible(
                Sentence("the draft has no blank `{key}`", key=key),
                hint=Sentence("it has {known}", known=known) if known else "",
            )
    first, _line, rest = replies.with_values(head + text, values).partition("\n")
    return first, rest


def _template(app: App, matter: Matter, wanted: str, now: datetime) -> answers.Suggestion:
    available = [name for name in app.templates.names if name.startswith(replies.FOLDER)]
    if not available:
        raise NotFound(
            "there are no canned replies in templates/replies",
            hint="`crm-mailer init .` in the shop's folder writes what is missing there",
        )
    if wanted:
        name = wanted if wanted in app.templates.names else f"{replies.FOLDER}{wanted}"
        if name not in app.templates.names:
            raise NotFound(
                Sentence("there is no canned reply `{wanted}`", wanted=wanted),
                hint=did_you_mean(name, available) or "`crm-mailer case templates` lists them",
            )
        return answers.Suggestion(template=name, why=Sentence("as you said"))
    order = matter.order
    situation = answers.Situation(
        codes=matter.codes,
        now=now,
        facts=matter.facts,
        state=order.state if order else None,
        promised_at=order.promised_ship_at if order else None,
        expected_at=order.expected_at if order else None,
        has_tracking=bool(order and order.tracking_number),
    )
    return answers.choose(situation, available)


def _language(app: App, matter: Matter, wish: Wish, template: str) -> str:
    """The agent's word, else the letter's language if the reply speaks it, else the customer's."""
    if wish.language:
        return wish.language
    written = matter.letter.language if matter.letter else ""
    known = {languages.base(code) for code in app.templates.languages(template)}
    is_spoken = bool(written) and languages.base(written) in known
    return written if is_spoken else matter.customer.language


def _reply(matter: Matter, template: str, language: str, wish: Wish) -> AgentReply:
    place = matter.answered + 1 if wish.is_again else 1
    return AgentReply(
        key=f"{matter.key}:{place}",
        customer_id=matter.customer.id,
        subject="",
        text="",
        order_id=matter.order.id if matter.order else None,
        case_id=matter.case_id,
        task_id=matter.task_id,
        reply_id=matter.letter.id if matter.letter else None,
        in_reply_to=matter.thread.in_reply_to,
        references=matter.thread.references,
        template=template,
        language=language,
        by=wish.by,
    )


def _with_words(draft: Draft, subject: str, text: str) -> Draft:
    return replace(
        draft,
        subject=subject,
        text=text,
        blanks=replies.blanks(f"{subject}\n{text}"),
        reply=replace(draft.reply, subject=subject, text=text),
    )


def _obstacle(matter: Matter) -> tuple[str, str]:
    """Why no mail can go to the customer, and what to do instead."""
    reason = refusal(matter.standing, Stream.TRANSACTIONAL)
    if reason is None:
        return "", ""
    platform = (matter.order.platform if matter.order else "") or matter.customer.source_platform
    way = f"answer on {platform}" if platform else "answer on the platform or by phone"
    done = f"crm-mailer case note {matter.case_id} TEXT --answered"
    if matter.case_id is None:
        done = f"crm-mailer case done {matter.task_id}"
    return (
        f"the answer cannot be mailed: {SKIP_SENTENCES[reason]}",
        f"{way}, then `{done}`",
    )


def _notes(app: App, matter: Matter, template: str, is_fallback: bool) -> list[str]:
    """What an agent should know before this leaves."""
    customer, letter, found = matter.customer, matter.letter, []
    facts = {state: at.astimezone(app.zone) for state, at in matter.facts.items()}
    clash = disputes.clash(matter.codes[0], facts) if matter.case_id is not None else ""
    if clash:
        found.append(f"the facts disagree: {clash}")
    if is_fallback:
        found.append(f"there is no such reply in the customer's language ({customer.language})")
    if matter.standing.is_relay:
        found.append(RELAYED)
    sender, known = (letter.sender if letter else ""), customer.email or ""
    if sender and known and sender.casefold() != known.casefold():
        found.append(f"they wrote from {sender}; the answer goes to {known}")
    is_stopped = refusal(matter.standing, Stream.MARKETING) in _STOPPED
    if template == f"{replies.FOLDER}mail-stop" and not is_stopped:
        who = customer.email or customer.id
        found.append(f"it says that marketing stopped: `crm-mailer customer suppress {who}` first")
    if OrderState.DISPUTED in matter.facts:
        found.append("a dispute is open on the platform: answer there, too")
    return found


_STOPPED = frozenset(
    {SkipReason.UNSUBSCRIBED, SkipReason.SPAM_REPORT, SkipReason.SUPPRESSED, SkipReason.HARD_BOUNCE}
)
