"""What the Tab key offers behind `crm-mailer`: click knows the words, we know the shop's names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from crm_mailer.definitions import glimpse
from crm_mailer.home import find_home
from crm_mailer.model.errors import CrmMailerError

PROGRAM = "crm-mailer"
#: What the shell sets when it asks; click reads it.
VARIABLE = "_CRM_MAILER_COMPLETE"
#: Shell -> where it looks for scripts, below a `share` folder.
PLACES = {
    "bash": Path("bash-completion") / "completions" / PROGRAM,
    "zsh": Path("zsh") / "site-functions" / f"_{PROGRAM}",
    "fish": Path("fish") / "vendor_completions.d" / f"{PROGRAM}.fish",
}

Names = Callable[[Path], dict[str, str]]
#: What stands in the help for a value, or what a command calls it -> the names that it may have.
KNOWN: dict[str, Names] = {
    "CAMPAIGN": glimpse.campaigns,
    "[CAMPAIGN]...": glimpse.campaigns,
    "[CAMPAIGN]... | FILE": glimpse.campaigns,
    "campaign": glimpse.campaigns,
    "SEGMENT|FILE": glimpse.segments,
    "[SEGMENT|FILE]": glimpse.segments,
    "segment": glimpse.segments,
    "BENEFIT": glimpse.benefits,
    "PROFILE": glimpse.profiles,
    "template": glimpse.templates,
    "language": glimpse.languages,
    "languages": glimpse.languages,
}
#: Command and what it calls a value, where that alone says too little.
NAMED: dict[tuple[str, str], Names] = {
    ("curve show", "name"): glimpse.curves,
    ("new campaign", "copied"): glimpse.campaigns,
    ("new segment", "copied"): glimpse.segments,
    ("new template", "copied"): glimpse.templates,
}


class ShopName(click.ParamType[str]):
    """A name out of the shop's files; anything else is left to the command."""

    name = "text"

    def __init__(self, names: Names) -> None:
        self.names = names

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so; none where there is no shop."""
        try:
            home = find_home(ctx.find_root().params.get("home"))
        except (CrmMailerError, OSError):
            return []
        return [
            CompletionItem(name, help=called or None)
            for name, called in self.names(home).items()
            if name.startswith(incomplete)
        ]


def teach(command: click.Command, path: str) -> None:
    """Let the values of a command, and of all below it, be completed with the shop's names."""
    for param in command.params:
        names = _names_of(param, path)
        if names is not None and isinstance(param.type, click.types.StringParamType):
            param.type = ShopName(names)
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            teach(inner, f"{path} {name}")


def script(shell: str, group: click.Command) -> str:
    """What makes a shell ask us; click's own."""
    known: Any = get_completion_class(shell)
    return str(known(group, {}, PROGRAM, VARIABLE).source())


def _names_of(param: click.Parameter, path: str) -> Names | None:
    name = param.name or ""
    return NAMED.get((path, name)) or KNOWN.get(param.metavar or "") or KNOWN.get(name)
