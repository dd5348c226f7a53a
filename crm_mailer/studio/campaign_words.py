"""What the pages of campaigns say of anchors, waits, ends and windows, in the reader's language."""

from __future__ import annotations

from datetime import timedelta

from crm_mailer.app.campaign_looks import Standing
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.campaign import (
    EXIT_SENTENCES,
    Anchor,
    BirthdayAnchor,
    Campaign,
    CatchUp,
    DateAnchor,
    Exit,
    FestivalAnchor,
    FirstOrderAnchor,
    MonthlyAnchor,
    OrderAnchor,
    ReplyAnchor,
    ReviewAnchor,
    SegmentAnchor,
)
from crm_mailer.model.send_window import EVERY_DAY
from crm_mailer.model.sentence import sentence
from crm_mailer.model.shop import Shop
from crm_mailer.studio.formats import word

DAY, HOUR, MINUTE = 86_400, 3_600, 60
#: How a standing looks as a badge.
BADGES = {
    Standing.BROKEN: "bad",
    Standing.GONE: "bad",
    Standing.PAUSED: "warn",
    Standing.SENDING: "accent",
    Standing.RUNNING: "good",
    Standing.MANUAL: "good",
    Standing.DRAFT: "",
    Standing.FINISHED: "",
}


def duration(time: timedelta) -> str:
    """Days, hours and minutes, as far as there are any."""
    seconds = int(time.total_seconds())
    days, rest = divmod(seconds, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes = rest // MINUTE
    parts = [
        n_("1 day", "{number} days", days) if days else "",
        n_("1 hour", "{number} hours", hours) if hours else "",
        n_("1 minute", "{number} minutes", minutes) if minutes else "",
    ]
    return " ".join(part for part in parts if part) or _("no time")


def wait(time: timedelta, *, is_first: bool) -> str:
    """How long a step waits: for the first one after the event, else after the step before."""
    if time < timedelta(0):
        return _("{time} before").format(time=duration(-time))
    if not time:
        return _("at once") if is_first else _("at the same time")
    return _("wait {time}").format(time=duration(time))


def anchor(found: Anchor) -> str:
    """What starts a campaign."""
    match found:
        case OrderAnchor(state=state):
            return _("an order: {state}").format(state=word(state))
        case SegmentAnchor(segment=segment):
            return _("coming into the segment {segment}").format(segment=segment)
        case BirthdayAnchor(days_before=days):
            return _shifted(_("the customer's birthday"), days)
        case FirstOrderAnchor(is_yearly=is_yearly):
            return _("each anniversary of the first order") if is_yearly else _("the first order")
        case ReplyAnchor(kind=kind):
            return _("a reply: {kind}").format(kind=_kind(kind))
        case ReviewAnchor(kind=kind):
            return _("a review: {kind}").format(kind=_kind(kind))
        case DateAnchor(day=day):
            return f"{day:%Y-%m-%d}"
        case FestivalAnchor(festival=festival, days_before=days):
            return _shifted(say(sentence(festival.name)) or festival.id, days)
        case MonthlyAnchor(day=number):
            return _("day {number} of each month").format(number=number)


def _shifted(what: str, days_before: int) -> str:
    if days_before > 0:
        return _("{time} before: {what}").format(
            time=duration(timedelta(days=days_before)), what=what
        )
    if days_before < 0:
        return _("{time} after: {what}").format(
            time=duration(timedelta(days=-days_before)), what=what
        )
    return what


def _kind(kind: str) -> str:
    return {
        "praise": _("praise"),
        "question": _("question"),
        "complaint": _("complaint"),
        "bad": _("bad (1 or 2 stars)"),
        "middling": _("middling (3 stars)"),
        "good": _("good (4 or 5 stars)"),
    }.get(kind, _("any"))


def other_exits(found: Campaign) -> list[str]:
    """What ends it for a customer, beside its goal."""
    goal_ = found.goal.when if found.goal is not None else None
    return [exit_(one) for one in sorted(found.exits) if one is not goal_]


def exit_(one: Exit) -> str:
    """One thing that ends a campaign, or that it is for."""
    return _(EXIT_SENTENCES[one])


def goal(found: Campaign) -> str:
    """What it is for; empty where the file does not say."""
    if found.goal is None:
        return ""
    return _("{what}, within {time} of a mail").format(
        what=exit_(found.goal.when), time=duration(found.goal.within)
    )


def send_time(found: Campaign, shop: Shop) -> str:
    """At which time of the customer's day its mails leave."""
    at = found.send_at or shop.send_at
    if found.is_best_hour:
        told = _("at the hour at which each customer answers and buys")
    else:
        told = _("at {hour} of the customer's day, where steps count days").format(
            hour="{:02d}:{:02d}".format(*at)
        )
    if found.spread:
        told = _("{when}, spread over {time}").format(when=told, time=duration(found.spread))
    return told


def window(found: Campaign) -> str:
    """The hours and weekdays in which its mails may leave; empty: whenever the shop allows."""
    if found.window is None:
        return ""
    hours = _("{start}:00 to {end}:00").format(start=found.window.opens, end=found.window.closes)
    days = found.window.weekdays
    if days == EVERY_DAY:
        return hours
    names = [_("Mo"), _("Tu"), _("We"), _("Th"), _("Fr"), _("Sa"), _("Su")]
    return joined((hours, " ".join(names[day] for day in sorted(days))))


def quiet(shop: Shop) -> str:
    """When no marketing mail leaves, and how many a customer may have."""
    return _("quiet from {start}:00 until {end}:00 of the customer's day").format(
        start=shop.quiet_from, end=shop.quiet_until
    )


def cap(shop: Shop) -> str:
    """How many marketing mails a customer may have."""
    return _("at most {count} marketing mails in {days} days to one customer").format(
        count=shop.cap_count, days=shop.cap_days
    )


def catch_up(found: Campaign) -> str:
    """What becomes of mails whose time went by."""
    return {
        CatchUp.LATEST: _("the last one that is due leaves"),
        CatchUp.ALL: _("all of them leave"),
        CatchUp.SKIP: _("they are left out"),
    }[found.catch_up]


def reentry(found: Campaign) -> str:
    """How soon a customer may go through it again."""
    if found.reentry is None:
        return _("never")
    return _("after {time}").format(time=duration(found.reentry)) if found.reentry else _("at once")
