"""Commands by which past months leave the database: db archive."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Number, as_json_option
from crm_mailer.i18n import _, n_

if TYPE_CHECKING:
    from crm_mailer.app import App


class Month(click.ParamType[tuple[int, int]]):
    """A month such as 2025-01."""

    name = "month"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int]:
        """Year and month, or a usage error."""
        if isinstance(value, tuple):
            return value
        try:
            found = datetime.strptime(value, "%Y-%m")  # noqa: DTZ007
        except ValueError:
            self.fail(_("`{value}` is no month such as 2025-01").format(value=value), param, ctx)
        return found.year, found.month


@click.command(cls=Command)
@click.option("--before", type=Month(), metavar="MONTH",
              help=_("The first month that stays, such as 2025-01."))  # fmt: skip
@click.option("--find", type=Number(), metavar="NUMBER",
              help=_("Show what the archive holds of this mail."))  # fmt: skip
@as_json_option
@pass_app
def archive(app: App, before: tuple[int, int] | None, find: int | None, as_json: bool) -> None:
    """Let past months leave the database, into files of the folder `archive`.

    What mails were and how they went leaves: messages and attempts, each proved to be in the files
    before it is deleted. Planned mails, open cases, doubts and the keys of all mails stay. Without
    an option it lists what has left. What was broken off goes on.
    """
    from crm_mailer.app import archiving

    if find is not None:
        show.json_(archiving.find(app, find))
    elif before is None:
        _list(app, as_json)
    else:
        _archive(app, before, as_json)


def _archive(app: App, before: tuple[int, int], as_json: bool) -> None:
    from crm_mailer.app import archiving

    done: Counter[str] = Counter()

    def told(month: str, rows: int) -> None:
        done[month] += rows
        if not as_json:
            show.note(_("{month}: {rows} rows").format(month=month, rows=f"{done[month]:,}"))

    found = archiving.archive(app, *before, told)
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("month"), _("folder"), _("messages"), _("attempts"), _("stayed"), _("MB")],
        [(one.month, one.folder, f"{one.counts.get('messages', 0):,}",
          f"{one.counts.get('deliveries', 0):,}", f"{one.kept:,}", f"{one.size / 1e6:,.1f}")
         for one in found],
        right=(2, 3, 4, 5), empty=_("nothing was left to archive"),
    )  # fmt: skip
    if found:
        show.good(n_("1 month is in the archive", "{number} months are in the archive", len(found)))


def _list(app: App, as_json: bool) -> None:
    from crm_mailer.app import archiving

    found = archiving.list_(app)
    if as_json:
        show.json_(found)
        return
    show.table(
        [_("folder"), _("messages"), _("attempts"), _("mails from"), _("mails to"), _("archived")],
        [(f"archive/{one.folder}", f"{one.counts.get('messages', 0):,}",
          f"{one.counts.get('deliveries', 0):,}", one.first_touch, one.last_touch,
          show.local(one.at, app.zone)) for one in found],
        right=(1, 2, 3, 4),
        empty=_("nothing is archived; `crm-mailer db archive --before 2025-01` would do it"),
    )  # fmt: skip
