"""Whether a rule holds for one customer, and why: the plain meaning that the SQL must match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule
from crm_mailer.model.segment_fields import BLOCKS, FIELDS, FieldType, Operator, fits
from crm_mailer.segmenting import happenings
from crm_mailer.segmenting.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part of a rule, in words: whether it holds, and what is known of the customer."""

    depth: int
    holds: bool
    text: str
    known: str = ""


def matches(
    rule: Rule,
    facts: Facts,
    segments: Mapping[str, Rule] | None = None,
    seen: dict[str, bool] | None = None,
) -> bool:
    """Whether `rule` holds. Segments in `segments` are worked out, others looked up.

    `seen` keeps what was found of each segment, so that nested ones are worked out once.
    """
    seen = {} if seen is None else seen
    match rule:
        case AllOf(parts):
            return all(matches(part, facts, segments, seen) for part in parts)
        case AnyOf(parts):
            return any(matches(part, facts, segments, seen) for part in parts)
        case Not(part):
            return not matches(part, facts, segments, seen)
        case InSegment(segment):
            if segments is None or segment not in segments:
                return segment in facts.segments
            if segment not in seen:
                seen[segment] = matches(segments[segment], facts, segments, seen)
            return seen[segment]
        case Compare():
            return _compare(rule, facts)


def explain(rule: Rule, facts: Facts, segments: Mapping[str, Rule] | None = None) -> list[Finding]:
    """Every part of `rule` with whether it holds, from the outside in."""
    seen: dict[str, bool] = {}
    return [
        Finding(
            depth=depth,
            holds=matches(part, facts, segments, seen),
            text=in_words(part),
            known=_known_words(part, facts) if isinstance(part, Compare) else "",
        )
        for depth, part in parts(rule, segments)
    ]


def parts(
    rule: Rule,
    segments: Mapping[str, Rule] | None = None,
    depth: int = 0,
    told: set[str] | None = None,
) -> Iterator[tuple[int, Rule]]:
    """`rule` and all it is made of, each with its depth.

    Of `segments` their rules too, each where it is first spoken of (`told`).
    """
    told = set() if told is None else told
    yield depth, rule
    match rule:
        case AllOf(inner) | AnyOf(inner):
            for part in inner:
                yield from parts(part, segments, depth + 1, told)
        case Not(part):
            yield from parts(part, segments, depth + 1, told)
        case InSegment(segment):
            if segments is not None and segment in segments and segment not in told:
                told.add(segment)
                yield from parts(segments[segment], segments, depth + 1, told)
        case Compare():
            return


_SIGNS = {
    Operator.IS: "=",
    Operator.IS_NOT: "is not",
    Operator.IN: "in",
    Operator.NOT_IN: "not in",
    Operator.AT_LEAST: ">=",
    Operator.AT_MOST: "<=",
    Operator.ABOVE: ">",
    Operator.BELOW: "<",
    Operator.BETWEEN: "between",
    Operator.CONTAINS: "contains",
    Operator.KNOWN: "is known",
    Operator.UNKNOWN: "is unknown",
    Operator.BEGINS_WITH: "begins with",
    Operator.BEFORE: "before",
    Operator.SINCE: "since",
    Operator.AFTER: "after",
    Operator.UNTIL: "until",
}


def in_words(rule: Rule) -> str:
    """A rule's own line, such as `r >= 4`; what it is made of has lines of its own."""
    match rule:
        case AllOf():
            return "all of"
        case AnyOf():
            return "any of"
        case Not():
            return "not"
        case InSegment(segment):
            return f"in segment {segment}"
        case Compare():
            return _comparison_words(rule)


def _comparison_words(rule: Compare) -> str:
    sign = _SIGNS[Operator(rule.op)]
    if rule.op in (Operator.KNOWN, Operator.UNKNOWN):
        return f"{rule.field} {sign}"
    if FIELDS[rule.field].type in BLOCKS:
        return f"{rule.field} {happenings.in_words(rule.value)}"
    if FIELDS[rule.field].type is FieldType.DATE:
        days = rule.value if isinstance(rule.value, tuple) else (rule.value,)
        return f"{rule.field} {sign} {' and '.join(happenings.day_words(day) for day in days)}"
    if rule.op == Operator.BETWEEN:
        return f"{rule.field} {sign} {_shown(rule.value[0])} and {_shown(rule.value[1])}"
    return f"{rule.field} {sign} {_shown(rule.value)}"


def _compare(rule: Compare, facts: Facts) -> bool:
    field = FIELDS[rule.field]
    if field.type in BLOCKS:
        return happenings.happened(rule, facts)
    if field.type is FieldType.DATE:
        rule = happenings.on_day(rule, facts.today)
    value = facts.values[rule.field]
    if not field.is_many:
        return fits(rule, value)
    if rule.op in (Operator.KNOWN, Operator.UNKNOWN):
        return bool(value) == (rule.op == Operator.KNOWN)
    return any(fits(rule, one) for one in value)


def _known_words(rule: Compare, facts: Facts) -> str:
    if FIELDS[rule.field].type in BLOCKS:
        return happenings.known_words(rule, facts)
    value = facts.values[rule.field]
    return "unknown" if value is None or value == () else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_shown(one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
