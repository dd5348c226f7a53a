"""Manual pages, written from the commands themselves: `man crm-mailer`, `man crm-mailer-outbox`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from crm_mailer import __version__
from crm_mailer.cli import GROUPS
from crm_mailer.cli.completion import PROGRAM

#: A page without a day is a fault to readers of manuals; the program's version says more.
DAY = "2026-11-01"
#: An operand, an option or a command within a text of ours.
_LITERAL = re.compile(r"`([^`]+)`")
_STOP = re.compile(r"(?<=\.)\s")

ENVIRONMENT = (
    ("CRM_MAILER_HOME", "The shop's folder, as with --home."),
    ("CRM_MAILER_DATABASE, CRM_MAILER_SMTP_HOST, ...", "Any setting: smtp.host of crm-mailer.toml "
     "is CRM_MAILER_SMTP_HOST, and CRM_MAILER_SMTP_PASSWORD_FILE names a file with the secret."),
    ("CRM_MAILER_LANGUAGE", "The language of messages: en or zh_CN."),
)  # fmt: skip
FILES = (
    ("crm-mailer.toml", "The shop's settings; each has a comment."),
    ("campaigns/, templates/", "What is sent, to whom, and when."),
    ("crm-mailer.db", "The database, unless the settings name another one."),
    ("crm-mailer.key", "The key of links in mails. Keep a copy."),
    ("/etc/crm-mailer, /var/lib/crm-mailer", "Settings and folder of the service that "
     "`crm-mailer init --system` sets up; `sudo crm-mailer-shop doctor` is a command in it."),
)  # fmt: skip
EXITS = (
    ("0", "Done."),
    ("1", "A check found problems."),
    ("2", "Wrong usage, or nothing by that name."),
    ("10", "`plan --exit-code`: there is work."),
    ("65", "A data file cannot be read."),
    ("69", "A server does not answer."),
    ("70", "A fault of the program."),
    ("73", "Something cannot be written."),
    ("75", "Try later: the database is locked, or another daemon runs."),
    ("77", "A login was refused."),
    ("78", "The configuration is wrong."),
)


def pages(group: click.Group) -> dict[str, str]:
    """File name -> text of each page, in roff; the language is that of the process."""
    context = click.Context(group, info_name=PROGRAM)
    written = {f"{PROGRAM}.1": _first_page(group, context)}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        written[f"{PROGRAM}-{name}.1"] = _page(command, inner)
    return written


def _first_page(group: click.Group, context: click.Context) -> str:
    lines = [*_head(PROGRAM, group), *_synopsis([(context, group)])]
    lines += [".SH DESCRIPTION", *_purpose(group), *_options(group, context, ".SH OPTIONS")]
    lines += [".SH COMMANDS"]
    for title, names in GROUPS.items():
        lines.append(f".SS {_text(title)}")
        for name in names:
            command = group.get_command(context, name)
            assert command is not None
            lines += _item(_bold(f"{PROGRAM}-{name}") + "(1)", _first_sentence(command))
    for section, rows in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES), ("EXIT STATUS", EXITS)):
        lines += [f".SH {section}"]
        for term, text in rows:
            lines += _item(_bold(term), text)
    return "\n".join([*lines, ""])


def _page(command: click.Command, context: click.Context) -> str:
    name = f"{PROGRAM}-{context.info_name}"
    ways = list(_ways(command, context))
    lines = [*_head(name, command), *_synopsis([(one, inner) for one, inner in ways])]
    lines += [".SH DESCRIPTION", *_purpose(command), *_options(command, context, ".SH OPTIONS")]
    below = [(one, inner) for one, inner in ways if inner is not command]
    if below:
        lines.append(".SH COMMANDS")
    for one, inner in below:
        lines += [f".SS {_text(_path(one))}", *_purpose(inner), *_options(inner, one, ".PP")]
    lines += [".SH SEE ALSO", f"{_bold(PROGRAM)}(1)"]
    return "\n".join([*lines, ""])


def _ways(
    command: click.Command, context: click.Context
) -> Iterator[tuple[click.Context, click.Command]]:
    """All that can be run: the command itself, or what is below it."""
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _ways(inner, click.Context(inner, info_name=name, parent=context))


def _head(name: str, command: click.Command) -> list[str]:
    title = name.upper().replace("-", r"\-")
    return [
        f'.TH "{title}" "1" "{DAY}" "{PROGRAM} {__version__}" "{PROGRAM}"',
        ".SH NAME",
        rf"{_text(name)} \- {_text(_first_sentence(command).rstrip('.'))}",
    ]


def _synopsis(ways: list[tuple[click.Context, click.Command]]) -> list[str]:
    lines = [".SH SYNOPSIS"]
    for context, command in ways:
        pieces = " ".join(command.collect_usage_pieces(context))
        lines += [f"{_bold(_path(context))} {_text(pieces)}", ".br"]
    return lines[:-1]


def _purpose(command: click.Command) -> list[str]:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [".PP", _text(" ".join(paragraph.split()))]
    return lines[1:]


def _options(command: click.Command, context: click.Context, above: str) -> list[str]:
    """Its options; nothing where it has none of its own."""
    lines: list[str] = []
    for param in command.get_params(context):
        if not isinstance(param, click.Option) or param.hidden or "--help" in param.opts:
            continue
        names, _help = param.get_help_record(context) or ("", "")
        extra = param.get_help_extra(context)
        notes = [f"default: {extra['default']}"] if "default" in extra else []
        notes += [str(extra["range"])] if "range" in extra else []
        notes += ["required"] if "required" in extra else []
        text = (param.help or "") + (f" [{'; '.join(notes)}]" if notes else "")
        lines += _item(_bold(names), text.strip())
    return [above, *lines] if lines and above != ".PP" else lines


def _item(term: str, text: str) -> list[str]:
    return [".TP", term, _text(text) or r"\&"]


def _path(context: click.Context) -> str:
    return context.command_path


def _first_sentence(command: click.Command) -> str:
    return _STOP.split(" ".join((command.help or "").split()), maxsplit=1)[0]


def _bold(text: str) -> str:
    return rf"\fB{_text(text)}\fR"


def _text(text: str) -> str:
    r"""As roff wants it: `literal` in bold, nothing of ours is taken for a request."""
    safe = text.replace("\\", r"\e").replace("-", r"\-")
    safe = _LITERAL.sub(r"\\fB\1\\fR", safe)
    return r"\&" + safe if safe.startswith((".", "'")) else safe
