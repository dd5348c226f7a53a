"""The door for people: finds the command, opens the shop, turns errors into one clear line."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from crm_mailer import __version__
from crm_mailer.cli import show, usage
from crm_mailer.cli.help_page import Group
from crm_mailer.i18n import _, prefer
from crm_mailer.model.errors import CrmMailerError
from crm_mailer.model.sentence import Sentence

P = ParamSpec("P")
R = TypeVar("R")

#: Exit codes of what is no error of our tree.
OUR_FAULT, CANNOT_WRITE = 70, 73

#: Help group -> command -> where it is. A command's module is imported only when it is used.
GROUPS: dict[str, dict[str, str]] = {
    "Write and look": {
        "init": "init:init",
        "new": "making:new",
        "check": "checking:check",
        "preview": "rendering:preview",
        "test-send": "rendering:test_send",
        "plan": "planning:plan",
        "apply": "planning:apply",
        "simulate": "planning:simulate",
        "campaign": "planning:campaign",
        "curve": "curves:curve",
        "benefit": "benefits:benefit",
    },
    "Customers": {
        "import": "importing:import_",
        "segment": "segments:segment",
        "rfm": "rfm:rfm",
        "customer": "customers:customer",
        "case": "cases:case",
        "report": "reports:report",
    },
    "Mail": {
        "send": "delivering:send",
        "outbox": "outbox:outbox",
        "listen": "listening:listen",
        "inbox": "listening:inbox",
    },
    "Operate": {
        "run": "operating:run",
        "studio": "studio:studio",
        "public": "public:public",
        "status": "operating:status",
        "pause": "pausing:pause",
        "resume": "pausing:resume",
        "db": "databases:db",
        "doctor": "doctor:doctor",
        "privacy": "privacy:privacy",
        "demo": "demo:demo",
    },
}
COMMANDS = {name: place for group in GROUPS.values() for name, place in group.items()}
#: Commands that the program gives itself; people need them never, so no help names them.
HIDDEN = {"worker": "workers:worker"}


class LazyGroup(Group):
    """A group whose commands are imported when they are used, so that `--help` is quick."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; before any other, which shop: it may have chosen the language."""
        if not ctx.resilient_parsing:  # a shell that completes a word waits for nothing
            told, _rest, _order = self.make_parser(ctx).parse_args(list(args))
            prefer(_shop_language(told.get("home")))
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        place = COMMANDS.get(cmd_name) or HIDDEN.get(cmd_name)
        if place is None:
            return None
        module, _colon, attribute = place.partition(":")
        found: click.Command = getattr(
            importlib.import_module(f"crm_mailer.cli.{module}"), attribute
        )
        if ctx.resilient_parsing:
            from crm_mailer.cli import completion

            completion.teach(found, cmd_name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant, or the nearest name to what was written."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=COMMANDS, ctx=ctx
            ) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; that a reader closes the pipe is `main`'s business, not click's."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise click.exceptions.Exit(0) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in groups."""
        for title, commands in GROUPS.items():
            self.write_commands(ctx, formatter, _(title), commands)


class Doors:
    """What the options before the command say; opens the shop when a command wants it."""

    def __init__(self, home: str | None, *, is_debug: bool) -> None:
        self.home = home
        self.is_debug = is_debug
        self.opened: list[Any] = []

    def open(self) -> Any:
        """The shop's App, closed by `main` at the end."""
        from crm_mailer.app import open_app

        app = open_app(self.home)
        self.opened.append(app)
        show.sandbox(app)
        return app


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "CRM_MAILER"},
)
@click.option("--home", metavar="DIR", type=click.Path(file_okay=False, readable=False),
              help=_("The shop's folder; else the nearest one upwards."))  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help=_("Log what is done."))
@click.option("--debug", is_flag=True, help=_("Show the traceback of an error."))
@click.version_option(__version__, prog_name="crm-mailer")
@click.pass_context
def group(ctx: click.Context, home: str | None, verbose: bool, debug: bool) -> None:
    """Email marketing and CRM automation for shops that sell across borders."""
    from crm_mailer import logs

    logs.set_up("debug" if debug else "info" if verbose else "warning")
    ctx.obj = Doors(home, is_debug=debug)
    ctx.call_on_close(lambda: [app.close() for app in ctx.obj.opened])
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def pass_app(command: Callable[Concatenate[Any, P], R]) -> Callable[P, R]:
    """Give a command the opened shop as its first argument."""

    @click.pass_context
    def with_app(ctx: click.Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
        doors = ctx.ensure_object(Doors)
        return ctx.invoke(command, doors.open(), *args, **kwargs)

    with_app.__doc__ = command.__doc__
    with_app.__name__ = command.__name__
    for name in ("__click_params__",):
        if hasattr(command, name):
            setattr(with_app, name, getattr(command, name))
    return with_app


def main(arguments: list[str] | None = None) -> None:
    """Run the program and leave with its exit code.

    What it writes is readable by its owner alone: a shop's files are about people.
    """
    before = os.umask(0o077)
    try:
        sys.exit(_run(sys.argv[1:] if arguments is None else arguments))
    finally:
        os.umask(before)


def _run(arguments: list[str]) -> int:
    try:
        code = group.main(arguments, prog_name="crm-mailer", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except click.Abort:
        code = 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    except Exception as error:  # the last net: a person gets one line, --debug the traceback
        if "--debug" in arguments and not isinstance(error, click.ClickException):
            raise
        code = _report(error)
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    """Say what went wrong and what to do; returns the exit code."""
    match error:
        case click.exceptions.NoArgsIsHelpError():
            show.talk(error.format_message())
            return error.exit_code
        case click.ClickException():
            show.error(usage.said(error), usage.hint(error))
            return error.exit_code
        case CrmMailerError():
            show.trouble(error)
            return error.exit_code
        case OSError(strerror=str(why), filename=str(name)):
            said = Sentence("{file}: {why}", file=name, why=why)
            show.error(said, _("look at the rights of the folder and the free space"))
            return CANNOT_WRITE
        case _:
            remedy = _("this is a fault of ours: run it again with `crm-mailer --debug ...` "
                       "and report what it prints")  # fmt: skip
            show.error(f"{type(error).__name__}: {error}", remedy)
            return OUR_FAULT


def _shop_language(home: str | None) -> str:
    """The language that the shop's settings name; empty where there is no shop to ask."""
    from crm_mailer.home import find_home
    from crm_mailer.settings import read_settings

    try:
        return read_settings(find_home(home)).language
    except (CrmMailerError, OSError):
        return ""  # the command itself says what is wrong, if it matters to it
