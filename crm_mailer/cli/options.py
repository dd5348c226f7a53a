"""Options and arguments that several commands share."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import click

from crm_mailer.cli.help_page import Command, Group
from crm_mailer.i18n import _

__all__ = [
    "Command",
    "Day",
    "Group",
    "Number",
    "as_json_option",
    "by_option",
    "number_argument",
]


#: The largest number that a database can hold.
_FITTING = click.IntRange(max=(1 << 63) - 1)


class Number(click.IntRange):
    """The number by which people call a case, a mail, a reply or a task."""

    name = "number"

    def __init__(self) -> None:
        super().__init__(min=1)

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """The number, or a usage error."""
        return _FITTING.convert(super().convert(value, param, ctx), param, ctx)


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
