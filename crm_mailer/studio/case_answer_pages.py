"""Answering a customer: a draft from the canned replies, edited, looked at and sent."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from crm_mailer.app import answer_looks, case_looks
from crm_mailer.app.answer_looks import Desired, Of
from crm_mailer.app.answering import LONGEST, Draft
from crm_mailer.app.case_looks import Unchanged
from crm_mailer.app.drafts import Kept
from crm_mailer.i18n import _, joined
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.language import RIGHT_TO_LEFT, base
from crm_mailer.studio import mail_frames
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.given import who
from crm_mailer.studio.roles import Role

#: What is answered, and where.
PLACES = {Of.TASK: "/cases/tasks/{number}/reply", Of.CASE: "/cases/{number}/reply"}


def routes(desk: Desk) -> list[Route]:
    """The pages on which cases and tasks are answered."""
    return [
        route
        for of, path in PLACES.items()
        for route in (
            *desk.fetch(f"{path}/mail.html", partial(mail, of), Role.AGENT),
            *desk.act(f"{path}/discard", partial(discard, of), Role.AGENT),
            *desk.act(f"{path}/send", partial(write, of), Role.AGENT),
            *desk.page(path, "cases-answer", LOOKS[of], Role.AGENT),
        )
    ]


def look(of: Of, asked: Asked) -> Mapping[str, Any]:
    """The draft, beside what it answers."""
    number = asked.number()
    found = answer_looks.look(asked.app, of, number, _desired(asked), by=who(asked))
    draft = found.draft
    return {
        "of": of.value,
        "number": number,
        "place": _place(of, number),
        "back": f"/cases/{number}" if of is Of.CASE else "/cases/tasks",
        "seen": case_looks.seen(asked.app, number) if of is Of.CASE else "",
        "look": found,
        "draft": draft,
        "direction": "rtl" if base(draft.language) in RIGHT_TO_LEFT else "ltr",
        "frame": _query(_place(of, number) + "/mail.html", draft),
    }


def of_case(asked: Asked) -> Mapping[str, Any]:
    """The answer to a case, as a draft."""
    return look(Of.CASE, asked)


def of_task(asked: Asked) -> Mapping[str, Any]:
    """The answer to the question behind a task, as a draft."""
    return look(Of.TASK, asked)


LOOKS = {Of.CASE: of_case, Of.TASK: of_task}


def mail(of: Of, asked: Asked) -> Response:
    """The mail as it would be read, for a frame."""
    found = answer_looks.look(asked.app, of, asked.number(), _desired(asked), by=who(asked))
    return HTMLResponse(answer_looks.as_mail(found.draft), headers=mail_frames.HEADERS)


def write(of: Of, asked: Asked) -> Done:
    """Keep the words; send them where that was asked for."""
    number, by, form = asked.number(), who(asked), asked.form
    words = Kept(
        template=form.get("template", "")[:200],
        language=form.get("language", "")[:20],
        subject=form.get("subject", "")[:1_000],
        text=form.get("text", "").replace("\r\n", "\n")[: LONGEST + 1],
    )
    blanks = {
        name.removeprefix("blank:"): value
        for name, value in form.items()
        if name.startswith("blank:") and value.strip()
    }
    is_again = form.get("again") == "1"
    draft = answer_looks.written(asked.app, of, number, words, blanks, by=by, is_again=is_again)
    if form.get("what") != "send":
        return Done(to=_query(_place(of, number), draft) + "#mail", said=_("your words are kept"))
    _check(draft)
    with Unchanged(asked.app, number, form.get("seen", "") if of is Of.CASE else ""):
        touch = answer_looks.send(asked.app, of, number, draft, by=by)
    said = _("mail {number} to {address} is in the outbox").format(number=touch, address=draft.to)
    return Done(to=f"/cases/{number}" if of is Of.CASE else "/cases/tasks", said=said)


def discard(of: Of, asked: Asked) -> Done:
    """Begin anew with the library's words."""
    number = asked.number()
    answer_looks.discard(asked.app, of, number, by=who(asked))
    return Done(to=_place(of, number), said=_("thrown away: this is the suggestion again"))


def _check(draft: Draft) -> None:
    if draft.blanks:
        raise NotPossible(
            _("fill in before it leaves: {names}").format(names=joined(draft.blanks)),
            hint=_("your words are kept"),
        )
    if draft.answered and not draft.reply.key.endswith(f":{draft.answered + 1}"):
        raise NotPossible(
            _("this letter was answered already"),
            hint=_("tick the box below your words to send one more answer"),
        )


def _desired(asked: Asked) -> Desired:
    return Desired(
        template=asked.query.get("template", "")[:200],
        language=asked.query.get("language", "")[:20],
    )


def _place(of: Of, number: int) -> str:
    return PLACES[of].format(number=number)


def _query(place: str, draft: Draft) -> str:
    return f"{place}?{urlencode({'template': draft.template, 'language': draft.language})}"
