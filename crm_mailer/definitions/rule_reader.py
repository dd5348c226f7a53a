"""Reads rules wherever they stand: `all`, `any`, `not`, `segment` and fields."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from crm_mailer.definitions.block_reader import MONEY, BlockReader
from crm_mailer.definitions.files import Fault, Node
from crm_mailer.definitions.list_reader import ListFolder
from crm_mailer.definitions.problems import Problem, Severity, did_you_mean
from crm_mailer.definitions.rule_values import Odd, odd_text
from crm_mailer.definitions.tree import TRUTHS, WHOLE
from crm_mailer.definitions.written import time_zone
from crm_mailer.model.segment import (
    EVERYBODY,
    AllOf,
    AnyOf,
    Compare,
    InSegment,
    Not,
    Rule,
)
from crm_mailer.model.segment_blocks import Contact
from crm_mailer.model.segment_fields import BLOCKS, FIELDS, Field, FieldType, Operator
from crm_mailer.model.segment_logic import verdict
from crm_mailer.model.sentence import Sentence

_SIGNS = {
    ">=": "at_least",
    "<=": "at_most",
    ">": "above",
    "<": "below",
    "=": "is",
    "==": "is",
    "!=": "is_not",
    "<>": "is_not",
}
_LISTS = (Operator.IN, Operator.NOT_IN)
_PRESENCE = (Operator.KNOWN, Operator.UNKNOWN)
_WORDS = ("all", "any", "not", "segment")
#: A database takes no endless conditions: so many lines in a rule, so many values in a list.
_MOST_LINES = 300
_MOST_VALUES = 300


def read_rule(
    node: Node,
    problems: list[Problem],
    *,
    segments: Collection[str] | None = None,
    lists: ListFolder | None = None,
    campaigns: Collection[str] | None = None,
) -> Rule:
    """The rule that `node` says.

    Args:
        node: the tree below `rule:` or `audience:`.
        problems: where faults are added; a part that has one is read as if it were not there.
        segments: the ids that `segment:` may name; None lets every id pass.
        lists: where the files of `list:` lie; None: a list is out of place here.
        campaigns: the ids that `campaign:` should name; None lets every id pass.
    """
    faults: list[Problem] = []
    rule = _Reader(faults, segments, lists, campaigns).rule(node)
    if not any(fault.is_error for fault in faults):
        faults.extend(_oddities(node, rule))
    problems.extend(faults)
    return rule


def _oddities(node: Node, rule: Rule) -> Iterator[Problem]:
    """A rule that nobody can meet, or everybody does, is right and surely not meant."""
    odd = {
        False: (
            "CRM141",
            Sentence("this rule holds for nobody: its lines contradict one another"),
        ),
        True: (
            "CRM142",
            Sentence("this rule holds for everybody: its lines leave nobody out"),
        ),
    }
    found = verdict(rule)
    if found is not None:
        code, what = odd[found]
        yield node.problem(code, what, severity=Severity.WARNING)


class _Reader:
    """Walks one rule and notes each fault at its place."""

    def __init__(
        self,
        problems: list[Problem],
        segments: Collection[str] | None,
        lists: ListFolder | None,
        campaigns: Collection[str] | None,
    ) -> None:
        self.blocks = BlockReader(problems, lists, segments, campaigns)
        self.problems = problems
        self.lines = 0

    def rule(self, node: Node) -> Rule:
        """One block: its lines must all hold."""
        if node.kind != "map" or not node.entries:
            remedy = "begin with `all:` or `any:`" if node.kind == "list" else "such as `r: 5`"
            self._fault(node, "CRM106", "a rule is a block of `field: value` lines", remedy)
            return EVERYBODY
        parts = tuple(self._line(node, key, value) for key, value in node.entries.items())
        return parts[0] if len(parts) == 1 else AllOf(parts)

    def _line(self, parent: Node, key: str, value: Node) -> Rule:
        self.lines += 1
        if self.lines == _MOST_LINES + 1:
            what = Sentence("a rule has at most {most} lines", most=_MOST_LINES)
            self._fault(value, "CRM107", what, "tag the customers, or make segments of its parts")
        if key in ("all", "any"):
            parts = self._list(key, value)
            return AllOf(parts) if key == "all" else AnyOf(parts)
        if key == "not":
            return Not(self.rule(value))
        if key == "segment":
            return self._segment(value)
        field = FIELDS.get(key)
        if field is not None:
            return self._field(field, value)
        remedy = did_you_mean(key, (*FIELDS, *_WORDS))
        if key in {"field", "op"}:
            remedy = "write the field's name itself, such as `r: {at_most: 3}`"
        self.problems.append(
            parent.problem(
                "CRM104", Sentence("unknown field `{name}`", name=key), key, key=True, help=remedy
            )
        )
        return EVERYBODY

    def _list(self, key: str, node: Node) -> tuple[Rule, ...]:
        if node.kind != "list" or not node.items:
            self._fault(
                node,
                "CRM106",
                Sentence("`{key}` needs a list of rules", key=key),
                "one `- field: value` each",
            )
            return ()
        return tuple(self._part(key, item) for item in node.items)

    def _part(self, key: str, node: Node) -> Rule:
        """One part of `all` or `any`; of `any` each must be able to hold by itself."""
        before = sum(one.is_error for one in self.problems)
        found = self.rule(node)
        is_right = sum(one.is_error for one in self.problems) == before
        if key == "any" and is_right and verdict(found) is False:
            what = "this part of `any` holds for nobody: its lines contradict one another"
            self.problems.append(
                node.problem(
                    "CRM141", what, help="change a line or take it out", severity=Severity.WARNING
                )
            )
        return found

    def _segment(self, node: Node) -> Rule:
        named = node.items if node.kind == "list" else [node]
        rules = tuple(InSegment(self.blocks.segment(one)) for one in named)
        return rules[0] if len(rules) == 1 else AnyOf(rules)

    # ------------------------------------------------------------------ one field

    def _field(self, field: Field, node: Node) -> Rule:
        if field.type in BLOCKS:
            return self._block(field, node)
        if node.kind == "map" and node.entries:
            parts = tuple(
                self._comparison(field, node, word, value) for word, value in node.entries.items()
            )
            return parts[0] if len(parts) == 1 else AllOf(parts)
        if node.kind == "list":
            return self._compare(field, Operator.IN, node)
        return self._compare(field, Operator.IS, node)

    def _block(self, field: Field, node: Node) -> Rule:
        readers = {
            FieldType.PURCHASE: self.blocks.purchase,
            FieldType.CONTACT: self.blocks.contact,
            FieldType.MOVE: self.blocks.move,
            FieldType.PASSAGE: self.blocks.passage,
            FieldType.LIST: self.blocks.listed,
        }
        if field.type is FieldType.CONTACT and node.kind == "text" and node.text == "false":
            return Not(Compare(field.name, Operator.IS.value, Contact()))
        return Compare(field.name, Operator.IS.value, readers[field.type](field.name, node))

    def _comparison(self, field: Field, parent: Node, word: str, value: Node) -> Rule:
        if word in field.operators:
            return self._compare(field, Operator(word), value)
        remedy = did_you_mean(_SIGNS.get(word, word), field.operators)
        if word in {Operator.IS_NOT, Operator.NOT_IN} and field.is_many:
            remedy = Sentence(
                "write `not: {{{name}: ...}}`: a customer can have several", name=field.name
            )
        what = Sentence("`{word}` is no comparison for `{name}`", word=word, name=field.name)
        if word in list(Operator):
            what = Sentence("`{word}` does not go with `{name}`", word=word, name=field.name)
        self.problems.append(parent.problem("CRM107", what, word, key=True, help=remedy))
        return EVERYBODY

    def _compare(self, field: Field, operator: Operator, node: Node) -> Rule:
        if operator in _PRESENCE:
            return self._presence(field, operator, node)
        if operator in _LISTS:
            return Compare(field.name, operator.value, self._values(field, node))
        if operator is Operator.BETWEEN:
            return Compare(field.name, operator.value, self._ends(field, node))
        return Compare(field.name, operator.value, self._value(field, node, operator))

    def _presence(self, field: Field, operator: Operator, node: Node) -> Rule:
        wanted = TRUTHS.get(node.text) if node.kind == "text" else None
        if wanted is None:
            self._fault(
                node, "CRM106", Sentence("`{operator}` is true or false", operator=operator)
            )
        rule = Compare(field.name, operator.value, True)
        return Not(rule) if wanted is False else rule

    def _values(self, field: Field, node: Node) -> tuple[Any, ...]:
        if node.kind != "list" or not node.items:
            self._fault(
                node, "CRM106", Sentence("`{name}` needs a list here: [a, b]", name=field.name)
            )
            return ()
        if len(node.items) > _MOST_VALUES:
            what = Sentence("a list has at most {most} values", most=_MOST_VALUES)
            self._fault(node, "CRM107", what, "tag the customers and ask for the tag")
        return tuple(self._value(field, item, Operator.IS) for item in node.items)

    def _ends(self, field: Field, node: Node) -> tuple[Any, ...]:
        if node.kind != "list" or len(node.items) != 2:
            self._fault(node, "CRM106", "`between` needs two values: [low, high]")
            return (None, None)
        low, high = (self._value(field, item, Operator.BETWEEN) for item in node.items)
        if isinstance(low, date) != isinstance(high, date) or field.type is FieldType.DATE:
            return (low, high) if self._are_in_order(node, low, high) else (None, None)
        if low is not None and high is not None and low > high:
            self._fault(node, "CRM107", "`between` has its ends the wrong way round: [low, high]")
        return (low, high)

    def _are_in_order(self, node: Node, low: Any, high: Any) -> bool:
        """Whether two days can be told to be in order: `30d ago` moves and 2026-01-01 stays."""
        if low is None or high is None or type(low) is not type(high):
            return True
        is_right = bool(low >= high if isinstance(low, int) else low <= high)
        if not is_right:
            self._fault(node, "CRM107", "`between` has its ends the wrong way round: [low, high]")
        return is_right

    def _value(self, field: Field, node: Node, operator: Operator) -> Any:
        if node.kind != "text" or node.is_null or not node.text.strip():
            self._fault(node, "CRM106", Sentence("`{name}` needs one value here", name=field.name))
            return None
        text = node.text.strip()
        match field.type:
            case FieldType.NUMBER:
                return self._number(field, node, text)
            case FieldType.MONEY:
                return self._money(field, node, text)
            case FieldType.DATE:
                return self.blocks.day(node)
            case FieldType.FLAG:
                return self._flag(field, node, text)
            case FieldType.CHOICE:
                return self._choice(field, node, text)
            case _:
                return self._text(field, node, text, operator)

    def _number(self, field: Field, node: Node, text: str) -> int | None:
        if not WHOLE.fullmatch(text):
            self._fault(
                node,
                "CRM106",
                Sentence("`{name}` is a whole number, not `{text}`", name=field.name, text=text),
            )
            return None
        number = int(text) if len(text) < 15 else field.highest + 1
        if not field.lowest <= number <= field.highest:
            self._fault(
                node,
                "CRM107",
                Sentence(
                    "`{name}` goes from {lowest} to {highest}, not `{text}`",
                    name=field.name,
                    lowest=field.lowest,
                    highest=field.highest,
                    text=text,
                ),
            )
        return number

    def _money(self, field: Field, node: Node, text: str) -> Decimal | None:
        if not MONEY.fullmatch(text):
            what = Sentence(
                "`{name}` is an amount in US dollars, not `{text}`", name=field.name, text=text
            )
            self._fault(node, "CRM106", what, "such as 250 or 99.50")
            return None
        return Decimal(text)

    def _flag(self, field: Field, node: Node, text: str) -> bool | None:
        if text not in TRUTHS:
            self._fault(
                node,
                "CRM106",
                Sentence("`{name}` is true or false, not `{text}`", name=field.name, text=text),
            )
        return TRUTHS.get(text)

    def _choice(self, field: Field, node: Node, text: str) -> str:
        if text not in field.choices:
            remedy = did_you_mean(text, field.choices)
            self._fault(
                node,
                "CRM107",
                Sentence("`{text}` is not known as `{name}`", text=text, name=field.name),
                remedy,
            )
        return text

    def _text(self, field: Field, node: Node, text: str, operator: Operator) -> str:
        fits = not field.pattern or re.fullmatch(field.pattern, text)
        is_piece = operator in (Operator.CONTAINS, Operator.BEGINS_WITH)
        if not is_piece and not fits:
            what = Sentence("`{text}` is not written as a {name} is", text=text, name=field.name)
            self._fault(node, "CRM107", what, Sentence("such as {example}", example=field.example))
        if field.name == "time_zone" and not is_piece:
            try:
                time_zone(text)
            except Fault as fault:
                self._fault(node, fault.code, str(fault), fault.help)
        elif fits:
            self._doubt(node, odd_text(field.name, text, is_piece=is_piece))
        return text

    def _doubt(self, node: Node, odd: Odd | None) -> None:
        """A value that no customer has is right and surely not meant."""
        if odd is not None:
            self.problems.append(
                node.problem("CRM143", odd.what, help=odd.remedy, severity=Severity.WARNING)
            )

    def _fault(self, node: Node, code: str, message: str, remedy: str = "") -> None:
        self.problems.append(node.problem(code, message, help=remedy))
