"""The first page: what goes out, what came back, what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from typing import Any

from starlette.routing import Route

from crm_mailer.app import today as figures
from crm_mailer.app.today import CameBack, Hour, Today, Waiting
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.studio import find, scopes
from crm_mailer.studio.desk import Asked, Desk
from crm_mailer.studio.formats import local

#: The chart's measure: an hour is so wide, the tallest bar so high.
STEP, HIGH = 24, 130
#: Campaigns that are named; the rest are summed up.
NAMED = 6


def routes(desk: Desk) -> list[Route]:
    """The page, and the finder of every page."""
    return [*desk.page("/", "today", look), *find.routes(desk)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A warning with its remedy, and where to go for it."""

    level: str
    text: str
    hint: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that waits for a person."""

    number: int
    text: str
    link: str
    #: What of it is late.
    late: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One kind of what came back: within a day, within a week."""

    text: str
    day: int
    week: int
    link: str
    is_bad: bool = False


def look(asked: Asked) -> Mapping[str, Any]:
    """The shop on one screen."""
    found = figures.today(asked.app)
    out = found.outgoing
    return {
        "state": _state(found),
        "notices": list(_notices(found, asked.app.zone)),
        "outgoing": {
            "due_now": out.due_now,
            "due_later": out.due_later,
            "sent_today": out.today.get("accepted", 0),
            "campaigns": [asdict(one) for one in out.campaigns[:NAMED]],
            "further": _further(found),
            "at": out.at,
        },
        "chart": _chart(out.hours, asked.app.zone, found.now),
        "items": list(_items(found.waiting)),
        "back": list(_back(found.day, found.week)),
        "orders_today": found.day.orders,
        "replies_today": sum(
            number for (kind, _intent), number in found.day.replies.items() if kind == "human"
        ),
        "cases": found.waiting.cases,
    }


def _state(found: Today) -> dict[str, str]:
    """Whether anything leaves at all: (level, words)."""
    if found.is_paused:
        return {"level": "bad", "text": _("All sending is stopped")}
    if found.is_rehearsal:
        return {"level": "note", "text": _("A rehearsal: the clock stands")}
    if not found.trouble.daemon:
        return {"level": "warn", "text": _("The daemon does not run")}
    if found.is_sandbox:
        return {"level": "note", "text": _("Sandbox: nothing leaves this machine")}
    return {"level": "good", "text": _("Sending by {server}").format(server=found.way_out)}


def _notices(found: Today, zone: tzinfo) -> Iterator[Notice]:
    trouble = found.trouble
    stopped = {one.reason for one in trouble.pauses}
    told = {str(one.message): one.message for one in trouble.alerts}
    for stop in trouble.pauses:
        text = _("{what} is stopped since {when}").format(
            what=scopes.name_of(stop.scope), when=local(stop.at, zone)
        )
        why = told.get(stop.reason, stop.reason)
        text = joined((text, why), ": ") if why else text
        level = "warn" if stop.by == "person" else "bad"
        yield Notice(level=level, text=text, hint=_("let it go on"), link="/outbox/stops")
    for one in trouble.alerts:
        if one.message not in stopped:
            yield Notice(
                level="bad", text=say(one.message), hint=say(one.hint),
                link=scopes.link_of(one.cause),
            )  # fmt: skip
    for box in trouble.mailboxes:
        read = _("the mailbox {place} was last read {when}").format(
            place=box.place, when=local(box.synced_at, zone)
        )
        text = joined((read, box.trouble), ": ") if box.trouble else read
        hint = _("answers and complaints stay unheard; see the mailbox's password and server")
        yield Notice(level="bad", text=text, hint=hint, link="/replies")
    for rest in trouble.rests:
        until = _("rests until {when}").format(when=local(rest.until, zone))
        yield Notice(level="warn", text=joined((rest.message, until), ": "), link="/outbox")
    if trouble.live_campaigns and not trouble.daemon and not found.is_rehearsal:
        text = _("Nobody plans, sends or reads mails: the daemon does not run")
        yield Notice(level="bad", text=text, hint=_("start `crm-mailer run`"))
    if trouble.problems:
        text = n_("1 fault in the shop's files", "{number} faults in the shop's files",
                  trouble.problems)  # fmt: skip
        hint = _("what a file said before stands until it is mended; `crm-mailer check`")
        yield Notice(level="warn", text=text, hint=hint, link="/campaigns")


def _items(waiting: Waiting) -> Iterator[Item]:
    cases = waiting.cases
    late = n_("1 overdue", "{number} overdue", cases.overdue) if cases.overdue else ""
    if cases.open:
        yield Item(number=cases.open, text=_("open cases"), link="/cases", late=late)
    if cases.due_soon:
        yield Item(number=cases.due_soon, text=_("answers due today"), link="/cases")
    if waiting.tasks:
        late = n_("1 late", "{number} late", waiting.tasks_late) if waiting.tasks_late else ""
        yield Item(number=waiting.tasks, text=_("tasks"), link="/cases/tasks", late=late)
    for campaign, number in sorted(waiting.held.items(), key=lambda one: -one[1])[:NAMED]:
        text = _("held mails of {campaign}").format(campaign=campaign)
        yield Item(number=number, text=text, link=f"/outbox?state=held&campaign={campaign}")
    if waiting.in_doubt:
        yield Item(number=waiting.in_doubt, text=_("mails in doubt"), link="/outbox?state=in_doubt")
    if waiting.benefits:
        yield Item(number=waiting.benefits, text=_("benefits to allow"), link="/campaigns")
    if waiting.quarantined:
        yield Item(
            number=waiting.quarantined, text=_("mails that could not be read"),
            link="/replies/quarantine",
        )  # fmt: skip


def _back(day: CameBack, week: CameBack) -> Iterator[Line]:
    def line(text: str, link: str, count: Any, *, is_bad: bool = False) -> Line:
        return Line(text=text, day=count(day), week=count(week), link=link, is_bad=is_bad)

    def said(intent: str) -> Any:
        return lambda back: back.replies.get(("human", intent), 0)

    yield line(_("orders"), "/customers", lambda back: back.orders)
    yield line(_("complaints"), "/replies?intent=complaint", said("complaint"), is_bad=True)
    yield line(_("questions"), "/replies?intent=question", said("question"))
    yield line(_("praise"), "/replies?intent=praise", said("praise"))
    yield line(
        _("other answers of people"), "/replies?kind=human",
        lambda back: sum(number for (kind, intent), number in back.replies.items()
                         if kind == "human" and intent not in ("complaint", "question", "praise")),
    )  # fmt: skip
    yield line(
        _("automatic answers"), "/replies?kind=auto_reply",
        lambda back: back.replies.get(("auto_reply", ""), 0),
    )  # fmt: skip
    yield line(_("unsubscribed"), "/customers",
               lambda back: back.suppressions.get("unsubscribed", 0))  # fmt: skip
    yield line(_("spam reports"), "/replies?kind=spam_report",
               lambda back: back.spam_reports, is_bad=True)  # fmt: skip
    for kind, text in (("hard", _("dead addresses")), ("soft", _("bounces for now"))):
        yield line(text, "/replies?kind=bounce",
                   lambda back, kind=kind: back.bounces.get(kind, 0))  # fmt: skip


def _further(found: Today) -> dict[str, int]:
    rest = found.outgoing.campaigns[NAMED:]
    return {
        "campaigns": len(rest),
        "now": sum(one.now for one in rest),
        "later": sum(one.later for one in rest),
    }


def _chart(hours: Sequence[Hour], zone: tzinfo, now: datetime) -> dict[str, Any]:
    """Bars, an hour each: what was handed over, then what is due."""
    most = max([1, *(hour.sent + hour.due for hour in hours)])
    bars = []
    for place, hour in enumerate(hours):
        sent, due = (round(HIGH * number / most, 1) for number in (hour.sent, hour.due))
        if hour.sent:
            sent = max(sent, 1.5)
        if hour.due:
            due = max(due, 1.5)
        bars.append({
            "at": hour.at, "sent": hour.sent, "due": hour.due, "x": place * STEP + 2,
            "sent_y": HIGH - sent, "sent_high": sent, "due_y": HIGH - sent - due, "due_high": due,
        })  # fmt: skip
    marks = [
        {"x": place * STEP + STEP / 2, "text": hour.at.astimezone(zone).strftime("%H:%M")}
        for place, hour in enumerate(hours)
        if hour.at.astimezone(zone).hour % 6 == 0
    ]
    at = next((n for n, hour in enumerate(hours) if hour.at > now), len(hours))
    passed = (now - now.replace(minute=0, second=0, microsecond=0)).total_seconds() / 3600
    return {
        "bars": bars, "marks": marks, "wide": len(hours) * STEP, "high": HIGH, "most": most,
        "now_x": round((at - 1 + passed) * STEP, 1), "step": STEP - 5,
    }  # fmt: skip
