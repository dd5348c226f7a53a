"""Commands about memory curves: ladders, adaptive ones, a customer's memory."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from crm_mailer.cli import curve_page, pass_app, show
from crm_mailer.cli.options import Command, Day, Group, as_json_option
from crm_mailer.i18n import _, joined
from crm_mailer.model.curve import RANGES, Adaptive, Course, Signal

if TYPE_CHECKING:
    from crm_mailer.app import App

#: How signals are written on the command line.
LETTERS = {
    "N": Signal.NOTHING,
    "C": Signal.CLICK,
    "O": Signal.HUMAN_OPEN,
    "U": Signal.MACHINE_OPEN,
    "R": Signal.REPLY,
    "P": Signal.PURCHASE,
    "X": Signal.STOP,
    "B": Signal.BOUNCED,
}
#: More signals than any course can hear.
MOST_SIGNALS = 1000


class Signals(click.ParamType[tuple[Signal, ...]]):
    """Letters such as N,C,O."""

    name = "signals"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[Signal, ...]:
        """The signals, or a usage error that names the letters."""
        if isinstance(value, tuple):
            return value
        letters = value.replace(",", " ").split()
        for number, letter in enumerate(letters, start=1):
            if letter.upper() not in LETTERS:
                meanings = joined(f"{one} {show.word(signal)}" for one, signal in LETTERS.items())
                self.fail(
                    _("signal {number}, `{letter}`, is none of: {meanings}").format(
                        number=number, letter=letter, meanings=meanings
                    ),
                    param,
                    ctx,
                )
        if len(letters) > MOST_SIGNALS:
            self.fail(_("more than {number} signals").format(number=MOST_SIGNALS), param, ctx)
        return tuple(LETTERS[letter.upper()] for letter in letters)


class Parameter(click.FloatRange):
    """A parameter of an adaptive curve within its range."""

    name = "number"

    def __init__(self, parameter: str) -> None:
        least, most = RANGES[parameter]
        super().__init__(min=least, max=most)

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """The number; no infinity and no nan."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(_("`{value}` is no number").format(value=value), param, ctx)
        return float(number)


@click.group(cls=Group)
def curve() -> None:
    """Memory curves: when to come back after an event."""


@curve.command("list")
@as_json_option
@pass_app
def curve_list(app: App, as_json: bool) -> None:
    """List the curves of curves.yaml."""
    from crm_mailer.app import curves

    found = curves.curves(app)
    if as_json:
        show.json_(found)
    else:
        curve_page.curves(found)


@curve.command("show", cls=Command)
@click.argument("name", default="")
@click.option("--anchor", type=Day(), metavar="DATE", help=_("The day of the event; else now."))
@click.option("--customer", metavar="WHO", help=_("What is known of this customer's memory."))
@click.option("--campaign", default="", help=_("Only this campaign's courses of the customer."))
@click.option("--signals", type=Signals(), metavar="N,C,O,U,R,P,X",
              help=_("Play a history through: N nothing, C click, O human open, U machine open, "
                     "R reply, P purchase, X stop, B came back. Needs no shop."))  # fmt: skip
@click.option("--first-half-life", type=Parameter("first_half_life"), metavar="DAYS",
              help=_("For --signals: the half-life at the beginning."))  # fmt: skip
@click.option("--retention", type=Parameter("retention"),
              help=_("For --signals: the recall at which the next mail is due."))  # fmt: skip
@click.option("--backoff", type=Parameter("backoff"),
              help=_("For --signals: how much a miss lengthens the wait."))  # fmt: skip
@click.option("--decay", type=Parameter("decay"),
              help=_("For --signals: the power with which the recall falls."))  # fmt: skip
@as_json_option
@click.pass_context
def curve_show(
    ctx: click.Context,
    /,
    name: str,
    anchor: date | None,
    customer: str | None,
    campaign: str,
    signals: tuple[Signal, ...] | None,
    as_json: bool,
    **parameters: float | None,
) -> None:
    """Show the dates of the curve NAME, a customer's memory, or a history played through."""
    told = {key: value for key, value in parameters.items() if value is not None}
    _refuse(name, customer, signals, campaign=campaign, anchor=anchor, told=told)
    if signals is not None:
        ctx.invoke(_play, name=name, signals=signals, told=told, as_json=as_json)
    elif customer is not None:
        ctx.invoke(_memory, customer=customer, campaign=campaign, as_json=as_json)
    else:
        ctx.invoke(_dates, name=name, anchor=anchor, as_json=as_json)


def _refuse(
    name: str,
    customer: str | None,
    signals: tuple[Signal, ...] | None,
    *,
    campaign: str,
    anchor: date | None,
    told: dict[str, float],
) -> None:
    """Say which options do not go together.

    Raises:
        UsageError: nothing is asked for, or two things at once.
    """
    if not name and customer is None and signals is None:
        raise click.UsageError(_("name a curve, or give --customer or --signals"))
    if customer is not None and (name or signals is not None):
        raise click.UsageError(_("--customer goes with neither a curve nor --signals"))
    if campaign and customer is None:
        raise click.UsageError(_("--campaign goes with --customer"))
    if told and signals is None:
        option = "--" + next(iter(told)).replace("_", "-")
        raise click.UsageError(_("{option} goes with --signals").format(option=option))
    if anchor is not None and (customer is not None or signals is not None):
        raise click.UsageError(_("--anchor goes with a curve alone"))


def _play(name: str, signals: tuple[Signal, ...], told: dict[str, float], as_json: bool) -> None:
    from crm_mailer.app import curves

    adaptive = click.get_current_context().invoke(_parameters, name=name) if name else Adaptive()
    changed = replace(
        adaptive,
        first_half_life=told.get("first_half_life", adaptive.first_half_life),
        retention=told.get("retention", adaptive.retention),
        backoff=told.get("backoff", adaptive.backoff),
        decay=told.get("decay", adaptive.decay),
    )
    found = curves.play(signals, changed)
    if as_json:
        show.raw(json.dumps(_figures(found.course)))
    else:
        curve_page.played(found)


@pass_app
def _parameters(app: App, name: str) -> Adaptive:
    from crm_mailer.app import curves

    return curves.adaptive_of(app, name)


@pass_app
def _memory(app: App, customer: str, campaign: str, as_json: bool) -> None:
    from crm_mailer.app import curves

    view = curves.memory(app, customer, campaign=campaign)
    if as_json:
        show.json_(view)
    else:
        curve_page.memory(app, view)


@pass_app
def _dates(app: App, name: str, anchor: date | None, as_json: bool) -> None:
    from crm_mailer.app import curves

    view = curves.curve_view(app, name, anchor=anchor)
    if as_json:
        show.json_(view)
    else:
        curve_page.curve(app, view)


def _figures(course: Course) -> dict[str, Any]:
    """For scripts: gaps and offsets in days; `next_gap` where the course goes on."""
    ended = "done" if course.ended == "converted" else course.ended
    figures: dict[str, Any] = {
        "gaps": [round(gap, 6) for gap in course.gaps],
        "offsets": [round(offset, 6) for offset in course.offsets],
        "ended": ended,
    }
    if course.next_gap is not None:
        figures["next_gap"] = round(course.next_gap, 6)
    return figures
