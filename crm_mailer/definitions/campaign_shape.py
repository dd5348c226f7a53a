"""The shape of a campaign file: its keys and what kind of value each takes."""

from __future__ import annotations

from datetime import date as day
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from crm_mailer.definitions.files import RULE, Fault, Strict
from crm_mailer.definitions.when_reader import CalendarAnchorShape, Hour, WindowShape
from crm_mailer.definitions.written import DURATION, Duration, Language, Slug, duration
from crm_mailer.model.campaign import CatchUp, Exit, ExitRule, Kind, Mode, Stream
from crm_mailer.model.chance import WinnerBy
from crm_mailer.model.order import OrderState


def reentry(text: Any) -> timedelta | None:
    """`always` (0), `never` (None), or how long a customer rests before the next time.

    Raises:
        Fault: it is none of these.
    """
    if text in ("always", "never"):
        return timedelta(0) if text == "always" else None
    try:
        return duration(text)
    except Fault as fault:
        raise Fault(fault.code, "`reentry` is always, never or a duration", "such as 30d") from None


Reentry = Annotated[
    timedelta | None,
    BeforeValidator(reentry),
    WithJsonSchema(
        {"anyOf": [{"enum": ["always", "never"]}, {"pattern": f"^\\s*{DURATION.pattern}\\s*$"}]}
    ),
]
#: A rule of segments; the reader of rules takes it apart.
RuleText = Annotated[Any, WithJsonSchema(RULE)]


class AnchorShape(CalendarAnchorShape):
    """Exactly one of these."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    order: OrderState | None = None
    segment: str | None = None
    first_order: Literal["once", "yearly"] | None = None
    reply: Literal["praise", "question", "complaint", "any"] | None = None
    review: Literal["good", "middling", "bad", "any"] | None = None
    date: day | None = None


class ArmShape(Strict):
    """One way to write the mail of a test."""

    id: Slug
    template: str | None = None
    subject: dict[Language, str] = Field(default_factory=dict)
    share: Annotated[int, Field(ge=1, le=100)] = 1


class TrialShape(Strict):
    """`test: {arms: [...], winner: orders, after: 7d}`."""

    arms: Annotated[list[ArmShape], Field(min_length=2, max_length=5)]
    winner: WinnerBy | None = None
    after: Duration = timedelta(days=7)


class GoalShape(Strict):
    """`goal: {when: bought, within: 14d}`."""

    when: Exit
    within: Duration = timedelta(days=14)


class StepShape(Strict):
    """One mail."""

    id: Slug | None = None
    template: str
    after: Duration | None = None
    subject: dict[Language, str] = Field(default_factory=dict)
    #: So long after the step before it.
    wait: Duration | None = None
    if_: Annotated[RuleText, Field(alias="if")] = None
    unless: RuleText = None
    test: TrialShape | None = None
    #: An id of benefits.yaml.
    benefit: str | None = None


class CampaignFile(Strict):
    """The shape of a campaign file."""

    id: Slug | None = None
    name: Annotated[str, Field(min_length=1, max_length=200)]
    kind: Kind | None = None
    stream: Stream = Stream.MARKETING
    mode: Mode = Mode.DRAFT
    anchor: AnchorShape
    audience: RuleText = None
    curve: str | None = None
    send_at: Hour | None = None
    window: WindowShape | None = None
    spread: Duration = timedelta(0)
    catch_up: CatchUp = CatchUp.LATEST
    stop_when: tuple[Exit, ...] = ()
    valid_for: Duration = timedelta(days=3)
    hold: Duration = timedelta(0)
    parallel: bool | None = None
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    #: One of the shop's `topics`.
    topic: str = ""
    steps: Annotated[list[StepShape], Field(min_length=1, max_length=30)]
    vars: dict[str, Any] = Field(default_factory=dict)
    goal: GoalShape | None = None
    exit: ExitRule | None = None
    reentry: Reentry = timedelta(0)
    hold_out: Annotated[int, Field(ge=0, le=50)] = 0
    warm_first: Duration = timedelta(0)
    #: Of all steps that name none of their own.
    benefit: str | None = None
