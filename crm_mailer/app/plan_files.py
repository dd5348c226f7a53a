"""Versions of the files beside a campaign's own on which its mails depend, for a saved plan."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from crm_mailer.app.wiring import App
from crm_mailer.definitions.files import read_yaml
from crm_mailer.model.campaign import Campaign, SegmentAnchor
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.segment import Segment
from crm_mailer.model.segment_order import spoken_of
from crm_mailer.model.sentence import Sentence

#: How a segment is named among the files, before its id.
SEGMENT = "the segment "


def file_versions(app: App, campaign: Campaign) -> dict[str, str]:
    """The shop's file, those of the segments it asks, and the benefits', each with its version.

    Comments and the look of a file do not count.
    """
    folder = app.home / "campaigns"
    names = ["shop.yaml"]
    if campaign.gives_anything:
        names.append("benefits.yaml")
    found = {f"campaigns/{name}": _version(folder / name) for name in names}
    segments = app.definitions.segments
    for id_ in sorted(_segments_of(campaign, segments)):
        rule = segments[id_].rule if id_ in segments else None
        found[f"{SEGMENT}{id_}"] = _digest(repr(_plain(rule)))
    return found


def in_words(name: str) -> str:
    """One of these names for people."""
    if not name.startswith(SEGMENT):
        return name
    return Sentence("the segment {name}", name=name.removeprefix(SEGMENT))


def _version(path: Path) -> str:
    try:
        return _digest(json.dumps(read_yaml(path).words(), sort_keys=True))
    except DefinitionError:
        return ""


def _plain(value: object) -> object:
    """A rule as lists; sets have another sequence in each process, so they are sorted."""
    if is_dataclass(value):
        parts = [_plain(getattr(value, one.name)) for one in fields(value)]
        return [type(value).__name__, *parts]
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _segments_of(campaign: Campaign, segments: Mapping[str, Segment]) -> set[str]:
    """The segments that the campaign asks, and those that these ask."""
    waiting, found = list(_named_by(campaign)), set[str]()
    while waiting:
        id_ = waiting.pop()
        if id_ in found:
            continue
        found.add(id_)
        if id_ in segments:
            waiting += spoken_of(segments[id_].rule)
    return found


def _named_by(campaign: Campaign) -> Iterator[str]:
    yield from spoken_of(campaign.audience)
    for step in campaign.steps:
        yield from spoken_of(step.condition)
    if isinstance(campaign.anchor, SegmentAnchor):
        yield campaign.anchor.segment
