"""Reads campaign files: an anchor, an audience, steps on a curve, and what ends them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from crm_mailer.definitions.campaign_faults import Known, faults_of, kind_of
from crm_mailer.definitions.campaign_shape import AnchorShape, CampaignFile, StepShape, TrialShape
from crm_mailer.definitions.files import Node, parse_yaml, read_text, validate
from crm_mailer.definitions.problems import Problem, did_you_mean
from crm_mailer.definitions.rule_reader import read_rule
from crm_mailer.definitions.when_reader import BEST, calendar_anchor, window_of
from crm_mailer.definitions.written import spelled
from crm_mailer.model.campaign import (
    Anchor,
    Campaign,
    DateAnchor,
    Exit,
    ExitRule,
    FestivalAnchor,
    FirstOrderAnchor,
    Goal,
    OrderAnchor,
    ReplyAnchor,
    ReviewAnchor,
    SegmentAnchor,
    Step,
    Stream,
)
from crm_mailer.model.chance import Arm, Trial
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.festivals import Festival
from crm_mailer.model.segment import EVERYBODY, AllOf, Not, Rule
from crm_mailer.model.sentence import Sentence

__all__ = ["Known", "read_campaign"]


def read_campaign(
    path: Path,
    known: Known,
    problems: list[Problem],
    shown: str = "",
    *,
    texts: dict[str, str] | None = None,
) -> Campaign | None:
    """The campaign in the file; None, and `problems`, when it is wrong. Warnings do not stop it.

    Args:
        path: the file.
        known: what it may name.
        problems: where faults and warnings go.
        shown: its name in messages; the path itself when empty.
        texts: where the text goes from which the campaign was made, by the campaign's `path`.
    """
    name = shown or str(path)
    try:
        text = read_text(path, name)
        node = parse_yaml(text, name)
        shape = validate(node, CampaignFile)
    except DefinitionError as error:
        problems.extend(error.problems)
        return None
    faults: list[Problem] = []
    audience = _rule(node, known, faults, "audience")
    conditions = _conditions(node, shape, known, faults)
    offsets = _offsets(node, shape, known, faults)
    faults.extend(faults_of(node, shape, known, offsets))
    problems.extend(faults)
    if any(fault.is_error for fault in faults) or offsets is None:
        return None
    steps = _steps(shape, offsets, conditions, known)
    anchor = _anchor(shape.anchor, known.festivals)
    if texts is not None:
        texts[name] = text
    return _campaign(node, shape, steps, audience, anchor, path.stem, name)


def _campaign(
    node: Node,
    shape: CampaignFile,
    steps: tuple[Step, ...],
    audience: Rule,
    anchor: Anchor,
    stem: str,
    shown: str,
) -> Campaign:
    written = node.get("vars")
    return Campaign(
        id=shape.id or stem,
        name=shape.name,
        kind=kind_of(shape),
        stream=shape.stream,
        mode=shape.mode,
        anchor=anchor,
        steps=steps,
        curve=shape.curve or "",
        audience=audience,
        exits=_exits(shape),
        send_at=shape.send_at if isinstance(shape.send_at, tuple) else None,
        is_best_hour=shape.send_at == BEST,
        window=window_of(shape.window),
        spread=shape.spread,
        catch_up=shape.catch_up,
        valid_for=shape.valid_for,
        hold=shape.hold,
        is_parallel=_is_parallel(shape),
        priority=shape.priority,
        topic=shape.topic,
        vars=written.value() or {} if written is not None else {},
        goal=_goal(shape),
        exit_rule=_exit_rule(shape),
        reentry=shape.reentry,
        hold_out=shape.hold_out,
        warm_first=shape.warm_first,
        version=_version(node, [step.offset for step in steps], anchor),
        path=shown,
    )


def _goal(shape: CampaignFile) -> Goal | None:
    return Goal(when=shape.goal.when, within=shape.goal.within) if shape.goal else None


def _exit_rule(shape: CampaignFile) -> ExitRule:
    """A campaign that has a goal ends when it is met, unless it says otherwise."""
    return shape.exit or (ExitRule.CONVERTED if shape.goal else ExitRule.NEVER)


def _exits(shape: CampaignFile) -> frozenset[Exit]:
    """What `stop_when` names, and what the rule of exit comes to."""
    rule, found = _exit_rule(shape), set(shape.stop_when)
    if shape.goal is not None and rule in (ExitRule.CONVERTED, ExitRule.EITHER):
        found.add(shape.goal.when)
    if rule in (ExitRule.UNMATCHED, ExitRule.EITHER):
        found.add(Exit.AUDIENCE_LEFT)
    return frozenset(found)


def _steps(
    shape: CampaignFile, offsets: list[timedelta], conditions: list[Rule], known: Known
) -> tuple[Step, ...]:
    return tuple(
        Step(
            id=step.id or f"step-{number}",
            template=step.template,
            offset=offset,
            subject=dict(step.subject),
            condition=condition,
            trial=_trial(step.test) if step.test else None,
            benefit=known.benefits.get(
                shape.benefit or "" if step.benefit is None else step.benefit
            ),
        )
        for number, (step, offset, condition) in enumerate(
            zip(shape.steps, offsets, conditions, strict=True), start=1
        )
    )


def _trial(shape: TrialShape) -> Trial:
    arms = tuple(
        Arm(id=arm.id, template=arm.template or "", subject=dict(arm.subject), share=arm.share)
        for arm in shape.arms
    )
    return Trial(arms=arms, winner=shape.winner, after=shape.after)


def _is_parallel(shape: CampaignFile) -> bool:
    """Order mail runs for each order by itself, unless the file says otherwise."""
    if shape.parallel is not None:
        return shape.parallel
    return shape.stream is Stream.TRANSACTIONAL


def _version(node: Node, offsets: list[timedelta], anchor: Anchor) -> str:
    """A fingerprint of what the campaign does; its mode is a switch and does not count."""
    words = {key: value for key, value in node.words().items() if key != "mode"}
    places: list[Any] = [spelled(offset) for offset in offsets]
    # another day for the festival is another campaign, too
    days = [repr(anchor.festival)] if isinstance(anchor, FestivalAnchor) else []
    said = json.dumps([words, places, *days], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _anchor(shape: AnchorShape, festivals: Mapping[str, Festival]) -> Anchor:
    """The one anchor that the file names; `_anchor_faults` has seen that there is one."""
    if shape.order is not None:
        return OrderAnchor(state=shape.order)
    if shape.segment is not None:
        return SegmentAnchor(segment=shape.segment)
    by_calendar = calendar_anchor(shape, festivals)
    if by_calendar is not None:
        return by_calendar
    if shape.first_order is not None:
        return FirstOrderAnchor(is_yearly=shape.first_order == "yearly")
    if shape.reply is not None:
        return ReplyAnchor(kind=shape.reply)
    if shape.review is not None:
        return ReviewAnchor(kind=shape.review)
    assert shape.date is not None
    return DateAnchor(day=shape.date)


# ----------------------------------------------------------------- what the shape cannot tell


def _rule(node: Node, known: Known, faults: list[Problem], *path: str | int) -> Rule:
    """The rule at a place of the file; everybody where nothing stands."""
    written = node.get(*path)
    if written is None or written.is_null:
        return EVERYBODY
    return read_rule(written, faults, segments=known.segments, campaigns=known.campaigns)


def _conditions(node: Node, shape: CampaignFile, known: Known, faults: list[Problem]) -> list[Rule]:
    """For whom each step is: `if` holds and `unless` does not."""
    found: list[Rule] = []
    for number, _step in enumerate(shape.steps):
        wanted = _rule(node, known, faults, "steps", number, "if")
        unwanted = _rule(node, known, faults, "steps", number, "unless")
        parts = (
            *((wanted,) if wanted != EVERYBODY else ()),
            *((Not(unwanted),) if unwanted != EVERYBODY else ()),
        )
        found.append(parts[0] if len(parts) == 1 else AllOf(parts))
    return found


def _offsets(
    node: Node, shape: CampaignFile, known: Known, faults: list[Problem]
) -> list[timedelta] | None:
    """When each step comes: its own `after`, else its place on the curve."""
    fault = _place_fault(node, shape, known)
    if fault is not None:
        faults.append(fault)
        return None
    curve = known.curves[shape.curve].offsets if shape.curve else (timedelta(0),)
    places = iter(curve)
    offsets: list[timedelta] = []
    for step in shape.steps:
        before = offsets[-1] if offsets else timedelta(0)
        offsets.append(_offset(step, before, places))
    faults.extend(_order_faults(node, offsets))
    return offsets


def _offset(step: StepShape, before: timedelta, places: Iterator[timedelta]) -> timedelta:
    if step.wait is not None:
        return before + step.wait
    return next(places) if step.after is None else step.after


def _place_fault(node: Node, shape: CampaignFile, known: Known) -> Problem | None:
    """Why a step without `after` has no place: no such curve, too short a curve, no curve."""
    waiting = [
        number
        for number, step in enumerate(shape.steps)
        if step.after is None and step.wait is None
    ]
    if shape.curve is None:
        late = [number for number in waiting if number > 0]
        if not late:
            return None
        message = "`after` is missing: the campaign names no curve"
        return node.problem("CRM105", message, "steps", late[0], help="such as `after: 4d`")
    if shape.curve not in known.curves:
        help_ = did_you_mean(shape.curve, known.curves)
        return node.problem(
            "CRM114", Sentence("no curve `{curve}`", curve=shape.curve), "curve", help=help_
        )
    curve = known.curves[shape.curve]
    if curve.adaptive is not None and len(waiting) < len(shape.steps):
        placed = next(n for n, step in enumerate(shape.steps) if step.after is not None)
        message = Sentence(
            "`after` cannot be set: the curve `{curve}` decides when", curve=shape.curve
        )
        return node.problem("CRM180", message, "steps", placed, "after", help="leave it out")
    places = len(curve.offsets)
    if len(waiting) <= places:
        return None
    message = Sentence(
        "{steps} steps, but the curve `{curve}` has {places} places",
        steps=len(waiting),
        curve=shape.curve,
        places=places,
    )
    help_ = "add `after:` to the step"
    return node.problem("CRM113", message, "steps", waiting[places], help=help_)


def _order_faults(node: Node, offsets: list[timedelta]) -> Iterator[Problem]:
    for number in range(1, len(offsets)):
        if offsets[number] <= offsets[number - 1]:
            message = Sentence(
                "step {number} is due {span} after the anchor, "
                "not later than step {before} ({earlier})",
                number=number + 1,
                span=spelled(offsets[number]),
                before=number,
                earlier=spelled(offsets[number - 1]),
            )
            yield node.problem("CRM126", message, "steps", number)
