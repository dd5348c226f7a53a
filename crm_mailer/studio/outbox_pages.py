"""The studio's outbox: every mail that left or would leave, and one of them as it looked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from crm_mailer.app import doubts, mail_looks
from crm_mailer.app.mail_looks import MailLook, Parts, Shown, Sieve, Source
from crm_mailer.delivering import own_words
from crm_mailer.i18n import _, joined, say
from crm_mailer.model import standing_back
from crm_mailer.model.address import OTHER, PROVIDERS
from crm_mailer.model.campaign import Stream
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason, TouchState
from crm_mailer.studio import given, mail_frames, outbox_acts
from crm_mailer.studio.desk import Asked, Desk
from crm_mailer.studio.roles import Role

#: What narrows the list; it goes along from page to page.
NAMES = ("q", "state", "campaign", "provider", "customer", "day")
#: Longest piece of a subject, address or Message-ID that is looked for.
LONGEST = 200


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    return [
        *desk.page("/outbox", "outbox", listed),
        *outbox_acts.routes(desk),
        *desk.fetch("/outbox/{number}/mail.html", html),
        *desk.fetch("/outbox/{number}/mail.eml", eml, Role.AGENT),
        *desk.page("/outbox/{number}", "outbox-one", one),
    ]


# ------------------------------------------------------------------ the list


def listed(asked: Asked) -> Mapping[str, Any]:
    """Mails, the newest first, a page at a time."""
    chosen = {name: asked.query.get(name, "").strip()[:LONGEST] for name in NAMES}
    after = asked.query.get("after", "")
    page = mail_looks.page(asked.app, _sieve(asked, chosen), after=given.number(after))
    counts = mail_looks.states(asked.app)
    kept = {name: value for name, value in chosen.items() if value}
    return {
        "lines": page.lines,
        "whys": {line.reason: _reason(line.reason) for line in page.lines},
        "looked_through": page.looked_through,
        "older": f"/outbox?{urlencode({**kept, 'after': page.after})}" if page.after else "",
        "is_first": not after,
        "chosen": chosen,
        "tabs": [
            {"state": state, "number": counts.get(state, 0), "link": _tab(kept, state)}
            for state in ("", *(one.value for one in TouchState))
            if not state or counts.get(state) or state == chosen["state"]
        ],
        "total": sum(counts.values()),
        "providers": [*PROVIDERS, OTHER],
        "campaigns": sorted(asked.app.definitions.campaigns),
        "is_sandbox": asked.app.settings.is_sandbox,
        "word": outbox_acts.word_to_release(asked.app, chosen["campaign"])
        if chosen["state"] == TouchState.HELD
        else "",
    }


def _sieve(asked: Asked, chosen: Mapping[str, str]) -> Sieve:
    """What is typed into the one field may be an address, a Message-ID or a piece of a subject.

    Raises:
        NotFound: nobody has this address.
        NotPossible: no day, no state.
    """
    text, customer = chosen["q"], chosen["customer"]
    number = mail_looks.by_message_id(asked.app, text) if "@" in text else None
    if number is not None:
        return Sieve(number=number)
    if "@" in text and not customer:
        text, customer = "", text
    day = given.day(chosen["day"])
    since = datetime(day.year, day.month, day.day, tzinfo=asked.app.zone) if day else None
    return Sieve(
        state=given.one_of(TouchState, chosen["state"]) if chosen["state"] else None,
        campaign=chosen["campaign"],
        provider=given.known(chosen["provider"], (*PROVIDERS, OTHER)),
        customer_id=mail_looks.customer_of(asked.app, customer) if customer else None,
        subject=text,
        since=since,
        until=since + timedelta(days=1) if since else None,
    )


def _tab(kept: Mapping[str, str], state: str) -> str:
    chosen = {name: value for name, value in kept.items() if name != "state"}
    query = urlencode({**chosen, "state": state} if state else chosen)
    return f"/outbox?{query}" if query else "/outbox"


# ------------------------------------------------------------------ one mail


def one(asked: Asked) -> Mapping[str, Any]:
    """One mail: as it looked, its bytes, its life."""
    look = mail_looks.find(asked.app, asked.number())
    shown = mail_looks.show(asked.app, look.record)
    parts = mail_looks.parts(shown.content)
    touch, view = look.record.touch, asked.query.get("view", "html")
    may = outbox_acts.may(look.record)
    views = _views(shown, parts)
    return {
        "record": look.record,
        "number": touch.id,
        "source": {"kind": shown.source, "text": _source(shown), "is_exact": shown.is_exact},
        "why": [say(one) for one in shown.why],
        "event": say(look.event),
        "view": view if view in views else next(iter(views), ""),
        "views": views,
        "headers": parts.headers,
        "text": parts.text,
        "bytes": shown.content.decode("utf-8", "replace") if view == "source" else "",
        "size": len(shown.content),
        "fields": _fields(shown),
        "checks": list(
            mail_looks.checks(
                shown.content, parts, is_marketing=touch.stream is Stream.MARKETING
            )
        ) if shown.content else [],
        "life": _life(look),
        "reason": _why(asked, look),
        "doubt": _doubt(asked, look),
        "may": may,
        "word": outbox_acts.word_to_release(asked.app, touch.campaign) if may["release"] else "",
    }  # fmt: skip


def _views(shown: Shown, parts: Parts) -> dict[str, str]:
    if not shown.content:
        return {}
    html = {"html": _("As it looks")} if parts.html else {}
    text = {"text": _("As text")} if parts.text else {}
    rest = {"headers": _("Headers"), "source": _("Exact bytes"), "checks": _("Checks")}
    return {**html, **text, **rest, **({"fields": _("Fields")} if shown.fields else {})}


def _source(shown: Shown) -> str:
    return {
        Source.KEPT: _("the very bytes that left"),
        Source.MADE_AGAIN: _("made again; the hash agrees: exactly what left"),
        Source.SANDBOX: _("the sandbox's file: the very bytes"),
        Source.CHANGED: _("made again, but something was changed since: nearly so it looked"),
        Source.AHEAD: _("it has not left: so it would look now"),
        Source.NONE: _("it cannot be shown"),
    }[shown.source]


def _why(asked: Asked, look: MailLook) -> str:
    """Why it does not leave, or leaves later, and what else is known of that."""
    reason, detail = look.record.touch.reason, look.record.detail
    back = standing_back.read(reason, detail)
    if back is not None:
        return say(standing_back.words(back, asked.app.zone))
    return f"{_reason(reason)} {detail}".strip()


def _reason(reason: Any) -> str:
    if not reason:
        return ""
    try:
        return _(SKIP_SENTENCES[SkipReason(reason)])
    except (KeyError, ValueError):
        return str(reason).replace("_", " ")


def _fields(shown: Shown) -> dict[str, str]:
    return {name: str(value) for name, value in (shown.fields or {}).items()}


def _life(look: MailLook) -> list[dict[str, Any]]:
    """What happened to it, in the order of time."""
    record, touch = look.record, look.record.touch
    events: list[dict[str, Any]] = [_event(touch.due_at, _("planned for"), "", "note")]
    if record.rendered_at:
        events.append(_event(record.rendered_at, _("made"), record.template_version, "note"))
    for tried in record.deliveries:
        outcome = tried.outcome
        answer = " ".join(filter(None, (str(outcome.code), outcome.status, outcome.text)))
        if not outcome.code:
            answer = say(own_words.heard(outcome.text))
        level = {"accepted": "good", "refused": "bad", "unknown": "warn"}
        events.append(_event(
            tried.at, _("attempt {number}").format(number=tried.attempt), answer,
            level.get(outcome.kind.value, "warn"), word=outcome.kind.value,
            more=f"{outcome.host} · {outcome.took_ms} ms" if outcome.host else "",
        ))  # fmt: skip
    events += [
        _event(found.at, _("learnt later"), found.text, "note", word=found.verdict.value)
        for found in record.evidence
    ]
    events += [
        _event(back.at, _("came back"), f"{back.status} {back.diagnostic}".strip(), "bad",
               word=back.kind) for back in record.bounces
    ]  # fmt: skip
    for echo in look.echoes:
        link = f"/replies/{echo.number}" if echo.number else ""
        what = _("the customer wrote") if echo.number else _("seen on the web")
        events.append(_event(echo.at, what, echo.text, "accent", word=echo.kind, link=link))
    return sorted(events, key=lambda event: event["at"])


def _event(
    at: datetime, what: str, text: str, level: str, *, word: str = "", more: str = "",
    link: str = "",
) -> dict[str, Any]:  # fmt: skip
    return {
        "at": at, "what": what, "text": text, "level": level, "word": word, "more": more,
        "link": link,
    }  # fmt: skip


def _doubt(asked: Asked, look: MailLook) -> dict[str, Any] | None:
    """What is known of a mail in doubt, for whoever is to settle it."""
    if look.record.touch.state is not TouchState.IN_DOUBT:
        return None
    found = doubts.in_doubt(asked.app, campaign=None, limit=1000)
    line = next((one for one in found.lines if one.doubt.id == look.record.touch.id), None)
    if line is None:
        return {"since": None, "next": ""}
    return {"since": line.doubt.since, "next": line.next.value}


def html(asked: Asked) -> Response:
    """The HTML of one mail, in a frame under a policy of its own."""
    look = mail_looks.find(asked.app, asked.number())
    parts = mail_looks.parts(mail_looks.show(asked.app, look.record).content)
    return HTMLResponse(parts.html, headers=mail_frames.HEADERS)


def eml(asked: Asked) -> Response:
    """The bytes of one mail as a file; only where they are the very ones, or it has not left.

    Raises:
        NotFound: there is no such mail.
        NotPossible: its bytes are not there any more.
    """
    look = mail_looks.find(asked.app, asked.number())
    shown = mail_looks.show(asked.app, look.record)
    if not shown.content:
        raise NotFound(_("it cannot be shown"), hint=joined(shown.why, "; "))
    if not shown.is_exact and shown.source is not Source.AHEAD:
        raise NotPossible(_("these would not be its bytes"), hint=joined(shown.why, "; "))
    name = f"mail-{look.record.touch.id}.eml"
    return Response(
        shown.content,
        media_type="message/rfc822",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "content-security-policy": mail_frames.SAVED_POLICY,
        },
    )
