"""What is wrong with a campaign file that its shape cannot tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from crm_mailer.definitions.campaign_shape import AnchorShape, CampaignFile
from crm_mailer.definitions.files import Node
from crm_mailer.definitions.problems import Problem, Severity, did_you_mean
from crm_mailer.definitions.when_reader import anchor_faults, spread_faults, window_faults
from crm_mailer.definitions.written import spelled
from crm_mailer.model import language
from crm_mailer.model.benefit import Benefit
from crm_mailer.model.campaign import Curve, Exit, ExitRule, Kind, Mode, Stream
from crm_mailer.model.festivals import Festival
from crm_mailer.model.order import OrderState
from crm_mailer.model.sentence import Sentence
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a campaign may name."""

    shop: Shop
    curves: Mapping[str, Curve] = field(default_factory=dict)
    segments: Collection[str] = ()
    #: Festivals by the name that a file may write.
    festivals: Mapping[str, Festival] = field(default_factory=dict)
    #: Template ("stage/name") -> its languages.
    templates: Mapping[str, Collection[str]] = field(default_factory=dict)
    benefits: Mapping[str, Benefit] = field(default_factory=dict)
    #: Ids of all campaigns; None: they are not known here.
    campaigns: Collection[str] | None = None


def faults_of(
    node: Node, shape: CampaignFile, known: Known, offsets: list[timedelta] | None
) -> Iterator[Problem]:
    """Every fault and warning, each at its place."""
    yield from _anchor_faults(node, shape, known)
    yield from _step_faults(node, shape, known)
    yield from _text_faults(node, shape, known)
    yield from _live_faults(node, shape, known)
    yield from _topic_faults(node, shape, known)
    yield from _hold_faults(node, shape, offsets)
    send_at = shape.send_at or known.shop.send_at
    yield from spread_faults(node, shape.spread, shape.valid_for, send_at, known.shop)
    yield from window_faults(node, shape.window, send_at, shape.stream, known.shop)
    yield from _goal_faults(node, shape)
    yield from _trial_faults(node, shape, known)
    yield from _crowd_faults(node, shape)
    yield from _benefit_faults(node, shape, known)


def kind_of(shape: CampaignFile) -> Kind:
    """What starts the campaign, as said or as its anchor tells."""
    return shape.kind or (Kind.EDM if _is_dated(shape.anchor) else Kind.LIFECYCLE)


def _is_dated(anchor: AnchorShape) -> bool:
    """Whether a day that is everybody's starts the campaign."""
    days = (anchor.date, anchor.festival, anchor.monthly)
    return any(day is not None for day in days)


def _anchor_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    anchor = shape.anchor
    named = sorted(anchor.model_dump(exclude_none=True))
    if len(named) != 1:
        message = (
            "the anchor is one of order, segment, birthday, first_order, anniversary, reply, "
            "review, date, festival, monthly"
        )
        there = Sentence("there are {count}: {names}", count=len(named), names=", ".join(named))
        help_ = there if named else Sentence("such as {order: paid}")
        yield node.problem("CRM119", message, "anchor", help=help_)
        return
    yield from anchor_faults(node, anchor, known.festivals)
    if _is_dated(anchor) != (kind_of(shape) is Kind.EDM):
        yield node.problem("CRM119", _starts(kind_of(shape)), "anchor")
    if anchor.segment is not None and anchor.segment not in known.segments:
        near = did_you_mean(anchor.segment, known.segments)
        message = Sentence("no segment `{segment}`", segment=anchor.segment)
        yield node.problem("CRM116", message, "anchor", "segment", help=near)
    answers = (anchor.order, anchor.reply, anchor.review)
    if shape.stream is Stream.TRANSACTIONAL and all(one is None for one in answers):
        message = Sentence("a mail anchored at `{anchor}` is marketing", anchor=named[0])
        yield node.problem("CRM120", message, "stream", help="write `stream: marketing`")
    yield from _exit_faults(node, shape)


def _starts(kind: Kind) -> Sentence:
    """What starts a campaign of this kind."""
    if kind is Kind.EDM:
        return Sentence("a campaign of kind edm is started by a date")
    return Sentence("a campaign of kind {kind} is started by an event, not a date", kind=kind.value)


def _exit_faults(node: Node, shape: CampaignFile) -> Iterator[Problem]:
    for number, exit_ in enumerate(shape.stop_when):
        yield from _exit_fault(node, shape, exit_, "stop_when", number)


def _exit_fault(
    node: Node, shape: CampaignFile, exit_: Exit, *path: str | int
) -> Iterator[Problem]:
    """What this anchor can never meet."""
    anchor, needs_order = shape.anchor, exit_ in EXIT_STATES
    if needs_order and anchor.order is None:
        message = Sentence("`{exit}` needs an anchor at an order", exit=exit_.value)
    elif needs_order and anchor.order is EXIT_STATES[exit_]:
        message = Sentence("`{exit}` is what starts this campaign", exit=exit_.value)
    elif exit_ is Exit.SEGMENT_LEFT and anchor.segment is None:
        message = Sentence("`{exit}` needs an anchor at a segment", exit=exit_.value)
    else:
        return
    yield node.problem("CRM127", message, *path)


def _goal_faults(node: Node, shape: CampaignFile) -> Iterator[Problem]:
    """What is wrong with the goal and the rule of exit."""
    if shape.goal is None and shape.exit in (ExitRule.CONVERTED, ExitRule.EITHER):
        message = Sentence("`exit: {exit}` needs a goal", exit=shape.exit.value)
        yield node.problem("CRM132", message, "exit", help="such as `goal: {when: bought}`")
    if shape.goal is not None:
        yield from _exit_fault(node, shape, shape.goal.when, "goal", "when")
    is_unmatched = shape.exit in (ExitRule.UNMATCHED, ExitRule.EITHER)
    if (is_unmatched or Exit.AUDIENCE_LEFT in shape.stop_when) and shape.audience is None:
        where = "exit" if is_unmatched else "stop_when"
        message = Sentence("without an audience nobody leaves it")
        yield node.problem("CRM132", message, where, help="write an `audience:`")
    for number, step in enumerate(shape.steps):
        if step.after is not None and step.wait is not None:
            message = Sentence(
                "`after` counts from the event, `wait` from the step before: one of them"
            )
            yield node.problem("CRM134", message, "steps", number, "wait")
        elif step.wait is not None and number == 0:
            message = Sentence("the first step has none before it")
            yield node.problem("CRM134", message, "steps", 0, "wait", help="write `after:`")


def _trial_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    """What is wrong with A/B tests and hold-outs."""
    for number, step in enumerate(shape.steps):
        seen: set[str] = set()
        for place, arm in enumerate(step.test.arms if step.test else ()):
            here = ("steps", number, "test", "arms", place)
            if arm.id in seen:
                yield node.problem(
                    "CRM118", Sentence("two arms are called `{id}`", id=arm.id), *here, "id"
                )
            seen.add(arm.id)
            if arm.template is not None and arm.template not in known.templates:
                help_ = did_you_mean(arm.template, known.templates)
                message = Sentence("no template `{template}`", template=arm.template)
                yield node.problem("CRM115", message, *here, "template", help=help_)
        if step.test and shape.stream is Stream.TRANSACTIONAL:
            message = Sentence("order mail is not tested on customers")
            yield node.problem("CRM133", message, "steps", number, "test")
    if shape.hold_out and shape.stream is Stream.TRANSACTIONAL:
        message = Sentence("order mail is owed to every customer")
        yield node.problem("CRM133", message, "hold_out", help="leave `hold_out` out")


def _crowd_faults(node: Node, shape: CampaignFile) -> Iterator[Problem]:
    """An audience of everybody may be meant; it is told all the same."""
    if kind_of(shape) is Kind.EDM and shape.audience is None:
        message = "there is no `audience`: this goes to every customer who may be mailed"
        help_ = "name who it is for, such as `audience: {days_since_last: {at_most: 365}}`"
        warning = Severity.WARNING
        yield node.problem("CRM135", message, "anchor", help=help_, severity=warning)
    if shape.warm_first and shape.warm_first >= shape.valid_for:
        later = spelled(shape.warm_first)
        message = Sentence("the coldest would leave {later} later: too late", later=later)
        yield node.problem("CRM128", message, "warm_first", help="make `valid_for` longer")


def _benefit_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    """Benefits that there are not; and what is given in order mail makes it advertising."""
    places: list[tuple[str | int, ...]] = [("benefit",)] if shape.benefit else []
    places += [("steps", n, "benefit") for n, step in enumerate(shape.steps) if step.benefit]
    for place in places:
        written = node.get(*place)
        name = written.text if written is not None else ""
        if name not in known.benefits:
            help_ = did_you_mean(name, known.benefits) or "write it in campaigns/benefits.yaml"
            yield node.problem(
                "CRM191", Sentence("no benefit `{name}`", name=name), *place, help=help_
            )
        elif shape.stream is Stream.TRANSACTIONAL:
            message = "order mail gives nothing: an offer makes it advertising"
            yield node.problem("CRM192", message, *place, help="write `stream: marketing`")


def _step_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for number, step in enumerate(shape.steps):
        here = ("steps", number, "template")
        languages = known.templates.get(step.template)
        if languages is None:
            help_ = did_you_mean(step.template, known.templates)
            yield node.problem(
                "CRM115",
                Sentence("no template `{template}`", template=step.template),
                *here,
                help=help_,
            )
        else:
            missing = [code for code in known.shop.languages if code not in languages]
            if missing:
                message = Sentence(
                    "`{template}` is not there in {languages}",
                    template=step.template,
                    languages=", ".join(missing),
                )
                warning = Severity.WARNING
                yield node.problem("CRM123", message, *here, severity=warning)
        if step.id is not None and step.id in seen:
            message = Sentence(
                "step {number} has the id `{id}` already", number=seen[step.id] + 1, id=step.id
            )
            yield node.problem("CRM118", message, "steps", number, "id")
        seen.setdefault(step.id or f"step-{number + 1}", number)


def _topic_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    """A topic that customers cannot find on their page."""
    if shape.topic and known.shop.name and shape.topic not in known.shop.topics:
        help_ = did_you_mean(shape.topic, known.shop.topics) or "write it in shop.yaml"
        yield node.problem(
            "CRM137",
            Sentence("the shop has no topic `{topic}`", topic=shape.topic),
            "topic",
            help=help_,
        )


def _text_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    """Texts of `vars` that one of the shop's languages has not, where a template has it."""
    written = {code for step in shape.steps for code in known.templates.get(step.template, ())}
    for name, value in shape.vars.items():
        missing = [
            code for code in known.shop.languages if code in written and language.lacks(value, code)
        ]
        if missing:
            message = Sentence(
                "`{name}` has a text for some languages, and none for {languages}",
                name=name,
                languages=", ".join(missing),
            )
            help_ = "those readers get it in another language, in the middle of their own"
            warning = Severity.WARNING
            yield node.problem("CRM136", message, "vars", name, help=help_, severity=warning)


def _live_faults(node: Node, shape: CampaignFile, known: Known) -> Iterator[Problem]:
    is_live = shape.mode is not Mode.DRAFT
    if is_live and shape.id is None:
        mode = shape.mode.value
        message = Sentence("a campaign whose mode is {mode} needs an `id`", mode=mode)
        yield node.problem("CRM121", message, help="add `id: ` with a short name that stays")
    for number, step in enumerate(shape.steps):
        if is_live and step.id is None:
            message = Sentence(
                "step {number} of a campaign whose mode is {mode} needs an `id`",
                number=number + 1,
                mode=shape.mode.value,
            )
            yield node.problem("CRM121", message, "steps", number)
    if is_live and known.shop.name and not _has_sender(known.shop, shape.stream):
        message = Sentence(
            "the shop has no address that {stream} mail could come from", stream=shape.stream.value
        )
        help_ = "set `sender` in shop.yaml"
        yield node.problem("CRM129", message, "stream", help=help_)
    if shape.stream is Stream.MARKETING and not known.shop.postal_address:
        severity = Severity.ERROR if is_live else Severity.WARNING
        message = Sentence("marketing mail needs the shop's postal address")
        help_ = "set `postal_address` in shop.yaml"
        yield node.problem("CRM122", message, "stream", help=help_, severity=severity)
    if shape.valid_for < timedelta(hours=12) and shape.stream is Stream.MARKETING:
        span = spelled(shape.valid_for)
        message = Sentence("valid for {span} only: quiet hours can outlast it", span=span)
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
        message = Sentence("{span} is longer than a day", span=spelled(shape.hold))
        yield node.problem("CRM131", message, "hold", help="such as `hold: 10m`")
    elif shape.hold >= shape.valid_for:
        span = spelled(shape.valid_for)
        message = Sentence("mails are valid for {span}: none would ever leave", span=span)
        yield node.problem("CRM131", message, "hold")
    else:
        for number, (before, after) in enumerate(pairwise(offsets or ()), start=1):
            if after - before <= shape.hold:
                message = Sentence(
                    "step {number} comes {span} after step {before}: "
                    "within the undo window only the later one leaves",
                    number=number + 1,
                    span=spelled(after - before),
                    before=number,
                )
                yield node.problem("CRM131", message, "hold", severity=Severity.WARNING)


def _has_sender(shop: Shop, stream: Stream) -> bool:
    own = shop.orders_sender if stream is Stream.TRANSACTIONAL else ""
    return bool(own or shop.sender or shop.reply_to)
