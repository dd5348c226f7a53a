"""Reads campaign files: an anchor, an audience, steps on a curve, and what ends them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date as day
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from crm_mailer.definitions.files import Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem, Severity, did_you_mean
from crm_mailer.definitions.segment_reader import read_rule
from crm_mailer.definitions.written import Duration, Language, Slug, TimeOfDay, spelled
from crm_mailer.model.campaign import (
    Anchor,
    BirthdayAnchor,
    Campaign,
    Curve,
    DateAnchor,
    Exit,
    FirstOrderAnchor,
    Kind,
    Mode,
    OrderAnchor,
    ReplyAnchor,
    SegmentAnchor,
    Step,
    Stream,
)
from crm_mailer.model.errors import DefinitionError
from crm_mailer.model.order import OrderState
from crm_mailer.model.segment import EVERYBODY, Rule
from crm_mailer.model.shop import Shop

#: The longest undo window.
LONGEST_HOLD = timedelta(hours=24)
#: The state that an exit waits for.
EXIT_STATES = {
    Exit.ORDER_PAID: OrderState.PAID,
    Exit.ORDER_CANCELLED: OrderState.CANCELLED,
    Exit.ORDER_SHIPPED: OrderState.SHIPPED,
    Exit.ORDER_ARRIVED: OrderState.ARRIVED,
    Exit.ORDER_REVIEWED: OrderState.REVIEWED,
    Exit.ORDER_DISPUTED: OrderState.DISPUTED,
}


class BirthdayShape(Strict):
    """`birthday: {days_before: 3}`."""

    days_before: Annotated[int, Field(ge=0, le=60)] = 0


class AnchorShape(Strict):
    """Exactly one of these."""

    order: OrderState | None = None
    segment: str | None = None
    birthday: BirthdayShape | None = None
    first_order: Literal["once", "yearly"] | None = None
    reply: Literal["praise", "question", "complaint", "any"] | None = None
    date: day | None = None


class StepShape(Strict):
    """One mail."""

    id: Slug | None = None
    template: str
    after: Duration | None = None
    subject: dict[Language, str] = Field(default_factory=dict)


class CampaignFile(Strict):
    """The shape of a campaign file."""

    id: Slug | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Kind | None = None
    stream: Stream = Stream.MARKETING
    mode: Mode = Mode.DRAFT
    anchor: AnchorShape
    audience: Any = None
    curve: str | None = None
    send_at: TimeOfDay | None = None
    stop_when: tuple[Exit, ...] = ()
    valid_for: Duration = timedelta(days=3)
    hold: Duration = timedelta(0)
    parallel: bool | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    steps: Annotated[list[StepShape], Field(min_length=1, max_length=30)]
    vars: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a campaign may name."""

    shop: Shop
    curves: Mapping[str, Curve] = field(default_factory=dict)
    segments: Collection[str] = ()
    #: Template ("stage/name") -> its languages.
    templates: Mapping[str, Collection[str]] = field(default_factory=dict)


def read_campaign(
    path: Path, known: Known, problems: list[Problem], shown: str = ""
) -> Campaign | None:
    """The campaign in the file; None, and `problems`, when it is wrong. Warnings do not stop it."""
    try:
        node = read_yaml(path, shown)
        shape = validate(node, CampaignFile)
    except DefinitionError as error:
        problems.extend(error.problems)
        return None
    faults: list[Problem] = []
    audience = _audience(node, known, faults)
    offsets = _offsets(node, shape, known, faults)
    faults.extend(_anchor_faults(node, shape, known))
    faults.extend(_step_faults(node, shape, known))
    faults.extend(_live_faults(node, shape, known))
    faults.extend(_hold_faults(node, shape, offsets))
    problems.extend(faults)
    if any(fault.is_error for fault in faults) or offsets is None:
        return None
    return _campaign(node, shape, offsets, audience, path.stem, shown or str(path))


def _campaign(
    node: Node,
    shape: CampaignFile,
    offsets: list[timedelta],
    audience: Rule,
    stem: str,
    shown: str,
) -> Campaign:
    written = node.get("vars")
    return Campaign(
        id=shape.id or stem,
        name=shape.name,
        kind=_kind(shape),
        stream=shape.stream,
        mode=shape.mode,
        anchor=_anchor(shape.anchor),
        steps=_steps(shape, offsets),
        curve=shape.curve or "",
        audience=audience,
        exits=frozenset(shape.stop_when),
        send_at=shape.send_at,
        valid_for=shape.valid_for,
        hold=shape.hold,
        is_parallel=_is_parallel(shape),
        priority=shape.priority,
        vars=written.value() or {} if written is not None else {},
        version=_version(node, offsets),
        path=shown,
    )


def _steps(shape: CampaignFile, offsets: list[timedelta]) -> tuple[Step, ...]:
    return tuple(
        Step(
            id=step.id or f"step-{number}",
            template=step.template,
            offset=offset,
            subject=dict(step.subject),
        )
        for number, (step, offset) in enumerate(zip(shape.steps, offsets, strict=True), start=1)
    )


def _kind(shape: CampaignFile) -> Kind:
    by_anchor = Kind.EDM if shape.anchor.date is not None else Kind.LIFECYCLE
    return shape.kind or by_anchor


def _is_parallel(shape: CampaignFile) -> bool:
    """Order mail runs for each order by itself, unless the file says otherwise."""
    if shape.parallel is not None:
        return shape.parallel
    return shape.stream is Stream.TRANSACTIONAL


def _version(node: Node, offsets: list[timedelta]) -> str:
    """A fingerprint of what the campaign does; its mode is a switch and does not count."""
    words = {key: value for key, value in node.words().items() if key != "mode"}
    said = json.dumps([words, [spelled(offset) for offset in offsets]], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def _anchor(shape: AnchorShape) -> Anchor:
    """The one anchor that the file names; `_anchor_faults` has seen that there is one."""
    if shape.order is not None:
        return OrderAnchor(state=shape.order)
    if shape.segment is not None:
        return SegmentAnchor(segment=shape.segment)
    if shape.birthday is not None:
        return BirthdayAnchor(days_before=shape.birthday.days_before)
    if shape.first_order is not None:
        return FirstOrderAnchor(is_yearly=shape.first_order == "yearly")
    if shape.reply is not None:
        return ReplyAnchor(kind=shape.reply)
    assert shape.date is not None
    return DateAnchor(day=shape.date)


# ----------------------------------------------------------------- what the shape cannot tell


def _audience(node: Node, known: Known, faults: list[Problem]) -> Rule:
    written = node.get("audience")
    if written is None or written.is_null:
        return EVERYBODY
    return read_rule(written, faults, segments=known.segments)


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
    offsets = [next(places) if step.after is None else step.after for step in shape.steps]
    faults.extend(_order_faults(node, offsets))
    return offsets


def _place_fault(node: Node, shape: CampaignFile, known: Known) -> Problem | None:
    """Why a step without `after` has no place: no such curve, too short a curve, no curve."""
    waiting = [number for number, step in enumerate(shape.steps) if step.after is None]
    if shape.curve is None:
        late = [number for number in waiting if number > 0]
        if not late:
            return None
        message = "`after` is missing: the campaign names no curve"
        return node.problem("CRM105", message, "steps", late[0], help="such as `after: 4d`")
    if shape.curve not in known.curves:
        help_ = did_you_mean(shape.curve, known.curves)
        return node.problem("CRM114", f"no curve `{shape.curve}`", "curve", help=help_)
    places = len(known.curves[shape.curve].offsets)
    if len(waiting) <= places:
        return None
    message = f"{len(waiting)} steps, but the curve `{shape.curve}` has {places} places"
    help_ = "add `after:` to the step"
    return node.problem("CRM113", message, "steps", waiting[places], help=help_)


def _order_faults(node: Node, offsets: list[timedelta]) -> Iterator[Problem]:
    for number in range(1, len(offsets)):
        if offsets[number] <= offsets[number - 1]:
            message = (
                f"step {number + 1} is due {spelled(offsets[number])} after the anchor, "
                f"not later than step {number} ({spelled(offsets[number - 1])})"
            )
            yield node.problem("CRM126", message, "steps", number)


def _anchor_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    anchor = shape.anchor
    named = sorted(anchor.model_dump(exclude_none=True))
    if len(named) != 1:
        message = "the anchor is one of order, segment, birthday, first_order, reply, date"
        help_ = f"there are {len(named)}: {', '.join(named)}" if named else "such as {order: paid}"
        yield node.problem("CRM119", message, "anchor", help=help_)
        return
    if (anchor.date is not None) != (_kind(shape) is Kind.EDM):
        expected = "a date" if _kind(shape) is Kind.EDM else "an event, not a date"
        message = f"a campaign of kind {_kind(shape)} is started by {expected}"
        yield node.problem("CRM119", message, "anchor")
    if anchor.segment is not None and anchor.segment not in known.segments:
        help_ = did_you_mean(anchor.segment, known.segments)
        message = f"no segment `{anchor.segment}`"
        yield node.problem("CRM116", message, "anchor", "segment", help=help_)
    if shape.stream is Stream.TRANSACTIONAL and anchor.order is None and anchor.reply is None:
        message = f"a mail anchored at `{named[0]}` is marketing"
        yield node.problem("CRM120", message, "stream", help="write `stream: marketing`")
    yield from _exit_faults(node, shape)


def _exit_faults(node: Node, shape: CampaignFile) -> Iterator[Problem]:
    anchor = shape.anchor
    for number, exit_ in enumerate(shape.stop_when):
        needs_order = exit_ in EXIT_STATES
        if needs_order and anchor.order is None:
            message = f"`{exit_}` needs an anchor at an order"
        elif needs_order and anchor.order is EXIT_STATES[exit_]:
            message = f"`{exit_}` is what starts this campaign"
        elif exit_ is Exit.SEGMENT_LEFT and anchor.segment is None:
            message = f"`{exit_}` needs an anchor at a segment"
        else:
            continue
        yield node.problem("CRM127", message, "stop_when", number)


def _step_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, step in enumerate(shape.steps):
        here = ("steps", number, "template")
        languages = known.templates.get(step.template)
        if languages is None:
            help_ = did_you_mean(step.template, known.templates)
            yield node.problem("CRM115", f"no template `{step.template}`", *here, help=help_)
        else:
            missing = [code for code in known.shop.languages if code not in languages]
            if missing:
                message = f"`{step.template}` is not there in {', '.join(missing)}"
                warning = Severity.WARNING
                yield node.problem("CRM123", message, *here, severity=warning)
        if step.id is not None and step.id in seen:
            message = f"step {seen[step.id] + 1} has the id `{step.id}` already"
            yield node.problem("CRM118", message, "steps", number, "id")
        seen.setdefault(step.id or f"step-{number + 1}", number)


def _live_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    is_live = shape.mode is not Mode.DRAFT
    if is_live and shape.id is None:
        message = f"a campaign whose mode is {shape.mode} needs an `id`"
        yield node.problem("CRM121", message, help="add `id: ` with a short name that stays")
    for number, step in enumerate(shape.steps):
        if is_live and step.id is None:
            message = f"step {number + 1} of a campaign whose mode is {shape.mode} needs an `id`"
            yield node.problem("CRM121", message, "steps", number)
    if is_live and known.shop.name and not _has_sender(known.shop, shape.stream):
        message = f"the shop has no address that {shape.stream} mail could come from"
        help_ = "set `sender` in shop.yaml"
        yield node.problem("CRM129", message, "stream", help=help_)
    if shape.stream is Stream.MARKETING and not known.shop.postal_address:
        severity = Severity.ERROR if is_live else Severity.WARNING
        message = "marketing mail needs the shop's postal address"
        help_ = "set `postal_address` in shop.yaml"
        yield node.problem("CRM122", message, "stream", help=help_, severity=severity)
    if shape.valid_for < timedelta(hours=12) and shape.stream is Stream.MARKETING:
        message = f"valid for {spelled(shape.valid_for)} only: quiet hours can outlast it"
        yield node.problem("CRM128", message, "valid_for", severity=Severity.WARNING)


def _hold_faults(
    node: Node, shape: CampaignFile, offsets: list[timedelta] | None
) -> Iterator[Problem]:
    """What is wrong with the undo window."""
    if not shape.hold:
        return
    if shape.stream is Stream.TRANSACTIONAL:
        message = "order mail leaves at once: it has no undo window"
        yield node.problem("CRM131", message, "hold", help="leave `hold` out")
    elif shape.hold > LONGEST_HOLD:
        message = f"{spelled(shape.hold)} is longer than a day"
        yield node.problem("CRM131", message, "hold", help="such as `hold: 10m`")
    elif shape.hold >= shape.valid_for:
        message = f"mails are valid for {spelled(shape.valid_for)}: none would ever leave"
        yield node.problem("CRM131", message, "hold")
    else:
        for number, (before, after) in enumerate(pairwise(offsets or ()), start=1):
            if after - before <= shape.hold:
                message = (
                    f"step {number + 1} comes {spelled(after - before)} after step {number}: "
                    f"within the undo window only the later one leaves"
                )
                yield node.problem("CRM131", message, "hold", severity=Severity.WARNING)


def _has_sender(shop: Shop, stream: Stream) -> bool:
    own = shop.orders_sender if stream is Stream.TRANSACTIONAL else ""
    return bool(own or shop.sender or shop.reply_to)
