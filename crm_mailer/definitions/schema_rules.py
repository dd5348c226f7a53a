"""The JSON Schema of a rule: from the same table of fields by which rules are read."""

from __future__ import annotations

from functools import cache
from typing import Any

from crm_mailer.model.reply import Intent
from crm_mailer.model.segment_blocks import MARKS
from crm_mailer.model.segment_fields import BLOCKS, FIELDS, Field, FieldType, Operator

RULE_REF = {"$ref": "#/$defs/rule"}
TEXT = {"type": ["string", "number", "boolean"], "minLength": 1}
NUMBER = {"type": ["integer", "string"], "pattern": r"^[-+]?(0|[1-9][0-9]*)$"}
MONEY = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,2})?$",
}
DAY = {
    "type": "string",
    "pattern": r"^\s*([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,5} ?[dw] ago|today|yesterday)\s*$",
    "examples": ["2026-11-20", "30d ago"],
}
SPAN = {"type": "string", "pattern": r"^\s*[0-9]{1,5}\s*[mhdw]\s*$", "examples": ["90d"]}
TRUTH = {"enum": [True, False, "true", "false", "True", "False", "TRUE", "FALSE"]}


@cache
def rule_schemas() -> dict[str, dict[str, Any]]:
    """`rule`, to be put under `$defs`."""
    listed = {"type": "array", "minItems": 1, "items": RULE_REF}
    properties: dict[str, Any] = {
        "all": {**listed, "description": "Every one of these holds."},
        "any": {**listed, "description": "At least one of these holds."},
        "not": {**RULE_REF},
        "segment": {
            "anyOf": [TEXT, {"type": "array", "minItems": 1, "items": TEXT}],
            "description": "Members of this segment, or of one of these.",
        },
    }
    properties |= {name: _field(field) for name, field in FIELDS.items()}
    return {
        "rule": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": properties,
        }
    }


def _field(field: Field) -> dict[str, Any]:
    made = _block(field) if field.type in BLOCKS else _comparisons(field)
    return {"description": field.doc, **made}


def _comparisons(field: Field) -> dict[str, Any]:
    """A value, a list of values, or a block of comparisons."""
    one = _value(field)
    many = {"type": "array", "minItems": 1, "items": one}
    ways: dict[str, Any] = {}
    for operator in field.operators:
        match operator:
            case Operator.IN | Operator.NOT_IN:
                ways[operator.value] = many
            case Operator.BETWEEN:
                ways[operator.value] = {"type": "array", "minItems": 2, "maxItems": 2, "items": one}
            case Operator.KNOWN | Operator.UNKNOWN:
                ways[operator.value] = TRUTH
            case Operator.CONTAINS | Operator.BEGINS_WITH:
                ways[operator.value] = TEXT
            case _:
                ways[operator.value] = one
    block = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": ways,
    }
    return {"anyOf": [one, many, block]}


def _value(field: Field) -> dict[str, Any]:
    match field.type:
        case FieldType.NUMBER:
            return {**NUMBER, "minimum": field.lowest, "maximum": field.highest}
        case FieldType.MONEY:
            return MONEY
        case FieldType.DATE:
            return DAY
        case FieldType.FLAG:
            return TRUTH
        case FieldType.CHOICE:
            return {"enum": list(field.choices)}
        case _:
            return {**TEXT, "pattern": rf"^\s*({field.pattern})\s*$"} if field.pattern else TEXT


def _block(field: Field) -> dict[str, Any]:
    """`bought`, `mailed`, `rose` ..., each with its keys."""
    window = {"within": SPAN, "since": DAY, "until": DAY}
    match field.type:
        case FieldType.LIST:
            return TEXT
        case FieldType.MOVE:
            keys = {"mark": {"enum": list(MARKS)}, "within": SPAN, "by": {**NUMBER, "minimum": 1}}
            return {**_object(keys), "required": ["mark", "within"]}
        case FieldType.PASSAGE:
            return {**_object({"segment": TEXT, **window}), "required": ["segment"]}
        case FieldType.PASSAGE:
            return {**_object({"segment": TEXT, **window}), "required": ["segment"]}
        case FieldType.CONTACT:
            intent = {"intent": {"enum": [one.value for one in Intent]}}
            keys = {"campaign": TEXT, **window, "times": _bounds(NUMBER)}
            return {
                "anyOf": [TRUTH, _object({**keys, **(intent if field.name == "replied" else {})})]
            }
        case _:
            goods = dict.fromkeys(("sku", "category", "title"), TEXT)
            counts = dict.fromkeys(("orders", "pieces"), _bounds(NUMBER))
            return _object({**goods, **window, **counts, "spent_usd": _bounds(MONEY)})


def _bounds(one: dict[str, Any]) -> dict[str, Any]:
    """A number, or from where to where it goes."""
    ends = dict.fromkeys(("at_least", "at_most", "above", "below"), one)
    both = {"type": "array", "minItems": 2, "maxItems": 2, "items": one}
    return {"anyOf": [one, _object({**ends, "between": both})]}


def _object(keys: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": False,
        "properties": dict(keys),
    }
