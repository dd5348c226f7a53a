"""The section `health:` of campaigns/shop.yaml: how the shop's figures are judged."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from crm_mailer.definitions.files import Fault, Strict
from crm_mailer.model.health import (
    DEFAULT_LIMITS,
    DEFAULT_TOO_FEW,
    UNITS,
    HealthFigure,
    HealthRules,
    Limit,
    Unit,
)
from crm_mailer.model.period import USUAL_DAYS
from crm_mailer.model.sentence import Sentence

_HIGHEST = {Unit.SHARE: 100.0, Unit.STARS: 5.0, Unit.HOURS: 1000.0}


class LimitFile(Strict):
    """Two limits, in per cent, stars or hours; one that is left out is the usual one."""

    warn: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = None
    bad: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = None


class HealthFile(Strict):
    """The shape of the section; a figure that is left out has the usual limits."""

    days: Annotated[int, Field(ge=1, le=366)] = USUAL_DAYS
    too_few: Annotated[int, Field(ge=1, le=100_000)] = DEFAULT_TOO_FEW
    order_defect_rate: LimitFile = LimitFile()
    dispute_rate: LimitFile = LimitFile()
    arbitration_raised: LimitFile = LimitFile()
    arbitration_lost: LimitFile = LimitFile()
    seller_cancelled: LimitFile = LimitFile()
    positive_reviews: LimitFile = LimitFile()
    item_as_described: LimitFile = LimitFile()
    communication: LimitFile = LimitFile()
    shipping_speed: LimitFile = LimitFile()
    first_response: LimitFile = LimitFile()
    solved_without_escalation: LimitFile = LimitFile()

    @model_validator(mode="after")
    def _is_the_right_way_round(self) -> Any:
        for figure in HealthFigure:
            limit, usual = _limit(self, figure), DEFAULT_LIMITS[figure]
            if max(limit.warn, limit.bad) > _HIGHEST[UNITS[figure]]:
                raise Fault(
                    "CRM107",
                    Sentence(
                        "no `{figure}` is higher than {highest:g}",
                        figure=figure.value,
                        highest=_HIGHEST[UNITS[figure]],
                    ),
                )
            if limit.is_more_better != usual.is_more_better and limit.warn != limit.bad:
                raise Fault(
                    "CRM107",
                    _turned(figure, limit),
                    Sentence(
                        "swap them, or write both: {{warn: {warn:g}, bad: {bad:g}}}",
                        warn=usual.warn,
                        bad=usual.bad,
                    ),
                )
        return self


def _turned(figure: HealthFigure, limit: Limit) -> Sentence:
    """That the two limits of a figure stand the wrong way round."""
    parts = {"figure": figure.value, "bad": limit.bad, "warn": limit.warn}
    if limit.bad < limit.warn:
        return Sentence("`bad` of `{figure}` ({bad:g}) lies below its `warn` ({warn:g})", **parts)
    return Sentence("`bad` of `{figure}` ({bad:g}) lies above its `warn` ({warn:g})", **parts)


def rules(shape: HealthFile) -> HealthRules:
    """What the section says, as the report on health judges by it."""
    limits = {figure: _limit(shape, figure) for figure in HealthFigure}
    return HealthRules(days=shape.days, too_few=shape.too_few, limits=limits)


def _limit(shape: HealthFile, figure: HealthFigure) -> Limit:
    told, usual = getattr(shape, figure.value), DEFAULT_LIMITS[figure]
    return Limit(
        warn=usual.warn if told.warn is None else told.warn,
        bad=usual.bad if told.bad is None else told.bad,
    )
