"""Options and arguments that several commands share."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import click

from crm_mailer.i18n import _

#: Letters of a purpose in a list of commands: all of its first sentence.
FULL = 400


class Group(click.Group):
    """A group whose help tells each command's purpose in full."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """All commands, in the order of the alphabet."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section(_("Commands")):
            formatter.write_dl(
                [(name, one.get_short_help_str(FULL)) for name, one in found if one is not None]
            )


class Number(click.IntRange):
    """The number by which people call a case, a mail, a reply or a task."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=1)


class Day(click.ParamType[date]):
    """A day such as 2026-11-20."""

    name = "date"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """The day, or a usage error."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007
        except ValueError:
            self.fail(_("`{value}` is no day such as 2026-11-20").format(value=value), param, ctx)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


as_json_option = click.option("--json", "as_json", is_flag=True, help=_("For scripts."))
by_option: Callable[[Any], Any] = click.option(
    "--by", default=_login, show_default=_("your login"), help=_("Who does it.")
)
number_argument = click.argument("number", type=Number())
