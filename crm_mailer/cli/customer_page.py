"""One customer on the screen: facts, marks, segments and all that happened."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from crm_mailer.cli import benefit_page, show
from crm_mailer.i18n import _, joined, say

if TYPE_CHECKING:
    from crm_mailer.reporting.customer_story import CustomerStory


def show_story(story: CustomerStory, place: ZoneInfo, now: datetime) -> None:
    """Print a customer's story; times are in `place`."""
    show.heading(f"{story.name or story.email or _('customer')}  ({story.id})")
    show.facts([
        (_("address"), story.email or _("none known")),
        (_("BLACKLIST"), _blacklisted(story, place) if story.is_flagged else ""),
        (_("suppressed"), joined(story.suppressed)),
        (_("case"), _("open: marketing is on hold") if story.has_open_case else ""),
        (_("phone"), story.phone),
        (_("lives in"), story.place),
        (_("language"), story.language),
        (_("time zone"), story.time_zone),
        (_("gender"), show.word(story.gender)),
        (_("birthday"), story.birthday),
        (_("known as"), joined(story.known_as)),
        (_("consent"), "\n".join(say(one) for one in story.consents)),
        (_("wishes"), "\n".join(say(one) for one in story.wishes)),
        (_("tags"), joined(f"{one.tag} ({_('pinned')})" if one.is_pinned else one.tag
                              for one in story.tags)),
        *((show.word(name), show.word(value)) for name, value in story.classes.items()),
    ])  # fmt: skip
    _show_marks(story)
    _show_segments(story, place)
    _show_courses(story)
    if story.benefits:
        show.line()
        benefit_page.grants(story.benefits, place, now, is_of_customer=True)
    _show_events(story, place)


def _blacklisted(story: CustomerStory, place: ZoneInfo) -> str:
    """Each flag that stands: what, why, on what evidence, since when and by whom."""
    lines = []
    for one in story.flags:
        if not one.stands:
            continue
        case = _("case {number}").format(number=one.case_id) if one.case_id else ""
        by = joined(filter(None, (show.local(one.at, place)[:10], one.by)))
        evidence = joined(filter(None, (one.evidence, case)))
        told = joined((show.word(one.kind), f"{one.reason} ({by})"), ": ")
        lines.append(joined((told, evidence), "; ") if evidence else told)
    return "\n".join(lines) or story.flag_reason or _("yes")


def _show_marks(story: CustomerStory) -> None:
    show.line()
    if story.score is None:
        show.line(
            _("Paid orders, and no score yet: `crm-mailer segment run` works marks out.")
            if story.is_score_waiting
            else _("No paid order, so no score.")
        )
        return
    show.heading(_("Score {total}: {segment}, {value}").format(
        total=story.score.total, segment=show.word(story.rfm_segment),
        value=show.word(story.value_class)))  # fmt: skip
    for words in (*story.score_words, *story.value_words):
        show.line(f"  {say(words)}")


def _show_segments(story: CustomerStory, place: ZoneInfo) -> None:
    present = [stay for stay in story.stays if stay.until is None]
    if present:
        show.line()
        show.heading(_("In segments"))
        show.facts((f"  {stay.segment}", _("since {moment}").format(
            moment=show.local(stay.since, place))) for stay in present)  # fmt: skip


def _show_courses(story: CustomerStory) -> None:
    if story.courses:
        show.line()
        show.heading(_("On memory curves"))
        show.facts((f"  {one.campaign}", joined((one.event, *one.told), "; "))
                   for one in story.courses)  # fmt: skip


def _show_events(story: CustomerStory, place: ZoneInfo) -> None:
    show.line()
    show.heading(_("What happened"))
    show.table(["", "", ""], [
        (show.local(event.at, place), show.word(event.kind), say(event.text))
        for event in story.events
    ])  # fmt: skip
