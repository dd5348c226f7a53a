"""What click says of a command that is written wrongly, as sentences of ours.

Click has its texts translated by gettext, of which we know nothing. Its finished English is read
by its own templates instead, so that it can be said in the reader's language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import zip_longest

import click

from crm_mailer.i18n import _
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.system_texts import SYSTEM_TEXTS

#: Click's own templates; of two that a text may match, the first is meant.
TEMPLATES = (
    "Invalid value for {param_hint}: {message}",
    "Invalid value: {message}",
    "Missing command.",
    "Got unexpected extra argument ({args})",
    "Got unexpected extra arguments ({args})",
    "Option {name!r} does not take a value.",
    "Option {name!r} requires an argument.",
    "Option {name!r} requires {nargs} arguments.",
    "Argument {name!r} takes {nargs} values.",
    "Takes {nargs} values but 1 was given.",
    "Takes {nargs} values but {len} were given.",
    "{len_type} values are required, but {len_value} was given.",
    "{len_type} values are required, but {len_value} were given.",
    "{name} {filename!r} does not exist.",
    "{name} {filename!r} is a file.",
    "{name} {filename!r} is a directory.",
    "{name} {filename!r} is not readable.",
    "{name} {filename!r} is not writable.",
    "{name} {filename!r} is not executable.",
    "{value!r} is not a valid boolean. Recognized values: {states}",
    "{value!r} is not a valid UUID.",
    "{value!r} is not a valid {number_type}.",
    "{value!r} does not match the format {format}.",
    "{value!r} does not match the formats {formats}.",
    "{value} is not in the range {range}.",
    "{value!r} is not one of {choices}.",
    "{value!r} is not {choice}.",
    "Could not open file {filename!r}: {message}",
    "unknown error",
    "{editor}: Editing failed: {e}",
    "{editor}: Editing failed",
    "Choose from:\n\t{choices}",
    "Did you mean {possibility}?",
    "(Did you mean one of: {possibilities}?)",
)  # fmt: skip
#: Those behind which another may stand; click puts the missing parameter's name in itself.
FOLLOWED = (
    "No such option {name!r}.",
    "No such command {name!r}.",
    "Missing argument {param_hint}.",
    "Missing option {param_hint}.",
    "Missing parameter {param_hint}.",
)
#: Words of click's own that it puts in: kinds of paths and of numbers.
WORDS = ("File", "Directory", "Path", "integer", "integer range", "float", "float range", "number")
_PART = re.compile(r"\{(\w+)(?:!r)?\}")


def said(error: click.ClickException) -> str:
    """What an error of click's says: a sentence where it is click's own text."""
    return read(error.format_message())


def hint(error: click.ClickException) -> str:
    """How the command is written; empty where no command is at fault."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None:
        return ""
    return _("{usage}; `{command} --help` says more").format(
        usage=" ".join(context.get_usage().split()).removeprefix(_("Usage: ").strip()).lstrip(),
        command=context.command_path,
    )


def read(text: str) -> str:
    """Click's finished text as a sentence; other text as it is."""
    for pattern, shape in _shapes():
        if found := shape.fullmatch(text):
            parts = found.groupdict()
            more = parts.pop("more", None)
            first = Sentence(pattern, **{name: _part(name, part) for name, part in parts.items()})
            return Sentence("{error} {more}", error=first, more=read(more)) if more else first
    return _of_file(text)


def _of_file(text: str) -> str:
    """What a file's type says where the system does not open a file: it has no template."""
    file, colon, why = text.rpartition(": ")
    return Sentence("{file}: {why}", file=file, why=why) if colon and why in SYSTEM_TEXTS else text


def patterns() -> Iterator[str]:
    """What the sentences are made of, for the catalogues."""
    yield from (_pattern(template) for template in (*FOLLOWED, *TEMPLATES))
    yield from WORDS


def _part(name: str, text: str) -> str:
    if name == "message":
        return read(text)
    return Sentence(text) if name in ("name", "number_type") and text in WORDS else text


@cache
def _shapes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Each pattern, and what a text looks like that was made by it."""
    followed = [(one, r"(?: (?P<more>.+))?") for one in FOLLOWED]
    return tuple(
        (_pattern(template), re.compile(_shape(template) + end, re.DOTALL))
        for template, end in (*followed, *((one, "") for one in TEMPLATES))
    )


def _pattern(template: str) -> str:
    """Without `!r`: what is put in was quoted by click."""
    return _PART.sub(r"{\1}", template)


def _shape(template: str) -> str:
    texts, names = _PART.split(template)[::2], _PART.findall(template)
    parts = [f"(?P<{name}>.+?)" for name in names]
    return "".join(
        part for pair in zip_longest(map(re.escape, texts), parts, fillvalue="") for part in pair
    )
