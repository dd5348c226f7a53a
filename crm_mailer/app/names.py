"""Finds what people call by its name; says which file is wrong, or which name is near."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TypeVar

from crm_mailer.app.wiring import App
from crm_mailer.definitions.problems import Problem, did_you_mean, raise_all
from crm_mailer.model.campaign import Campaign, Curve
from crm_mailer.model.errors import NotFound
from crm_mailer.model.segment import Segment
from crm_mailer.model.sentence import Sentence

T = TypeVar("T")


def campaign(app: App, name: str) -> Campaign:
    """The campaign of this name.

    Raises:
        DefinitionError: its file has errors.
        NotFound: there is none.
    """
    return _named(
        app,
        name,
        app.definitions.campaigns,
        Sentence("there is no campaign `{name}`", name=name),
        file=name,
    )


def segment(app: App, name: str) -> Segment:
    """The segment of this name; errors as for `campaign`."""
    return _named(
        app,
        name,
        app.definitions.segments,
        Sentence("there is no segment `{name}`", name=name),
        file=name,
    )


def curve(app: App, name: str) -> Curve:
    """The curve of this name; errors as for `campaign`."""
    return _named(
        app,
        name,
        app.definitions.curves,
        Sentence("there is no curve `{name}`", name=name),
        file="curves",
    )


def _named(app: App, name: str, known: Mapping[str, T], told: Sentence, *, file: str) -> T:
    if name in known:
        return known[name]
    if broken := _faults(app, file):
        raise_all(broken)
    raise NotFound(told, hint=did_you_mean(name, known))


def _faults(app: App, file: str) -> list[Problem]:
    return [one for one in app.definitions.errors if PurePosixPath(one.file).stem == file]
