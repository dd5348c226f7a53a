"""Commands about marks and values: rfm, and what customers are likely to bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import click
from rich.text import Text

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Day, Group, as_json_option
from crm_mailer.i18n import _, joined, language, n_, say

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.rfm import CustomerScore, ProfileLine, RfmPage, ScoreHistory, ValuePage
    from crm_mailer.model.score import RfmProfile
    from crm_mailer.store.scores import Cell

#: Backgrounds of the heat map from few to many, readable in grey.
_HEAT = ("", "on grey19", "on grey30", "on grey42", "black on grey66", "black on grey85")


@click.group(cls=Group, invoke_without_command=True)
@click.option("--customer", "who", help=_("One customer's marks: mail address or number."))
@click.option("--as-of", type=Day(),
              help=_("As it was at the end of this day, from the orders; refunds as they are "
                     "known now."))  # fmt: skip
@as_json_option
@click.pass_context
def rfm(ctx: click.Context, who: str | None, as_of: date | None, as_json: bool) -> None:
    """Show how recently, how often and for how much customers buy."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(_show, who=who, as_of=as_of, as_json=as_json)
    elif who is not None or as_of is not None:
        raise click.UsageError(_("write options behind the subcommand"))


@pass_app
def _show(app: App, who: str | None, as_of: date | None, as_json: bool) -> None:
    from crm_mailer.app import rfm as verbs

    if who is not None and as_of is not None:
        raise click.UsageError(_("--as-of is for all customers, not for one"))
    if who is not None:
        score = verbs.customer_score(app, who)
        show.json_(score) if as_json else show_score(score)
        warn_of_marks(app)
        return
    page = verbs.page(app, as_of)
    if as_of is None and warn_of_marks(app) and not page.customers and not as_json:
        return
    show.json_(page) if as_json else _show_page(page)
    if as_of is not None and page.customers and not as_json:
        show.note(_("refunds are as they are known now: one of a later day lowers M, or takes the "
                    "order out, on earlier days as well"))  # fmt: skip


@rfm.command()
@as_json_option
@pass_app
def profiles(app: App, as_json: bool) -> None:
    """List the profiles of campaigns/rfm.yaml: where the marks change."""
    from crm_mailer.app import rfm as verbs

    lines = verbs.list_profiles(app)
    show.json_(lines) if as_json else _show_profiles(lines)


@rfm.command("try")
@click.argument("name", metavar="PROFILE")
@as_json_option
@pass_app
def try_(app: App, name: str, as_json: bool) -> None:
    """Show what PROFILE would make of the customers today; nothing is saved."""
    from crm_mailer.app import rfm as verbs

    page = verbs.try_profile(app, name)
    if as_json:
        show.json_(page)
        return
    _show_limits(page.limits)
    _show_page(page, before=verbs.page(app))


@rfm.command()
@click.argument("who", metavar="CUSTOMER")
@as_json_option
@pass_app
def history(app: App, who: str, as_json: bool) -> None:
    """Tell when and why CUSTOMER's marks changed."""
    from crm_mailer.app import rfm as verbs

    found = verbs.history(app, who)
    show.json_(found) if as_json else _show_history(app, found)


@rfm.command()
@click.option(
    "--fit", "is_forced", is_flag=True, help=_("Fit the models anew and value everybody.")
)
@as_json_option
@pass_app
def value(app: App, is_forced: bool, as_json: bool) -> None:
    """Show how far customers have gone, who buys again, what they will bring."""
    from crm_mailer.app import rfm as verbs

    if is_forced:
        changed = verbs.value(app, is_forced=True)
        show.note(n_("1 customer is valued otherwise now",
                     "{number} customers are valued otherwise now", changed))  # fmt: skip
    page = verbs.value_page(app)
    show.json_(page) if as_json else _show_values(page)


def warn_of_marks(app: App) -> bool:
    """Say that marks are not worked out, or are behind of the orders; whether that is so."""
    from crm_mailer.app import rfm as verbs

    hint = verbs.hint(app)
    if hint is not None:
        show.warn(say(hint))
    return hint is not None


def show_heat_map(cells: Sequence[Cell]) -> None:
    """Customers by R (down) and F (across): the more, the brighter."""
    by_place = {(cell.r, cell.f): cell for cell in cells}
    most = max((cell.customers for cell in cells), default=0)
    if not most:
        show.note(_("no customer has a paid order yet: import orders, then `segment run`"))
        return
    rows = [
        (f"R {r}", *(_heat(by_place.get((r, f)), most) for f in range(1, 6)), _row_sum(cells, r))
        for r in range(5, 0, -1)
    ]
    show.table([_("customers"), *(f"F {f}" for f in range(1, 6)), _("all")], rows,
               right=(1, 2, 3, 4, 5, 6),
               title=_("R: 5 bought lately, F: 5 buys often"))  # fmt: skip


def show_score(found: CustomerScore) -> None:
    """One customer's marks with their reasons."""
    if found.score is None:
        words = (
            _("{customer} has paid orders, and no score yet")
            if found.is_waiting
            else _("{customer} has no paid order, so no score")
        )
        show.line(words.format(customer=found.customer))
        return
    score = found.score
    show.heading(
        joined((found.customer, f"{score.r} + {score.f} + {score.m} = {score.total}"), ": ")
    )
    for words in (*found.words, *found.value_words):
        show.line(f"  {say(words)}")
    show.line("  " + joined(map(show.word, (found.rfm_segment, found.value_class))))


def _show_page(page: RfmPage, before: RfmPage | None = None) -> None:
    show_heat_map(page.cells)
    if not page.customers:
        return
    show.line()
    _show_groups(page.segments, page, before, _("by R and F"))
    show.line()
    _show_groups(page.value_classes, page, before, _("by R, F and M"))
    show.note(_("as of {day}, profile {profile}").format(day=page.as_of, profile=page.profile))


def _show_groups(
    groups: Mapping[str, int], page: RfmPage, before: RfmPage | None, title: str
) -> None:
    is_chinese = language() == "zh_CN"
    was = {**before.segments, **before.value_classes} if before else {}
    rows = [
        (
            page.names[code]["zh" if is_chinese else "en"],
            "" if is_chinese else page.names[code]["zh"],
            f"{number:,}",
            f"{100 * number / page.customers:.1f} %",
            f"{number - was[code]:+,}" if before else "",
        )
        for code, number in groups.items()
        if number or was.get(code)
    ]
    show.table([title, "", _("customers"), "", _("change")], rows, right=(2, 3, 4))


def _heat(cell: Cell | None, most: int) -> Text:
    if cell is None:
        return Text("·", style="dim")
    return Text(f" {cell.customers:,} ", style=_HEAT[1 + (len(_HEAT) - 2) * cell.customers // most])


def _row_sum(cells: Sequence[Cell], r: int) -> str:
    return f"{sum(cell.customers for cell in cells if cell.r == r):,}"


def _show_profiles(lines: Sequence[ProfileLine]) -> None:
    for line in lines:
        show.heading(f"{line.name}  ({_('in use')})" if line.is_used else line.name)
        _show_limits(line.profile, is_in_force=line.is_used)
        if line.note:
            show.line(f"  {line.note}")
        show.line()


def _show_limits(profile: RfmProfile, *, is_in_force: bool = True) -> None:
    """Limits that come from the customers are known only of the profile in force."""
    is_known = is_in_force or profile.quantiles is None
    money = [f"{cents / 100:,.2f}".removesuffix(".00") for cents in profile.m_usd_cents]
    shares = joined(f"{one} %" for one in profile.quantiles or ())
    high = (
        _("above the mean mark") if profile.is_high_by_mean
        else _("{mark} and more").format(mark=profile.high[0])
    )  # fmt: skip
    show.facts([
        (_("days, at most"), " ".join(map(str, profile.r_days)) if is_known else ""),
        (_("orders, at least"), " ".join(map(str, profile.f_orders)) if is_known else ""),
        (_("US dollars, at least"), " ".join(money) if is_known else ""),
        (_("from the best"), shares),
        (_("orders count for"), n_("1 day", "{number} days", profile.window_days)
         if profile.window_days else ""),
        (_("high"), high),
    ])  # fmt: skip


def _show_history(app: App, found: ScoreHistory) -> None:
    show.heading(found.customer)
    show.table(
        ["", _("R F M before"), _("after"), _("sum"), _("why"), _("group"), _("profile")],
        [
            (
                show.local(one.at, app.zone)[:16],
                _marks(one.before),
                _marks(one.after),
                f"{one.moved:+d}",
                show.word(one.reason),
                show.word(one.value_class),
                one.profile,
            )
            for one in found.changes
        ],
        right=(3,),
        empty=_("the marks never changed since they were first given"),
    )


def _marks(marks: tuple[int, int, int] | None) -> str:
    return " ".join(str(mark) for mark in marks) if marks else "-"


def _show_values(page: ValuePage) -> None:
    models = page.models
    if models is None:
        show.note(_("nobody was valued yet: `crm-mailer segment run` does, once a day"))
        return
    show.table(
        [_("state"), _("days"), _("customers"), _("not silent by choice"), _("buys in 90 days"),
         _("USD in 12 months")],
        [
            (
                show.word(one.churn),
                f"<= {page.limits[one.churn]}" if one.churn in page.limits else "",
                f"{one.customers:,}",
                f"{one.involuntary:,}" if one.involuntary else "",
                "" if one.chance_percent is None else f"{one.chance_percent:.0f} %",
                "" if one.clv_usd_cents is None else f"{one.clv_usd_cents / 100:,.0f}",
            )
            for one in page.states
        ],
        right=(1, 2, 3, 4, 5),
    )  # fmt: skip
    show.line()
    buying, spending = models.buying, models.spending
    show.facts([
        (_("half-life"), _("{days:.1f} days").format(days=models.half_life)),
        (_("fitted on"), _("{day}: {customers} customers, {repeaters} came back").format(
            day=page.fitted_on, customers=f"{models.customers:,}",
            repeaters=f"{models.repeaters:,}")),
        ("BG/NBD", f"r {buying.r:.3f}, alpha {buying.alpha:.3f}, a {buying.a:.3f}, "
                   f"b {buying.b:.3f}" if buying else _("too few customers came back")),
        ("Gamma-Gamma", f"p {spending.p:.2f}, q {spending.q:.2f}, v {spending.v:.2f}"
         if spending else ""),
    ])  # fmt: skip
