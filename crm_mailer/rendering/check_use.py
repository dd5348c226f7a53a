"""How campaigns use templates: what a template may name depends on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crm_mailer.model.benefit import Benefit, OnEmpty
from crm_mailer.model.campaign import Campaign, OrderAnchor, Step, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateUse:
    """How campaigns use a template; `vars` None accepts any value."""

    stream: Stream
    has_order: bool
    languages: tuple[str, ...] = ()
    vars: Mapping[str, Any] | None = None
    #: What one of its mails gives, and whether each of them surely gives something.
    benefit: Benefit | None = None
    always_gives: bool = False


def uses(
    campaigns: Iterable[Campaign], lacking: Collection[tuple[str, str]] = ()
) -> dict[str, TemplateUse]:
    """How campaigns use templates. One that several use must suit all of them.

    Missing languages are told at the campaign's step, so none is asked for here.

    Args:
        campaigns: all of them.
        lacking: campaign and template where values are missing, which is told at the campaign: its
            values say nothing of the template.
    """
    found: dict[str, TemplateUse] = {}
    for campaign in campaigns:
        has_order = isinstance(campaign.anchor, OrderAnchor)
        for step, template in mails(campaign):
            vars = None if (campaign.id, template) in lacking else campaign.vars
            before = found.get(template)
            is_marketing = campaign.stream is Stream.MARKETING or (
                before is not None and before.stream is Stream.MARKETING
            )
            found[template] = TemplateUse(
                stream=Stream.MARKETING if is_marketing else Stream.TRANSACTIONAL,
                has_order=has_order and (before is None or before.has_order),
                vars=_shared(vars, before.vars if before else None),
                benefit=step.benefit or (before.benefit if before else None),
                always_gives=gives_always(step.benefit) and (before is None or before.always_gives),
            )
    return found


def mails(campaign: Campaign) -> Iterator[tuple[Step, str]]:
    """Each step with its template, and with those of the arms of its test."""
    for step in campaign.steps:
        yield step, step.template
        for arm in step.trial.arms if step.trial is not None else ():
            if arm.template:
                yield step, arm.template


def gives_always(benefit: Benefit | None) -> bool:
    """Whether no mail leaves without it."""
    return benefit is not None and benefit.on_empty is OnEmpty.SKIP


def _shared(
    vars: Mapping[str, Any] | None, before: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Of two campaigns' values, those that both have; None where no campaign's are known."""
    if vars is None:
        return before
    return {k: v for k, v in vars.items() if before is None or k in before}
