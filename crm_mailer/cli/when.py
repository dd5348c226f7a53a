"""Commands about time: festivals that campaigns may name, hours at which customers are seen."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Day, as_json_option
from crm_mailer.i18n import _, among, joined, n_

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.when import FestivalDay, HourView

#: So many countries are written out.
SHOWN = 8
BARS = " ▁▂▃▄▅▆▇█"


@click.command(cls=Command)
@click.option("--country", metavar="CODE", default="", help=_("Only what is kept there: DE, BR."))
@click.option("--from", "since", type=Day(), metavar="DATE", help=_("A year from this day on."))
@as_json_option
@pass_app
def festivals(app: App, country: str, since: date | None, as_json: bool) -> None:
    """List the festivals that a campaign can be anchored at, with their next days."""
    from crm_mailer.app import when

    days = when.festival_days(app, since=since, country=country.strip().upper())
    if as_json:
        show.json_(days)
        return
    show.table(
        [_("day"), _("festival"), _("for"), _("name"), _("campaigns")],
        [(_day(one.day), one.id, _whom(one), one.name, joined(one.campaigns)) for one in days],
        empty=_("no festival is kept there"),
    )
    show.note(_("anchor: {festival: NAME} in a campaign; your own go into campaigns/calendar.yaml"))


def _day(day: date) -> str:
    return f"{day} {among('day', f'{day:%a}')}"


def _whom(one: FestivalDay) -> str:
    if one.is_for_others:
        return _("all others") if one.countries else _("everybody")
    named = " ".join(one.countries[:SHOWN])
    more = len(one.countries) - SHOWN
    if more <= 0:
        return named
    return _("{countries} and {number} more").format(countries=named, number=more)


@click.command(cls=Command)
@click.option("--customer", "who", metavar="WHO", default="", help=_("Also one customer's hour."))
@click.option("--learn", "is_learning", is_flag=True, help=_("Learn everybody's hours anew first."))
@as_json_option
@pass_app
def hours(app: App, who: str, is_learning: bool, as_json: bool) -> None:
    """Show at which hours of their day customers answer and buy: what `send_at: best` uses."""
    from crm_mailer.app import when

    view = when.hours(app, who=who, is_learning=is_learning)
    if as_json:
        show.json_(view)
        return
    if view.learnt_at is None:
        show.note(_("nothing is learnt yet: the daemon does it each night, `--learn` at once"))
        return
    show.table(
        [_("country"), _("seen"), _("best"), "0     6     12    18    "],
        [
            (country or _("the shop"), sum(seen), f"{view.hours[country]}:00", _bars(seen))
            for country, seen in sorted(view.counts.items())
        ],
        right=(1, 2),
    )
    _tell(view, who)


def _tell(view: HourView, who: str) -> None:
    show.note(
        n_("1 customer has an hour", "{number} customers have hours of their own", view.customers)
    )
    if not who:
        return
    if view.customer_hour is None:
        show.line(_("{who}: seen too seldom; the country's or the shop's hour").format(who=who))
    else:
        show.line(
            _("{who}: {hour}:00, seen {number} times").format(
                who=who, hour=view.customer_hour, number=view.customer_seen
            )
        )


def _bars(seen: list[int]) -> str:
    most = max(seen)
    if not most:
        return ""
    return "".join(BARS[-(-number * (len(BARS) - 1) // most)] for number in seen)
