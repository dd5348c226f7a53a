"""Reads campaigns/curves.yaml: named memory curves, offsets from an anchor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import Field

from crm_mailer.definitions.files import Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.written import SLUG, Duration, Text, duration, spelled
from crm_mailer.model.campaign import Curve
from crm_mailer.model.errors import DefinitionError


class CurveShape(Strict):
    """One curve with a note; a bare list of offsets is the short form."""

    at: Annotated[list[Duration], Field(min_length=1, max_length=30)]
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
        shape = validate(node, CurvesFile)
    except DefinitionError as error:
        problems.extend(error.problems)
        return {}
    curves = {}
    for name, one in shape.curves.items():
        faults = _faults(node, name, one.at)
        problems.extend(faults)
        if not faults:
            curves[name] = Curve(name=name, offsets=tuple(one.at), note=one.note)
    return curves


def _faults(node: Node, name: str, offsets: Sequence[timedelta]) -> list[Problem]:
    faults = []
    if not SLUG.fullmatch(name):
        message = f"`{name}`: a name has lower-case letters, digits and hyphens only"
        faults.append(node.problem("CRM117", message, "curves", name, key=True))
    places = node.get("curves", name)
    assert places is not None
    written = places if places.kind == "list" else places.entries["at"]
    for place, (earlier, later) in enumerate(pairwise(offsets), start=1):
        if later <= earlier:
            here, before = written.items[place], written.items[place - 1]
            message = f"`{here.text}` does not come after `{before.text}`"
            total = _as_gaps(written)
            faults.append(here.problem("CRM112", message, help=total))
            break
    return faults


def _as_gaps(written: Node) -> str:
    """The remedy: what the list would be if gaps were meant."""
    moment, places = timedelta(0), []
    for item in written.items:
        moment += duration(item.text)
        places.append(spelled(moment))
    return f"places count from the anchor; if gaps were meant, write [{', '.join(places)}]"
