"""The command by which the daemon starts a sending process; hidden from people."""

from __future__ import annotations

import click

from crm_mailer.cli import Doors, show
from crm_mailer.cli.options import Command


@click.command(cls=Command, hidden=True)
@click.option("--number", default=1, type=click.IntRange(min=1))
@click.option("--team", default="")
@click.option("--leash", "is_leashed", is_flag=True)
@click.option("--once", "is_once", is_flag=True)
@click.pass_obj
def worker(doors: Doors, number: int, team: str, is_leashed: bool, is_once: bool) -> None:
    """Send as one of several processes of the daemon."""
    from crm_mailer import workers
    from crm_mailer.app import open_app
    from crm_mailer.store.engine import trust_threads

    trust_threads()
    app = open_app(doors.home)
    doors.opened.append(app)
    app.set_up_logs()
    one = workers.Worker(app, number=number, is_leashed=is_leashed)
    one.team = team or one.team
    if not is_once:
        one.run()
        return
    report = one.run_once()
    show.json_(report)
    if report.lane_fault is not None:
        raise report.lane_fault.error()
