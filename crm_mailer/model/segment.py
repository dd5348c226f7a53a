"""A segment is a named rule over customers; the rule is a tree of all, any and not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Compare:
    """One test of one field, such as `r >= 4` or `country in [RU, BY]`."""

    field: str
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds. Of nothing: true."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds. Of nothing: false."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold; unknown counts as not holding."""

    part: Rule


@dataclass(frozen=True, slots=True)
class InSegment:
    """Being in another segment."""

    segment: str


Rule = Compare | AllOf | AnyOf | Not | InSegment

EVERYBODY = AllOf(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A named rule. `id` is stable and stands in campaigns; `name` is for people."""

    id: str
    name: str
    rule: Rule
    note: str = ""
