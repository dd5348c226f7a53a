"""How help looks: in the reader's language, and folded by the places that letters take."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

import click
from rich.cells import cell_len

from crm_mailer.cli.folding import fold
from crm_mailer.i18n import _, joined

#: Behind a full stop, in either script.
_STOP = re.compile(r"(?<=[^.]\.)\s|(?<=。)")


class Formatter(click.HelpFormatter):
    """Click's own folds by the number of letters, of which a Chinese one takes two places."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """The line that shows how to write the command."""
        super().write_usage(prog, args, _("Usage: ") if prefix is None else prefix)

    def write_heading(self, heading: str) -> None:
        """The title of a part."""
        self.write(f"{'':>{self.current_indent}}{heading}{_(': ').rstrip()}\n")

    def write_text(self, text: str) -> None:
        """What a command is for."""
        width = self.width - self.current_indent
        super().write_text("\n\n".join(_kept(part, width) for part in text.split("\n\n")))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Names and what they mean."""
        rows = list(rows)
        first = min(max((cell_len(name) for name, _text in rows), default=0), col_max)
        width = max(self.width - first - col_spacing - self.current_indent, 10)
        super().write_dl([(name, _kept(text, width)) for name, text in rows], col_max, col_spacing)


class Context(click.Context):
    """Brings the formatter to where click makes one."""

    formatter_class = Formatter


class Command(click.Command):
    """A command that tells in the reader's language what it and its options are for.

    Purposes are looked up when they are shown: the language is known later than the commands.
    """

    context_class = Context

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence of its purpose, in full."""
        return _STOP.split(" ".join(self._purpose().split()), maxsplit=1)[0]

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its purpose."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(self._purpose())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its options."""
        options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
        with formatter.section(_("Options")):
            formatter.write_dl([_record(one, ctx) for one in options if not one.hidden])

    def _purpose(self) -> str:
        return _(inspect.cleandoc(self.help)) if self.help else ""


class Group(Command, click.Group):
    """A group of such commands, whose help tells each one's purpose in full."""

    command_class = Command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its options, then its commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """All commands, in the order of the alphabet."""
        self.write_commands(ctx, formatter, _("Commands"), self.list_commands(ctx))

    def write_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter, title: str, names: Iterable[str]
    ) -> None:
        """Some of the commands, under a title."""
        found = [(name, self.get_command(ctx, name)) for name in names]
        with formatter.section(title):
            formatter.write_dl(
                [(name, one.get_short_help_str()) for name, one in found if one is not None]
            )


def _record(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    """The names of an option, and what it means."""
    names, _purpose = option.get_help_record(ctx) or ("", "")
    extra = option.get_help_extra(ctx)
    notes = [joined((_("default"), extra["default"]), ": ")] if "default" in extra else []
    notes += [extra["range"]] if "range" in extra else []
    notes += [_("required")] if "required" in extra else []
    text = _(option.help) if option.help else ""
    return names, f"{text}  [{joined(notes, '; ')}]".lstrip() if notes else text


def _kept(text: str, width: int) -> str:
    """Folded here, and marked so that click does not fold it again."""
    return f"\b\n{fold(text, width)}" if text else ""
