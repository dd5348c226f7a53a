"""Values that a template shows and a campaign does not give: the campaign's fault, told once there.

A template in seven languages would else be found fault with seven times, and for a campaign that
it does not know.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crm_mailer.definitions.files import Node
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.tree import Key
from crm_mailer.model.campaign import Campaign
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.check_use import mails

#: A value that is shown; one with `|default(...)` need not be there.
SHOWN = re.compile(r"\bvars\.(\w+)(?!\w)(?!\s*\|\s*d(?:efault)?\b)")
#: What is asked for first may be missing.
ASKED = re.compile(r"\bvars\.(\w+)\s+is\s+(?:not\s+)?(?:un)?defined\b")
#: So like one that is given, a name is a slip: then the template is told.
SLIP = 0.6


@dataclass(frozen=True, slots=True)
class Lack:
    """What a campaign does not give to one of its templates; `path` leads to it in its file."""

    campaign: str
    template: str
    names: tuple[str, ...]
    path: tuple[Key, ...]
    #: A campaign that gives them, where there is one.
    example: str


def lacks(campaigns: Iterable[Campaign], templates: Mapping[str, Mapping[str, Path]]) -> list[Lack]:
    """What campaigns do not give.

    Args:
        campaigns: all of them.
        templates: each template ("stage/name") with its files by language.
    """
    known = list(campaigns)
    needed: dict[str, frozenset[str]] = {}
    found: list[Lack] = []
    for campaign in known:
        for path, template in _places(campaign):
            if template not in needed:
                needed[template] = _needed(templates.get(template, {}).values())
            missing = _missing(needed[template], campaign.vars)
            if missing:
                example = _example(known, template, missing)
                found.append(Lack(campaign.id, template, missing, path, example))
    return found


def problem(lack: Lack, file: Node) -> Problem:
    """The finding, at the place where the campaign's file names the template."""
    what = ", ".join(f"`vars.{name}`" for name in lack.names)
    names = ", ".join(f"`{name}:`" for name in lack.names)
    message = Sentence(
        "`{template}` shows {what}: the campaign does not give that",
        template=lack.template,
        what=what,
    )
    remedy = (
        Sentence(
            "write {names} under `vars:`, as {example} does", names=names, example=lack.example
        )
        if lack.example
        else Sentence("write {names} under `vars:`", names=names)
    )
    return file.problem("CRM139", message, *lack.path, help=remedy)


def _places(campaign: Campaign) -> Iterator[tuple[tuple[Key, ...], str]]:
    """Each template of a campaign, with where its file names it."""
    for number, step in enumerate(campaign.steps):
        yield ("steps", number, "template"), step.template
        for place, arm in enumerate(step.trial.arms if step.trial is not None else ()):
            if arm.template:
                yield ("steps", number, "test", "arms", place, "template"), arm.template


def _needed(files: Collection[Path]) -> frozenset[str]:
    """The values that a template shows in every one of its languages."""
    shown = [_shown(path) for path in files]
    return frozenset.intersection(*shown) if shown else frozenset()


def _shown(path: Path) -> frozenset[str]:
    try:
        raw = path.read_bytes()
    except OSError:
        return frozenset()
    if b"vars." not in raw:
        return frozenset()
    text = raw.decode("utf-8", "replace")
    return frozenset(SHOWN.findall(text)) - frozenset(ASKED.findall(text))


def _missing(needed: Collection[str], given: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(
        name
        for name in sorted(needed)
        if name not in given and not difflib.get_close_matches(name, given, n=1, cutoff=SLIP)
    )


def _example(campaigns: Iterable[Campaign], template: str, names: Collection[str]) -> str:
    return next(
        (
            one.path
            for one in campaigns
            if all(name in one.vars for name in names)
            and any(other == template for _step, other in mails(one))
        ),
        "",
    )
