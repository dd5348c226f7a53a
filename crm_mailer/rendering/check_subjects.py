"""Texts that a campaign's file writes itself: unknown fields, what fails, what nobody reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from babel import Locale
from jinja2 import TemplateSyntaxError, nodes

from crm_mailer.definitions.files import Node, Place
from crm_mailer.definitions.problems import Problem, Severity, did_you_mean
from crm_mailer.definitions.tree import Key
from crm_mailer.model import language
from crm_mailer.model.campaign import Campaign, OrderAnchor, Step
from crm_mailer.model.errors import RenderError
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering import borrowed, check_placeholders, engine, field_check, samples
from crm_mailer.rendering.check_one import TRIAL_DAY, TRIAL_SHOP
from crm_mailer.rendering.check_use import gives_always
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.context import SUBJECT
from crm_mailer.rendering.library import TemplateLibrary

#: A link that acts; a headline may well begin with "Data: ".
SCRIPTS = re.compile(r"\s*(?:(?:javascript|vbscript):(?=\S)|data:(?=[a-z]+/))", re.IGNORECASE)
#: With none of them a subject is mere words.
MARKS = ("{{", "{%", "{#")


def has_texts(campaign: Campaign) -> bool:
    """Whether its file writes texts that there is something to say about."""
    return any(step.subject or step.trial for step in campaign.steps) or _is_odd(campaign.vars)


def check_subjects(
    campaign: Campaign, file: Node, templates: Mapping[str, Collection[str]]
) -> Iterator[Problem]:
    """What is wrong with the subjects of the steps and of their tests' arms, and with `vars`.

    Args:
        campaign: as it was read.
        file: its file.
        templates: each template ("stage/name") with its languages.
    """
    composer = Composer(TemplateLibrary(Path()), TRIAL_SHOP, KeyRing({1: b"trial"}, 1))
    for place, step in enumerate(campaign.steps):
        above: list[Key] = ["steps", place]
        for own, path in _mails(step, above):
            yield from _unread(own, file, path, templates.get(own.template, ()))
            yield from _of_step(composer, campaign, own, file, path)
    written = file.get("vars")
    if written is not None and _is_odd(campaign.vars):
        yield from _of_vars(written)


def _mails(step: Step, above: list[Key]) -> Iterator[tuple[Step, list[Key]]]:
    """The step with its own subjects, and with those of each arm of its test."""
    yield step, above
    for number, arm in enumerate(step.trial.arms if step.trial is not None else ()):
        template = arm.template or step.template
        yield (
            replace(step, template=template, subject=arm.subject),
            [*above, "test", "arms", number],
        )


def _unread(step: Step, file: Node, above: list[Key], known: Collection[str]) -> Iterator[Problem]:
    """Subjects in languages that the template has not: a mail is in one of the template's."""
    for code in step.subject if known else ():
        if code in known:
            continue
        is_language = language.base(code) in _languages()
        near = next((one for one in known if not language.is_other(one, code)), None)
        yield file.problem(
            "CRM138",
            Sentence("`{template}` is not written in `{code}`: nobody gets this subject",
                     template=step.template, code=code) if is_language
            else Sentence("there is no language `{code}`: nobody gets this subject", code=code),
            *above,
            "subject",
            code,
            help=Sentence("write it under `{near}`, as the template's file does", near=near) if near
            else did_you_mean(code, known),
            severity=Severity.WARNING,
            key=True,
        )  # fmt: skip


@cache
def _languages() -> frozenset[str]:
    """The codes of all languages that have a name."""
    return frozenset(Locale("en").languages)


def _is_odd(value: Any) -> bool:
    """Whether a value of `vars` holds, at any depth, a placeholder or a link that is a script."""
    if isinstance(value, Mapping):
        return any(_is_odd(one) for one in value.values())
    if isinstance(value, list | tuple):
        return any(_is_odd(one) for one in value)
    if not isinstance(value, str):
        return False
    return SCRIPTS.match(value) is not None or any(check_placeholders.find(value))


def _of_vars(node: Node) -> Iterator[Problem]:
    for one in (*node.entries.values(), *node.items):
        yield from _of_vars(one)
    if node.kind == "text":
        yield from _placeholders(node, check_placeholders.find(node.text))
        script = SCRIPTS.match(node.text)
        if script is not None:
            message = Sentence("a link may not begin with `{begin}`", begin=script[0].strip())
            yield node.problem("CRM232", message, help="link to a page: https://...")


def _placeholders(node: Node, found: Iterator[check_placeholders.Placeholder]) -> Iterator[Problem]:
    for one in found:
        place = _place(node, one.text, one.text)
        yield node.source.problem(
            place, check_placeholders.CODE, one.message, help=one.help, severity=Severity.WARNING
        )


def _of_step(
    composer: Composer, campaign: Campaign, step: Step, file: Node, above: list[Key]
) -> Iterator[Problem]:
    for code, text in step.subject.items():
        node = file.get(*above, "subject", code)
        if node is None:
            continue
        yield from _placeholders(node, check_placeholders.find_in_words(text))
        if not any(mark in text for mark in MARKS):
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
        yield node.problem("CRM210", borrowed.syntax(error))
        return
    except RecursionError:
        yield node.problem("CRM210", "Jinja: it is nested too deep")
        return
    for _line, reason in reasons:
        yield node.problem("CRM212", reason)
    for one in findings.unknown:
        place = _place(node, one.name, one.part)
        message = Sentence("there is no field `{name}`", name=one.name)
        yield node.source.problem(place, "CRM214", message, help=one.help)
    if any(one.name == SUBJECT for one in tree.find_all(nodes.Name)):
        yield node.source.problem(
            _place(node, SUBJECT, SUBJECT),
            "CRM214",
            "a subject cannot show itself: `subject` is known to the mail's body alone",
        )


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
