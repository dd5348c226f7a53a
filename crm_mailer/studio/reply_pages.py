"""The studio's pages of what came: the list, one mail and why, judging, quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from crm_mailer.app import case_looks, cases, customers, judging, listening, originals, reply_looks
from crm_mailer.app.reply_looks import ReplyFile
from crm_mailer.i18n import _, n_
from crm_mailer.model.case import Channel
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.reply import Intent, ReplyKind, Rung, Severity
from crm_mailer.store.reply_pages import Sieve
from crm_mailer.studio import given, mail_frames
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.given import who
from crm_mailer.studio.roles import Role

#: What narrows the list; it goes along from page to page.
NAMES = ("kind", "intent", "language", "rung", "severity", "unmatched")


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    return [
        *desk.page("/replies", "replies", listed),
        *desk.page("/replies/quarantine", "replies-quarantine", quarantine),
        *desk.act("/replies/quarantine/retry", retry, Role.AGENT),
        *desk.page("/replies/learner", "replies-learner", learner),
        *desk.act("/replies/learner/train", train, Role.AGENT),
        *desk.act("/replies/{number}/judge", judge, Role.AGENT),
        *desk.act("/replies/{number}/undo", undo, Role.AGENT),
        *desk.act("/replies/{number}/take", take, Role.AGENT),
        *desk.act("/replies/{number}/open-case", open_case, Role.AGENT),
        *desk.act("/replies/{number}/unsubscribe", unsubscribe, Role.AGENT),
        *desk.fetch("/replies/{number}/mail.html", mail),
        *desk.fetch("/replies/{number}/mail.eml", raw, Role.AGENT),
        *desk.fetch("/replies/{number}/parts/{part}", part, Role.AGENT),
        *desk.page("/replies/{number}", "replies-one", look),
    ]


# ------------------------------------------------------------------ lists


def listed(asked: Asked) -> Mapping[str, Any]:
    """What came, newest first, a page at a time."""
    found = reply_looks.page(asked.app, _sieve(asked), after=asked.query.get("after", ""))
    return {
        "rows": found.rows,
        "after": found.after,
        "chosen": _chosen(asked),
        "kinds": [one.value for one in ReplyKind],
        "intents": [one.value for one in Intent],
        "rungs": [one.value for one in Rung],
        "severities": [one.value for one in Severity],
        "languages": reply_looks.languages(asked.app),
        "unread": len(listening.quarantine(asked.app)),
    }


def quarantine(asked: Asked) -> Mapping[str, Any]:
    """Mails that could not be read or fetched; they hinder nobody."""
    return {
        "rows": [
            {
                "number": one.id,
                "received_at": one.received_at,
                "size": one.size,
                "uid": one.uid,
                "error": one.error,
                "is_fetched": not one.is_unfetched,
            }
            for one in listening.quarantine(asked.app)
        ]
    }


def retry(asked: Asked) -> Done:
    """Read mails from quarantine once more."""
    lines = asked.form.get("number", "").splitlines()
    numbers = [found for line in lines if (found := given.number(line)) is not None]
    if not numbers:
        raise NotPossible(_("nothing is chosen"), hint=_("tick at least one"))
    report = listening.retry(asked.app, numbers)
    left = len(report.troubles)
    said = n_("1 mail was read once more", "{number} mails were read once more", len(numbers))
    if left:
        said = n_("1 mail still cannot be read", "{number} mails still cannot be read", left)
    return Done(to="/replies/quarantine", said=said)


def learner(asked: Asked) -> Mapping[str, Any]:
    """How the learner stands that learns from what agents judge."""
    return {"view": judging.learner_view(asked.app)}


def train(asked: Asked) -> Done:
    """Learn from all that was judged, now."""
    view = judging.train(asked.app)
    said = _("trained") if view.trained_at else _("too little was judged yet")
    return Done(to="/replies/learner", said=said)


# ------------------------------------------------------------------ one mail


def look(asked: Asked) -> Mapping[str, Any]:
    """One mail: what it says, and why it was understood so."""
    found = reply_looks.reply_file(asked.app, asked.number(), _sieve(asked))
    return {
        "file": found,
        "reply": found.told.reply,
        "bounces": [
            {name: one[name] for name in ("recipient", "kind", "reason", "status", "diagnostic")}
            for one in found.told.bounces
        ],
        "chosen": _chosen(asked),
        "reasons": case_looks.reasons(),
        "severities": [one.value for one in Severity],
        "me": who(asked),
        "is_question": _is_question(found),
    }


def _is_question(found: ReplyFile) -> bool:
    return found.told.reply.intent == Intent.QUESTION


def judge(asked: Asked) -> Done:
    """Say whether it is a complaint, about what and how urgent."""
    number = asked.number()
    verdict = asked.form.get("verdict", "")
    if verdict not in ("complaint", "not-complaint"):
        raise NotPossible(_("is it a complaint, or none?"), hint=_("choose one of the two"))
    is_complaint = verdict == "complaint"
    severity = asked.form.get("severity", "") if is_complaint else ""
    done = judging.judge(
        asked.app,
        number,
        is_complaint=is_complaint,
        reason=given.words(asked, "reason", longest=60) if is_complaint else "",
        severity=given.one_of(Severity, severity) if severity else None,
        by=who(asked),
    )
    if is_complaint and done.case:
        said = _("a complaint: see case {number}").format(number=done.case)
    else:
        said = _("a complaint") if is_complaint else _("no complaint")
    return Done(to=_again(asked, number), said=said)


def undo(asked: Asked) -> Done:
    """Take the word back."""
    number = asked.number()
    judging.undo(asked.app, number, by=who(asked))
    return Done(to=_again(asked, number), said=_("taken back: it is what was understood before"))


def take(asked: Asked) -> Done:
    """Take the case that it belongs to."""
    number = asked.number()
    case = reply_looks.reply_file(asked.app, number, Sieve()).case
    if case is None:
        raise NotPossible(
            _("there is no case to take"), hint=_("judge it a complaint, or open a case by hand")
        )
    done = cases.take(asked.app, case, by=who(asked))
    said = _("case {number} belongs to {who}").format(number=case, who=done.owner)
    return Done(to=_again(asked, number), said=said)


def open_case(asked: Asked) -> Done:
    """Open a case by hand about what it says."""
    reply = listening.show(asked.app, asked.number())
    number = cases.open_case(
        asked.app,
        email=given.words(asked, "customer", longest=320),
        reason=given.words(asked, "reason", longest=60),
        order=given.words(asked, "order", longest=100),
        text=f"{reply.subject}\n{reply.own_text}".strip()[: given.LONGEST_NOTE],
        channel=Channel(reply.channel) if reply.channel in set(Channel) else Channel.EMAIL,
        by=who(asked),
    )
    return Done(to=f"/cases/{number}", said=_("case {number} is open").format(number=number))


def unsubscribe(asked: Asked) -> Done:
    """Stop marketing to who wrote it."""
    number = asked.number()
    reply = listening.show(asked.app, number)
    if reply.customer_id is None:
        raise NotPossible(
            _("nobody knows whose mail it is"), hint=_("find the customer and stop it there")
        )
    why = _("asked for it in mail {number}").format(number=number)
    address = customers.suppress(asked.app, str(reply.customer_id), why, by=who(asked))
    said = _("no more marketing mail to {address}").format(address=address)
    return Done(to=_again(asked, number), said=said)


# ------------------------------------------------------------------ its bytes


def mail(asked: Asked) -> Response:
    """Its HTML, for a frame in which nothing can act."""
    found = originals.original(asked.app, asked.number())
    return HTMLResponse(found.html, headers=mail_frames.HEADERS)


def raw(asked: Asked) -> Response:
    """The very bytes, to be saved."""
    number = asked.number()
    return _saved(originals.raw_bytes(asked.app, number), f"reply-{number}.eml")


def part(asked: Asked) -> Response:
    """Something that came with it: pictures are shown, the rest is saved."""
    one, content = originals.enclosure(asked.app, asked.number(), asked.number("part"))
    if one.is_picture:
        policy = {"content-security-policy": mail_frames.SAVED_POLICY}
        return Response(content, media_type=one.kind, headers=policy)
    ending = one.name.rpartition(".")[2] if "." in one.name else ""
    safe = ending if ending.isascii() and ending.isalnum() and len(ending) <= 8 else "bin"
    return _saved(content, f"reply-{asked.number()}-{one.number}.{safe}")


def _saved(content: bytes, name: str) -> Response:
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "content-security-policy": mail_frames.SAVED_POLICY,
    }
    return Response(content, media_type="application/octet-stream", headers=headers)


def _sieve(asked: Asked) -> Sieve:
    chosen = _chosen(asked)
    return Sieve(
        kind=chosen.get("kind", ""),
        intent=chosen.get("intent", ""),
        language=chosen.get("language", ""),
        rung=chosen.get("rung", ""),
        severity=chosen.get("severity", ""),
        is_unmatched=chosen.get("unmatched") == "1",
    )


def _chosen(asked: Asked) -> dict[str, str]:
    return {name: asked.query[name][:40] for name in NAMES if asked.query.get(name)}


def _again(asked: Asked, number: int) -> str:
    """The same mail, in the same list as before."""
    kept = {name: asked.form[name] for name in NAMES if asked.form.get(name)}
    return f"/replies/{number}" + (f"?{urlencode(kept)}" if kept else "")
