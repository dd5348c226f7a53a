"""A YAML file as a tree that knows the place of every key and value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from crm_mailer.definitions.problems import Problem, Severity, raise_all
from crm_mailer.model.sentence import Sentence

MAX_DEPTH = 20
NULLS = {"", "~", "null", "Null", "NULL"}
TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Key = str | int


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: line and column from 1, and how many characters it is wide."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """One file: the name to show and its lines."""

    file: str
    lines: tuple[str, ...]

    def problem(self, place: Place, code: str, message: str, **more: Any) -> Problem:
        """A fault at `place`. `more`: help, severity."""
        line = self.lines[place.line - 1] if 0 < place.line <= len(self.lines) else ""
        return Problem(
            code=code,
            message=message,
            file=self.file,
            line=place.line,
            column=place.column,
            width=place.width,
            source=line,
            **more,
        )


@dataclass(slots=True)
class Node:
    """A value as written: a mapping (`entries`), a list (`items`) or a scalar (`text`).

    Keys keep their own place in `keys`. A scalar keeps its words; `is_plain` tells that it was
    not quoted, so that only then a number, a truth or nothing may be read into it.
    """

    source: Source
    place: Place
    kind: str = "text"
    text: str = ""
    is_plain: bool = False
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)

    @property
    def is_null(self) -> bool:
        """Whether nothing is written here."""
        return self.kind == "text" and self.is_plain and self.text in NULLS

    def get(self, *path: Key) -> Node | None:
        """The node at `path` below this one; None where there is none."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(step, int):
                node = node.items[step] if 0 <= step < len(node.items) else None
            else:
                node = node.entries.get(step)
        return node

    def at(self, path: Sequence[Key], *, key: bool = False) -> Place:
        """The place of the value at `path`, or of its key; of the nearest one above if absent.

        Steps that are not in the file (such as a union's own names) are passed over.
        """
        node, place = self, self.place
        for step in path:
            if isinstance(step, str) and step in node.entries:
                place = node.keys[step]
                node = node.entries[step]
                if not key:
                    place = node.place
            elif isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                place = node.place
        return place

    def problem(
        self,
        code: str,
        message: str,
        *path: Key,
        help: str = "",
        severity: Severity = Severity.ERROR,
        key: bool = False,
    ) -> Problem:
        """A fault at the value (or, with `key`, the key) at `path` below this node."""
        place = self.at(path, key=key)
        return self.source.problem(place, code, message, help=help, severity=severity)

    def words(self) -> Any:
        """The tree as dicts, lists and text; nothing is None. For schemas that know the types."""
        if self.kind == "map":
            return {key: node.words() for key, node in self.entries.items()}
        if self.kind == "list":
            return [node.words() for node in self.items]
        return None if self.is_null else self.text

    def value(self) -> Any:
        """The tree with numbers and truths read (YAML 1.2 core), where no schema knows better."""
        if self.kind == "map":
            return {key: node.value() for key, node in self.entries.items()}
        if self.kind == "list":
            return [node.value() for node in self.items]
        return _scalar(self.text) if self.is_plain else self.text


class Builder:
    """Builds the tree from events, without recursion: depth is a number, not a stack overflow."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stack: list[Node] = []
        self.pending: list[tuple[str, Place] | None] = []
        self.root: Node | None = None
        self.documents = 0
        self.problems: list[Problem] = []

    def build(self, events: Iterator[Event]) -> Node:
        """The tree of all events."""
        for event in events:
            self._take(event)
        if self.problems:
            raise_all(self.problems)
        if self.root is None or self.root.is_null:
            return Node(self.source, Place(1, 1), kind="map")
        return self.root

    def _take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                self._refuse(event, "CRM102", "a second document in one file is not allowed")
        elif isinstance(event, AliasEvent):
            self._refuse(
                event,
                "CRM102",
                Sentence("the alias `*{anchor}` is not allowed", anchor=event.anchor),
            )
            raise_all(self.problems)
        elif isinstance(event, ScalarEvent):
            self._features(event)
            self._add(self._scalar_node(event), event)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._open(event)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self.stack.pop()
            self.pending.pop()

    def _open(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        self._features(event)
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(
                event,
                "CRM108",
                Sentence("nested deeper than {most} levels", most=MAX_DEPTH),
            )
            raise_all(self.problems)
        kind = "map" if isinstance(event, MappingStartEvent) else "list"
        node = Node(self.source, _place(event, 1), kind=kind)
        self._add(node, event)
        self.stack.append(node)
        self.pending.append(None)

    def _add(self, node: Node, event: Event) -> None:
        if not self.stack:
            self.root = self.root or node
            return
        parent = self.stack[-1]
        if parent.kind == "list":
            parent.items.append(node)
            return
        waiting = self.pending[-1]
        if waiting is None:
            self.pending[-1] = (self._key_of(node, event, parent), node.place)
            return
        key, place = waiting
        parent.entries[key], parent.keys[key] = node, place
        self.pending[-1] = None

    def _key_of(self, node: Node, event: Event, parent: Node) -> str:
        if node.kind != "text":
            self._refuse(event, "CRM102", "a key is one word or text, not a list or a block")
            raise_all(self.problems)
        if node.text == "<<" and node.is_plain:
            self._refuse(event, "CRM102", "the merge key `<<` is not allowed")
        if node.text in parent.entries:
            first = parent.keys[node.text].line
            self._refuse(
                event,
                "CRM103",
                Sentence(
                    "the key `{key}` stands already in line {line}", key=node.text, line=first
                ),
            )
        return node.text

    def _scalar_node(self, event: ScalarEvent) -> Node:
        text = str(event.value)
        if CONTROLS.search(text):
            self._refuse(event, "CRM102", "control characters are not allowed in values")
        return Node(self.source, _place(event, 0), text=text, is_plain=event.style in (None, ""))

    def _features(self, event: Any) -> None:
        if event.anchor:
            self._refuse(
                event,
                "CRM102",
                Sentence("the anchor `&{anchor}` is not allowed", anchor=event.anchor),
            )
        if event.tag is not None and str(event.tag) != "!":
            self._refuse(event, "CRM102", Sentence("the tag `{tag}` is not allowed", tag=event.tag))

    def _refuse(self, event: Event, code: str, message: str) -> None:
        self.problems.append(self.source.problem(_place(event, 0), code, message))


def _place(event: Any, width: int) -> Place:
    start, end = event.start_mark, event.end_mark
    if not width:
        same = end.line == start.line
        width = max(1, end.column - start.column if same else 1)
    return Place(start.line + 1, start.column + 1, width)


def _scalar(text: str) -> Any:
    if text in NULLS:
        return None
    if text in TRUTHS:
        return TRUTHS[text]
    if WHOLE.fullmatch(text):
        return int(text)
    if DECIMAL.fullmatch(text):
        return float(text)
    return text
