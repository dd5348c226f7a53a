"""Everything that is printed: data on stdout, talk on stderr, tables that fit, JSON for scripts."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from crm_mailer.cli.folding import Words
from crm_mailer.i18n import _, say
from crm_mailer.model.errors import CrmMailerError, DefinitionError
from crm_mailer.model.sentence import Sentence

if TYPE_CHECKING:
    from crm_mailer.definitions.problems import Problem

#: Bumped when the shape of `--json` changes.
JSON_VERSION = 1


@cache
def out() -> Console:
    """Where data goes."""
    return Console(highlight=False, soft_wrap=False)


@cache
def err() -> Console:
    """Where talk, progress and errors go."""
    return Console(stderr=True, highlight=False)


def clean(value: object) -> str:
    """A value as a terminal may show it: control characters cannot move the cursor.

    A sentence is said in the reader's language, wherever it comes from.
    """
    text = "" if value is None else say(str(value))
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else "�" for c in text)


def print_(console: Console, text: Text) -> None:
    """Print a text; in a group, since a console makes one plain text of all that it is given."""
    console.print(Group(text))


def line(text: object = "", *, style: str = "") -> None:
    """One line of data."""
    print_(out(), Words(clean(text), style=style))


def heading(text: object) -> None:
    """A title over what follows."""
    print_(out(), Words(clean(text), style="bold"))


def facts(rows: Iterable[tuple[str, object]]) -> None:
    """Labels and values, aligned; empty values are left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for label, value in rows:
        if value not in (None, ""):
            grid.add_row(clean(label), _cell(value))
    out().print(grid)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    right: Sequence[int] = (),
    empty: str = "",
) -> None:
    """A table; a column in which no row says anything is left out.

    Args:
        columns: their headers.
        rows: one value for each column.
        title: over it all.
        right: columns to align right.
        empty: what is said when there is no row.
    """
    rows = list(rows)
    if not rows:
        note(empty or _("nothing to show"))
        return
    used = [place for place in range(len(columns)) if any(_says(row[place]) for row in rows)]
    grid = Table(title=title or None, title_justify="left", box=None, header_style="bold",
                 pad_edge=False, title_style="bold", show_header=any(columns))  # fmt: skip
    for place in used:
        grid.add_column(clean(columns[place]), justify="right" if place in right else "left",
                        overflow="fold")  # fmt: skip
    for row in rows:
        grid.add_row(*(_cell(row[place]) for place in used))
    out().print(grid)


def raw(text: str) -> None:
    """Text as it is: a mail's source, SQL, problems with carets."""
    out().print(Text(clean(text)), soft_wrap=True)


def json_(value: Any) -> None:
    """A value for scripts, with the version of its shape."""
    print(json.dumps({"v": JSON_VERSION, "data": plain(value)}, ensure_ascii=False, indent=1))


def plain(value: Any) -> Any:
    """A value as JSON knows it; instants in ISO 8601, durations in seconds."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(inner) for name, inner in value._asdict().items()}
    if isinstance(value, dict):
        return {str(plain(key)): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner) for inner in value]
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (Decimal, Path)):
        return str(value)
    return value


def talk(text: str) -> None:
    """Talk as it is, such as a help that is shown unasked."""
    err().print(Text(clean(text)), soft_wrap=True)


def note(text: object) -> None:
    """Talk: a summary, a next step."""
    print_(err(), Words(clean(text)))


def good(text: object) -> None:
    """Something went well."""
    print_(err(), Words.assemble(("✓ ", "green"), clean(text)))


def warn(text: object) -> None:
    """Something to look at."""
    print_(err(), Words.assemble(("! ", "yellow"), clean(text)))


def error(text: str, hint: str = "") -> None:
    """What went wrong, and what to do."""
    print_(err(), Words.assemble((_("error: "), "bold red"), clean(text)))
    _help(hint)


def trouble(error_: CrmMailerError) -> None:
    """An error of ours: with each fault and its place, where it is about files."""
    if isinstance(error_, DefinitionError) and error_.problems:
        faults(error_.problems, error_.hint)
    else:
        error(str(error_), error_.hint)


def faults(problems: Iterable[Problem], hint: str = "") -> None:
    """Faults in files, each with its place; and what to do."""
    talk("\n\n".join(say(problem.as_text()) for problem in problems))
    _help(hint)


def _help(hint: str) -> None:
    if hint:
        print_(err(), Words.assemble((_("  help: "), "cyan"), clean(hint)))


def sandbox(app: Any) -> None:
    """Say that nothing leaves this machine, where that is so."""
    if app.settings.is_sandbox:
        kinds = {one.kind for one in app.settings.accounts}
        told = _("SANDBOX: no mail server is configured; mails go to {folder}")
        if kinds == {"null"}:
            told = _("SANDBOX: no mail server is configured; mails are thrown away")
        told = told.format(folder=app.outbox_folder)
        print_(err(), Words(told, style="yellow"))


def taken(kind: str) -> str:
    """What it means that an account of this kind has taken a mail."""
    words = {"folder": _("written to the outbox folder"), "null": _("thrown away (kind = null)")}
    return words.get(kind, _("accepted"))


def word(code: object) -> str:
    """A code of ours as people read it: in words, in their language; a sentence likewise."""
    if isinstance(code, Sentence):
        return say(code)
    return _(str(code or "").replace("_", " "))


def local(moment: datetime | None, place: Any) -> str:
    """An instant as a person in a zone writes it, with the zone's short name."""
    return "" if moment is None else moment.astimezone(place).strftime("%Y-%m-%d %H:%M %Z")


def short(moment: datetime | None, place: Any) -> str:
    """An instant in a table whose header names the zone: see `when`."""
    return "" if moment is None else moment.astimezone(place).strftime("%Y-%m-%d %H:%M")


def when(label: str, place: Any, now: datetime) -> str:
    """The header over a column of `short` instants."""
    return f"{label} ({now.astimezone(place):%Z})"


def _says(value: object) -> bool:
    return bool(value.plain) if isinstance(value, Text) else value not in (None, "")


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Words(clean(value))
