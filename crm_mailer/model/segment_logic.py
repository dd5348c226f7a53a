"""Whether a rule can hold at all, and whether it can fail: what its lines alone tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from crm_mailer.model.segment import AllOf, AnyOf, Compare, InSegment, Not, Rule
from crm_mailer.model.segment_blocks import Contact, Purchase
from crm_mailer.model.segment_fields import BLOCKS, FIELDS, FieldType, Operator, fits

#: A text that no rule asks for: whatever else a customer may have there.
_OTHER = "\0"
_TODAY = date(2026, 1, 1)


def verdict(rule: Rule) -> bool | None:
    """True: it holds for everybody. False: for nobody. None: that depends on the customer.

    Only lines of one block are weighed against one another, so None says little; and a segment
    that is spoken of may hold or not.
    """
    match rule:
        case AllOf(parts):
            return _all(_flat(parts, AllOf))
        case AnyOf(parts):
            found = _all([_opposite(part) for part in _flat(parts, AnyOf)])
            return None if found is None else not found
        case Not(part):
            found = verdict(part)
            return None if found is None else not found
        case Compare():
            return _compare(rule)
        case InSegment():
            return None


def _flat(parts: Iterable[Rule], kind: type[AllOf] | type[AnyOf]) -> list[Rule]:
    """Blocks in blocks of the same kind are one block."""
    flat: list[Rule] = []
    for part in parts:
        flat.extend(_flat(part.parts, kind) if isinstance(part, kind) else [part])
    return flat


def _opposite(rule: Rule) -> Rule:
    return rule.part if isinstance(rule, Not) else Not(rule)


def _all(parts: Sequence[Rule]) -> bool | None:
    verdicts = [verdict(part) for part in parts]
    if False in verdicts:
        return False
    if all(verdicts):
        return True
    plain = {part for part in parts if not isinstance(part, Not)}
    if any(isinstance(part, Not) and part.part in plain for part in parts):
        return False
    lines: dict[str, list[Rule]] = {}
    for part in parts:
        inner = part.part if isinstance(part, Not) else part
        if isinstance(inner, Compare) and _is_weighable(inner):
            lines.setdefault(inner.field, []).append(part)
    return None if all(_can_hold(name, of_field) for name, of_field in lines.items()) else False


def _is_weighable(rule: Compare) -> bool:
    """Whether a customer has one value there, and values can be listed that tell all apart."""
    field = FIELDS[rule.field]
    return not field.is_many and field.type not in BLOCKS and rule.op != Operator.CONTAINS


def _can_hold(name: str, lines: Sequence[Rule]) -> bool:
    """Whether one value passes all lines, of all values that they tell apart."""
    compares = [line.part if isinstance(line, Not) else line for line in lines]
    dated = [_dated(one) for one in compares if isinstance(one, Compare)]
    if FIELDS[name].type is FieldType.DATE and _is_mixed(compares):
        return True
    is_wanted = [not isinstance(line, Not) for line in lines]
    return any(
        all(fits(one, value) == wanted for one, wanted in zip(dated, is_wanted, strict=True))
        for value in _telling(name, dated)
    )


def _telling(name: str, compares: Iterable[Compare]) -> Iterable[Any]:
    """Unknown, each value that is named, and those just below and above."""
    field = FIELDS[name]
    named = [
        value
        for one in compares
        if not isinstance(one.value, bool)
        for value in (one.value if isinstance(one.value, tuple) else (one.value,))
        if value is not None
    ]
    match field.type:
        case FieldType.FLAG:
            return (True, False)
        case FieldType.CHOICE:
            return (None, *field.choices)
        case FieldType.NUMBER:
            around = {near for value in named for near in (value - 1, value, value + 1)}
            lowest, highest = field.lowest, field.highest
            return (None, lowest, highest, *(n for n in around if lowest <= n <= highest))
        case FieldType.MONEY:
            around = {near for value in named for near in (value - 1, value, value + 1)}
            return (None, *(amount for amount in around if amount >= 0))
        case FieldType.DATE:
            day = timedelta(days=1)
            return (None, *{near for one in named for near in (one - day, one, one + day)})
        case _:
            return (None, _OTHER, *named, *(f"{text}{_OTHER}" for text in named))


def _is_mixed(compares: Iterable[Rule]) -> bool:
    """Whether some days move on with the calendar and some do not."""
    kinds = {
        isinstance(value, date)
        for one in compares
        if isinstance(one, Compare) and not isinstance(one.value, bool)
        for value in (one.value if isinstance(one.value, tuple) else (one.value,))
    }
    return len(kinds) > 1


def _dated(rule: Compare) -> Compare:
    """Days that move on as days of some calendar, so that they can be compared."""
    if FIELDS[rule.field].type is not FieldType.DATE or isinstance(rule.value, bool):
        return rule

    def on(value: Any) -> Any:
        return _TODAY - timedelta(days=value) if isinstance(value, int) else value

    value = rule.value
    return Compare(
        rule.field, rule.op, tuple(map(on, value)) if isinstance(value, tuple) else on(value)
    )


def _compare(rule: Compare) -> bool | None:
    """A line alone: counts that any number passes."""
    match rule.value:
        case Contact(times=times) if times.least == 0 and times.most is None:
            return True
        case Purchase(orders=orders, pieces=pieces, spent_usd_cents=spent):
            asked = [one for one in (orders, pieces, spent) if one is not None]
            is_any = bool(asked) and all(one.least == 0 and one.most is None for one in asked)
            return True if is_any else None
        case ():
            return False
        case _:
            return None
