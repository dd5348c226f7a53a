"""Templates that are nothing but text and fields once what is known is written in.

Most are. They are filled in like a form, without Jinja's machinery; the text part is laid out and
encoded beforehand but for the lines that hold a field. Whatever is out of the ordinary (a field
that is missing, empty or has several lines, where that matters) is left to Jinja.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jinja2 import nodes

from crm_mailer.rendering import plain, quoted, tracking
from crm_mailer.rendering.context import FIELDS, KNOWN, SUBJECT
from crm_mailer.rendering.engine import MAX_OUTPUT, WIRE, Sandbox

#: Stands for a field in a text that is being laid out.
MARK = re.compile("\x01(\\d+)\x02")
#: Values that are no records; the subject is known before the body is written.
PLAIN = {SUBJECT, *tracking.NAMES, *(name for name, record in KNOWN.items() if record is None)}
BREAKS = re.compile("[\n\r\x01]")


class Slot(NamedTuple):
    """A place for a field, such as `customer`, `city`; `name` is empty for a plain value."""

    root: str
    name: str

    def value(self, values: Mapping[str, Any]) -> Any:
        """What belongs there; KeyError and AttributeError where it is missing."""
        found = values[self.root]
        return getattr(found, self.name) if self.name else found


@dataclass(frozen=True, slots=True)
class Form:
    """Text with slots."""

    pieces: tuple[str, ...]
    #: Where in `pieces` a value goes.
    slots: tuple[tuple[int, Slot], ...]

    def fill(self, values: Mapping[str, Any], written: Callable[[Any], str]) -> str | None:
        """The text for these values; None where Jinja must say what is wrong with them."""
        pieces = self.filled(values, written)
        return None if pieces is None else "".join(pieces)

    def filled(self, values: Mapping[str, Any], written: Callable[[Any], str]) -> list[str] | None:
        """The same in its pieces, which are not copied."""
        pieces = list(self.pieces)
        try:
            for place, slot in self.slots:
                pieces[place] = written(slot.value(values))
        except (KeyError, AttributeError):
            return None
        return pieces if sum(map(len, pieces)) <= MAX_OUTPUT else None


@dataclass(frozen=True, slots=True)
class Letter:
    """A text part, laid out: lines that are the same for all are encoded, others are forms."""

    lines: tuple[str | Form, ...]

    def fill(self, values: Mapping[str, Any]) -> list[str] | None:
        """The part on the wire, in pieces; None where the values would change the layout."""
        found: list[str] = []
        for line in self.lines:
            if isinstance(line, str):
                found.append(line)
                continue
            text = line.fill(values, _word)
            if text is None or _WRONG in text:
                return None
            found += (quoted.line_once(text), "\r\n")
        return found


def form(tree: nodes.Template, environment: Sandbox) -> Form | None:
    """The form of a folded template; None for one that decides or loops.

    Of `WIRE` the constants are encoded here, as its code generator would.
    """
    found = _parts(tree)
    if found is None:
        return None
    is_wire = environment is WIRE
    pieces: list[str] = []
    slots: list[tuple[int, Slot]] = []
    text = ""
    for part in [*found, None]:
        if isinstance(part, str):
            text += part
            continue
        if text:
            pieces.append(quoted.piece(text) if is_wire else text)
            text = ""
        if isinstance(part, Slot):
            slots.append((len(pieces), part))
            pieces.append("")
        elif part is not None:
            pieces.append(WIRE.quote(part.value) if is_wire else str(part.value))
    return Form(tuple(pieces), tuple(slots))


def letter(found: Form | None) -> Letter | None:
    """The layout of a text part's form; None where there is no form."""
    if found is None:
        return None
    pieces, known = list(found.pieces), dict(found.slots)
    for number, (place, _slot) in enumerate(found.slots):
        pieces[place] = f"\x01{number}\x02"
    if any("\x01" in piece or "\x02" in piece for place, piece in enumerate(found.pieces)):
        return None
    slots = list(known.values())
    text = plain.tidy_rendered("".join(pieces)).rstrip("\n")
    return Letter(tuple(_joined(_line(one, slots) for one in text.split("\n"))))


def _line(text: str, slots: list[Slot]) -> str | Form:
    parts = MARK.split(text)  # text, number, text, number ... text
    if len(parts) == 1:
        return quoted.line(text) + "\r\n"
    places = range(1, len(parts), 2)
    pieces = ["" if place % 2 else part for place, part in enumerate(parts)]
    return Form(tuple(pieces), tuple((place, slots[int(parts[place])]) for place in places))


def _joined(lines: Iterable[str | Form]) -> list[str | Form]:
    """Neighbouring lines that are encoded become one."""
    found: list[str | Form] = []
    for line in lines:
        if isinstance(line, str) and found and isinstance(found[-1], str):
            found[-1] += line
        else:
            found.append(line)
    return found


#: In place of a value that would change the layout: it cannot stand in a value itself.
_WRONG = "\x01"


def _word(value: Any) -> str:
    text = str(value)
    return text if text[-1:].strip() and not BREAKS.search(text) else _WRONG


def _parts(tree: nodes.Template) -> list[str | Slot | nodes.Const] | None:
    found: list[str | Slot | nodes.Const] = []
    for one in tree.body:
        if not isinstance(one, nodes.Output):
            return None
        for node in one.nodes:
            part = _part(node)
            if part is None:
                return None
            found.append(part)
    return found


def _part(node: nodes.Node) -> str | Slot | nodes.Const | None:
    if isinstance(node, nodes.TemplateData):
        return node.data
    if isinstance(node, nodes.Const):
        return node
    if isinstance(node, nodes.Or) and isinstance(node.left, nodes.Const):
        return _part(node.left if node.left.value else node.right)
    if isinstance(node, nodes.Name) and node.name in PLAIN:
        return Slot(node.name, "")
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        record = KNOWN.get(node.node.name)
        if record is not None and node.attr in FIELDS.get(record, ()):
            return Slot(node.node.name, node.attr)
    return None
