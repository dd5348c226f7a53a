"""The command that says why a customer gets, or does not get, a campaign's mails."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, as_json_option
from crm_mailer.cli.segmenting import known_words
from crm_mailer.i18n import _, joined, say
from crm_mailer.model.campaign import EXIT_SENTENCES, Exit, Mode
from crm_mailer.model.curve import Ending
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.why_not import StepFate, WhyNot


@click.command("why-not", cls=Command)
@click.argument("who", metavar="CUSTOMER")
@click.argument("campaign", metavar="CAMPAIGN")
@as_json_option
@pass_app
def why_not(app: App, who: str, campaign: str, as_json: bool) -> None:
    """Say why CUSTOMER gets, or does not get, the mails of CAMPAIGN."""
    from crm_mailer.app import why_not as verbs

    found = verbs.why_not(app, who, campaign)
    if as_json:
        show.json_(found)
    else:
        _show(found, app.zone)


def _show(found: WhyNot, zone: ZoneInfo) -> None:
    show.heading(f"{found.customer} · {found.campaign}")
    if found.mode is Mode.DRAFT:
        show.line(_("✗ the campaign's mode is draft: it plans nothing"))
    elif found.mode is Mode.MANUAL:
        show.line(_("! the campaign's mode is manual: mails wait for `campaign release`"))
    for one in found.stops:
        show.line(f"! {say(one)}")
    _show_refusal(found)
    if found.audience:
        told = _("in the audience") if found.is_in_audience else _("not in the audience")
        show.line(f"{_sign(found.is_in_audience)} {told}")
        for part in found.audience:
            known = f"  ({known_words(part)})" if part.known else ""
            show.line("  " + "  " * part.depth + f"{_sign(part.holds)} {say(part.text)}{known}")
    if found.taken and not found.planned:
        show.line(f"✗ {say(found.taken)}")
    elif not found.has_event:
        show.line("✗ " + _("nothing has started it for this customer lately enough") if
                  found.is_in_audience else
                  "✗ " + _("so nothing starts it for this customer"))  # fmt: skip
        if found.event:
            show.line(f"  {say(found.event)}")
    _show_courses(found)
    _table(_("planned already"), found.planned, zone)
    _table(_("as it would be planned now"), found.would_be, zone)


def _show_refusal(found: WhyNot) -> None:
    for reason, sign in ((found.refusal, "✗"), (found.waits, "!")):
        if reason is not None:
            show.line(f"{sign} {_(SKIP_SENTENCES[reason])}")
    if found.refusal is SkipReason.NO_CONSENT:
        for one in found.basis:
            show.line(f"  {say(one)}")


def _show_courses(found: WhyNot) -> None:
    for course in found.courses:
        event = _("course on the memory curve: {event}").format(event=say(course.event))
        show.line(f"{_course_sign(course.ended)} {event}")
        for one in course.told:
            show.line(f"  {say(one)}")


def _course_sign(ended: str) -> str:
    """Whether a course goes on, ended well, or will write no more."""
    return "✓" if ended in ("", Ending.DONE, Ending.CONVERTED) else "✗"


def _sign(holds: bool) -> str:
    return "✓" if holds else "✗"


def _why(one: StepFate) -> str:
    if one.moved:
        return say(one.moved)
    reason = one.reason or one.waits
    said = _(SKIP_SENTENCES[reason]) if reason else ""
    return (
        joined((said, joined(_(EXIT_SENTENCES[Exit(met)]) for met in one.exits)), ": ")
        if one.exits
        else said
    )


def _table(title: str, fates: tuple[StepFate, ...], zone: ZoneInfo) -> None:
    if not fates:
        return
    show.table(
        [_("step"), _("event"), _("due"), _("state"), _("why")],
        [
            (
                one.step,
                say(one.event),
                show.local(one.due_at, zone),
                show.word(one.state) if one.state else _("would be planned")
                if one.reason is None else _("would be left out"),
                _why(one),
            )
            for one in fates
        ],
        title=title,
    )  # fmt: skip
