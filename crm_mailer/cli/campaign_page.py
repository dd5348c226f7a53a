"""How results of campaigns, differences of plans and rehearsals look in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from crm_mailer.cli import plan_page, show
from crm_mailer.i18n import _, joined, n_
from crm_mailer.model.intervals import Interval
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.plan_diffs import Difference
    from crm_mailer.app.rehearsal import Rehearsal
    from crm_mailer.planning import PlanReport, Results
    from crm_mailer.store.web_events import Figure

DAYS_OF_A_WEEK = 7
#: From so many mails on it matters in which hour they leave; with limits it always does.
MANY = 100


def loads(app: App, report: PlanReport) -> None:
    """The fullest hours beside what may leave in them."""
    if report.planned < MANY and all(one.room is None for one in report.loads):
        return
    show.table(
        [show.when(_("hour"), app.zone, report.at), _("mailboxes"), _("mails"), _("may leave"), ""],
        [
            (
                show.short(one.hour, app.zone),
                one.provider,
                f"{one.mails:,}",
                "" if one.room is None else f"{one.room:,}",
                _("✗ the rest leaves later") if one.is_too_much else "",
            )
            for one in report.loads
        ],
        right=(2, 3),
        title=_("the fullest hours"),
    )


def results(found: Results) -> None:
    """Each arm with its rate and how sure it is; then what a hold-out shows."""
    show.table(
        [_("step"), _("arm"), _("customers"), _("bought"), _("replied"), _("rate (95 %)"),
         _("against the first"), _("orders"), "USD", ""],
        [
            (
                one.step,
                one.arm,
                f"{one.customers:,}",
                one.bought,
                one.replied,
                _rate(one.rate) if one.customers else "",
                _lead(one.lead) if one.lead is not None and one.customers else "",
                one.orders,
                f"{one.usd_cents / 100:,.2f}",
                _("has won") if one.has_won else "",
            )
            for one in found.arms
        ],
        right=(2, 3, 4, 7, 8),
        empty=_("no mail of this campaign has left long enough ago"),
    )  # fmt: skip
    show.note(_("the rate counts customers who did it within {days:g} days of the mail; orders "
                "and USD go to the last marketing mail before them").format(
        days=found.days))  # fmt: skip
    if found.seen:
        _seen(found.seen)
    for name, (given, used) in found.benefits.items():
        show.line(_("benefit {name}: {given} given, {used} used").format(
            name=name, given=f"{given:,}", used=f"{used:,}"))  # fmt: skip
    if found.uplift is None:
        return
    lift = found.uplift
    show.facts([
        (_("mailed"), _("{number} of {all} bought").format(
            number=f"{lift.mailed_bought:,}", all=f"{lift.mailed:,}")),
        (_("held out"), _("{number} of {all} bought").format(
            number=f"{lift.held_bought:,}", all=f"{lift.held:,}")),
        (_("uplift"), _lead(lift.rate)),
        (_("USD a customer"),
         f"{lift.usd.value:+.2f} ({lift.usd.low:+.2f} .. {lift.usd.high:+.2f})"),
        (_("verdict"), _verdict(lift.rate)),
    ])  # fmt: skip


def _seen(figures: Sequence[Figure]) -> None:
    """Openings and clicks: mails and times of persons, and times of machines beside them."""
    lines: dict[tuple[str, str, bool, str], dict[str, tuple[int, int]]] = {}
    for one in figures:
        is_click, by = "click" in one.kind, "machine" if "machine" in one.kind else "person"
        line = lines.setdefault((one.step, one.arm, is_click, one.target), {})
        line[by] = (one.mails, one.hits)
    show.table(
        [_("step"), _("arm"), _("what"), _("mails"), _("times"), _("by machines")],
        [
            (
                step,
                arm,
                (target or _("any link")) if is_click else _("openings"),
                *(f"{number:,}" for number in line.get("person", (0, 0))),
                f"{line.get('machine', (0, 0))[1]:,}",
            )
            for (step, arm, is_click, target), line in sorted(lines.items())
        ],
        right=(3, 4, 5),
        title=_("opened and clicked"),
    )


def _rate(one: Interval) -> str:
    return f"{one.value:.1%} ({one.low:.1%} .. {one.high:.1%})"


def _lead(one: Interval) -> str:
    return f"{one.value * 100:+.1f} ({one.low * 100:+.1f} .. {one.high * 100:+.1f})"


def _verdict(one: Interval) -> str:
    if one.low > 0:
        return _("it brings orders that would not have come")
    return _("it keeps orders away") if one.high < 0 else _("no difference can be seen yet")


def difference(found: Difference) -> None:
    """What an edited file changes."""
    names = {
        "added": _("new mails"),
        "dropped": _("mails that would not be any more"),
        "moved": _("mails at another time"),
        "rewritten": _("mails with other words, template or benefit"),
        "held": _("mails that wait for a person first"),
        "released": _("mails that leave without waiting for a person"),
        "same": _("mails as before"),
        "ended": _("planned already: would be ended"),
        "withheld": _("planned already: would be held"),
        "let_go": _("planned already: would leave again when due"),
        "regiven": _("planned already: would give something else"),
        "asked_anew": _("planned already: leave if the new condition holds then"),
        "outlives": _("planned already: leave as planned, under a step that the file has no more"),
    }
    show.heading(found.campaign)
    for kind, words in names.items():
        if found.counts.get(kind):
            show.line(f"  {found.counts[kind]:>6,}  {words}")
    if not found.counts:
        show.line(_("  nothing is to be planned, before or after"))
    if found.gave_way != found.gave_way_before:
        for title, ones in ((_("before"), found.gave_way_before), (_("after"), found.gave_way)):
            for words in plan_page.gave_way(found.campaign, ones):
                show.line("  " + joined((title, words), ": "))
    if found.is_any:
        show.table(
            [_("change"), _("customer"), _("step"), _("before"), _("after")],
            [
                (names[one.kind], one.email, one.step, _after(one.before), _after(one.after))
                for one in found.examples
            ],
        )
    else:
        show.line(_("no mail changes"))
    if found.waiting:
        show.note(n_("1 mail that is planned already stays as it is",
                     "{number} mails that are planned already stay as they are",
                     found.waiting))  # fmt: skip


def _after(words: str) -> str:
    """What becomes of a mail; a reason as a sentence."""
    if words not in set(SkipReason):
        return words
    reason = SkipReason(words)
    return _(SKIP_SENTENCES[reason])


def rehearsal(found: Rehearsal, *, are_all_drafts: bool = False) -> None:
    """The weeks as a calendar, then each campaign, then what was left out."""
    totals = {day: counts.total() for day, counts in found.days.items()}
    show.table(
        [_("Mo"), _("Tu"), _("We"), _("Th"), _("Fr"), _("Sa"), _("Su")],
        list(_weeks(found.start, found.end, totals)),
    )
    campaigns: Counter[str] = sum(found.days.values(), Counter())
    if campaigns:
        show.table(
            [_("campaign"), _("mails"), _("first"), _("last")],
            [
                (name, f"{number:,}", *_ends(found, name))
                for name, number in campaigns.most_common()
            ],
            right=(1,),
        )
    for reason, number in found.left_out.most_common():
        show.line(f"  - {number:>6,}  {_(SKIP_SENTENCES[SkipReason(reason)])}")
    show.line(n_("1 mail", "{number} mails", found.mails))
    if are_all_drafts:
        show.note(_("every campaign is a draft, and drafts plan nothing: `crm-mailer plan` shows "
                    "what one would do, `mode: live` in its file lets it"))  # fmt: skip
    show.raw(f"sha256 {found.fingerprint}")
    show.note(_("rehearsed on a copy: nothing was written or sent; new orders and replies do not "
                "come"))  # fmt: skip


def _ends(found: Rehearsal, campaign: str) -> tuple[str, str]:
    days = sorted(day for day, counts in found.days.items() if counts[campaign])
    return days[0].isoformat(), days[-1].isoformat()


def _weeks(start: date, end: date, totals: dict[date, int]) -> Iterator[list[str]]:
    """Rows of seven cells: the day, and below it the mails of that day."""
    day = start - timedelta(days=start.weekday())
    while day <= end:
        week = [day + timedelta(days=number) for number in range(DAYS_OF_A_WEEK)]
        yield [
            f"{one:%d.%m}\n{totals[one]:,}" if totals.get(one)
            else f"{one:%d.%m}\n·" if start <= one <= end else ""
            for one in week
        ]  # fmt: skip
        day += timedelta(days=DAYS_OF_A_WEEK)
