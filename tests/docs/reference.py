"""The parts of pages that are lists of everything: keys of files, and settings.

They are made from the very shapes by which files are read. `python -m tests.docs.reference` writes
them anew, between `<!-- all: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import pydantic

from crm_mailer.definitions.schema import SHAPES, notes, schemas
from crm_mailer.definitions.written import spelled
from crm_mailer.settings.fields import ACCOUNT_FIELDS, FIELDS, MAILBOX_FIELDS, Field, kind_field
from crm_mailer.settings.hooks import HOOK_FIELDS, WEBHOOK_FIELDS
from tests.docs.session import ROOT

PART = re.compile(r"(?<=^<!-- all: )(?P<name>[a-z-]+) -->\n.*?(?=^<!-- end -->$)", re.M | re.S)
#: Which block a table is about, where its name in the program would not tell.
TITLES = {
    "AnchorShape": "`anchor`: exactly one of these",
    "StepShape": "each of `steps`",
    "TrialShape": "`test` of a step",
    "ArmShape": "each of `arms`",
    "GoalShape": "`goal`",
    "WindowShape": "`window`",
    "QuietHours": "`quiet_hours`",
    "Cap": "`cap`",
    "TrackingShape": "`tracking`",
    "CasesShape": "`cases`",
    "Calendar": "`calendar` of `cases`",
    "Targets": "`targets` of `cases`",
    "TargetShape": "each of `targets`",
    "HealthFile": "`health`",
    "LimitFile": "each limit of `health`",
    "CurveShape": "each of `curves`: a list of times, or a block",
    "AdaptiveShape": "`adaptive`",
    "ProfileShape": "each of `profiles`",
    "FestivalShape": "each of `festivals`: a day, or a block",
    "LineShape": "each of `days`",
    "BenefitShape": "each of `benefits`",
    "LimitShape": "`limit`",
    "PatternShape": "`codes`, where they are made",
}
#: Blocks with a short form that everybody writes.
SHORT = {"BirthdayShape": "such as `-3d`", "FestivalRef": "such as `black-friday - 7d`"}
#: Patterns that say nothing to a reader -> what they ask for.
PATTERNS = {
    "[mhdw]": "a time such as `4d`, `12h`",
    "[0-9]{4}-[0-9]{2}-[0-9]{2}": "a day such as `2026-11-20`",
    "[Hh][Tt][Tt][Pp]": "a web address",
    r"@[^@\s]": "a mail address",
    "#[0-9a-fA-F]": "a colour such as `#0b6e6e`",
    "^[A-Z]{2}$": "a country such as `DE`",
    "^[A-Z]{3}$": "a currency such as `EUR`",
    "^[a-z]{2,3}": "a language such as `en`",
    "^[a-z0-9]+(-": "small letters, digits, dashes",
}


def keys(kind: str) -> Iterator[str]:
    """Tables of all keys of a kind of file: its own first, then those of its blocks."""
    schema, shape = schemas()[kind], SHAPES[kind]
    yield from _table(schema, shape, "")
    shapes = {one.__name__: one for one in _shapes_in(shape)}
    for name, one in shapes.items():
        if name not in SHORT:
            block = schema["$defs"].get(name) or _untold(one)
            yield from _table(block, one, TITLES.get(name, f"`{name}`"))


def _untold(shape: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The schema of a block that stands behind a function of the reader's."""
    made, said = shape.model_json_schema(), notes()[shape.__name__]
    told = {key: {**one, "description": said[key]["en"]} for key, one in made["properties"].items()}
    return {**made, "properties": told}


def _table(schema: Mapping[str, Any], shape: type[pydantic.BaseModel], title: str) -> Iterator[str]:
    schema = next((one for one in schema.get("anyOf", ()) if "properties" in one), schema)
    defaults = {field.alias or name: field for name, field in shape.model_fields.items()}
    yield from (f"{title}:", "") if title else ()
    yield "| key | it may be | without it | it is for |"
    yield "| --- | --- | --- | --- |"
    for key, one in schema["properties"].items():
        said = one.get("description", "").partition("\n")[0].rstrip(".")
        cells = (f"`{key}`", _form(one), _default(key, one, defaults[key]), said)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _shapes_in(shape: type[pydantic.BaseModel]) -> list[type[pydantic.BaseModel]]:
    """The blocks that a file may hold, in the order of its keys."""
    found: dict[type[pydantic.BaseModel], None] = {}

    def walk(annotation: Any) -> None:
        for inner in getattr(annotation, "__args__", ()):
            walk(inner)
        is_shape = isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)
        if is_shape and annotation not in found:
            found[annotation] = None
            below(annotation)

    def below(one: type[pydantic.BaseModel]) -> None:
        for field in one.model_fields.values():
            walk(field.annotation)

    below(shape)
    return list(found)


def _form(schema: Mapping[str, Any]) -> str:
    """What may stand at a key, in words."""
    if "anyOf" in schema:
        ways = dict.fromkeys(_form(one) for one in schema["anyOf"])
        return " or ".join(way for way in ways if way)
    if "$ref" in schema:
        return _named(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return "" if schema["enum"] == [0, 1] else _choices(schema["enum"])
    type_ = schema.get("type")
    if type_ == "boolean":
        return "`true` `false`"
    if type_ == "null" or "[tT]rue" in schema.get("pattern", ""):
        return ""
    if type_ == "array":
        return f"a list: {_form(schema['items'])}" if schema.get("items") else "a list"
    if type_ == "object":
        return _block(schema)
    return _scalar(schema)


def _named(name: str) -> str:
    if name == "rule":
        return "a [rule](segments.md)"
    for schema in schemas().values():
        if "enum" in schema["$defs"].get(name, {}):
            return _choices(schema["$defs"][name]["enum"])
    return SHORT.get(name, "a block, see below")


def _choices(values: Iterable[Any]) -> str:
    return " ".join(dict.fromkeys(f"`{value}`" for value in values))


def _block(schema: Mapping[str, Any]) -> str:
    inner = schema.get("patternProperties") or {}
    if any(pattern.startswith("^[a-z]{2,3}") for pattern in inner):
        return "a text for each language"
    named = schema.get("additionalProperties")
    return "blocks by name, see below" if isinstance(named, dict) and "$ref" in named else "a block"


def _scalar(schema: Mapping[str, Any]) -> str:
    numbers = {"integer", "number"} & set(
        schema["type"] if isinstance(schema.get("type"), list) else ()
    )
    if numbers and "boolean" not in schema["type"]:
        ends = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
        if None not in ends:
            return f"{ends[0]:,g} to {ends[1]:,.0f}"
        return "a number" if ends == (None, None) else f"a number from {ends[0]:g} on"
    pattern = schema.get("pattern", "")
    for piece, words in PATTERNS.items():
        if piece in pattern:
            return words
    if examples := schema.get("examples"):
        return "such as " + " ".join(f"`{one}`" for one in examples)
    return "a text" if schema.get("type") else "see its page"


def _default(key: str, schema: Mapping[str, Any], field: pydantic.fields.FieldInfo) -> str:
    """What holds where the key is left out."""
    if field.is_required():
        return "**must be there**"
    value = field.get_default(call_default_factory=True)
    if key == "reentry":
        return "`always`"
    if isinstance(value, float) and _form(schema).startswith("a time"):
        value = timedelta(days=value)
    if isinstance(value, list | tuple) and not (value and isinstance(value[0], int)):
        return ", ".join(f"`{_written(one)}`" for one in value)
    written = _written(value)
    return f"`{written}`" if written else ""


def _written(value: Any) -> str:
    """A default as it would be written; empty for what is nothing, or a block."""
    match value:
        case timedelta():
            return spelled(value) if value else ""
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case (int(hour), int(minute)) if minute < 24:
            return f"{hour:02}:{minute:02}"
        case (int(month), int(day)):
            return f"{month:02}-{day:02}"
        case str() | int() | float():
            return f"{value:g}" if isinstance(value, float) else str(value)
        case _:
            return ""


# ------------------------------------------------------------------------------ settings


def settings(fields: Iterable[Field]) -> Iterator[str]:
    """A table of settings."""
    yield "| setting | default | it is |"
    yield "| --- | --- | --- |"
    for field in fields:
        default = str(field.default).lower() if isinstance(field.default, bool) else field.default
        shown = f"`{default}`" if default != "" else ""
        said = field.what + (" (a secret)" if field.is_secret else "")
        said += f" ({' and '.join(field.kinds)} only)" if field.kinds else ""
        yield f"| `{field.name}` | {shown} | {said} |"
    yield ""


def _begins(*starts: str) -> list[Field]:
    return [field for field in FIELDS if field.name.startswith(starts)]


def _others() -> list[Field]:
    """Settings at the top of the file, and of tables that have no part of their own."""
    own = ("smtp.", "imap.", "limits.", "guards.", "dkim.")
    return [field for field in FIELDS if not field.name.startswith(own)]


_KIND = replace(kind_field(""), name="kind", kinds=())
PARTS: dict[str, Callable[[], Iterator[str]]] = {
    **{kind: (lambda kind=kind: keys(kind)) for kind in SHAPES},  # type: ignore[misc]
    "settings": lambda: settings(_others()),
    "settings-accounts": lambda: settings([_KIND, *ACCOUNT_FIELDS]),
    "settings-limits": lambda: settings(_begins("limits.")),
    "settings-guards": lambda: settings(_begins("guards.")),
    "settings-dkim": lambda: settings(_begins("dkim.")),
    "settings-mailboxes": lambda: settings(MAILBOX_FIELDS),
    "settings-hooks": lambda: settings(HOOK_FIELDS),
    "settings-webhooks": lambda: settings(WEBHOOK_FIELDS),
}


def renewed(page: str) -> str:
    """The page with its lists as the program has them now."""

    def part(found: re.Match[str]) -> str:
        return f"{found['name']} -->\n" + "\n".join(PARTS[found["name"]]())

    return PART.sub(part, page)


def names(page: str) -> list[str]:
    """Which lists a page has."""
    return [found["name"] for found in PART.finditer(page)]


def pages() -> list[Path]:
    """The pages with such lists."""
    found = sorted((ROOT / "docs").glob("*.md"))
    return [page for page in found if names(page.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    for page in pages():
        page.write_text(renewed(page.read_text(encoding="utf-8")), encoding="utf-8")
