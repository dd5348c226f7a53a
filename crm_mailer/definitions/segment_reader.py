"""Reads segments: files of campaigns/segments/ with a rule, a list or both."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any

from pydantic import WithJsonSchema

from crm_mailer.definitions.files import RULE, Node, Strict, parse_yaml, read_yaml, validate
from crm_mailer.definitions.list_reader import ListFolder
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.rule_reader import read_rule
from crm_mailer.definitions.written import Slug, Text
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.segment import (
    AllOf,
    Rule,
    Segment,
)
from crm_mailer.model.segment_order import Ring, parts_first
from crm_mailer.model.sentence import Sentence


class SegmentFile(Strict):
    """The shape of a file in campaigns/segments/."""

    id: Slug
    name: str
    note: Text = ""
    rule: Annotated[Any, WithJsonSchema(RULE)] = None
    list: Text = ""


def read_segments(
    folder: Path, problems: list[Problem], *, campaigns: Collection[str] | None = None
) -> dict[str, Segment]:
    """The segments in `folder/*.yaml` by id, in the order of the file names.

    Faults are added to `problems`, and the segments that have one are left out.

    Args:
        folder: of the segments.
        problems: where faults are added.
        campaigns: the ids of the shop's campaigns; None lets rules name any.
    """
    files = _read_files(folder, problems)
    lists = lists_of(folder)
    ids = {shape.id for _node, shape in files}
    segments: dict[str, Segment] = {}
    for node, shape in files:
        faults: list[Problem] = []
        if shape.id in segments:
            what = Sentence("another file has the id `{id}` already", id=shape.id)
            faults.append(node.problem("CRM118", what, "id"))
        rule = _rule_of(node, faults, segments=ids, lists=lists, campaigns=campaigns)
        problems.extend(faults)
        if not any(fault.is_error for fault in faults):
            segments[shape.id] = Segment(
                id=shape.id, name=shape.name, note=shape.note.strip(), rule=rule
            )
    return _without_rings(segments, {shape.id: node for node, shape in files}, problems)


def read_segment(
    path: Path,
    problems: list[Problem],
    *,
    segments: Collection[str],
    shown: str = "",
    campaigns: Collection[str] | None = None,
) -> Segment | None:
    """The segment in the file at `path`, which may lie anywhere; None where it has an error.

    Args:
        path: the file; lists lie beside it.
        problems: where faults are added.
        segments: the ids that its rule may name.
        shown: the file's name in messages.
        campaigns: the ids of the shop's campaigns; None lets the rule name any.
    """
    lists = lists_of(path.parent)
    return _read(lambda: read_yaml(path, shown), problems, segments, lists, campaigns)


def read_segment_text(
    text: str,
    problems: list[Problem],
    *,
    folder: Path,
    segments: Collection[str],
    shown: str,
    campaigns: Collection[str] | None = None,
) -> Segment | None:
    """The segment that is written in `text`, as `read_segment` reads one of `folder`."""
    return _read(lambda: parse_yaml(text, shown), problems, segments, lists_of(folder), campaigns)


def _read(
    parse: Callable[[], Node],
    problems: list[Problem],
    segments: Collection[str],
    lists: ListFolder,
    campaigns: Collection[str] | None,
) -> Segment | None:
    faults: list[Problem] = []
    found = None
    try:
        node = parse()
        shape = validate(node, SegmentFile)
    except DefinitionError as error:
        faults.extend(error.problems)
    else:
        rule = _rule_of(node, faults, segments=segments, lists=lists, campaigns=campaigns)
        found = Segment(id=shape.id, name=shape.name, note=shape.note.strip(), rule=rule)
    problems.extend(faults)
    return None if any(fault.is_error for fault in faults) else found


def lists_of(folder: Path) -> ListFolder:
    """Where the lists of the segments in `folder` lie."""
    is_ours = folder.name == "segments"
    shown = f"{folder.parent.name}/{folder.name}" if is_ours else str(folder)
    return ListFolder(path=folder, shown=shown)


def _rule_of(
    node: Node,
    problems: list[Problem],
    *,
    segments: Collection[str],
    lists: ListFolder,
    campaigns: Collection[str] | None,
) -> Rule:
    """What the file asks: its rule, its list, or both."""
    parts = [
        read_rule(one, problems, segments=segments, lists=lists, campaigns=campaigns)
        for one in (node.get("rule"), _list_line(node))
        if one is not None
    ]
    if not parts:
        what = "a segment has a `rule`, a `list` or both"
        problems.append(node.problem("CRM105", what, help="such as `rule: {country: RU}`"))
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _list_line(node: Node) -> Node | None:
    """The file's `list:` as a rule of one line."""
    value = node.get("list")
    if value is None:
        return None
    line = Node(node.source, value.place, kind="map", entries={"list": value})
    line.keys["list"] = node.keys["list"]
    return line


def _read_files(folder: Path, problems: list[Problem]) -> list[tuple[Node, SegmentFile]]:
    files = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            node = read_yaml(path, f"{folder.parent.name}/{folder.name}/{path.name}")
            files.append((node, validate(node, SegmentFile)))
        except DefinitionError as error:
            problems.extend(error.problems)
    return files


def _without_rings(
    segments: dict[str, Segment], nodes: dict[str, Node], problems: list[Problem]
) -> dict[str, Segment]:
    """The segments that are in no ring; each ring is one fault."""
    left = dict(segments)
    while True:
        try:
            parts_first(left.values())
        except Ring as ring:
            first = min(ring.path)
            what = Sentence("segments speak of each other in a ring: {ring}", ring=ring)
            remedy = "take `segment:` out of one of them"
            problems.append(nodes[first].problem("CRM130", what, "rule", help=remedy, key=True))
            for id_ in ring.path:
                left.pop(id_, None)
        else:
            return left
