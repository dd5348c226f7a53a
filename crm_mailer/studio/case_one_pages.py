"""One case: what was written, what is known, and every act on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from crm_mailer.app import case_looks, case_words, cases
from crm_mailer.app.case_looks import Unchanged
from crm_mailer.i18n import _, n_
from crm_mailer.learning.checklist import SENTENCES, Step
from crm_mailer.model.case import UNDER_WAY, Arbitration, Channel, Remedy
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.reply import Severity
from crm_mailer.reporting import case_export
from crm_mailer.studio import given, mail_frames, photos
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.formats import word
from crm_mailer.studio.given import who
from crm_mailer.studio.roles import Role

#: What an act says when it is done; it is told which case.
Deed = Callable[[Asked, int], str]
_LIABLE = {"": None, "yes": True, "no": False}


def routes(desk: Desk) -> list[Route]:
    """The page, and its acts."""
    deeds: dict[str, Deed] = {
        "take": _take, "assign": _assign, "note": _note, "correct": _correct, "offer": _offer,
        "choose": _choose, "steps": _steps, "evidence": _evidence, "dispute": _dispute,
        "close": _close, "reopen": _reopen, "merge": _merge,
    }  # fmt: skip
    acts = [
        route
        for name, deed in deeds.items()
        for route in desk.act(f"/cases/{{number}}/{name}", partial(_done, deed), Role.AGENT)
    ]
    return [
        *acts,
        *desk.fetch("/cases/{number}/evidence/{file}", evidence_file),
        *desk.fetch("/cases/{number}/record.html", record, Role.AGENT),
        *desk.page("/cases/{number}", "cases-one", look),
    ]


def look(asked: Asked) -> Mapping[str, Any]:
    """Everything around a case on one page."""
    app, number = asked.app, asked.number()
    file = cases.case_file(app, number)
    return {
        "file": file,
        "seen": case_looks.seen(app, number),
        "letters": case_looks.conversation(app, file.case, file.merged),
        "is_under_way": file.case.state in UNDER_WAY,
        "mergeable": case_looks.mergeable(app, number),
        "me": who(asked),
        "owners": case_looks.owners(app),
        "sentences": {step.value: sentence for step, sentence in SENTENCES.items()},
        "reasons": case_looks.reasons(),
        "severities": [one.value for one in Severity],
        "channels": [one.value for one in Channel],
        "remedies": [one.value for one in Remedy],
        "arbitrations": [one.value for one in Arbitration],
    }


def evidence_file(asked: Asked) -> Response:
    """A file that was kept as evidence: pictures are shown, what else it may be is saved."""
    number, name = asked.number(), Path(asked.path["file"]).name
    path = asked.app.home / case_words.EVIDENCE / str(number) / name
    if name.startswith(".") or not path.is_file():
        raise NotFound(_("there is no such file in case {number}").format(number=number))
    policy = {"content-security-policy": mail_frames.SAVED_POLICY}
    kind = photos.kind_of(path)
    if kind:
        return FileResponse(path, media_type=kind, headers=policy)
    octets = "application/octet-stream"
    return FileResponse(path, media_type=octets, filename=name, headers=policy)


def record(asked: Asked) -> Response:
    """All about the case with every word that was said, to be saved: as evidence, or to hand on."""
    number = asked.number()
    told = case_export.as_html(cases.record(asked.app, number), asked.app.zone)
    headers = {
        "content-disposition": f'attachment; filename="case-{number}.html"',
        "content-security-policy": mail_frames.SAVED_POLICY,
    }
    return HTMLResponse(told, headers=headers)


def _done(deed: Deed, asked: Asked) -> Done:
    number = asked.number()
    with Unchanged(asked.app, number, asked.form.get("seen", "")):
        said = deed(asked, number)
    return Done(to=f"/cases/{number}", said=said)


def _take(asked: Asked, number: int) -> str:
    done = cases.take(asked.app, number, by=who(asked))
    return _("case {number} belongs to {who}").format(number=number, who=done.owner)


def _assign(asked: Asked, number: int) -> str:
    owner = given.words(asked, "owner", longest=60)
    done = cases.assign(asked.app, number, owner, by=who(asked))
    return _("case {number} belongs to {who}").format(number=number, who=done.owner)


def _note(asked: Asked, number: int) -> str:
    text = given.words(asked, "text")
    turn = asked.form.get("turn", "")
    if not text:
        raise NotPossible(_("the note is empty"), hint=_("write what happened"))
    done = cases.note(
        asked.app,
        number,
        text,
        by=who(asked),
        is_answer=turn in ("answered", "ours"),
        is_ours=turn == "ours",
    )
    return _("case {number} is {state}").format(number=number, state=word(done.state))


def _correct(asked: Asked, number: int) -> str:
    severity, channel = asked.form.get("severity", ""), asked.form.get("channel", "")
    done = cases.correct(
        asked.app,
        number,
        reason=given.words(asked, "reason", longest=60),
        severity=given.one_of(Severity, severity) if severity else None,
        best_channel=given.one_of(Channel, channel).value if channel else "",
        best_time=given.words(asked, "time", longest=20),
        satisfaction=_stars(asked),
        by=who(asked),
    )
    return _("saved; case {number} is {severity}").format(
        number=number, severity=done.severity.value
    )


def _stars(asked: Asked) -> int | None:
    """The customer's word on how it was handled, 1 to 5; None for none."""
    text = asked.form.get("satisfaction", "")
    if not text:
        return None
    if text not in ("1", "2", "3", "4", "5"):
        raise NotPossible(_("satisfaction is a number from 1 to 5"))
    return int(text)


def _offer(asked: Asked, number: int) -> str:
    remedies = given.some_of(Remedy, asked.form.get("remedy", ""))
    text = given.words(asked, "text")
    return _new(cases.offer(asked.app, number, remedies, text=text, by=who(asked)))


def _choose(asked: Asked, number: int) -> str:
    remedy = given.one_of(Remedy, asked.form.get("remedy", ""))
    cases.choose(
        asked.app,
        number,
        remedy,
        amount=given.words(asked, "amount", longest=40),
        text=given.words(asked, "text"),
        by=who(asked),
    )
    return _("chosen: {what}").format(what=word(remedy))


def _steps(asked: Asked, number: int) -> str:
    steps = given.some_of(Step, asked.form.get("step", ""))
    return _new(cases.step(asked.app, number, steps, by=who(asked)))


def _evidence(asked: Asked, number: int) -> str:
    with photos.received(asked.form.get("photo", "")) as files:
        new = cases.evidence(
            asked.app,
            number,
            links=given.words(asked, "link").split(),
            files=files,
            tracking=[one for one in given.words(asked, "tracking").splitlines() if one.strip()],
            text=given.words(asked, "text"),
            by=who(asked),
        )
    return _new(new)


def _new(number: int) -> str:
    if not number:
        return _("nothing new: it stands in the case already")
    return n_("1 new entry in the case", "{number} new entries in the case", number)


def _dispute(asked: Asked, number: int) -> str:
    arbitration = asked.form.get("arbitration", "")
    cases.dispute(
        asked.app,
        number,
        number=given.words(asked, "dispute", longest=100),
        deadline=given.words(asked, "deadline", longest=40).replace("T", " "),
        arbitration=given.one_of(Arbitration, arbitration) if arbitration else None,
        is_liable=_LIABLE.get(asked.form.get("liable", "")),
        by=who(asked),
    )
    return _("saved: what the marketplace says")


def _close(asked: Asked, number: int) -> str:
    done = cases.close(
        asked.app,
        number,
        given.words(asked, "text"),
        by=who(asked),
        is_resolved=asked.form.get("how") != "closed",
        satisfaction=_stars(asked),
    )
    return _("case {number} is {state}").format(number=number, state=word(done.state))


def _reopen(asked: Asked, number: int) -> str:
    cases.reopen(asked.app, number, given.words(asked, "text"), by=who(asked))
    return _("case {number} is open again; an answer is due").format(number=number)


def _merge(asked: Asked, number: int) -> str:
    into = given.number(given.words(asked, "into"))
    if into is None:
        raise NotPossible(_("into which case?"), hint=_("choose one of the same customer"))
    cases.merge(asked.app, number, into, by=who(asked))
    return _("case {number} goes on as case {into}").format(number=number, into=into)
