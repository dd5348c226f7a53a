"""JSON Schemas for editors, from the very shapes that the readers check files by.

The readers take every value as text first and then make of it what the shape wants, so that `"3"`
is as good as `3`. An editor has read numbers already; the schemas let both pass. Where they cannot
tell, they let everything pass: an editor must never call wrong what `check` calls right.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pydantic
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from crm_mailer.definitions.benefit_reader import BenefitsFile
from crm_mailer.definitions.calendar_reader import CalendarFile
from crm_mailer.definitions.campaign_shape import CampaignFile
from crm_mailer.definitions.curve_reader import CurvesFile
from crm_mailer.definitions.files import RULE, read_yaml
from crm_mailer.definitions.rfm_reader import RfmFile
from crm_mailer.definitions.schema_rules import rule_schemas
from crm_mailer.definitions.segment_reader import SegmentFile
from crm_mailer.definitions.shop_reader import ShopFile

DIALECT = "http://json-schema.org/draft-07/schema#"
#: What a file is called -> its shape.
SHAPES: dict[str, type[pydantic.BaseModel]] = {
    "campaign": CampaignFile,
    "segment": SegmentFile,
    "shop": ShopFile,
    "curves": CurvesFile,
    "rfm": RfmFile,
    "calendar": CalendarFile,
    "benefits": BenefitsFile,
}
WHOLE = r"^\s*[-+]?[0-9][0-9_]*(\.0+)?\s*$"
DECIMAL = r"^\s*[-+]?([0-9][0-9_]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?\s*$"
#: What may stand in place of a block of keys.
SHORT_FORMS: dict[str, dict[str, Any]] = {
    "CurveShape": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    "FestivalShape": {"type": ["string", "array"]},
    "FestivalRef": {"type": ["string", "number", "boolean"]},
    "BirthdayShape": {"type": "string", "pattern": r"^\s*[+-]?\s*[0-9]{1,3}\s*d\s*$"},
}
RULE_MARK = next(iter(RULE))
SCALAR = ["string", "number", "boolean"]


@cache
def schemas() -> Mapping[str, dict[str, Any]]:
    """The schema of each kind of file."""
    return {name: _schema(name, shape) for name, shape in SHAPES.items()}


def file_name(kind: str) -> str:
    """How the file of a schema is called."""
    return f"{kind}.schema.json"


def write(folder: Path) -> list[Path]:
    """Write all schemas into `folder`; a file that says the same already is left alone.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, schema in schemas().items():
        path, text = folder / file_name(kind), json.dumps(schema, ensure_ascii=False, indent=1)
        if not path.is_file() or path.read_text(encoding="utf-8") != text + "\n":
            path.write_text(text + "\n", encoding="utf-8")
        written.append(path)
    return written


def _schema(kind: str, shape: type[pydantic.BaseModel]) -> dict[str, Any]:
    made = shape.model_json_schema(schema_generator=_ForEditors, ref_template="#/$defs/{model}")
    defs = made.pop("$defs", {})
    rules = rule_schemas() if RULE_MARK in json.dumps([made, defs]) else {}
    return {
        "$schema": DIALECT,
        "title": f"crm-mailer: {kind}",
        **_resolved(_noted(made, shape.__name__)),
        "$defs": {name: _resolved(_noted(one, name)) for name, one in {**defs, **rules}.items()},
    }


class _ForEditors(GenerateJsonSchema):
    """Pydantic's schemas, as wide as the readers are."""

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        """Any scalar can be a text; a pattern is asked of texts alone."""
        made = super().str_schema(schema)
        return made | {"type": SCALAR}

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        """A whole number, quoted or not."""
        return super().int_schema(schema) | {"type": ["integer", "string"], "pattern": WHOLE}

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        """A number, quoted or not."""
        return super().float_schema(schema) | {"type": ["number", "string"], "pattern": DECIMAL}

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """The same."""
        bounds = {
            "ge": "minimum",
            "gt": "exclusiveMinimum",
            "le": "maximum",
            "lt": "exclusiveMaximum",
        }
        limits = {bounds[key]: float(schema[key]) for key in bounds if key in schema}  # type: ignore[literal-required]
        return {"type": ["number", "string"], "pattern": DECIMAL, **limits}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        """Truth, or one of the words that mean it."""
        words = {"type": "string", "pattern": "^(?:[tT]rue|[fF]alse|yes|no|on|off|[ynft10])$"}
        return {"anyOf": [{"type": "boolean"}, words, {"enum": [0, 1]}]}

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        """A day."""
        return {"type": "string", "pattern": "^\\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\\s*$"}

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        """Only where a reader has not said how it is written."""
        return {}

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """What a reader's own function takes, no schema knows; a model's keys are known."""
        inner = self.generate_inner(schema["schema"])
        return inner if schema["schema"]["type"] == "model-fields" else {}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A default is shown where it can be written as it stands."""
        made = super().default_schema(schema)
        value = schema.get("default")
        if not isinstance(value, str | int) or isinstance(value, date):
            made.pop("default", None)
        return made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A block of keys; its short form may stand in its place."""
        made = super().model_schema(schema)
        made.pop("description", None)  # the docstrings of shapes are for programmers
        if schema["schema"]["type"] == "function-before":
            short = SHORT_FORMS.get(schema["cls"].__name__, {"type": ["string", "number", "array"]})
            return {"anyOf": [made, short]}
        return made


def _resolved(value: Any) -> Any:
    """References to the schema of rules in place of their marks, and no titles of pydantic's."""
    if isinstance(value, list):
        return [_resolved(one) for one in value]
    if not isinstance(value, dict):
        return value
    if RULE_MARK in value:
        said = {key: value[key] for key in ("description",) if key in value}
        return {"anyOf": [{"$ref": "#/$defs/rule"}, {"type": "null"}], **said}
    return {
        key: _resolved(one)
        for key, one in value.items()
        if not (key == "title" and isinstance(one, str))
    }


# ----------------------------------------------------------------- what each key is for


@cache
def notes() -> dict[str, dict[str, dict[str, str]]]:
    """Shape -> key -> language -> what it is for."""
    found: dict[str, dict[str, dict[str, str]]] = read_yaml(
        Path(__file__).with_name("key_notes.yaml")
    ).words()
    return found


def _noted(schema: dict[str, Any], shape: str) -> dict[str, Any]:
    """The schema of a shape with a description of each of its keys, in two languages."""
    said = notes().get(shape, {})
    keys = schema if "properties" in schema else schema.get("anyOf", [{}])[0]
    for key, one in keys.get("properties", {}).items():
        if key in said and isinstance(one, dict):
            one["description"] = f"{said[key]['en']}\n\n{said[key]['zh']}"
    return schema
