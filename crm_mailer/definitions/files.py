"""Reads YAML strictly and checks it against a shape; every fault is shown at its place."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_origin

import pydantic
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from crm_mailer.definitions.foreign_words import in_words
from crm_mailer.definitions.problems import Problem, did_you_mean, nearest, raise_all
from crm_mailer.definitions.tree import Builder, Key, Node, Place, Source
from crm_mailer.model.sentence import Sentence, sentence

__all__ = [
    "RULE",
    "Fault",
    "Node",
    "Place",
    "Source",
    "Strict",
    "parse_yaml",
    "read_text",
    "read_yaml",
    "validate",
]

MAX_BYTES = 256_000
#: Stands in a shape's JSON Schema where a rule of segments is written.
RULE = {"x-rule": True}
#: What YAML takes for the end of a line.
LINE_ENDS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")

#: Else pydantic looks through all that is installed for plug-ins, at each start; we have none.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

Model = TypeVar("Model", bound=pydantic.BaseModel)


class Strict(pydantic.BaseModel):
    """The base of every file's shape: unknown keys are errors, values are taken as text first.

    A shape is built when a file is held against it: most commands read few kinds of files.
    """

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, defer_build=True
    )


def read_yaml(path: Path, shown: str = "") -> Node:
    """The file at `path` as a tree; an empty file is an empty mapping.

    Args:
        path: the file.
        shown: its name in messages; the path itself when empty.

    Raises:
        DefinitionError: it cannot be read, is no YAML, or uses what is not allowed.
    """
    name = shown or str(path)
    return parse_yaml(read_text(path, name), name)


def parse_yaml(text: str, shown: str) -> Node:
    """The YAML in `text` as a tree.

    Raises:
        DefinitionError: it is no YAML or uses what is not allowed.
    """
    source = Source(shown, tuple(LINE_ENDS.split(text)))
    yaml = YAML(typ="safe", pure=True)
    try:
        node = Builder(source).build(yaml.parse(text))
    except MarkedYAMLError as error:
        raise_all([_syntax_problem(source, error)])
    except ReaderError as error:
        raise_all([_letter_problem(source, text, error)])
    except (YAMLError, ValueError) as error:
        raise_all(
            [
                Problem(
                    code="CRM101",
                    message=Sentence("not YAML: {words}", words=in_words(error)),
                    file=shown,
                )
            ]
        )
    return node


def validate(node: Node, model: type[Model]) -> Model:
    """The file's content in the shape of `model`.

    Raises:
        DefinitionError: with every fault, each at its place.
    """
    if node.kind != "map":
        raise_all([node.problem("CRM106", "a block of `key: value` lines belongs here")])
    try:
        return model.model_validate(node.words())
    except pydantic.ValidationError as error:
        raise_all(_problems_of(node, model, error))


def read_text(path: Path, name: str) -> str:
    """What stands in the file at `path`, which messages call `name`.

    Raises:
        DefinitionError: it cannot be read, is too large, or is no UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        message = Sentence("cannot be read: {why}", why=error.strerror or error)
        raise_all([Problem(code="CRM100", message=message, file=name)])
    if len(raw) > MAX_BYTES:
        message = Sentence("is larger than {size} kB", size=MAX_BYTES // 1000)
        raise_all([Problem(code="CRM100", message=message, file=name)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        message = Sentence(
            "is not UTF-8 text (byte {byte}, line {line})", byte=error.start, line=line
        )
        help_ = "save the file with the encoding UTF-8"
        raise_all([Problem(code="CRM100", message=message, file=name, help=help_)])
    return text


def _letter_problem(source: Source, text: str, error: ReaderError) -> Problem:
    before = LINE_ENDS.split(text[: error.position])
    place = Place(len(before), len(before[-1]) + 1)
    letter = ord(error.character) if isinstance(error.character, str) else error.character
    return source.problem(
        place, "CRM102", Sentence("the character U+{letter:04X} is not allowed", letter=letter)
    )


def _syntax_problem(source: Source, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    words = in_words(error.problem or error.context or "not YAML")
    is_no_key = "could not find expected ':'" in words
    if is_no_key and error.context_mark is not None:
        mark = error.context_mark  # the line itself, not the one after it
    place = Place(mark.line + 1, mark.column + 1) if mark is not None else Place(0, 0)
    remedy: str = ""
    if "found character '\\t'" in words or "\t" in words:
        remedy = "indent with blanks, not with tabs"
    elif is_no_key:
        remedy = "a line is `key: value`, with a blank after the colon"
    elif "mapping values are not allowed" in words and _begins_a_line(source, place):
        remedy = (
            "lines of one block begin in the same column: this one stands too far in"
            if _stands_in(source, place.line)
            else "the line above it is no `key: value`"
        )
    elif "mapping values are not allowed" in words:
        remedy = 'put text with a colon into quotes: "like: this"'
    elif "expected <block end>" in words or "did not find expected key" in words:
        remedy = "lines of one block begin in the same column"
    message = Sentence("not YAML: {words}", words=words)
    return source.problem(place, "CRM101", message, help=remedy)


def _begins_a_line(source: Source, place: Place) -> bool:
    """Whether what stands before the colon at `place` is all that the line has there: a key."""
    before = source.lines[place.line - 1][: place.column - 1] if place.line else ""
    return re.fullmatch(r"\s*(- +)?[\w-]+\s*", before) is not None


def _stands_in(source: Source, line: int) -> bool:
    """Whether a line begins further to the right than the one with words above it."""
    own, *above = [
        len(text) - len(text.lstrip())
        for text in reversed(source.lines[:line])
        if text.strip() and not text.lstrip().startswith("#")
    ]
    return not above or own > above[0]


# ------------------------------------------------------- pydantic's faults, in plain words

PLAIN: dict[str, tuple[str, Sentence]] = {
    "missing": ("CRM105", Sentence("`{key}` is missing")),
    "string_type": ("CRM106", Sentence("`{key}` is one text")),
    "int_parsing": ("CRM106", Sentence("`{key}` is a whole number")),
    "int_type": ("CRM106", Sentence("`{key}` is a whole number")),
    "int_from_float": ("CRM106", Sentence("`{key}` is a whole number")),
    "float_parsing": ("CRM106", Sentence("`{key}` is a number")),
    "float_type": ("CRM106", Sentence("`{key}` is a number")),
    "decimal_type": ("CRM106", Sentence("`{key}` is a number")),
    "decimal_parsing": ("CRM106", Sentence("`{key}` is a number")),
    "bool_parsing": ("CRM106", Sentence("`{key}` is true or false")),
    "bool_type": ("CRM106", Sentence("`{key}` is true or false")),
    "list_type": ("CRM106", Sentence("`{key}` is a list: [a, b] or one `- a` per line")),
    "tuple_type": ("CRM106", Sentence("`{key}` is a list: [a, b] or one `- a` per line")),
    "dict_type": ("CRM106", Sentence("`{key}` is a block of `key: value` lines")),
    "model_type": ("CRM106", Sentence("`{key}` is a block of `key: value` lines")),
    "model_attributes_type": ("CRM106", Sentence("`{key}` is a block of `key: value` lines")),
    "date_from_datetime_parsing": (
        "CRM111",
        Sentence("`{key}` is a day that exists, such as 2026-11-20"),
    ),
    "date_parsing": ("CRM111", Sentence("`{key}` is a day that exists, such as 2026-11-20")),
    "date_from_datetime_inexact": ("CRM111", Sentence("`{key}` is a day, such as 2026-11-20")),
    "date_type": ("CRM111", Sentence("`{key}` is a day, such as 2026-11-20")),
    "greater_than_equal": ("CRM107", Sentence("`{key}` must be at least {ge}")),
    "greater_than": ("CRM107", Sentence("`{key}` must be more than {gt}")),
    "less_than_equal": ("CRM107", Sentence("`{key}` must be at most {le}")),
    "less_than": ("CRM107", Sentence("`{key}` must be less than {lt}")),
    "too_short": ("CRM107", Sentence("`{key}` needs at least {min_length}")),
    "too_long": ("CRM107", Sentence("`{key}` has more than {max_length}")),
    "string_pattern_mismatch": ("CRM107", Sentence("`{key}` does not fit the pattern `{pattern}`")),
    "finite_number": ("CRM107", Sentence("`{key}` is a number")),
    "int_parsing_size": ("CRM107", Sentence("`{key}` is too large")),
    "decimal_max_places": (
        "CRM107",
        Sentence("`{key}` has more than {decimal_places} digits after its dot"),
    ),
    "string_too_short": ("CRM107", Sentence("`{key}` is empty")),
    "string_too_long": ("CRM107", Sentence("`{key}` is longer than {max_length} characters")),
}

#: What a text looks like that fits the patterns of shapes.
LOOKS = {
    "^[A-Z]{2}$": Sentence("two capital letters such as CN"),
    "^[A-Z]{3}$": Sentence("three capital letters such as USD"),
    "^[a-z0-9_-]+$": Sentence("small letters, digits, `_` and `-`"),
    "[a-z]{2}": Sentence("two small letters such as en"),
}


class Fault(ValueError):
    """Raised in a validator: a fault with its code, a plain sentence and a remedy."""

    def __init__(self, code: str, message: str, help: str = "") -> None:
        super().__init__(sentence(message))
        self.code = code
        self.help = sentence(help)


def _problems_of(
    node: Node, model: type[pydantic.BaseModel], error: pydantic.ValidationError
) -> list[Problem]:
    found: dict[tuple[str, Place], Problem] = {}
    details = error.errors(include_url=False)
    misspelt = _misspelt(model, details)
    for detail in details:
        if detail["type"] == "missing" and detail["loc"] in misspelt:
            continue
        problem = _one_problem(node, model, detail)
        found.setdefault((problem.code, Place(problem.line, problem.column)), problem)
    return sorted(found.values(), key=lambda problem: (problem.line, problem.column))


def _misspelt(
    model: type[pydantic.BaseModel], details: Sequence[ErrorDetails]
) -> set[tuple[str | int, ...]]:
    """Places of keys that are missing only because they are misspelt, which is told already."""
    unknown = [one["loc"] for one in details if one["type"] == "extra_forbidden"]
    meant = ((way, nearest(str(way[-1]), _keys_at(model, _steps(way[:-1])))) for way in unknown)
    return {(*way[:-1], name) for way, name in meant if name}


def _steps(way: Iterable[str | int]) -> list[Key]:
    return [step for step in way if isinstance(step, (str, int))]


def _one_problem(node: Node, model: type[pydantic.BaseModel], detail: ErrorDetails) -> Problem:
    path = _steps(detail["loc"])
    context = detail.get("ctx", {})
    key = _name_of(path)
    kind = detail["type"]
    if kind == "extra_forbidden":
        remedy = did_you_mean(str(path[-1]), _keys_at(model, path[:-1]))
        return node.problem(
            "CRM104", Sentence("unknown key `{name}`", name=path[-1]), *path, key=True, help=remedy
        )
    cause = context.get("error")
    if isinstance(cause, Fault):
        is_key = "[key]" in path
        return node.problem(cause.code, str(cause), *path, key=is_key, help=cause.help)
    if kind in {"enum", "literal_error"}:
        return _not_allowed(node, path, str(context.get("expected", "")))
    code, said = PLAIN.get(kind, ("CRM107", Sentence("`{key}`: {words}")))
    parts = {**context, "key": key, "words": in_words(detail["msg"])}
    message = Sentence(said.pattern, **parts)
    remedy = LOOKS.get(str(context.get("pattern")), "")
    return node.problem(code, message, *path, key=kind == "missing", help=remedy)


def _not_allowed(node: Node, path: Sequence[Key], expected: str) -> Problem:
    allowed = re.findall(r"'([^']*)'", expected)
    there = node.get(*path)
    written = there.text if there is not None else ""
    known = Sentence("known: {names}", names=", ".join(allowed))
    remedy = did_you_mean(written, allowed) if written else known
    message = Sentence("`{text}` is not known as `{name}`", text=written, name=_name_of(path))
    return node.problem("CRM107", message, *path, help=remedy)


def _name_of(path: Sequence[Key]) -> str:
    """`steps.2.after` as a reader counts: `steps[3].after`."""
    name = ""
    for step in path:
        name += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if name else step
    return name or Sentence("the file")


def _keys_at(model: type[pydantic.BaseModel], path: Sequence[Key]) -> list[str]:
    """The keys that a model knows at `path`, for "did you mean"."""
    known: Any = model
    is_name = False
    for step in path:
        if isinstance(step, int) or is_name:
            is_name = False  # a name that the file gives, as of a curve
            continue
        info = known.model_fields.get(step) or next(
            (f for f in known.model_fields.values() if f.alias == step), None
        )
        known = _model_in(info.annotation) if info is not None else None
        is_name = info is not None and get_origin(info.annotation) is dict
        if known is None:
            return []
    return [info.alias or name for name, info in known.model_fields.items()]


def _model_in(annotation: Any) -> type[pydantic.BaseModel] | None:
    """The first model in a type such as `tuple[Step, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        found = _model_in(part)
        if found is not None:
            return found
    return None
