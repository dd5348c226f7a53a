"""The words of a campaign's kept text: its values, and its steps with their subjects and tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from crm_mailer.definitions.campaign_shape import CampaignFile, StepShape
from crm_mailer.definitions.files import parse_yaml, validate
from crm_mailer.model.campaign import Step
from crm_mailer.model.chance import Arm, Trial
from crm_mailer.model.errors import DefinitionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a campaign's file says in words: its values, and its steps with their subjects."""

    vars: dict[str, Any]
    steps: tuple[Step, ...]


@lru_cache(maxsize=64)
def read_words(text: str) -> Words | None:
    """The words of a campaign's text; None where it is none that this program can read."""
    try:
        node = parse_yaml(text, "")
        shape = validate(node, CampaignFile)
    except DefinitionError:
        return None
    written = node.get("vars")
    return Words(
        vars=written.value() or {} if written is not None else {},
        steps=tuple(_step(step, number) for number, step in enumerate(shape.steps, start=1)),
    )


def _step(shape: StepShape, number: int) -> Step:
    arms = () if shape.test is None else tuple(
        Arm(id=arm.id, template=arm.template or "", subject=dict(arm.subject), share=arm.share)
        for arm in shape.test.arms
    )  # fmt: skip
    return Step(
        id=shape.id or f"step-{number}",
        template=shape.template,
        offset=timedelta(0),
        subject=dict(shape.subject),
        trial=Trial(arms=arms) if arms else None,
    )
