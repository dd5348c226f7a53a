"""Subjects that a campaign's file writes itself: fields that there are not, and what fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from jinja2 import TemplateSyntaxError, nodes

from crm_mailer.definitions.files import Node, Place
from crm_mailer.definitions.problems import Problem
from crm_mailer.definitions.tree import Key
from crm_mailer.model.campaign import Campaign, OrderAnchor, Step
from crm_mailer.model.errors import RenderError
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import engine, field_check, samples
from crm_mailer.rendering.check_one import TRIAL_DAY, TRIAL_SHOP
from crm_mailer.rendering.check_use import gives_always
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.context import SUBJECT
from crm_mailer.rendering.library import TemplateLibrary

#: With none of them a subject is mere words.
MARKS = ("{{", "{%", "{#")


def check_subjects(campaign: Campaign, file: Node) -> Iterator[Problem]:
    """What is wrong with the subjects of the steps and of their tests' arms.

    Args:
        campaign: as it was read.
        file: its file.
    """
    composer = Composer(TemplateLibrary(Path()), TRIAL_SHOP, KeyRing({1: b"trial"}, 1))
    for place, step in enumerate(campaign.steps):
        above: list[Key] = ["steps", place]
        yield from _of_step(composer, campaign, step, file, above)
        for number, arm in enumerate(step.trial.arms if step.trial is not None else ()):
            own = replace(step, subject=arm.subject)
            yield from _of_step(composer, campaign, own, file, [*above, "test", "arms", number])


def _of_step(
    composer: Composer, campaign: Campaign, step: Step, file: Node, above: list[Key]
) -> Iterator[Problem]:
    for code, text in step.subject.items():
        node = file.get(*above, "subject", code)
        if node is None or not any(mark in text for mark in MARKS):
            continue
        found = list(_as_written(node, campaign))
        yield from found
        if not found:
            yield from _tried(composer, campaign, step, code, node)


def _as_written(node: Node, campaign: Campaign) -> Iterator[Problem]:
    """What can be seen without a reader."""
    try:
        tree = engine.TEXT.parse(node.text)
        findings = field_check.look(
            tree, has_order=isinstance(campaign.anchor, OrderAnchor), vars=campaign.vars
        )
        reasons = engine.refused(tree)
    except TemplateSyntaxError as error:
        yield node.problem("CRM210", f"Jinja: {error.message}")
        return
    except RecursionError:
        yield node.problem("CRM210", "Jinja: it is nested too deep")
        return
    for _line, reason in reasons:
        yield node.problem("CRM212", reason)
    for one in findings.unknown:
        place = _place(node, one.name, one.part)
        message = f"there is no field `{one.name}`"
        yield node.source.problem(place, "CRM214", message, help=one.help)
    if any(one.name == SUBJECT for one in tree.find_all(nodes.Name)):
        message = "a subject cannot show itself: `subject` is known to the mail's body alone"
        yield node.source.problem(_place(node, SUBJECT, SUBJECT), "CRM214", message)


def _tried(
    composer: Composer, campaign: Campaign, step: Step, code: str, node: Node
) -> Iterator[Problem]:
    """What fails for a full, a bare or a hostile customer: the first of it."""
    for make in (samples.sample_customer, samples.minimal_customer, samples.hostile_customer):
        is_full = make is samples.sample_customer
        customer = make(code)
        order = samples.sample_order(customer, TRIAL_DAY)
        has_benefit = step.benefit is not None and (is_full or gives_always(step.benefit))
        occasion = Occasion(
            touch_id=0,
            customer=customer,
            order=(
                (order if is_full else samples.minimal_order(order))
                if isinstance(campaign.anchor, OrderAnchor)
                else None
            ),
            stream=campaign.stream,
            template=step.template,
            campaign=campaign,
            step=step,
            benefit=(
                samples.sample_benefit(step.benefit, TRIAL_DAY)
                if step.benefit is not None and has_benefit
                else None
            ),
        )
        try:
            composer.own_subject(occasion, code, TRIAL_DAY)
        except RenderError as error:
            yield node.problem("CRM240", str(error))
            return


def _place(node: Node, name: str, part: str) -> Place:
    """Where the last part of a field's name stands in the file; else where the text begins."""
    first, start = node.place, node.place.column - 1
    text = " ".join(node.text.split())
    for number, line in enumerate(node.source.lines[first.line - 1 :], start=first.line):
        if number > first.line and " ".join(line.strip(" \t'\"").split()) not in text:
            break  # the text has ended, or is written with escapes
        at = line.find(name, start)
        if at >= 0:
            return Place(number, at + name.rindex(part) + 1, len(part))
        start = 0
    return first
