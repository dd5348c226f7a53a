from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from crm_mailer.definitions import schema
from crm_mailer.definitions.files import Node, Place, Source, parse_yaml, read_yaml, validate
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.rule_reader import read_rule
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.segment_fields import BLOCKS, FIELDS, FieldType
from crm_mailer.store.bundled import bundled

CAMPAIGNS = bundled("campaigns")
#: What a slip of the pen puts in place of a value.
SLIPS: tuple[Any, ...] = ("xyzzy", 7, {"xyzzy": 1}, ["xyzzy"], None, "4d")


def kind_of(path: Path) -> str:
    if path.parent.name == "segments":
        return "segment"
    return path.stem if path.parent == CAMPAIGNS else "campaign"


SHIPPED = [path for path in sorted(CAMPAIGNS.rglob("*.yaml")) if kind_of(path) in schema.SHAPES]
#: One file of each kind, and those with the most of a campaign's and a segment's keys in them.
MUTATED = [
    path
    for path in SHIPPED
    if kind_of(path) not in ("campaign", "segment") or path.stem in ("win-back", "unhappy")
]
RICH = """
id: rich
name: Everything
stream: marketing
anchor: {festival: black-friday - 7d}
audience:
  any:
    - r: {at_least: 4, at_most: 5}
    - not: {country: [RU, BY]}
    - bought: {category: Garden, within: 90d, orders: {at_least: 2}}
    - replied: {intent: question, within: 30d}
    - last_order_on: {between: [90d ago, today]}
    - spent_usd: {above: 99.50}
    - rose: {mark: total, within: 30d}
    - segment: [vip, loyal]
    - has_email: true
send_at: best
window: {from: 9, until: 18, days: [mon, tue]}
spread: 1h
catch_up: latest
valid_for: 2d
hold: 10m
parallel: false
priority: 5
reentry: 30d
hold_out: 10
goal: {when: bought, within: 14d}
exit: either
steps:
  - id: one
    template: a/b
    subject: {en: Hello}
    if: {language: en}
    test:
      arms:
        - {id: a, subject: {en: One}}
        - {id: b, subject: {en: Two}, share: 2}
      winner: orders
      after: 3d
  - id: two
    template: a/c
    wait: 4d
vars: {discount: 10, words: {en: yes}}
"""


def reader_takes(kind: str, node: Node) -> bool:
    """Whether shape and rules of the file are right, which is all that a schema can know."""
    problems: list[Problem] = []
    try:
        shape = validate(node, schema.SHAPES[kind])
    except DefinitionError:
        return False
    anchor = node.get("anchor")
    if anchor is not None and sum(not one.is_null for one in anchor.entries.values()) != 1:
        return False
    rules = [node.get("rule")] if kind == "segment" else []
    if kind == "campaign":
        rules = [node.get("audience")]
        for number in range(len(shape.steps)):  # type: ignore[attr-defined]
            rules += [node.get("steps", number, "if"), node.get("steps", number, "unless")]
    for rule in rules:
        if rule is not None and not rule.is_null:
            read_rule(rule, problems)
    return not any(problem.is_error for problem in problems)


VALIDATORS = {kind: jsonschema.Draft7Validator(one) for kind, one in schema.schemas().items()}


def schema_takes(kind: str, value: Any) -> bool:
    return bool(VALIDATORS[kind].is_valid(value))


def mutations(value: Any) -> Iterator[Any]:
    """The value with one slip of the pen, for each place and each slip."""
    for path in paths(value):
        for slip in SLIPS:
            yield changed(value, path, lambda holder, key, slip=slip: holder.__setitem__(key, slip))
        yield changed(value, path, lambda holder, key: holder.__delitem__(key))
        if isinstance(path[-1], str):
            yield changed(
                value, path, lambda holder, key: holder.__setitem__("xyz", holder.pop(key))
            )


def written(value: Any) -> Node:
    """The tree of a file that says this; parsing it thousands of times would take too long."""
    node = Node(Source("slip.yaml", ()), Place(1, 1), kind="text", is_plain=True)
    if isinstance(value, dict):
        node.kind = "map"
        node.entries = {key: written(one) for key, one in value.items()}
        node.keys = dict.fromkeys(value, node.place)
    elif isinstance(value, list):
        node.kind, node.items = "list", [written(one) for one in value]
    else:
        node.text = "null" if value is None else str(value)
        node.is_plain = not isinstance(value, str)
    return node


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    places = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in places:
        yield (*above, key)
        if isinstance(one, dict | list):
            yield from paths(one, (*above, key))


def changed(value: Any, path: tuple[Any, ...], change: Any) -> Any:
    copy = deepcopy(value)
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return copy


@pytest.mark.parametrize("kind", list(schema.SHAPES))
def test_a_schema_is_one(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(schema.schemas()[kind])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(CAMPAIGNS).as_posix())
def test_a_schema_passes_what_ships(path: Path) -> None:
    value = read_yaml(path).value()

    faults = list(jsonschema.Draft7Validator(schema.schemas()[kind_of(path)]).iter_errors(value))

    assert faults == []


@pytest.mark.parametrize("path", [*MUTATED, None], ids=lambda path: path.stem if path else "rich")
def test_a_schema_never_calls_wrong_what_the_reader_takes_and_finds_most_slips(
    path: Path | None,
) -> None:
    kind = kind_of(path) if path else "campaign"
    whole = read_yaml(path).value() if path else parse_yaml(RICH, "rich.yaml").value()
    assert schema_takes(kind, whole)
    wrong = found = 0

    for slip in mutations(whole):
        node = written(slip)
        is_taken = reader_takes(kind, node)
        assert not is_taken or schema_takes(kind, node.value()), slip
        wrong += not is_taken
        found += not is_taken and not schema_takes(kind, node.value())

    assert found >= 0.85 * wrong, (found, wrong)


def test_every_key_has_its_line_in_two_languages() -> None:
    silent = []
    for kind, whole in schema.schemas().items():
        shapes = {kind: whole, **whole["$defs"]}
        for name, shape in shapes.items():
            keys = shape if "properties" in shape else shape.get("anyOf", [{}])[0]
            for key, one in keys.get("properties", {}).items():
                if name not in ("rule", "HealthFile") and "\n\n" not in one.get("description", ""):
                    silent.append(f"{name}.{key}")

    assert silent == []


def test_schemas_are_written_once_and_left_alone_when_they_are_current(tmp_path: Path) -> None:
    written = schema.write(tmp_path / "schemas")
    before = [path.stat().st_mtime_ns for path in written]

    again = schema.write(tmp_path / "schemas")

    assert [path.name for path in again] == [f"{kind}.schema.json" for kind in schema.SHAPES]
    assert [path.stat().st_mtime_ns for path in again] == before


def test_the_keys_of_a_rules_blocks_are_those_that_the_reader_knows() -> None:
    keys = {"sku", "category", "title", "within", "since", "until", "orders", "pieces", "spent_usd",
            "campaign", "intent", "times", "mark", "by", "segment", "xyzzy"}  # fmt: skip
    blocks = [
        one for one in FIELDS.values() if one.type in BLOCKS and one.type is not FieldType.LIST
    ]
    for field in blocks:
        known = set()
        for key in sorted(keys):
            problems: list[Problem] = []
            read_rule(written({field.name: {key: "1"}}), problems)
            if not any(one.code == "CRM104" for one in problems):
                known.add(key)
        shape = schema.schemas()["segment"]["$defs"]["rule"]["properties"][field.name]
        shown = shape if "properties" in shape else shape["anyOf"][1]

        assert set(shown["properties"]) == known, field.name
