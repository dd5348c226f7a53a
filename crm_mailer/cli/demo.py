"""The command `demo`: the main job on real input, with everything embedded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crm_mailer.cli import show
from crm_mailer.cli.options import Command
from crm_mailer.i18n import _, joined

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.demo.run import Progress, Ran
    from crm_mailer.demo.summary import Summary

DEFAULT_FOLDER = Path("crm-mailer-demo")
#: Column of the mails' table -> the states that it counts.
COLUMNS = {
    "accepted": ("accepted",),
    "refused": ("refused",),
    "waiting": ("planned", "held", "claimed", "deferred"),
    "in doubt": ("in_doubt",),
    "not sent": ("skipped", "expired"),
}


@click.command(cls=Command)
@click.option("--folder", type=click.Path(path_type=Path), default=DEFAULT_FOLDER,
              show_default=True, help=_("Where the demo's shop is made."))  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True,
              help=_("Another seed is another story; the same seed is the same one."))  # fmt: skip
@click.option("--days", type=click.IntRange(1, 90), default=90, show_default=True)
@click.option("--replace", is_flag=True, help=_("Begin anew where an earlier demo lies."))
@click.option("--studio/--no-studio", "wants_studio", default=None,
              help=_("Open the studio at the end; in a terminal it opens by itself."))  # fmt: skip
def demo(folder: Path, seed: int, days: int, replace: bool, wants_studio: bool | None) -> None:
    """Live through 90 days of a real shop: orders in, mails out, replies in, cases open."""
    from crm_mailer.app import open_app
    from crm_mailer.demo import outside
    from crm_mailer.demo import run as main_loop
    from crm_mailer.demo.summary import summarise

    outside.check_parts()
    _introduce(folder, days)
    main_loop.make_room(folder, is_replaced=replace)
    ran = main_loop.run(folder, seed=seed, days=days, on_day=_tell_day)
    app = open_app(str(folder))
    try:
        _show(ran, summarise(app))
        if wants_studio or (wants_studio is None and _is_looked_at()):
            _open_studio(app)
    finally:
        app.close()


def _is_looked_at() -> bool:
    """Whether somebody sits there who could open a browser and end it."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _open_studio(app: App) -> None:
    """The shop to walk about in, until Ctrl-C."""
    from crm_mailer.cli import studio

    show.line()
    studio.open_(app, "127.0.0.1", None)


def _introduce(folder: Path, days: int) -> None:
    show.heading(_("A real gift shop, {days} days from 2011-09-01, as fast as this machine can")
                 .format(days=days))  # fmt: skip
    show.line(_(
        "Real:       every paid invoice (UCI Online Retail II, Chen, Sain & Guo 2012,\n"
        "            CC BY 4.0): customer number, moment, country, amount.\n"
        "Made up, by seeded chance: names, addresses, birthdays, goods; that customers\n"
        "            read en, ru, es, pt, fr, de or zh; unpaid orders, funds pending,\n"
        "            parcels, delays, arrivals, reviews; what customers answer and what\n"
        "            agents do.\n"
        "Real again: SMTP and IMAP between processes on this machine. No mail leaves it."
    ))  # fmt: skip
    show.note(_("The shop is made in {folder}").format(folder=folder.resolve()))


def _tell_day(progress: Progress) -> None:
    told = _("{day}: {mails} mails out, {answers} answers in").format(
        day=f"{progress.at:%Y-%m-%d}", mails=f"{progress.mails:,}",
        answers=f"{progress.answers:,}")  # fmt: skip
    if show.err().is_terminal:
        filled = 30 * progress.day // progress.days
        bar = "█" * filled + "░" * (30 - filled)
        end = "\n" if progress.day == progress.days else "\r"
        show.err().print(f"{bar} {told}", end=end)
    elif progress.day % 15 == 0 or progress.day == progress.days:
        show.note(told)


def _show(ran: Ran, summary: Summary) -> None:
    from crm_mailer.cli.rfm import show_heat_map

    figures = summary.figures
    show.line()
    show.heading(_("{orders} orders of {customers} customers, lived through in {seconds:.0f} s")
                 .format(orders=f"{figures.orders:,}", customers=f"{figures.customers:,}",
                         seconds=ran.seconds))  # fmt: skip
    show.line()
    show.heading(_("Who the customers are"))
    show_heat_map(summary.cells)
    show.line()
    _show_mails(summary)
    show.line()
    show.table(
        [_("what came back"), _("mails")],
        [(show.word(kind), number) for kind, number in summary.replies.items()],
        right=(1,),
    )
    show.line()
    _show_cases(summary)
    _show_story(summary)
    show.line()
    show.heading(_("Five mails to look at"))
    for path in summary.samples:
        show.line(f"  {path}  (+ .eml)")
    _show_next(ran, summary)


def _show_mails(summary: Summary) -> None:
    rows: list[list[object]] = [
        [one.campaign, *_sums(one.states), one.bounces or "", one.replies or ""]
        for one in summary.mails
    ]
    everything: Counter[str] = Counter()
    for one in summary.mails:
        everything.update(one.states)
    rows.append([_("all"), *_sums(everything), sum(one.bounces for one in summary.mails),
                 sum(one.replies for one in summary.mails)])  # fmt: skip
    show.table([_("campaign"), *map(_, COLUMNS), _("bounces"), _("replies")], rows,
               right=tuple(range(1, len(COLUMNS) + 3)), title=_("Mails"))  # fmt: skip
    left_out = joined(f"{show.word(reason)} {number}" for reason, number in summary.skips.items())
    show.line(_("Not sent, and why: {reasons}").format(reasons=left_out))
    show.line(_("The ledger adds up: every planned mail is in exactly one state.")
              if summary.audit.is_sound else _("THE LEDGER DOES NOT ADD UP"))  # fmt: skip


def _sums(states: Mapping[str, int]) -> list[object]:
    """The columns of a row; nothing is an empty cell."""
    return [sum(states.get(state, 0) for state in group) or "" for group in COLUMNS.values()]


def _show_cases(summary: Summary) -> None:
    from crm_mailer.reporting.cases import in_words

    show.table(
        [_("open cases"), _("severity"), _("count"), _("overdue"), _("first due")],
        [
            (_(in_words(one.reason)), one.severity, one.count, one.overdue or "",
             f"{one.due_first:%Y-%m-%d %H:%M} UTC")
            for one in summary.open_cases
        ],
        right=(2, 3),
    )  # fmt: skip


def _show_story(summary: Summary) -> None:
    if summary.story is None:
        return
    case = summary.story.case
    show.line()
    show.heading(_("One order: {number} of {customer}, from the invoice to case {case}").format(
        number=case.order_number, customer=case.customer, case=case.number))  # fmt: skip
    show.table(["", "", ""], [
        (f"{event.at:%m-%d %H:%M}", show.word(event.kind), event.text)
        for event in summary.story.events
    ])  # fmt: skip


def _show_next(ran: Ran, summary: Summary) -> None:
    program = "python3 cli.py" if Path("cli.py").exists() else "crm-mailer"
    start = f"{program} --home {ran.folder}"
    show.line()
    show.heading(_("Try next"))
    show.line(f"  {start} studio")
    show.line(f"  {start} status")
    if summary.story is not None:
        case = summary.story.case
        show.line(f"  {start} case show {case.number}")
        show.line(f"  {start} customer show {case.email}")
        show.line(f"  {start} preview win-back --customer {case.email} --text")
    show.line(f"  {start} plan")
    show.line(f"  {start} rfm")
