"""How plans and campaigns look in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from crm_mailer.cli import show
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.campaign import EXIT_SENTENCES, Exit, Mode
from crm_mailer.model.curve import Ending
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.planning import CampaignLine, CampaignView
    from crm_mailer.planning import CampaignPlan, GaveWay, PlannedRow, PlanReport

#: Examples shown of each campaign when several are asked for.
FEW = 5


def plan(app: App, report: PlanReport, *, is_detailed: bool) -> None:
    """Each campaign: selected, left out by reason, mails, first and last, who gets what."""
    from crm_mailer.app import standstill
    from crm_mailer.cli import campaign_page
    from crm_mailer.cli.rfm import warn_of_marks

    quiet = [one for one in report.campaigns if not one.occasions]
    reasons = standstill.reasons(app, report) if is_detailed else {}
    for one in report.campaigns:
        if one.occasions or is_detailed:
            _one_plan(app, one, rows=len(one.rows) if is_detailed else FEW)
        if one.campaign in reasons:
            show.line("  " + say(reasons[one.campaign]), style="yellow")
            show.line()
    if quiet and not is_detailed:
        names = joined(one.campaign for one in quiet)
        show.line(_("nothing to do at this moment: {names}").format(names=names), style="dim")
    show.note(_("{mails}, as of {now}; nothing was written or sent").format(
        mails=n_("1 mail", "{number} mails", report.planned),
        now=show.local(report.at, app.zone)))  # fmt: skip
    campaign_page.loads(app, report)
    modes = {one.mode for one in report.campaigns if one.planned}
    if modes == {Mode.DRAFT}:
        show.note(_("Next: crm-mailer preview CAMPAIGN, then `mode: live` in its file"))
    elif modes:
        show.note(_("Next: crm-mailer preview CAMPAIGN, then crm-mailer apply"))
    warn_of_marks(app)
    left_out(app)


def left_out(app: App) -> None:
    """Say that some of what marketers wrote is not used, where that is so."""
    number = len(app.definitions.errors)
    if number:
        show.warn(n_("1 error in a file: `crm-mailer check` shows it; what the file says is not "
                     "used", "{number} errors in files: `crm-mailer check` shows them; what these "
                     "files say is not used", number))  # fmt: skip


def applied(
    app: App, report: PlanReport, before: Mapping[str, datetime], *, is_detailed: bool
) -> None:
    """What was saved; `before`: campaigns whose saved plan was carried out already, and when."""
    from crm_mailer.app import standstill

    for name, at in before.items():
        show.note(_("{campaign}: this plan was carried out before, on {time}; nothing was left "
                    "to do").format(campaign=name, time=show.local(at, app.zone)))  # fmt: skip
    show.table(
        [_("campaign"), _("mode"), _("new mails"), _("left out"), _("first"), _("last")],
        [
            (
                one.campaign,
                one.mode,
                one.planned,
                sum(one.left_out.values()),
                _row_time(one.first),
                _row_time(one.last),
            )
            for one in report.campaigns
            if one.occasions
        ],
        right=(2, 3),
        empty=_("there was nothing new to plan"),
    )
    if is_detailed:
        for name, reason in standstill.reasons(app, report).items():
            show.note(joined((name, reason), ": "))
    for one in report.campaigns:
        if one.hold and one.first and one.saved:
            show.note(undo(app, one))
    for one in report.campaigns:
        for words in gave_way(one.campaign, one.gave_way):
            show.note(words)
    if report.ended:
        show.note(n_("1 mail that had not left was ended (exit, audience or another date)",
                     "{number} mails that had not left were ended (exit, audience or another date)",
                     report.ended))  # fmt: skip
    drafts = [one.campaign for one in report.campaigns if one.mode is Mode.DRAFT]
    if drafts:
        show.note(_("mode is draft, nothing was saved: {names}").format(names=joined(drafts)))
    left_out(app)


def campaigns(lines: Sequence[CampaignLine]) -> None:
    """One line each."""
    show.table(
        [_("campaign"), _("mode"), _("starts at"), _("steps"), _("mails")],
        [
            (
                line.id,
                line.mode,
                say(line.anchor),
                line.steps,
                joined(
                    f"{show.word(state)} {number:,}"
                    for state, number in sorted(line.touches.items())
                ),
            )
            for line in lines
        ],
        right=(3,),
        empty=_("there is no campaign yet"),
    )


def campaign(view: CampaignView) -> None:
    """Facts, steps and numbers."""
    line = view.line
    show.heading(joined((line.id, line.name), ": "))
    show.facts([
        (_("file"), line.path),
        (_("mode"), line.mode),
        (_("kind"), f"{line.kind} ({line.stream})"),
        (_("starts at"), say(line.anchor)),
        (_("audience"), "\n".join("  " * depth + say(words) for depth, words in view.audience)
         or _("everybody")),
        (_("curve"), view.curve),
        (_("leaves at"), say(view.send_at)),
        (_("valid for"), view.valid_for),
        (_("undo window"), view.hold),
        (_("ends when"), joined(_(EXIT_SENTENCES[Exit(one)]) for one in view.stop_when)),
        (_("goal"), _goal(view.goal)),
        (_("exit"), view.exit),
        (_("again after"), show.word(view.reentry)),
        (_("held out"), f"{view.hold_out} %" if view.hold_out else ""),
        (_("warm first"), view.warm_first),
        (_("priority"), view.priority or ""),
    ])  # fmt: skip
    show.table(
        ["#", _("step"), _("after"), _("template"), _("if"), _("test")],
        [
            (number, *step, say(condition), test)
            for number, (step, condition, test) in enumerate(
                zip(view.steps, view.conditions, view.tests, strict=True), start=1
            )
        ],
        right=(0,),
    )
    for step, arm in view.winners.items():
        show.line(_("the test of {step} is decided: everybody who comes now gets {arm}").format(
            step=step, arm=arm))  # fmt: skip
    for step, arms in view.earlier_winners.items():
        show.note(_("an earlier test of {step}, with other arms, was won by {arms}: that rules "
                    "nothing any more").format(step=step, arms=joined(arms)))  # fmt: skip
    if line.touches:
        show.table([_("state"), _("mails")],
                   [(show.word(state), number) for state, number in sorted(line.touches.items())],
                   right=(1,))  # fmt: skip
    _reasons({SkipReason(reason): number for reason, number in view.skips.items()}, sign="")
    _courses(view.courses)


def _goal(code: str) -> str:
    """`bought (7d)` in words."""
    what, _blank, within = code.partition(" ")
    return f"{_(EXIT_SENTENCES[Exit(what)])} {within}" if code else ""


def _courses(counts: Mapping[str, int]) -> None:
    """How the customers' courses on an adaptive curve stand."""
    words = {
        "": _("go on"),
        Ending.PAUSED: _("paused: they missed mail after mail and are left alone"),
        Ending.CONVERTED: _("ended with a purchase"),
        Ending.DONE: _("done: all mails have left"),
        Ending.STOPPED: _("stopped: a complaint, an opt-out, an exit and the like"),
    }
    if counts:
        show.table(
            [_("courses on the memory curve"), _("customers")],
            [(said, f"{counts[ended]:,}") for ended, said in words.items() if counts.get(ended)],
            right=(1,),
        )


def _one_plan(app: App, one: CampaignPlan, *, rows: int) -> None:
    show.heading(joined((one.campaign, one.name), ": "))
    if one.mode is Mode.DRAFT:
        show.line(_("  mode is draft: nothing would be saved"), style="yellow")
    elif one.mode is Mode.MANUAL:
        show.line(_("  mode is manual: mails wait for `campaign release`"), style="yellow")
    occasions = n_("1 occasion", "{number} occasions", one.occasions)
    show.line("  + " + joined((occasions, n_("1 mail", "{number} mails", one.asked))))
    _reasons(one.left_out, sign="-")
    show.line("  = " + _("{mails} to {people}").format(
        mails=n_("1 mail", "{number} mails", one.planned),
        people=n_("1 customer", "{number} customers", one.people)))  # fmt: skip
    if one.first and one.last:
        show.line(_("    first {first}, last {last}").format(
            first=_row_time(one.first), last=_row_time(one.last)))  # fmt: skip
        groups = sorted(one.providers.items(), key=lambda pair: -pair[1])
        show.line("    " + _("mailboxes: {groups}").format(
            groups=joined(f"{name} {number:,}" for name, number in groups)))  # fmt: skip
    _languages(one)
    if one.arms:
        show.line(
            "    "
            + _("test: {arms}").format(
                arms=joined(f"{name} {number:,}" for name, number in sorted(one.arms.items()))
            )
        )
        for step, arm in one.winners.items():
            show.line("    " + _("the test of {step} is decided: everybody who comes now gets "
                                 "{arm}").format(step=step, arm=arm))  # fmt: skip
    if one.hold and one.first:
        show.line("    " + undo(app, one))
    for words in gave_way(one.campaign, one.gave_way):
        show.line(f"    {words}", style="yellow")
    for reason, number in one.waiting.items():
        words = (
            _("    {number} of them would be left out if they left now: {why}")
            if reason is SkipReason.CONDITION
            else _("    {number} of them would be held now: {why}")
        )
        show.line(words.format(number=f"{number:,}", why=_(SKIP_SENTENCES[reason])))
    if rows:
        _samples(one, rows)
    show.line()


def gave_way(campaign: str, others: Sequence[GaveWay]) -> Iterator[str]:
    """Which mails of other campaigns give way to those of this one."""
    moved = _("give way to {by} and move to a later day: {mails} of {campaign}")
    ended = _("give way to {by} and end, since no later day is in time: {mails} of {campaign}")
    for other in others:
        for words, number in ((moved, other.moved), (ended, other.ended)):
            if number:
                mails = n_("1 mail", "{number} mails", number)
                yield words.format(by=campaign, mails=mails, campaign=other.campaign)


def _languages(one: CampaignPlan) -> None:
    """In which languages the mails would be, and which readers get another than their own."""

    def told(counts: Mapping[str, int]) -> str:
        return joined(f"{code} {number:,}" for code, number in sorted(counts.items()))

    if one.languages:
        show.line("    " + _("languages: {languages}").format(languages=told(one.languages)))
    if one.fallbacks:
        show.line(
            "    "
            + _("! missing, so another language stands in: {languages}").format(
                languages=told(one.fallbacks)
            ),
            style="yellow",
        )
    if one.unreadable:
        show.line(
            "    "
            + _("✗ missing, and nothing stands in: {languages}").format(
                languages=told(one.unreadable)
            ),
            style="red",
        )


def undo(app: App, one: CampaignPlan) -> str:
    """Until when the mails of this plan can all be ended."""
    assert one.first is not None
    return _("undo window: until {time}, `crm-mailer outbox cancel {campaign}` ends all of "
             "them").format(
        time=show.local(one.first.due_at, app.zone), campaign=one.campaign)  # fmt: skip


def _samples(one: CampaignPlan, rows: int) -> None:
    show.table(
        [_("customer"), _("step"), _("language"), _("when, there"), ""],
        [
            (row.email or f"#{row.customer_id}", f"{row.place} {row.step}", row.language,
             _row_time(row), why)
            for row in [*one.rows[:rows], *one.left_out_rows[:rows]]
            for why in [f"✗ {_(SKIP_SENTENCES[row.reason])}" if row.reason else ""]
        ],
    )  # fmt: skip


def _reasons(left_out: Mapping[SkipReason, int], *, sign: str) -> None:
    for reason, number in sorted(left_out.items(), key=lambda pair: -pair[1]):
        show.line(f"  {sign} {number:>6,}  {_(SKIP_SENTENCES[reason])}")


def _row_time(row: PlannedRow | None) -> str:
    """The customer's own time and where that is."""
    return f"{row.local:%Y-%m-%d %H:%M} {row.zone}" if row is not None else ""
