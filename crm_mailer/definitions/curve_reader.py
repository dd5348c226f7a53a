"""Reads campaigns/curves.yaml: named memory curves, ladders of offsets and adaptive ones."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import BeforeValidator, Field, WithJsonSchema

from crm_mailer.definitions.files import Fault, Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem, did_you_mean
from crm_mailer.definitions.written import DURATION, SLUG, Duration, Text, duration, spelled
from crm_mailer.model.campaign import Curve
from crm_mailer.model.curve import RANGES, UNLEARNT_HALF_LIFE, Adaptive, Memory, wait
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.score import ValueClass
from crm_mailer.model.sentence import Sentence

DAY = timedelta(days=1)
#: `shop`, `shop/4`: the shop's own half-life, or a part of it.
SHARE = re.compile(r"shop(?:\s*/\s*([1-9][0-9]?))?")


def _real(name: str) -> BeforeValidator:
    """A number within the range that the model names."""
    least, most = RANGES[name]

    def check(written: Any) -> float:
        try:
            value = float(written)
        except (TypeError, ValueError):
            raise Fault(
                "CRM181",
                Sentence(
                    "`{name}` is a number from {least:g} to {most:g}",
                    name=name,
                    least=least,
                    most=most,
                ),
            ) from None
        if not least <= value <= most:  # nan as well
            raise Fault(
                "CRM181",
                Sentence(
                    "`{name}` is from {least:g} to {most:g}, not {written}",
                    name=name,
                    least=least,
                    most=most,
                    written=written,
                ),
            )
        return value

    return BeforeValidator(check)


def _days(name: str) -> BeforeValidator:
    """A duration within the range, in days."""
    least, most = RANGES[name]

    def check(written: Any) -> float:
        if isinstance(written, str) and written.strip().startswith("-"):
            raise Fault("CRM181", Sentence("`{name}` cannot be negative", name=name), "such as 3d")
        days = duration(written) / DAY
        if not least <= days <= most:
            shortest, longest = (spelled(timedelta(days=one)) for one in (least, most))
            raise Fault(
                "CRM181",
                Sentence(
                    "`{name}` is from {shortest} to {longest}, not {written}",
                    name=name,
                    shortest=shortest,
                    longest=longest,
                    written=written,
                ),
            )
        return days

    return BeforeValidator(check)


def _first(written: Any) -> Any:
    """`3d` as days, `shop/4` as it stands."""
    if isinstance(written, str) and SHARE.fullmatch(written.strip()):
        return written.strip()
    if isinstance(written, str) and written.strip().startswith("shop"):
        raise Fault(
            "CRM181",
            Sentence("`{written}` is no share of the shop's half-life", written=written),
            "write shop/4",
        )
    return _days("first_half_life").func(written)  # type: ignore[call-arg]


def _classes(written: Any) -> Any:
    """The keys are classes of value."""
    known = [one.value for one in ValueClass]
    for name in written if isinstance(written, dict) else ():
        if name not in known:
            help_ = did_you_mean(str(name), known)
            raise Fault("CRM107", Sentence("`{name}` is no class of value", name=name), help_)
    return written


_NUMBER = WithJsonSchema(
    {"type": ["number", "string"], "pattern": r"^\s*[0-9.]+([eE][0-9+-]+)?\s*$"}
)
_SPAN = WithJsonSchema({"type": "string", "pattern": rf"^\s*{DURATION.pattern}\s*$"})
_SPAN_OR_SHARE = WithJsonSchema(
    {"type": "string", "pattern": rf"^\s*({DURATION.pattern}|{SHARE.pattern})\s*$"}
)
Retention = Annotated[float, _real("retention"), _NUMBER]


class AdaptiveShape(Strict):
    """The parameters of an adaptive curve; what is left out keeps its default."""

    first_half_life: Annotated[float | str, BeforeValidator(_first), _SPAN_OR_SHARE] = 1.0
    retention: Retention = 0.5
    retention_by_value: Annotated[dict[ValueClass, Retention], BeforeValidator(_classes)] | None = (
        None
    )
    backoff: Annotated[float, _real("backoff"), _NUMBER] = 2.0
    decay: Annotated[float, _real("decay"), _NUMBER] = 1.5
    shortest: Annotated[float, _days("shortest"), _SPAN] = 1.0
    longest: Annotated[float, _days("longest"), _SPAN] = 90.0
    longest_half_life: Annotated[float, _days("longest_half_life"), _SPAN] = 180.0
    misses: Annotated[float, _real("misses"), _NUMBER] = 4.0
    touches: Annotated[int, _real("touches"), _NUMBER] = 8


class CurveShape(Strict):
    """One curve with a note; a bare list of offsets is the short form."""

    at: Annotated[list[Duration], Field(min_length=1, max_length=30)] | None = None
    adaptive: AdaptiveShape | None = None
    note: Text = ""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"at": value} if isinstance(value, list) else value


class CurvesFile(Strict):
    """The shape of curves.yaml."""

    curves: dict[str, CurveShape]


def read_curves(path: Path, problems: list[Problem], shown: str = "") -> dict[str, Curve]:
    """The curves by name; wrong ones are left out and named in `problems`."""
    try:
        node = read_yaml(path, shown)
    except DefinitionError as error:
        problems.extend(error.problems)
        return {}
    curves = {}
    for name, one in _shapes(node, problems).items():
        faults = _faults(node, name, one)
        problems.extend(faults)
        if not faults:
            curves[name] = _curve(name, one)
    return curves


def _shapes(node: Node, problems: list[Problem]) -> dict[str, CurveShape]:
    """The curves that have the shape of one: a fault of one does not cost the others."""
    try:
        return validate(node, CurvesFile).curves
    except DefinitionError as error:
        problems.extend(error.problems)
    listed = node.get("curves")
    found = {}
    for name, one in listed.entries.items() if listed is not None else ():
        try:
            found[name] = CurveShape.model_validate(one.words())
        except pydantic.ValidationError:
            continue  # told above
    return found


def _curve(name: str, one: CurveShape) -> Curve:
    if one.adaptive is None:
        return Curve(name=name, offsets=tuple(one.at or ()), note=one.note)
    adaptive = _adaptive(one.adaptive)
    offsets = silent_offsets(adaptive)
    return Curve(name=name, offsets=offsets, note=one.note, adaptive=adaptive)


def silent_offsets(adaptive: Adaptive) -> tuple[timedelta, ...]:
    """When the touches would come if nothing was ever heard and the course was never paused."""
    resolved = adaptive.of_shop(None)
    moment, offsets = 0.0, []
    for number in range(adaptive.touches):
        memory = Memory(half_life=resolved.first_half_life, misses=float(number))
        moment += wait(memory, resolved)
        offsets.append(timedelta(minutes=round(moment * 1440)))
    return tuple(offsets)


def _adaptive(shape: AdaptiveShape) -> Adaptive:
    values = shape.model_dump(exclude={"first_half_life", "retention_by_value"})
    if shape.retention_by_value is not None:
        values["retention_by_value"] = dict(shape.retention_by_value)
    first = shape.first_half_life
    if isinstance(first, str):
        match = SHARE.fullmatch(first)
        assert match is not None
        share = 1 / int(match[1] or 1)
        usual = UNLEARNT_HALF_LIFE * share
        return Adaptive(**values, first_half_life=usual, share_of_shop=share)
    return Adaptive(**values, first_half_life=first)


def _faults(node: Node, name: str, one: CurveShape) -> list[Problem]:
    faults = []
    if not SLUG.fullmatch(name):
        message = Sentence(
            "`{name}`: a name has lower-case letters, digits and hyphens only", name=name
        )
        faults.append(node.problem("CRM117", message, "curves", name, key=True))
    if (one.at is None) == (one.adaptive is None):
        message = Sentence("`{name}` has either `at` (a ladder) or `adaptive`", name=name)
        faults.append(node.problem("CRM105", message, "curves", name, key=True))
    elif one.at is not None:
        faults.extend(_ladder_faults(node, name, one.at))
    else:
        assert one.adaptive is not None
        faults.extend(_clashes(node, name, one.adaptive))
    return faults


def _clashes(node: Node, name: str, shape: AdaptiveShape) -> list[Problem]:
    """Parameters that are right one by one, and not together."""
    pairs: Mapping[str, tuple[float, str, float]] = {
        "shortest": (shape.shortest, "longest", shape.longest),
        "first_half_life": (
            shape.first_half_life if isinstance(shape.first_half_life, float) else 0.0,
            "longest_half_life",
            shape.longest_half_life,
        ),
    }
    return [
        node.problem(
            "CRM181",
            Sentence("`{low}` is longer than `{high}`", low=low, high=high),
            "curves",
            name,
            "adaptive",
            key,
        )
        for low, (value, high, limit) in pairs.items()
        if value > limit
        for written in [node.get("curves", name, "adaptive")]
        for key in [low if written is not None and low in written.entries else high]
    ]


def _ladder_faults(node: Node, name: str, offsets: Sequence[timedelta]) -> list[Problem]:
    places = node.get("curves", name)
    assert places is not None
    written = places if places.kind == "list" else places.entries["at"]
    for place, (earlier, later) in enumerate(pairwise(offsets), start=1):
        if later <= earlier:
            here, before = written.items[place], written.items[place - 1]
            message = Sentence(
                "`{later}` does not come after `{earlier}`", later=here.text, earlier=before.text
            )
            return [here.problem("CRM112", message, help=_as_gaps(written))]
    return []


def _as_gaps(written: Node) -> str:
    """The remedy: what the list would be if gaps were meant."""
    moment, places = timedelta(0), []
    for item in written.items:
        moment += duration(item.text)
        places.append(spelled(moment))
    return Sentence(
        "places count from the anchor; if gaps were meant, write [{places}]",
        places=", ".join(places),
    )
