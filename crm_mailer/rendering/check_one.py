"""Everything that can be wrong with one template: as it is written, made into a mail, and seen."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import nodes

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.benefit import Given
from crm_mailer.model.campaign import Campaign, DateAnchor, Kind, Mode, Step, Stream
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.shop import Shop
from crm_mailer.rendering import (
    check_clients,
    check_contrast,
    check_inbox,
    check_links,
    check_placeholders,
    check_words,
    field_check,
    language_check,
    markup,
    mjml_lint,
    replies,
    samples,
)
from crm_mailer.rendering.check_page import Page
from crm_mailer.rendering.check_use import TemplateUse
from crm_mailer.rendering.compose import Composer, Occasion
from crm_mailer.rendering.context import ShopFields
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.library import jinja_tree, problem_at_line
from crm_mailer.rendering.markup import Draft
from crm_mailer.rendering.sources import Source

#: Gmail cuts a mail off at about 102 kB.
MAX_HTML_BYTES = 100_000
TOO_DEEP = "CRM204"
TRIAL_DAY = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
TRIAL_SHOP = Shop(
    name="Sample Shop",
    url="https://shop.example.com",
    postal_address="1 Sample Street, Hangzhou, China",
    sender="news@shop.example.com",
    orders_sender="orders@shop.example.com",
    reply_to="care@shop.example.com",
    static_url="https://static.example.com",
    logo_url="https://static.example.com/logo.png",
    agent="Lin",
    phone="+86 571 0000",
)


def look(
    name: str, code: str, source: Source, path: Path, use: TemplateUse | None
) -> tuple[list[Problem], Draft | None]:
    """Faults that can be seen without compiling."""
    try:
        draft = markup.draft_of(name, code, source)
    except TemplateFault as fault:
        return [fault.problem], None
    tree, broken = jinja_tree(draft)
    markup_faults = mjml_lint.lint(draft.source, draft.masked)
    if any(one.code == TOO_DEEP for one in markup_faults):
        # a hundred tags in each other are one mistake
        return [one for one in markup_faults if one.code == TOO_DEEP], draft
    found = [*markup_faults, *broken]
    if tree is not None:
        found += _field_problems(draft, tree, use)
    found += language_check.look(draft, path)
    found += check_placeholders.look(draft)
    found += check_inbox.language_problems(draft)
    found += check_clients.look(draft)
    return found, draft


def _field_problems(draft: Draft, tree: nodes.Template, use: TemplateUse | None) -> list[Problem]:
    findings = field_check.look(
        tree, has_order=use is None or use.has_order, vars=use.vars if use else None
    )
    ruled = draft.ruled
    found = []
    for one in findings.unknown:
        problem = problem_at_line(
            draft,
            ruled,
            one.line,
            "CRM214",
            Sentence("there is no field `{name}`", name=one.name),
            one.part,
            one.help,
        )
        found.append(problem)
    if use and use.stream is Stream.MARKETING:
        found += _marketing_problems(draft, findings.used)
    return found


def _marketing_problems(draft: Draft, used: set[str]) -> list[Problem]:
    found = []
    if "unsubscribe_url" not in used:
        found.append(
            draft.source.problem(
                "CRM234",
                "a marketing mail must have a link to unsubscribe",
                0,
                help='<a href="{{ unsubscribe_url }}">, or include layout/footer.<language>.mjml',
            )
        )
    if "shop.postal_address" not in used:
        found.append(
            draft.source.problem(
                "CRM235",
                "a marketing mail must show the shop's postal address",
                0,
                help="{{ shop.postal_address }}, or include layout/footer.<language>.mjml",
            )
        )
    return found


def try_it(composer: Composer, draft: Draft, use: TemplateUse) -> tuple[str, list[Problem]]:
    """Make the mail for a full, a bare and a hostile customer: the first one's subject, faults."""
    code, size, subject = draft.language, 0, ""
    for make in (samples.sample_customer, samples.minimal_customer, samples.hostile_customer):
        customer = make(code)
        order = samples.sample_order(customer, TRIAL_DAY)
        if make is not samples.sample_customer:
            order = samples.minimal_order(order)
        shown = composer.show(
            Occasion(
                touch_id=0,
                customer=customer,
                order=order if use.has_order else None,
                stream=use.stream,
                template=draft.name,
                campaign=_trial_campaign(draft.name, use),
                benefit=_trial_benefit(use, is_full=make is samples.sample_customer),
            ),
            TRIAL_DAY,
        )
        size, subject = max(size, len(shown.html.encode())), subject or shown.subject
    if size <= MAX_HTML_BYTES:
        return subject, []
    return subject, [
        draft.source.problem(
            "CRM236",
            Sentence("the mail has {size} kB; Gmail cuts off at 102 kB", size=size // 1000),
            0,
            severity=Severity.WARNING,
        )
    ]


def alone(used: Collection[str]) -> TemplateUse | None:
    """How a template that no campaign uses is tried; None where it needs what a campaign gives."""
    if any(one.partition(".")[0] in ("vars", "benefit") for one in used):
        return None
    return TemplateUse(stream=Stream.TRANSACTIONAL, has_order=True, vars={})


def _trial_benefit(use: TemplateUse, *, is_full: bool) -> Given | None:
    """A mail may have to do without what another one gives."""
    if use.benefit is None or not (is_full or use.always_gives):
        return None
    return samples.sample_benefit(use.benefit, TRIAL_DAY)


def _trial_campaign(template: str, use: TemplateUse) -> Campaign:
    return Campaign(
        id="trial",
        name="trial",
        kind=Kind.EDM,
        stream=use.stream,
        mode=Mode.DRAFT,
        anchor=DateAnchor(day=TRIAL_DAY.date()),
        steps=(Step(id="trial", template=template, offset=timedelta(0), benefit=use.benefit),),
        vars=dict(use.vars or {}),
        version=template,
    )


def seen(
    draft: Draft, masked_html: str, subject: str, use: TemplateUse | None, shop: ShopFields
) -> Iterator[Problem]:
    """How the mail looks and what it says; of a canned reply only the text is ever used."""
    if draft.name.startswith(replies.FOLDER):
        return
    page = Page(draft, masked_html, shop)
    yield from check_links.look(page)
    yield from check_contrast.look(page)
    is_marketing = use.stream is Stream.MARKETING if use else None
    yield from check_inbox.look(page, subject)
    yield from check_words.look(page, subject, is_marketing=is_marketing)
