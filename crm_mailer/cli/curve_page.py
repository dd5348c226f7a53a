"""How memory curves look in a terminal: places on a line, and a customer's recall over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crm_mailer.cli import show
from crm_mailer.i18n import _, joined, say
from crm_mailer.model.curve import Signal, recall, whole_days

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.curves import CourseView, CurvePlace, CurveView, MemoryView, Played
    from crm_mailer.model.campaign import Curve
    from crm_mailer.model.curve import Adaptive

DAY = timedelta(days=1)
#: How many places the line of a curve has.
LINE = 64
#: Columns and rows of a chart.
WIDE, HIGH = 66, 9
#: How a signal is drawn.
MARKS = {
    Signal.BOUNCED: "b",
    Signal.MACHINE_OPEN: "u",
    Signal.HUMAN_OPEN: "o",
    Signal.CLICK: "c",
    Signal.REPLY: "r",
    Signal.PURCHASE: "P",
    Signal.STOP: "x",
}


def curves(found: Sequence[Curve]) -> None:
    """Names and places; of an adaptive curve those of a customer who stays silent."""
    show.table(
        [_("curve"), _("after the event"), _("note")],
        [(one.name, _of_list(one), _first(one.note)) for one in found],
        empty=_("curves.yaml has no curve"),
    )


def _of_list(one: Curve) -> str:
    from crm_mailer.definitions.written import spelled

    if one.adaptive is None:
        return "  ".join(map(spelled, one.offsets))
    silent = one.offsets[: max(1, round(one.adaptive.misses))]
    days = "  ".join(f"{whole_days(offset / DAY) // DAY}d" for offset in silent)
    return _("{places} if silent").format(places=days)


def curve(app: App, view: CurveView) -> None:
    """The places on a line, then their dates."""
    show.heading(view.name)
    if view.note:
        show.line(view.note)
    show.line()
    if view.adaptive is not None:
        _adaptive(app, view, view.adaptive)
        return
    show.line(drawn(view.start, view.places))
    show.line()
    _dates(app, view.places)
    show.note(_("whole days leave at the shop's send_at, in each customer's own time"))


def _adaptive(app: App, view: CurveView, adaptive: Adaptive) -> None:
    show.facts([
        (_("first half-life"), _days(adaptive.first_half_life)),
        (_("comes back at"), _("{percent} % recall").format(
            percent=round(100 * adaptive.retention))),
        (_("for classes of value"), joined(
            f"{show.word(one)} {round(100 * aim)} %"
            for one, aim in adaptive.retention_by_value.items())),
        (_("a miss lengthens"), f"x {adaptive.backoff:g}"),
        (_("waits"), f"{_days(adaptive.shortest)} .. {_days(adaptive.longest)}"),
        (_("left alone after"), _("{number} misses in a row").format(
            number=f"{adaptive.misses:g}")),
        (_("mails at most"), adaptive.touches),
    ])  # fmt: skip
    for title, places in (
        (_("a customer who stays silent"), view.places),
        (_("a customer who clicks in every mail"), view.attentive),
    ):
        show.line()
        show.heading(title)
        show.line(drawn(view.start, places))
        _dates(app, places)
    show.note(_("one mail is planned at a time: what the customer does decides about the next"))


def _dates(app: App, places: Sequence[CurvePlace]) -> None:
    show.table(
        [_("place"), _("after"), _("when")],
        [(place.place, place.after, show.local(place.at, app.zone)) for place in places],
        right=(0,),
    )


def drawn(start: datetime, places: Sequence[CurvePlace]) -> str:
    """The places as dots on a line with their labels below; "|" is the event.

    Distances are drawn by the square root of time, so that minutes and weeks fit on one line.
    """
    whole = max(1.0, (places[-1].at - start).total_seconds())
    line, names = "|", " "
    for place in places:
        spot = round(max(0.0, (place.at - start).total_seconds() / whole) ** 0.5 * LINE)
        spot = max(spot, len(names) + 1)
        line += "-" * (spot - len(line)) + "o"
        names += " " * (spot - len(names)) + place.after
    return f"{line}\n{names}"


def played(found: Played) -> None:
    """A history, touch by touch."""
    course = found.course
    rows = zip(course.gaps, course.offsets, found.touches, strict=True)
    show.table(
        ["#", _("after"), _("day"), _("recall then"), _("heard"), _("half-life"), _("misses")],
        [
            (
                number,
                f"{gap:.4f}",
                f"{offset:.4f}",
                f"{touch.recall:.3f}",
                show.word(touch.signal),
                f"{touch.half_life:.4f}",
                f"{touch.misses:g}",
            )
            for number, (gap, offset, touch) in enumerate(rows, start=1)
        ],
        right=(0, 1, 2, 3, 5, 6),
        empty=_("nothing has left yet"),
    )
    if course.ended is not None:
        show.note(_("the course is {ended}").format(ended=show.word(course.ended)))
    else:
        show.note(_("the next mail would come {days} days later").format(
            days=f"{course.next_gap or 0:.4f}"))  # fmt: skip


def memory(app: App, view: MemoryView) -> None:
    """Each course: a chart of the recall with touches and signals, then the touches in words."""
    show.heading(view.customer)
    if view.half_life_of_shop is not None:
        show.line(_("the shop's own half-life, from its orders: {days}").format(
            days=_days(view.half_life_of_shop)))  # fmt: skip
    if not view.courses:
        show.line(_("no campaign on an adaptive curve has written to this customer yet"))
    for course in view.courses:
        show.line()
        _course(app, course, view.now)


def _course(app: App, course: CourseView, now: datetime) -> None:
    show.heading(f"{course.campaign}  {say(course.event)}")
    show.facts([
        (_("half-life"), _days(course.half_life)),
        (_("misses"), f"{course.misses:g}"),
        (_("now"), _("remembers with {percent} %").format(
            percent=round(100 * _recall_at(course, now)))),
        (_("next mail"), show.local(course.next_at, app.zone)),
        (_("ended"), show.word(course.ended)
         + (f" ({show.word(course.why)})" if course.why else "")
         + (f", {show.local(course.ended_at, app.zone)}" if course.ended else "")
         if course.ended else ""),
    ])  # fmt: skip
    show.line()
    show.line(chart(course, now))
    show.line()
    show.table(
        ["#", _("when"), _("days"), _("recall then"), _("heard"), _("half-life"), _("misses")],
        [
            (
                number,
                show.local(touch.at, app.zone),
                f"{touch.elapsed:.1f}",
                f"{100 * touch.recall:.0f} %",
                show.word(touch.signal),
                _days(touch.half_life),
                f"{touch.misses:g}",
            )
            for number, touch in enumerate(course.touches, start=1)
        ],
        right=(0, 2, 3, 6),
        empty=_("nothing has left yet"),
    )


def chart(course: CourseView, now: datetime) -> str:
    """The recall over time: it falls, and each mail brings it back to the top.

    Below the axis: M for each mail, then the strongest signal that followed it.
    """
    end = max(now, course.next_at or now, course.anchored_at + DAY)
    step = (end - course.anchored_at) / WIDE
    heights = [
        round(_recall_at(course, course.anchored_at + step * (column + 0.5)) * HIGH)
        for column in range(WIDE)
    ]
    rows = [_row(heights, level) for level in range(HIGH, 0, -1)]
    mails, heard = [" "] * (WIDE + 1), [" "] * (WIDE + 1)
    for touch in course.touches:
        _mark(mails, (touch.at - course.anchored_at) / step, "M")
        if touch.signal_at is not None:
            _mark(heard, (touch.signal_at - course.anchored_at) / step, MARKS[touch.signal])
    if course.next_at is not None:
        _mark(mails, (course.next_at - course.anchored_at) / step, "?")
    scale = f"0 d{(end - course.anchored_at) / DAY:>{WIDE - 4}.0f} d"
    margin = " " * 6
    lines = [
        *(f"{label:>5}|{row}" for label, row in zip(_labels(), rows, strict=True)),
        f"{margin[:-1]}+{'-' * WIDE}",
        f"{margin}{''.join(mails).rstrip()}",
        f"{margin}{''.join(heard).rstrip()}",
        f"{margin}{scale}",
        margin + _("M a mail, ? the next one"),
        margin + _("c click, o opened, r reply, P purchase, u machine, b came back, x stop"),
    ]
    return "\n".join(line.rstrip() for line in lines)


def _labels() -> list[str]:
    """Per cent beside the top, the middle and the bottom row."""
    middle = HIGH // 2
    return ["100 %" if row == 0 else " 50 %" if row == middle else "" for row in range(HIGH)]


def _row(heights: Sequence[int], level: int) -> str:
    return "".join("*" if height == level else "." if height > level else " " for height in heights)


def _mark(row: list[str], place: float, sign: str) -> None:
    row[min(len(row) - 1, max(0, int(place)))] = sign


def _recall_at(course: CourseView, moment: datetime) -> float:
    """The recall since the last mail before it, with the half-life that was known of it."""
    since, half_life = course.anchored_at, course.first_half_life
    for touch in course.touches:
        if touch.at > moment:
            break
        if touch.signal is not Signal.BOUNCED:
            since, half_life = touch.at, touch.half_life
    return recall(max(0.0, (moment - since) / DAY), half_life, decay=course.decay)


def _days(number: float) -> str:
    written = f"{number:.1f}".removesuffix(".0")
    return _("1 day") if written == "1" else _("{number} days").format(number=written)


def _first(note: str) -> str:
    """The first sentence of a note."""
    head, dot, _rest = note.partition(". ")
    return head + dot.strip()
