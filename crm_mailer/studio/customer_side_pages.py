"""The studio's pages beside a customer's timeline: segments, memory curve, what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.routing import Route

from crm_mailer.app import curves, customer_looks, why_not
from crm_mailer.app.curves import CourseView
from crm_mailer.i18n import _, joined, say
from crm_mailer.model.campaign import Exit
from crm_mailer.model.curve import Ending, Signal, recall
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason
from crm_mailer.studio import campaign_words, charts, formats
from crm_mailer.studio.charts import Line, Sign
from crm_mailer.studio.desk import Asked, Desk

DAY = timedelta(days=1)
#: How many points a curve is drawn with.
POINTS = 240
#: How a course stands that goes on, or has done its work.
WELL = frozenset({"", Ending.DONE, Ending.CONVERTED})
#: How a signal is drawn: letter, and whether it is good, bad or neither.
SIGNS = {
    Signal.BOUNCED: ("b", "bad"),
    Signal.MACHINE_OPEN: ("u", ""),
    Signal.HUMAN_OPEN: ("o", "good"),
    Signal.CLICK: ("c", "good"),
    Signal.REPLY: ("r", "good"),
    Signal.PURCHASE: ("P", "good"),
    Signal.STOP: ("×", "bad"),
}


def routes(desk: Desk) -> list[Route]:
    """All of them."""
    one = "/customers/{number}"
    return [
        *desk.page(f"{one}/segments", "customers-segments", look_segments),
        *desk.page(f"{one}/memory", "customers-memory", look_memory),
        *desk.page(f"{one}/next", "customers-next", look_next),
    ]


def look_segments(asked: Asked) -> Mapping[str, Any]:
    """For every segment, whether the customer is in it now, and why."""
    number = asked.number()
    head = customer_looks.head(asked.app, number)
    found = [
        {
            "segment": one.segment,
            "holds": one.holds,
            "since": one.since,
            "findings": [
                {"depth": part.depth, "holds": part.holds, "text": say(part.text),
                 "known": say(part.known)}
                for part in one.findings
            ],
        }
        for one in customer_looks.explain(asked.app, number)
    ]  # fmt: skip
    return {
        "head": head,
        "side": "segments",
        "segments": sorted(found, key=lambda one: not one["holds"]),
        "names": {one.id: one.name for one in asked.app.definitions.segments.values()},
    }


def look_memory(asked: Asked) -> Mapping[str, Any]:
    """How well the customer remembers us: a curve for each course."""
    number = asked.number()
    head = customer_looks.head(asked.app, number)
    view = curves.memory(asked.app, str(number))
    fates = {(one.campaign, one.anchor): one for one in customer_looks.courses(asked.app, number)}
    return {
        "head": head,
        "side": "memory",
        "half_life_of_shop": view.half_life_of_shop,
        "courses": [
            {
                "course": one,
                "now": recall_at(one, view.now),
                "chart": memory_chart(one, view.now, asked.app.zone, f"course-{place}"),
                "event": say(fate.event),
                "ended": formats.word(one.ended),
                "told": [say(part) for part in fate.told],
            }
            for place, one in enumerate(view.courses)
            for fate in [fates[one.campaign, one.anchor]]
        ],
    }


def look_next(asked: Asked) -> Mapping[str, Any]:
    """Which mails are planned, and why a campaign's are not."""
    number = asked.number()
    head = customer_looks.head(asked.app, number)
    campaign = asked.query.get("campaign", "")
    found = why_not.why_not(asked.app, str(number), campaign) if campaign else None
    return {
        "head": head,
        "side": "next",
        "waiting": [
            {
                "id": one.id, "campaign": one.campaign, "step": one.step, "due_at": one.due_at,
                "next_at": one.next_at, "state": formats.word(one.state),
                "why": _why(one.reason), "template": one.template,
            }
            for one in customer_looks.waiting(asked.app, number)
        ],
        "campaigns": sorted(asked.app.definitions.campaigns),
        "campaign": campaign,
        "answer": None if found is None else _answer(found),
    }  # fmt: skip


def memory_chart(course: CourseView, now: datetime, zone: Any, key: str) -> Any:
    """The recall over time: it falls, and each mail brings it back to the top."""
    start = course.anchored_at
    end = max(now, course.next_at or now, start + DAY)
    span = end - start

    def place(moment: datetime) -> float:
        return min(1.0, max(0.0, (moment - start) / span))

    moments = [start + span * number / POINTS for number in range(POINTS + 1)]
    jumps = [one.at for one in course.touches if start <= one.at <= end]
    moments = sorted(
        [*moments, *jumps, *(one - timedelta(seconds=1) for one in jumps if one > start)]
    )
    points = [(place(one), recall_at(course, one)) for one in moments]
    lines = [Line(name=_("recall"), points=points, has_area=True)]
    return charts.lines(
        lines,
        key=key,
        title=_("Memory of {campaign}").format(campaign=course.campaign),
        about=_("remembers with {percent} % now").format(
            percent=round(100 * recall_at(course, now))
        ),
        x_labels=charts.time_labels(
            start, end, lambda one: one.astimezone(zone).strftime("%m-%d"), most=8
        ),
        y_labels=[(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")],
        signs=_signs(course, place, zone),
        now=place(now),
        now_name=_("now"),
    )


def _signs(course: CourseView, place: Callable[[datetime], float], zone: Any) -> list[Sign]:
    """The mails, what was heard of each, and the next one."""
    signs: list[Sign] = []
    for touch in course.touches:
        when = touch.at.astimezone(zone).strftime("%Y-%m-%d")
        signs.append(Sign(x=place(touch.at), y=1.0, letter="M", kind="mail",
                          hint=_("mail of {day}").format(day=when)))  # fmt: skip
        if touch.signal_at is not None and touch.signal in SIGNS:
            letter, kind = SIGNS[touch.signal]
            heard = touch.signal_at.astimezone(zone).strftime("%Y-%m-%d")
            hint = _("{what}, {day}").format(what=formats.word(touch.signal), day=heard)
            at = place(touch.signal_at)
            signs.append(Sign(x=at, y=0.0, letter=letter, kind=kind, hint=hint, row=1))
    if course.next_at is not None:
        when = course.next_at.astimezone(zone).strftime("%Y-%m-%d")
        signs.append(Sign(x=place(course.next_at), y=recall_at(course, course.next_at), letter="?",
                          kind="next", hint=_("next mail, {day}").format(day=when)))  # fmt: skip
    return signs


def recall_at(course: CourseView, moment: datetime) -> float:
    """The recall since the last mail before it, with the half-life that was known of it."""
    since, half_life = course.anchored_at, course.first_half_life
    for touch in course.touches:
        if touch.at > moment:
            break
        if touch.signal is not Signal.BOUNCED:
            since, half_life = touch.at, touch.half_life
    return recall(max(0.0, (moment - since) / DAY), half_life, decay=course.decay)


def _answer(found: why_not.WhyNot) -> dict[str, Any]:
    basis = found.basis if found.refusal is SkipReason.NO_CONSENT else ()
    return {
        "mode": found.mode.value,
        "is_in_audience": found.is_in_audience,
        "audience": [
            {"depth": part.depth, "holds": part.holds, "text": say(part.text),
             "known": say(part.known)}
            for part in found.audience
        ],
        "refusal": _why(found.refusal),
        "basis": [say(one) for one in basis],
        "waits": _why(found.waits),
        "has_event": found.has_event,
        "event": say(found.event),
        "taken": say(found.taken) if not found.planned else "",
        "stops": [say(one) for one in found.stops],
        "courses": [
            {"event": say(one.event), "is_well": one.ended in WELL,
             "told": [say(part) for part in one.told]}
            for one in found.courses
        ],
        "planned": [_fate(one) for one in found.planned],
        "would_be": [_fate(one) for one in found.would_be],
    }  # fmt: skip


def _fate(one: why_not.StepFate) -> dict[str, Any]:
    state = formats.word(one.state) if one.state else ""
    if not state:
        state = _("would be planned") if one.reason is None else _("would be left out")
    return {
        "step": one.step,
        "anchor": one.anchor,
        "event": say(one.event),
        "due_at": one.due_at,
        "state": state,
        "why": joined(filter(None, (_why(one.reason or one.waits), _met(one.exits))), ": "),
    }


def _met(exits: Sequence[str]) -> str:
    """Which exits of the campaign are met."""
    return joined(campaign_words.exit_(Exit(one)) for one in exits)


def _why(reason: SkipReason | str | None) -> str:
    if not reason or reason not in set(SkipReason):
        return ""
    return _(SKIP_SENTENCES[SkipReason(reason)])
