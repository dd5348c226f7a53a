"""Whether a rule holds for one customer, and why: the plain meaning that the SQL must match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule
from crm_mailer.model.segment_fields import BLOCKS, FIELDS, FieldType, Operator, fits
from crm_mailer.model.sentence import NOT_KNOWN, Sentence, Sentences
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


_COMPARISONS = {
    Operator.IS: "{field} = {value}",
    Operator.IS_NOT: "{field} is not {value}",
    Operator.IN: "{field} is one of {value}",
    Operator.NOT_IN: "{field} is none of {value}",
    Operator.AT_LEAST: "{field} >= {value}",
    Operator.AT_MOST: "{field} <= {value}",
    Operator.ABOVE: "{field} > {value}",
    Operator.BELOW: "{field} < {value}",
    Operator.BETWEEN: "{field} from {value} to {end}",
    Operator.CONTAINS: "{field} contains {value}",
    Operator.KNOWN: "{field} is known",
    Operator.UNKNOWN: "{field} is unknown",
    Operator.BEGINS_WITH: "{field} begins with {value}",
    Operator.BEFORE: "{field} before {value}",
    Operator.SINCE: "{field} since {value}",
    Operator.AFTER: "{field} after {value}",
    Operator.UNTIL: "{field} until {value}",
}


def in_words(rule: Rule) -> Sentence:
    """A rule's own line, such as `r >= 4`; what it is made of has lines of its own."""
    match rule:
        case AllOf():
            return Sentence("all of these:")
        case AnyOf():
            return Sentence("at least one of these:")
        case Not():
            return Sentence("not:")
        case InSegment(segment):
            return Sentence("in segment {segment}", segment=segment)
        case Compare():
            return _comparison_words(rule)


def _comparison_words(rule: Compare) -> Sentence:
    if FIELDS[rule.field].type in BLOCKS:
        return Sentences(rule.field, happenings.in_words(rule.value))
    show = happenings.day_words if FIELDS[rule.field].type is FieldType.DATE else _shown
    if rule.op == Operator.BETWEEN:
        ends = {"value": show(rule.value[0]), "end": show(rule.value[1])}
    else:
        ends = {"value": _shown(rule.value) if isinstance(rule.value, tuple) else show(rule.value)}
    return Sentence(_COMPARISONS[Operator(rule.op)], field=rule.field, **ends)


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
    return NOT_KNOWN if value is None or value == () else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_shown(one) for one in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
